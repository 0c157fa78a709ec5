"""Requests about the import and the export of people, and about the jobs that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.people.import_export.export import ExportFacts, HubPeople, begin_export
from hub.services.people.import_export.imports import ImportPreview, PreviewRow
from hub.store.jobs.jobs import Job
from hub.store.people.people import PersonPage
from hub.store.people.person_rows import Person

if TYPE_CHECKING:
    from hub.services import Services

#: Of a dry run.
_MAX_REFUSED = 1_000
_MAX_PHOTO_BYTES = 8 * 1024 * 1024


class ShownPreview(Struct, frozen=True):
    """What an import would do, and the rows that it would refuse."""

    preview: ImportPreview
    refused: tuple[PreviewRow, ...]


class PreviewImport(ControlRequest[ShownPreview], frozen=True, tag="person.preview"):
    """Say what an import of staged files would do. The files are removed."""

    staged: tuple[str, ...]

    async def perform(self, services: Services) -> ShownPreview:
        imports = services.people.imports
        preview = await imports.stage(await imports.take_staged(self.staged))
        refused = await imports.rows(preview.id, limit=_MAX_REFUSED, actions=["refuse"])
        await imports.drop(preview.id)
        return ShownPreview(preview, refused)


class ImportPeople(ControlRequest[Job], frozen=True, tag="person.import"):
    """Begin to import staged files; return the job. Without a running hub it is done then."""

    staged: tuple[str, ...]

    async def perform(self, services: Services) -> Job:
        imports, jobs = services.people.imports, services.jobs
        preview = await imports.stage(await imports.take_staged(self.staged))
        if jobs.is_running:
            return await imports.start(preview.id, COMMAND_LINE)
        async with trio.open_nursery() as nursery:
            await nursery.start(jobs.run)
            job = await imports.start(preview.id, COMMAND_LINE)
            job = await jobs.wait(job.id)
            nursery.cancel_scope.cancel()
        return job


class ReadJob(ControlRequest[Job], frozen=True, tag="job.show"):
    """Read an import, or another job that a task carries out."""

    id: int

    async def perform(self, services: Services) -> Job:
        job = await services.jobs.get(self.id)
        if job.state == "running" and not services.jobs.is_running:
            # The hub ended meanwhile: its next start will find the same.
            return replace(job, state="interrupted")
        return job


class RefusedRows(Struct, frozen=True):
    """A part of the CSV file of refused rows. `next`: the `after` of the next part."""

    text: str
    next: int | None


class ReadRefused(ControlRequest[RefusedRows], frozen=True, tag="person.refused"):
    """Read the refused rows of an import, after this position, as CSV."""

    id: int
    after: int

    async def perform(self, services: Services) -> RefusedRows:
        if self.after < 0:
            await services.people.imports.note_refused_shown(self.id, COMMAND_LINE)
        text, last = await services.people.imports.refused_part(self.id, self.after)
        return RefusedRows(text.decode(), last)


class BeginPeopleExport(ControlRequest[ExportFacts], frozen=True, tag="person.export"):
    """Note an export in the audit log, and say what it needs."""

    async def perform(self, services: Services) -> ExportFacts:
        return await begin_export(services, COMMAND_LINE)


class PeopleWithPhotos(Struct, frozen=True):
    """People of an export, and their photos by pid as far as they were asked for."""

    items: tuple[Person, ...]
    next: str | None
    photos: dict[str, bytes]


class ReadPeople(ControlRequest[PeopleWithPhotos], frozen=True, tag="person.read"):
    """Read the next people of an export."""

    after: str | None
    with_photos: bool

    async def perform(self, services: Services) -> PeopleWithPhotos:
        source = HubPeople(services.people.register)
        page = await source.page(self.after, with_photos=self.with_photos)
        photos: dict[str, bytes] = {}
        if self.with_photos:
            page = await _with_photos(source, page, photos)
        return PeopleWithPhotos(page.items, page.next, photos)


async def _with_photos(source: HubPeople, page: PersonPage, photos: dict[str, bytes]) -> PersonPage:
    """Read the photos of a page, and return as much of it as is not too long."""
    size = 0
    for number, person in enumerate(page.items, 1):
        if person.has_photo and (jpeg := await source.photo(person.pid)):
            photos[person.pid] = jpeg
            size += len(jpeg)
        if size > _MAX_PHOTO_BYTES and number < len(page.items):
            return PersonPage(page.items[:number], person.pid)
    return page
