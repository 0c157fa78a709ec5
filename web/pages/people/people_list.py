"""The list of people: searched as one types, filtered, and paged by key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from hub.store.people.groups import CameraGroup
from hub.store.people.people import PersonFilter, SyncState
from hub.wire import code_tables
from web import auth
from web.language import N_, gettext
from web.pages.choices import Choice
from web.pages.layout import make_url
from web.pages.people.rows import PersonRow, person_row
from web.pages.shown.record_cards import table_text

ROWS_PER_PAGE = 30
_MAX_WORD_LENGTH = 100
_PID = re.compile(r"[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)

STATES: dict[SyncState, str] = {
    "failed": N_("Refused by a camera"),
    "pending": N_("Not on every camera yet"),
    "done": N_("In sync"),
}


class SyncStateLink(Struct, frozen=True):
    """A link to the people in one state or all. `count` is None where it is not shown."""

    text: str
    count: int | None
    state: str
    url: str
    chosen: bool


class PeopleQuery(Struct, frozen=True):
    """The filters in the address, as text; only valid ones."""

    word: str
    category: str
    group: str
    state: str
    after: str

    @property
    def is_filtered(self) -> bool:
        return bool(self.word or self.category or self.group or self.state)

    @property
    def given(self) -> dict[str, str]:
        """What the address of this page of the list says."""
        values = {
            "q": self.word,
            "category": self.category,
            "group": self.group,
            "state": self.state,
            "after": self.after,
        }
        return {name: value for name, value in values.items() if value}

    def url(self, path: str = "/people", **changed: str) -> str:
        """The address of the list from its start, unless `changed` says another place."""
        return make_url(path, **{**self.given, "after": "", **changed})

    def here(self, path: str = "/people", **changed: str) -> str:
        """The address of this page of the list."""
        return self.url(path, after=self.after, **changed)

    def filter(self, *, sees_numbers: bool, state: str | None = None) -> PersonFilter:
        wanted = self.state if state is None else state
        return PersonFilter(
            q=self.word,
            sees_numbers=sees_numbers,
            category=int(self.category) if self.category else None,
            group=int(self.group) if self.group else None,
            state=wanted or None,  # type: ignore[arg-type]
        )


class PeopleList(Struct, frozen=True, kw_only=True):
    """One page of the list. `part` is its address; `first` and `next` are those of other pages."""

    query: PeopleQuery
    rows: list[PersonRow]
    found: int
    states: list[SyncStateLink]
    part: str
    first: str
    next: str


def read_query(sent: Mapping[str, str]) -> PeopleQuery:
    """`sent`: an address or a form."""
    category, group, state = sent.get("category", ""), sent.get("group", ""), sent.get("state", "")
    after = sent.get("after", "")
    return PeopleQuery(
        word=sent.get("q", "").strip()[:_MAX_WORD_LENGTH],
        category=category if category in ("1", "2", "3", "4") else "",
        group=group if _NUMBER.fullmatch(group) else "",
        state=state if state in STATES else "",
        after=after if _PID.fullmatch(after) else "",
    )


async def people_list(query: PeopleQuery, *, sees_numbers: bool) -> PeopleList:
    """The page of the list that `query` asks for, by the numbers of the people."""
    hub = auth.services()
    found = await hub.people.register.page(
        query.filter(sees_numbers=sees_numbers), after=query.after or None, limit=ROWS_PER_PAGE
    )
    groups = {group.id: group for group in hub.people.groups.list()}
    states = await _state_links(query, sees_numbers=sees_numbers)
    return PeopleList(
        query=query,
        rows=[person_row(person, groups) for person in found.items],
        found=next(link.count or 0 for link in states if link.chosen),
        states=states,
        part=query.here("/people/table"),
        first=query.url() if query.after else "",
        next=query.url(after=found.next) if found.next else "",
    )


async def _state_links(query: PeopleQuery, *, sees_numbers: bool) -> list[SyncStateLink]:
    """Links to the states. Only the chosen one and the failures are counted: it takes time."""
    people = auth.services().people.register
    links = []
    for state, text in (("", N_("All")), *STATES.items()):
        is_chosen = query.state == state
        count = (
            await people.count(query.filter(sees_numbers=sees_numbers, state=state))
            if is_chosen or state == "failed"
            else None
        )
        links.append(SyncStateLink(gettext(text), count, state, query.url(state=state), is_chosen))
    return links


def category_options() -> list[Choice]:
    """The lists that a person of the register can be on."""
    return [Choice(str(n), table_text(n, code_tables.category_name)) for n in range(1, 5)]


def group_options() -> tuple[CameraGroup, ...]:
    return auth.services().people.groups.list()
