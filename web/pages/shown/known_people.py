"""Records with what the register says of the people whom cameras named (1.10, 1.16, chapter 二)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from hub.errors import CannotStoreNow, TooManyRequests
from hub.services.people.register import PeopleRegister
from hub.services.records.repeat_groups import RepeatGroup
from hub.store.people.person_rows import PersonName
from hub.store.tables.users import User
from hub.wire.commands.answers import Recognised
from hub.wire.person_numbers import canonical_pid
from hub.wire.uploads.records import Record
from web import auth
from web.pages.shown.record_cards import (
    NOBODY,
    KnownAs,
    ListBadge,
    RecordCard,
    differing,
    list_badge,
    make_card,
    make_group_card,
    named_pid,
    person_name,
)


class RecognisedView(Struct, frozen=True):
    """`name`: what the camera calls the person; "" if it names nobody. `pid`: of the person of the
    register; "" if it has none.
    """

    name: str
    pid: str
    badge: ListBadge | None
    known_as: KnownAs | None


async def known_people(
    register: PeopleRegister, records: Iterable[Record], me: User
) -> Mapping[str, PersonName]:
    """The people of the register whom these records name, by pid. One query at most.

    Nobody for viewers, who do not see the register: what cameras report, they see.
    """
    if not auth.reaches(me, "guard"):
        return NOBODY
    return await people_named(register, map(named_pid, records))


async def people_named(register: PeopleRegister, uuids: Iterable[str]) -> Mapping[str, PersonName]:
    """The people of the register whom cameras mean by these, by pid. One query at most."""
    named = {pid for uuid in uuids if (pid := canonical_pid(uuid))}
    return await register.names(named) if named else NOBODY


async def recognised_people(
    register: PeopleRegister, rows: Iterable[Recognised]
) -> Mapping[str, PersonName]:
    """The people of the register whom rows of 1.10, 1.11 or 1.16 name, by pid.

    Nobody if the register cannot be read now: what a camera has answered is shown all the same.
    """
    with suppress(CannotStoreNow, TooManyRequests):
        return await people_named(register, (row.person for row in rows))
    return NOBODY


def make_recognised(row: Recognised, people: Mapping[str, PersonName]) -> RecognisedView:
    """Whom a camera takes a person for, and what the register says."""
    return recognised_view(row.name, row.person, row.category, people)


def recognised_view(
    name: str | None, person: str, category: int | None, people: Mapping[str, PersonName]
) -> RecognisedView:
    """`person`: the number by which the camera names the person, "" if by none."""
    pid = canonical_pid(person) or ""
    return RecognisedView(
        name=person_name(name, person) if name or pid else "",
        pid=pid if pid in people else "",
        badge=list_badge(category),
        known_as=differing(people.get(pid), name, category),
    )


async def make_cards(records: Sequence[Record]) -> list[RecordCard]:
    """The cards of records, with what the register says."""
    people = await known_people(auth.services().people.register, records, auth.user())
    return [make_card(record, people) for record in records]


async def make_group_cards(groups: Sequence[RepeatGroup]) -> list[RecordCard]:
    """The cards of groups of repeats, with what the register says."""
    leads = [group.lead for group in groups]
    people = await known_people(auth.services().people.register, leads, auth.user())
    return [make_group_card(group, people) for group in groups]
