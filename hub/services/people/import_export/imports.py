"""Importing people: files are received, looked at without changing anything, then a job takes them.

imports/N.part           a file that is being received, or was, for an hour at most
imports/staged/NAME      a file that the command line put there for the hub to take
"""

from __future__ import annotations

import csv
import io
import logging
import secrets
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import closing, contextmanager, suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hub.decoders import json_decoder
from hub.durable_files import as_secret
from hub.errors import (
    BadParameter,
    CannotStoreNow,
    NoSuchResource,
    TooLarge,
    TooManyRequests,
    os_error_text,
)
from hub.services.audit import Actor
from hub.services.csv_cells import as_text, from_text
from hub.services.disk_space import DiskSpace
from hub.services.jobs.jobs import JobProgress, Jobs, decoded
from hub.services.people.groups import CameraGroups
from hub.services.people.import_export.columns import field_of
from hub.services.people.import_export.plan import (
    Action,
    PlannedRow,
    Planner,
    RowRefusal,
    count_names,
    refusal_of,
)
from hub.services.people.register import PeopleRegister
from hub.services.photos.person_photos import PersonPhotos
from hub.services.photos.photos import MAX_FILE_MB, BadPhoto
from hub.store.disk import DIRECTORY_MODE
from hub.store.jobs.jobs import Job
from hub.store.people.people import Expected, PersonPut, Stored
from hub.store.people.person_rows import MAX_PEOPLE, Person

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.services.people.import_export.photo_archive import PhotoArchive
    from hub.services.people.import_export.table_reader import PeopleTable, TableRow

log = logging.getLogger(__name__)

T = TypeVar("T")

FOLDER = "imports"
#: Both files of an import together, as they are received.
MAX_UPLOAD_BYTES = 2 * 1024**3 + 32 * 1024**2
_STAGED = "staged"
#: Imports that wait, and bytes of all of their files: what was looked at first goes first.
_MAX_STAGED = 8
MAX_STAGED_BYTES = 2 * MAX_UPLOAD_BYTES
#: Files that are received at a time.
MAX_RECEIVED = 4
_KEEP_SECONDS = 3600.0
#: Rows that are planned together: each plan scans the register.
_BATCH = 128
#: People that are written together: cameras wait for a write of many photos.
_WRITE = 16
_MAX_UNMATCHED = 50
_REFUSED_PART = 500


class ImportPreview(Struct, frozen=True, kw_only=True):
    """What an import would do. `id` names its files for an hour.

    `photos`: rows that have one. `unmatched`: photos in the ZIP that belong to no row, the first
    of `unmatched_count`. `unused`: columns of the CSV file that are not known. `has_csv`: without
    one, each photo is a row.
    """

    id: str
    rows: int
    adds: int
    changes: int
    refused: int
    photos: int
    unmatched: tuple[str, ...]
    unmatched_count: int
    unused: tuple[str, ...]
    columns: tuple[str, ...]
    has_csv: bool


class PreviewRow(Struct, frozen=True, omit_defaults=True):
    """What one row would do. `position`: of the row in the file, from 0; `line`: of its text."""

    position: int
    line: int
    action: Action
    pid: str = ""
    name: str = ""
    photo: str = ""
    refusal: RowRefusal | None = None


class ImportSubject(Struct, frozen=True):
    """What a job imports: the columns of the CSV file, and how many photos its ZIP has."""

    columns: tuple[str, ...]
    photos: int = 0


class RefusedRow(Struct, frozen=True):
    """The item of a refused row: its cells in the columns of the job's subject, and the reason."""

    line: int
    cells: tuple[str, ...]
    refusal: RowRefusal


class _Files(Struct, frozen=True):
    """The files of one import. `rows`: the planned rows as lines of JSON, for people."""

    preview: ImportPreview
    csv: Path | None
    zip: Path | None
    rows: Path
    staged_at: float
    bytes: int

    @property
    def paths(self) -> list[Path]:
        return [path for path in (self.csv, self.zip, self.rows) if path is not None]


