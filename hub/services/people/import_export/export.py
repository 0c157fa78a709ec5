"""The register as a ZIP that an import reads: people.csv and the photos, made while it is sent."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import trio
from msgspec import Struct

from hub.errors import NoSuchResource
from hub.services.audit import Actor
from hub.services.people.import_export.columns import FIELDS, column_name, written_cells
from hub.services.people.register import PeopleRegister
from hub.services.streamed_zip import StreamedZip
from hub.store.people.people import PersonPage
from hub.store.people.person_rows import Person
from hub.wire.code_tables import Language

if TYPE_CHECKING:
    from hub.services import Services

FOLDER = "sitehub-people"
_PAGE = 100
_PART_BYTES = 32 * 1024


class ExportSource(Protocol):
    """Where the people of an export come from."""

    async def page(self, after: str | None, *, with_photos: bool) -> PersonPage:
        """Return the people that follow. `with_photos`: theirs are asked for before the next."""

    async def photo(self, pid: str) -> bytes | None:
        """Return the photo of somebody of the last page; None if it is gone."""


class ExportFacts(Struct, frozen=True):
    """What an export needs beside the people. `groups`: id -> name. `now`: UNIX seconds."""

    groups: Mapping[int, str]
    zone: str
    now: float


class HubPeople:
    """The people of this hub."""

    def __init__(self, people: PeopleRegister) -> None:
        self._people = people

    async def page(self, after: str | None, *, with_photos: bool) -> PersonPage:
        return await self._people.page(after=after, limit=_PAGE)

    async def photo(self, pid: str) -> bytes | None:
        try:
            return await self._people.photo(pid)
        except NoSuchResource:
            return None


async def begin_export(services: Services, by: Actor) -> ExportFacts:
    """Note in the audit log who gets everybody's numbers; return what the export needs."""
    await services.core.audit.require(
        by, "person.export", str(await services.people.register.count())
    )
    groups = {group.id: group.name for group in services.people.groups.list()}
    return ExportFacts(groups, services.core.site.zone_name(), services.core.clock.likely_time())


async def export_people(
    source: ExportSource, facts: ExportFacts, language: Language
) -> AsyncGenerator[bytes, None]:
    """Yield the ZIP in parts of about 32 to 230 KB; personal numbers are in full.

    Raises what the source raises.
    """
    made = b""
    async for part in _Export(source, facts, language).parts():
        made += part
        if len(made) >= _PART_BYTES:
            yield made
            made = b""
        # Neither compressing nor sending a small part gives others a turn.
        await trio.lowlevel.checkpoint()
    yield made


class _Export:
    def __init__(self, source: ExportSource, facts: ExportFacts, language: Language) -> None:
        self._source = source
        self._groups = facts.groups
        self._zone = ZoneInfo(facts.zone)
        self._at = datetime.fromtimestamp(facts.now, self._zone)
        self._language = language
        self._archive = StreamedZip(FOLDER)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        with self._archive.open("people.csv", self._at) as file:
            # Spreadsheets know by this mark that it is UTF-8.
            yield file.write(b"\xef\xbb\xbf" + _lines([self._header()]))
            async for page in self._pages(with_photos=False):
                yield file.write(_lines([self._cells(person) for person in page]))
        yield file.rest
        async for page in self._pages(with_photos=True):
            for person in page:
                if person.has_photo and (jpeg := await self._source.photo(person.pid)):
                    yield self._archive.add(f"photos/{_photo_name(person)}", jpeg, self._at)
        yield self._archive.end(self._at)

    async def _pages(self, *, with_photos: bool) -> AsyncIterator[Sequence[Person]]:
        after: str | None = None
        while True:
            page = await self._source.page(after, with_photos=with_photos)
            yield page.items
            if (after := page.next) is None:
                return

    def _header(self) -> list[str]:
        return [column_name(field, self._language) for field in FIELDS]

    def _cells(self, person: Person) -> list[str]:
        photo = _photo_name(person) if person.has_photo else ""
        return written_cells(person, self._groups, self._zone, self._language, photo)


def _photo_name(person: Person) -> str:
    return f"{person.pid}.jpg"


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
