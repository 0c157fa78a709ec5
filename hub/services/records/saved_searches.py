"""Saved searches: questions to the record log under a name, for everybody of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.errors import BadParameter, NotAllowed
from hub.services.access.rights import includes
from hub.services.audit import Actor
from hub.store.tables.saved_searches import NewSearch, SavedSearch
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.services.core import Core

MAX_NAME_LENGTH = 80
MAX_QUERY_LENGTH = 6_000


class SavedSearches:
    """Everybody sees them; who saved one, and administrators, rename and remove it.

    The audit log names them by their number, because their names may be those of people.
    """

    def __init__(self, core: Core) -> None:
        self._searches = core.store.saved_searches
        self._audit = core.audit
        self._now = core.now

    def list(self) -> tuple[SavedSearch, ...]:
        """Return the searches by name."""
        return tuple(sorted(self._searches.all(), key=lambda one: (one.name.casefold(), one.id)))

    def get(self, id: int) -> SavedSearch:
        """Return a search. Raises NoSuchResource."""
        return self._searches.get(id)

    async def add(self, name: str, query: str, *, by: Actor) -> SavedSearch:
        """Save a question, as a query string of the page of search.

        Raises BadParameter (`searches` if there are too many), AlreadyExists for its name.
        """
        if not 0 < len(query) <= MAX_QUERY_LENGTH:
            raise BadParameter(f"1 to {MAX_QUERY_LENGTH} characters are expected", field="query")
        saved = await self._searches.add(
            NewSearch(
                name=_checked_name(name),
                query=query,
                created_by=by.who,
                created_at=int(self._now() * 1000),
            )
        )
        await self._audit.add(by, "search.save", str(saved.id))
        return saved

    async def rename(self, id: int, name: str, *, user: User, by: Actor) -> SavedSearch:
        """Give a search another name.

        Raises NoSuchResource, NotAllowed, BadParameter, AlreadyExists.
        """
        _refuse_others(user, self.get(id))
        saved = await self._searches.rename(id, _checked_name(name))
        await self._audit.add(by, "search.rename", str(id))
        return saved

    async def remove(self, id: int, *, user: User, by: Actor) -> None:
        """Remove a search. Raises NoSuchResource, NotAllowed."""
        _refuse_others(user, self.get(id))
        await self._searches.remove(id)
        await self._audit.add(by, "search.remove", str(id))


def may_change(user: User, saved: SavedSearch) -> bool:
    """Whether a user may rename or remove a search."""
    made_it = saved.created_by == f"user {user.name}"
    return includes(user.role, "admin") or (made_it and includes(user.role, "guard"))


def _refuse_others(user: User, saved: SavedSearch) -> None:
    if not may_change(user, saved):
        raise NotAllowed("only the guard who saved this search, or an administrator, may do that")


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} characters are expected", field="name")
    return name
