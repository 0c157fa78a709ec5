"""Requests about people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import UNSET, Struct
from msgspec.structs import replace

from hub.errors import BadParameter, NoSuchResource
from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.people.register import (
    Person,
    PersonChange,
    PersonFilter,
    SyncState,
)
from hub.store.people.people import PersonPage

if TYPE_CHECKING:
    from hub.services import Services

_PAGE = 1000


class ShownPerson(Struct, frozen=True):
    """A person and the names of its groups."""

    person: Person
    groups: tuple[str, ...]


class ListPeople(ControlRequest[PersonPage], frozen=True, tag="person.list"):
    """Read the next people of a list. `group`: an id or a name.

    The personal numbers are asked for as well if they are to be shown.
    """

    q: str
    category: int | None
    group: str | None
    state: SyncState | None
    after: str | None
    with_numbers: bool
    result: ClassVar[Any] = PersonPage

    async def perform(self, services: Services) -> PersonPage:
        matching = PersonFilter(
            q=self.q,
            sees_numbers=True,
            category=self.category,
            group=None if self.group is None else _group_id(services, self.group),
            state=self.state,
        )
        page = await services.people.register.page(matching, after=self.after, limit=_PAGE)
        if self.with_numbers:
            await services.people.register.note_numbers_shown(page.items, COMMAND_LINE)
        return page


class ShowPerson(ControlRequest[ShownPerson], frozen=True, tag="person.show"):
    """Read a person, with personal numbers in full."""

    pid: str
    result: ClassVar[Any] = ShownPerson

    async def perform(self, services: Services) -> ShownPerson:
        person = await services.people.register.get(self.pid)
        await services.people.register.note_numbers_shown([person], COMMAND_LINE)
        groups = (group for group in services.people.groups.list() if group.id in person.groups)
        return ShownPerson(person, tuple(group.name for group in groups))


class AddPerson(ControlRequest[str], frozen=True, tag="person.add"):
    """Add a person; return the pid. `groups`: ids or names."""

    pid: str | None
    change: PersonChange
    groups: tuple[str, ...]
    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        change = _with_groups(services, self.change, self.groups)
        return (await services.people.register.add(change, pid=self.pid, by=COMMAND_LINE)).pid


class SetPerson(ControlRequest[None], frozen=True, tag="person.set"):
    """Change a person. `groups`: ids or names; none leaves them as they are."""

    pid: str
    change: PersonChange
    groups: tuple[str, ...]

    async def perform(self, services: Services) -> None:
        change = _with_groups(services, self.change, self.groups)
        await services.people.register.change(self.pid, change, by=COMMAND_LINE)


def _group_id(services: Services, text: str) -> int:
    """Return the id of a group by its name, or else its id. Raises NoSuchResource."""
    groups = services.people.groups.list()
    for known in ([group.name for group in groups], [str(group.id) for group in groups]):
        if text in known:
            return groups[known.index(text)].id
    raise NoSuchResource(f"no group {text[:64]}")


def _with_groups(services: Services, change: PersonChange, groups: tuple[str, ...]) -> PersonChange:
    if not groups:
        return change
    if change.groups is not UNSET:
        raise BadParameter("groups are either given or cleared", field="groups")
    return replace(change, groups=tuple(_group_id(services, text) for text in groups))


#: Distinguished by their tags.
AnyPeopleRequest = ListPeople | ShowPerson | AddPerson | SetPerson
