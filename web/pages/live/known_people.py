"""Records with what the register says of the people whom cameras named (1.10, 1.16, chapter 二)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hub.services.people.register import People, PersonName
from hub.wire.uploads.records import Record
from web import auth
from web.pages.live.record_cards import NOBODY, RecordCard, make_card, named_pid


async def known_people(register: People, records: Iterable[Record]) -> Mapping[str, PersonName]:
    """The people of the register whom these records name, by pid. One query at most."""
    pids = {pid for record in records if (pid := named_pid(record))}
    return await register.names(pids) if pids else NOBODY


async def make_cards(records: Sequence[Record]) -> list[RecordCard]:
    """The cards of records, with what the register says."""
    people = await known_people(auth.services().people, records)
    return [make_card(record, people) for record in records]
