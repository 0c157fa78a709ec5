"""The register as a ZIP that an import reads: people.csv and the photos, made while it is sent."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime, tzinfo

import trio

from hub.errors import NoSuchResource
from hub.services.access.audit import Actor, Audit
from hub.services.people.groups import CameraGroups
from hub.services.people.import_export.columns import FIELDS, column_name, written_cells
from hub.services.people.register import People, Person
from hub.services.streamed_zip import Archive
from hub.wire.code_tables import Language

FOLDER = "sitehub-people"
_PAGE = 100
_PART_BYTES = 32 * 1024


async def export_people(
    people: People,
    groups: CameraGroups,
    audit: Audit,
    *,
    zone: tzinfo,
    now: float,
    language: Language,
    by: Actor,
) -> AsyncGenerator[bytes, None]:
    """Yield the ZIP in parts of about 32 to 230 KB; personal numbers are in full.

    Notes in the audit log who has it, before the first part. Raises CannotStoreNow.
    """
    await audit.add(by, "person.export", str(await people.count()))
    names = {group.id: group.name for group in groups.list()}
    export = _Export(people, names, zone, datetime.fromtimestamp(now, zone), language)
    made = b""
    async for part in export.parts():
        made += part
        if len(made) >= _PART_BYTES:
            yield made
            made = b""
        # Neither compressing nor sending a small part gives others a turn.
        await trio.lowlevel.checkpoint()
    yield made


class _Export:
    def __init__(
        self,
        people: People,
        groups: Mapping[int, str],
        zone: tzinfo,
        at: datetime,
        language: Language,
    ) -> None:
        self._people = people
        self._groups = groups
        self._zone = zone
        self._at = at
        self._language = language
        self._archive = Archive(FOLDER)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        with self._archive.open("people.csv", self._at) as file:
            # Spreadsheets know by this mark that it is UTF-8.
            yield file.write(b"\xef\xbb\xbf" + _lines([self._header()]))
            async for page in self._pages():
                yield file.write(_lines([self._cells(person) for person in page]))
        yield file.rest
        async for page in self._pages():
            for person in page:
                if person.has_photo:
                    yield await self._photo(person)
        yield self._archive.end(self._at)

    async def _pages(self) -> AsyncIterator[Sequence[Person]]:
        after: str | None = None
        while True:
            page = await self._people.page(after=after, limit=_PAGE)
            yield page.items
            if (after := page.next) is None:
                return

    def _header(self) -> list[str]:
        return [column_name(field, self._language) for field in FIELDS]

    def _cells(self, person: Person) -> list[str]:
        photo = _photo_name(person) if person.has_photo else ""
        return written_cells(person, self._groups, self._zone, self._language, photo)

    async def _photo(self, person: Person) -> bytes:
        try:
            jpeg = await self._people.photo(person.pid)
        except NoSuchResource:
            return b""  # it was removed meanwhile
        return self._archive.add(f"photos/{_photo_name(person)}", jpeg, self._at)


def _photo_name(person: Person) -> str:
    return f"{person.pid}.jpg"


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
