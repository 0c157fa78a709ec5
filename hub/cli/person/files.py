"""`sitehub person import` and `export`: many people at once, as CSV and ZIP."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.options import data_option
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.process.control.people_files import ShownPreview
    from hub.services.people.import_export.export import ExportFacts
    from hub.store.backup.sealed_file import Sink
    from hub.store.jobs.jobs import Job
    from hub.store.people.people import PersonPage

_POLL_SECONDS = 0.5
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--photos", type=_FILE, metavar="ZIP", help="A ZIP of photos for a CSV file.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option(
    "--refused",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the refused rows to this CSV file, to correct and import again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def import_people(
    data_dir: Path,
    file: Path,
    photos: Path | None,
    dry_run: bool,
    refused: Path | None,
    as_json: bool,
) -> None:
    """Import people from FILE: a CSV file, or a ZIP of photos with the CSV file in it.

    The columns are named as in an export, in any order; one of pid, work_id and name is needed.
    A row about a known person changes them. Photos are named by pid, work number or name.
    A refused row changes nothing; the exit status is then 1.
    """
    from hub.cli.output import print_json, print_line

    sources = [file] if photos is None else [file, photos]
    if dry_run:
        shown = _preview(data_dir, sources)
        print_json(_preview_fields(shown)) if as_json else _print_preview(shown)
        return
    job = _import(data_dir, sources, quiet=as_json)
    if refused is not None and job.failed:
        _write_refused(data_dir, job, refused)
    if as_json:
        print_json({"job": job.id, "state": job.state, "done": job.done, "refused": job.failed})
    else:
        print_line(f"{job.done} added or changed, {job.failed} refused")
    if job.state != "done":
        why = job.failure or "import the file again, which changes nothing twice"
        raise StartFault(f"the import ended early, it is {job.state}: {why}")
    if job.failed:
        where = (
            "; --refused FILE writes them, with the reasons"
            if refused is None
            else f"; they are in {refused}"
        )
        raise StartFault(f"{job.failed} of {job.total} rows were refused{where}")


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--language",
    type=click.Choice(("en", "zh")),
    default="en",
    show_default=True,
    help="The language of the column names.",
)
@data_option()
def export_people(data_dir: Path, file: Path, language: Literal["en", "zh"]) -> None:
    """Write all people to FILE, a ZIP with a CSV file and photos, as `import` reads it.

    The file holds all personal numbers; the export is noted in the audit log.
    """
    import trio

    from hub.cli.outside_files import new_file_outside
    from hub.cli.requests import execute
    from hub.process.control.people_files import BeginPeopleExport

    try:
        with new_file_outside(data_dir, file) as output:
            facts = execute(data_dir, BeginPeopleExport())
            trio.run(_write, output, data_dir, facts, language)
    except OSError as error:
        raise StartFault(f"cannot write {file}: {error.strerror}") from None


def _preview(data_dir: Path, sources: Sequence[Path]) -> ShownPreview:
    from hub.cli.requests import execute
    from hub.process.control.people_files import PreviewImport

    with _staged(data_dir, sources) as names:
        return execute(data_dir, PreviewImport(names))


def _import(data_dir: Path, sources: Sequence[Path], *, quiet: bool) -> Job:
    """Import, and wait for the end; shows the progress on a terminal."""
    import time

    from hub.cli.requests import execute
    from hub.process.control.people_files import ImportPeople, ReadJob

    with _staged(data_dir, sources) as names:
        job = execute(data_dir, ImportPeople(names))
        with click.progressbar(
            length=job.total or 1,
            label="importing",
            hidden=quiet or not sys.stderr.isatty(),
            file=sys.stderr,
        ) as bar:
            while job.state == "running":
                bar.update(job.done + job.failed - bar.pos)
                time.sleep(_POLL_SECONDS)
                job = execute(data_dir, ReadJob(job.id))
            bar.update(job.done + job.failed - bar.pos)
    return job


@contextmanager
def _staged(data_dir: Path, sources: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Copy files for the hub. The block has the rights of the owner of the data directory."""
    from hub.cli.outside_files import open_source, staged
    from hub.services.people.import_export.imports import MAX_UPLOAD_BYTES, staging_path

    with ExitStack() as stack:
        # All are opened first: those rights may not suffice to open the second.
        opened = [stack.enter_context(open_source(data_dir, source)) for source in sources]
        yield tuple(
            stack.enter_context(staged(data_dir, file, staging_path(data_dir), MAX_UPLOAD_BYTES))
            for file in opened
        )


def _print_preview(shown: ShownPreview) -> None:
    from hub.cli.output import print_line

    preview = shown.preview
    print_line(
        f"{preview.rows} rows: {preview.adds} to add, {preview.changes} to change, "
        f"{preview.refused} refused; {preview.photos} with a photo"
    )
    for row in shown.refused:
        assert row.refusal is not None
        print_line(f"line {row.line}: {row.refusal.message}")
    if preview.unused:
        print_line(f"columns that are not used: {', '.join(preview.unused)}")
    if preview.unmatched:
        print_line(
            f"photos that belong to no row: {preview.unmatched_count}, such as "
            f"{preview.unmatched[0]}"
        )


def _preview_fields(shown: ShownPreview) -> dict[str, Any]:
    from msgspec import to_builtins

    fields: dict[str, Any] = to_builtins(shown.preview)
    del fields["id"], fields["columns"]
    return fields | {"refused_rows": to_builtins(shown.refused)}


def _write_refused(data_dir: Path, job: Job, file: Path) -> None:
    from hub.cli.outside_files import new_file_outside
    from hub.cli.requests import execute
    from hub.process.control.people_files import ReadRefused

    after: int | None = -1
    try:
        with new_file_outside(data_dir, file) as output:
            while after is not None:
                part = execute(data_dir, ReadRefused(job.id, after))
                output.write(part.text.encode())
                after = part.next
    except OSError as error:
        raise StartFault(f"cannot write {file}: {error.strerror}") from None


async def _write(
    output: Sink, data_dir: Path, facts: ExportFacts, language: Literal["en", "zh"]
) -> None:
    from hub.services.people.import_export.export import export_people as export

    async for data in export(_ControlPeople(data_dir), facts, language):
        output.write(data)


class _ControlPeople:
    """Reads the people of an export from the hub, page by page."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._photos: dict[str, bytes] = {}

    async def page(self, after: str | None, *, with_photos: bool) -> PersonPage:
        import trio

        from hub.cli.requests import execute
        from hub.process.control.people_files import ReadPeople
        from hub.store.people.people import PersonPage

        request = ReadPeople(after, with_photos)
        found = await trio.to_thread.run_sync(execute, self._data_dir, request)
        self._photos = found.photos
        return PersonPage(found.items, found.next)

    async def photo(self, pid: str) -> bytes | None:
        return self._photos.get(pid)