class Imports:
    """Receives files of people, previews them, and imports them as jobs."""

    def __init__(
        self,
        core: Core,
        people: PeopleRegister,
        photos: PersonPhotos,
        groups: CameraGroups,
        jobs: Jobs,
        disk_space: DiskSpace,
    ) -> None:
        self._folder = core.data_dir / FOLDER
        self._people = people
        self._photos = photos
        self._groups = groups
        self._jobs = jobs
        self._site = core.site
        self._disk_space = disk_space
        self._audit = core.audit
        self._now = core.now
        self._threads = trio.CapacityLimiter(2)
        self._looking = trio.CapacityLimiter(1)
        self._starting = trio.Lock()
        #: Photos as they came, each of which may have MAX_FILE_MB.
        self._preparing = trio.CapacityLimiter(3)
        #: What can be imported now, by id, the oldest first.
        self._staged: dict[str, _Files] = {}
        #: The files that are being received, and how many bytes each may take.
        self._received: dict[Path, int] = {}
        #: Those that are being looked at, or imported: `remove_waiting` leaves them.
        self._in_use: set[Path] = set()

    # -- receiving

    async def new_file(self, room: int) -> Path:
        """Return the path of a file to receive `room` more bytes in, not created yet.

        The caller passes it to `discard` or `stage`. Imports that wait make room for it.
        Raises TooLarge, CannotStoreNow, TooManyRequests.
        """
        if room > MAX_UPLOAD_BYTES:
            raise TooLarge(f"at most {MAX_UPLOAD_BYTES >> 30} GB are allowed", field="file")
        if len(self._received) >= MAX_RECEIVED:
            raise TooManyRequests("other files are being received; wait for their end")
        path = self._new_path()
        self._received[path] = room
        try:
            await self._make_room()
            await self._run(self._make_folder)
        except BaseException:
            del self._received[path]
            raise
        return path

    async def discard(self, paths: Sequence[Path]) -> None:
        """Remove files that were received, or not quite."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_unlink, paths)
        self._forget_received(paths)
        self._in_use.difference_update(paths)

    async def take_staged(self, names: Sequence[str]) -> list[Path]:
        """Take over files that were written to `staging_path`, to pass to `stage`.

        Raises BadParameter, CannotStoreNow.
        """
        return [await self._run(self._taken, name) for name in names]

    async def stage(self, paths: Sequence[Path]) -> ImportPreview:
        """Look at received files, a CSV file and a ZIP of photos or one of them: a dry run.

        The files are kept for an hour, or removed if an error is raised: BadParameter (BadTable,
        BadArchive) if they cannot be imported, CannotStoreNow.
        """
        id = secrets.token_hex(16)
        unpacked = self._folder / f"{id}.csv.part"
        rows = self._folder / f"{id}.rows.part"
        self._in_use.update((*paths, unpacked, rows))
        try:
            await self.remove_old()
            async with self._looking:
                csv_path, zip_path = await self._run(_sort_files, paths, unpacked)
                files = await self._look(id, csv_path, zip_path, rows)
        except BaseException:
            await self.discard([*paths, unpacked, rows])
            raise
        self._forget_received(paths)
        self._in_use.difference_update((*paths, unpacked, rows))
        self._staged[id] = files
        while len(self._staged) > _MAX_STAGED or self._staged_bytes() > MAX_STAGED_BYTES:
            await self._forget(next(iter(self._staged)))
        return files.preview

    def get(self, id: str) -> ImportPreview:
        """Return a preview. Raises NoSuchResource if it is too old."""
        return self._files(id).preview

    async def rows(
        self, id: str, after: int = -1, limit: int = 100, actions: Collection[Action] = ()
    ) -> tuple[PreviewRow, ...]:
        """Return at most `limit` rows (with these actions) that follow position `after`.

        Raises NoSuchResource.
        """
        path = self._files(id).rows
        return await self._run(_read_rows, path, after, limit, frozenset(actions))

    async def drop(self, id: str) -> None:
        """Forget files that shall not be imported."""
        if id in self._staged:
            await self._forget(id)

    async def remove_old(self) -> None:
        """Remove what nobody imported within an hour, also what the last process left."""
        until = self._now() - _KEEP_SECONDS
        for id, files in list(self._staged.items()):
            if files.staged_at < until:
                await self._forget(id)
        await self._run(_remove_left, self._folder, until)

    async def remove_waiting(self) -> None:
        """Remove all files that are not in use. Raises CannotStoreNow.

        What is being received, looked at or imported stays, and what a command hands over now.
        """
        for id in list(self._staged):
            await self._forget(id)
        await self._run(lambda: _unlink([*filter(self._is_free, self._folder.glob("*.part"))]))

    # -- the job

    async def start(self, id: str, by: Actor) -> Job:
        """Begin to import; return the job, which takes the files.

        Raises NoSuchResource, TooManyRequests if another import runs, CannotStoreNow.
        """
        async with self._starting:
            files = self._files(id)
            if self._jobs.running("import"):
                raise TooManyRequests("another import is running; wait for its end")
            # From now on nothing else removes the files.
            del self._staged[id]
            self._in_use.update(files.paths)
            try:
                job = await self._start(files, by)
            except BaseException:
                self._in_use.difference_update(files.paths)
                self._staged[id] = files
                raise
        await self._audit.add(by, "person.import", f"job {job.id}")
        return job

    async def _start(self, files: _Files, by: Actor) -> Job:
        preview = files.preview
        subject = ImportSubject(preview.columns, preview.photos)

        async def work(progress: JobProgress) -> None:
            try:
                await self._import(files, progress, by)
            finally:
                await self.discard(files.paths)

        return await self._jobs.start("import", subject, by, work, total=preview.rows)

    async def note_refused_shown(self, job_id: int, by: Actor) -> None:
        """Note in the audit log that refused rows, with personal numbers, are shown."""
        await self._audit.require(by, "person.numbers", f"job {job_id}")

    async def refused_csv(
        self,
        job_id: int,
        *,
        by: Actor,
        reason: Callable[[RowRefusal], str] = lambda refusal: refusal.message,
    ) -> AsyncIterator[bytes]:
        """Yield the refused rows of an import as CSV, to mend and import again.

        Notes in the audit log who sees their numbers. Raises NoSuchResource if there is no such
        import.
        """
        await self._jobs.get(job_id)
        await self.note_refused_shown(job_id, by)
        after: int | None = -1
        while after is not None:
            part, after = await self.refused_part(job_id, after, reason)
            yield part

    async def refused_part(
        self,
        job_id: int,
        after: int,
        reason: Callable[[RowRefusal], str] = lambda refusal: refusal.message,
    ) -> tuple[bytes, int | None]:
        """Return refused rows that follow a position as CSV, and the last one's; None at the end.

        The names of the columns are before the first row. Raises NoSuchResource.
        """
        job = await self._jobs.get(job_id)
        if job.kind != "import":
            raise NoSuchResource(f"there is no import {job_id}")
        subject = decoded(job.subject, ImportSubject)
        columns = () if subject is None else subject.columns
        items = await self._jobs.items(job_id, after, _REFUSED_PART, ["failed"])
        rows = [row for item in items if (row := decoded(item.detail, RefusedRow)) is not None]
        lines = [_refused_cells(columns, row, reason(row.refusal)) for row in rows]
        # Spreadsheets know by this mark that it is UTF-8.
        head = b"" if after >= 0 else b"\xef\xbb\xbf" + _csv_lines([_refused_columns(columns)])
        last = items[-1].position if len(items) == _REFUSED_PART else None
        return head + _csv_lines(lines), last

    async def _import(self, files: _Files, progress: JobProgress, by: Actor) -> None:
        position = 0
        with _opened_archive(files.zip) as archive:
            rows = await self._file_rows(files.csv, archive)
            with closing(rows.read()) as left:
                while batch := await self._next(rows, left):
                    for start in range(0, len(batch), _WRITE):
                        part = batch[start : start + _WRITE]
                        puts = await self._prepared(part, archive)
                        # What is stored is counted, though the job may be cancelled meanwhile.
                        with trio.CancelScope(shield=True):
                            await self._store(position, part, puts, progress, by)
                        position += len(part)

    async def _prepared(
        self, batch: Sequence[PlannedRow], archive: PhotoArchive | None
    ) -> list[PersonPut | RowRefusal]:
        """Return what to store for each row, with its photo prepared, or why it is refused."""
        prepared: dict[int, PersonPut | RowRefusal] = {}

        async def prepare(place: int, row: PlannedRow) -> None:
            prepared[place] = row.refusal or await self._put(row, archive)

        async with trio.open_nursery() as nursery:
            for place, row in enumerate(batch):
                nursery.start_soon(prepare, place, row)
        return [prepared[place] for place in range(len(batch))]

    async def _store(
        self,
        position: int,
        batch: Sequence[PlannedRow],
        puts: Sequence[PersonPut | RowRefusal],
        progress: JobProgress,
        by: Actor,
    ) -> None:
        """Store the rows of a batch, whose first one has this position, and note what became."""
        stored = iter(
            await self._people.put_many([put for put in puts if isinstance(put, PersonPut)], by=by)
        )
        done = 0
        for place, (row, put) in enumerate(zip(batch, puts, strict=True)):
            refusal = put if isinstance(put, RowRefusal) else _refusal(next(stored))
            if refusal is None:
                done += 1
            else:
                refused = RefusedRow(row.line, row.cells, refusal)
                await progress.note(position + place, "failed", refused)
        await progress.advance(done)

    async def _put(self, row: PlannedRow, archive: PhotoArchive | None) -> PersonPut | RowRefusal:
        """Return what is stored for a row, with its photo prepared."""
        change = row.change
        if row.photo and archive is not None:
            photo = await self._prepared_photo(row, archive)
            if isinstance(photo, RowRefusal):
                return photo
            change = replace(change, photo=photo)
        expected: Expected = "known" if row.action == "change" else "either"
        return PersonPut(pid=row.pid, change=change, expected=expected)

    async def _prepared_photo(
        self, row: PlannedRow, archive: PhotoArchive
    ) -> bytes | UnsetType | RowRefusal:
        """Return the photo as cameras are given it; UNSET if the person has it already."""
        async with self._preparing:
            data = await self._run(_read_photo, archive, row.photo)
            if isinstance(data, RowRefusal):
                return data
            if row.action == "change" and await self._has_photo(row.pid, data):
                return UNSET
            try:
                return await self._photos.prepare(data)
            except BadPhoto as error:
                return refusal_of(error, error.fault)

    async def _has_photo(self, pid: str | None, data: bytes) -> bool:
        """Return whether a person has this very photo, which an export gave."""
        with suppress(NoSuchResource):
            return pid is not None and await self._people.photo(pid) == data
        return False

    # -- looking

    async def _look(
        self, id: str, csv_path: Path | None, zip_path: Path | None, rows_path: Path
    ) -> _Files:
        counts: Counter[str] = Counter()
        photos = position = 0
        with _opened_archive(zip_path) as archive:
            file_rows = await self._file_rows(csv_path, archive)
            with closing(file_rows.read()) as left:
                while batch := await self._next(file_rows, left):
                    shown = [_preview_row(position + n, row) for n, row in enumerate(batch)]
                    await self._run(_append_rows, rows_path, shown)
                    counts.update(row.action for row in batch)
                    photos += sum(bool(row.photo) for row in batch)
                    position += len(batch)
            unmatched = file_rows.unmatched()
        if not position:
            raise BadParameter("there is nothing to import", field="file")
        table = file_rows.table
        preview = ImportPreview(
            id=id,
            rows=position,
            adds=counts["add"],
            changes=counts["change"],
            refused=counts["refuse"],
            photos=photos,
            unmatched=tuple(unmatched[:_MAX_UNMATCHED]),
            unmatched_count=len(unmatched),
            unused=() if table is None else table.unused,
            columns=("photo",) if table is None else table.columns,
            has_csv=table is not None,
        )
        paths = [path for path in (csv_path, zip_path, rows_path) if path is not None]
        size = await self._run(lambda: sum(path.stat().st_size for path in paths))
        return _Files(preview, csv_path, zip_path, rows_path, self._now(), size)

    async def _file_rows(self, csv_path: Path | None, archive: PhotoArchive | None) -> _FileRows:
        table, names = await self._run(_open_table, csv_path)
        planner = Planner(
            _AskedRegister(self._people),
            fields=() if table is None else table.fields,
            groups={group.name.casefold(): group.id for group in self._groups.list()},
            photos=None if archive is None else archive.photos,
            names=names,
            room=MAX_PEOPLE - await self._people.count(),
            zone=self._site.zone(),
            year=self._people.this_year(),
        )
        return _FileRows(table, archive, planner)

    async def _next(self, rows: _FileRows, left: Iterator[TableRow]) -> list[PlannedRow]:
        """Return the next rows as planned, none at the end."""
        batch = await self._run(lambda: list(islice(left, _BATCH)))
        return await rows.plan(batch) if batch else []

    # -- files

    def _files(self, id: str) -> _Files:
        if (files := self._staged.get(id)) is None:
            raise NoSuchResource("these files are gone: send them again")
        return files

    async def _forget(self, id: str) -> None:
        if (files := self._staged.pop(id, None)) is not None:
            await self.discard(files.paths)

    def _taken(self, name: str) -> Path:
        if not (len(name) == 32 and name.isascii() and name.isalnum()):
            raise BadParameter("the name of a staged file is expected", field="staged")
        self._make_folder()
        path = self._new_path()
        self._in_use.add(path)
        (self._folder / _STAGED / name).replace(path)
        return path

    def _new_path(self) -> Path:
        return self._folder / f"{secrets.token_hex(16)}.part"

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)

    async def _make_room(self) -> None:
        """Make room on the disk for what is being received. Raises CannotStoreNow."""
        while self._disk_space.shortage(await self._run(self._outstanding_bytes)) is not None:
            if not self._staged:
                raise CannotStoreNow("there is too little disk space for these files")
            await self._forget(next(iter(self._staged)))

    def _outstanding_bytes(self) -> int:
        """How much the files that are being received may still grow."""
        outstanding = 0
        for path, room in list(self._received.items()):
            with suppress(FileNotFoundError):
                room -= path.stat().st_size
            outstanding += max(0, room)
        return outstanding

    def _is_free(self, path: Path) -> bool:
        return path not in self._received and path not in self._in_use

    def _forget_received(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self._received.pop(path, None)

    def _staged_bytes(self) -> int:
        return sum(files.bytes for files in self._staged.values())

    async def _run(self, step: Callable[..., T], *args: object) -> T:
        """Run one step in a thread. Raises CannotStoreNow in place of an OSError."""
        try:
            return await trio.to_thread.run_sync(lambda: step(*args), limiter=self._threads)
        except OSError as error:
            raise CannotStoreNow(os_error_text(error)) from error


class _AskedRegister:
    """What the plan asks of the register."""

    def __init__(self, people: PeopleRegister) -> None:
        self._people = people
        self.pids_of_work_ids = people.pids_of_work_ids
        self.pids_of_names = people.pids_of_names

    async def known_pids(self, pids: Collection[str]) -> Collection[str]:
        return {person.pid for person in (await self._people.names(pids)).values()}


class _FileRows:
    """The rows of the files of one import, and the plan for them.

    Without a CSV file (`table`), each photo in the ZIP is a row.
    """

    def __init__(
        self, table: PeopleTable | None, archive: PhotoArchive | None, planner: Planner
    ) -> None:
        self.table = table
        self._archive = archive
        self._planner = planner

    def read(self) -> Generator[TableRow, None, None]:
        """Read the rows. Blocks. Raises BadTable, OSError."""
        from hub.services.people.import_export.table_reader import TableRow

        if self.table is not None:
            yield from self.table.rows()
        elif self._archive is not None:
            names = (name for found in self._archive.photos.values() for name in found)
            yield from (TableRow(line, (name,)) for line, name in enumerate(names, 1))

    async def plan(self, rows: Sequence[TableRow]) -> list[PlannedRow]:
        if self.table is None:
            return await self._planner.plan_photos(rows)
        return await self._planner.plan(rows)

    def unmatched(self) -> list[str]:
        """Return the photos that belong to no row, once all rows are planned."""
        if self._archive is None or self.table is None:
            return []
        names = (name for found in self._archive.photos.values() for name in found)
        return [name for name in names if name not in self._planner.used_photos]


def staging_path(data_dir: Path) -> Path:
    """Return a new path to which the command line writes a file for `take_staged`."""
    return data_dir / FOLDER / _STAGED / secrets.token_hex(16)


@contextmanager
def _opened_archive(path: Path | None) -> Iterator[PhotoArchive | None]:
    from hub.services.people.import_export.photo_archive import PhotoArchive

    if path is None:
        yield None
        return
    with PhotoArchive(path) as archive:
        yield archive


def _sort_files(paths: Sequence[Path], unpacked: Path) -> tuple[Path | None, Path | None]:
    """Return which file is the CSV file, unpacked from the ZIP if it is in there, and the ZIP.

    Raises BadParameter, OSError.
    """
    from hub.services.people.import_export.photo_archive import BadEntry, PhotoArchive
    from hub.services.people.import_export.table_reader import MAX_CSV_BYTES, BadTable

    zips = [path for path in paths if _is_zip(path)]
    tables = [path for path in paths if path not in zips]
    if not paths or len(zips) > 1 or len(tables) > 1:
        raise BadParameter("a CSV file, a ZIP of photos, or one of each is expected", field="file")
    table, archive_path = next(iter(tables), None), next(iter(zips), None)
    if archive_path is not None:
        with PhotoArchive(archive_path) as archive:
            if table is None and archive.csv_name:
                try:
                    with open(unpacked, "xb", opener=as_secret) as file:
                        archive.unpack(archive.csv_name, file, MAX_CSV_BYTES)
                except BadEntry as error:
                    raise BadTable("size", f"{archive.csv_name}: {error}") from None
                table = unpacked
    return table, archive_path


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _open_table(path: Path | None) -> tuple[PeopleTable | None, Mapping[str, int]]:
    """Return the table of a CSV file, and how often it has each name. Raises BadTable, OSError."""
    from hub.services.people.import_export.table_reader import open_table

    if path is None:
        return None, {}
    table = open_table(path)
    return table, count_names(table.fields, (row.cells for row in table.rows()))


def _read_photo(archive: PhotoArchive, name: str) -> bytes | RowRefusal:
    from hub.services.people.import_export.photo_archive import BadEntry

    try:
        return archive.read(name, MAX_FILE_MB << 20)
    except BadEntry as error:
        fault = "too large" if error.fault == "large" else "damaged"
        return RowRefusal("photo", f"photo: {error}", "photo", fault)


def _refusal(stored: Stored) -> RowRefusal | None:
    if isinstance(stored, Person):
        return None
    return RowRefusal(
        "wrong", stored.message, stored.field if isinstance(stored, BadParameter) else ""
    )


def _preview_row(position: int, row: PlannedRow) -> PreviewRow:
    return PreviewRow(
        position, row.line, row.action, row.pid or "", row.name, row.photo, row.refusal
    )


def _append_rows(path: Path, rows: Sequence[PreviewRow]) -> None:
    with open(path, "ab", opener=as_secret) as file:
        file.write(msgspec.json.Encoder().encode_lines(rows))


def _read_rows(
    path: Path, after: int, limit: int, actions: frozenset[Action]
) -> tuple[PreviewRow, ...]:
    decode = json_decoder(PreviewRow).decode
    with path.open("rb") as file:
        lines = islice(file, max(0, after + 1), None)
        found = (row for row in map(decode, lines) if not actions or row.action in actions)
        return tuple(islice(found, limit))


def _remove_left(folder: Path, until: float) -> None:
    for path in (*folder.glob("*.part"), *folder.glob(f"{_STAGED}/*")):
        with suppress(OSError):
            if path.stat().st_mtime < until:
                path.unlink()


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.info("%s stays for an hour: %s", path.name, error.strerror)


def _refused_columns(columns: Sequence[str]) -> list[str]:
    return [*(as_text(from_text(name)) for name in columns if not _is_reason(name)), "reason"]


def _refused_cells(columns: Sequence[str], row: RefusedRow, reason: str) -> list[str]:
    cells = zip_longest(columns, row.cells[: len(columns)], fillvalue="")
    kept = [as_text(from_text(cell)) for name, cell in cells if not _is_reason(name)]
    return [*kept, as_text(reason)]


def _is_reason(column: str) -> bool:
    return field_of(column) == "reason"


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
