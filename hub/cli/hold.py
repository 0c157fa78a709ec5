"""`sitehub hold`: records kept as evidence beyond their retention, and their export."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import click

from hub.cli.options import data_option
from hub.errors import StartFault
from hub.wire.uploads.records import RECORD_KINDS, RecordKind

if TYPE_CHECKING:
    from hub.process.control.holds import ExportedHold
    from hub.store.backup.sealed_file import Sink
    from hub.wire.uploads.records import Record
    from web.pages.hold_export.export import HeldRecords

Language = Literal["en", "zh"]


@click.group()
def hold() -> None:
    """Hold records: keep them beyond their retention, for example for the police."""


@hold.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_holds(data_dir: Path, as_json: bool) -> None:
    """List the holds, the newest first."""
    from hub.cli.output import print_list
    from hub.cli.requests import list_api

    found = list(list_api(data_dir, "holds", limit=1000))
    head = ("HOLD", "RECORDS", "UNTIL", "STATE", "BY", "REASON")
    print_list(found, head, _cells, as_json=as_json)


@hold.command("add")
@click.argument("seqs", metavar="[SEQ]...", type=click.IntRange(1, 2**63 - 1), nargs=-1)
@click.option("--reason", required=True, help="Why they are held.")
@click.option("--until", metavar="TIME", help="When the hold ends by itself, in RFC 3339.")
@click.option("--did", help="Instead of SEQs: the records of this camera.")
@click.option("--from", "since", metavar="TIME", help="Instead of SEQs: from this time.")
@click.option("--to", metavar="TIME", help="Instead of SEQs: to before this time.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(RECORD_KINDS),
    multiple=True,
    help="Instead of SEQs: records of this kind; may be repeated.",
)
@data_option()
def add(
    data_dir: Path,
    seqs: tuple[int, ...],
    reason: str,
    until: str | None,
    did: str | None,
    since: str | None,
    to: str | None,
    kinds: tuple[RecordKind, ...],
) -> None:
    """Hold records; print the number of the hold."""
    from hub.cli.requests import call_api
    from hub.wire.times import parse_rfc3339

    if bool(seqs) == bool(did or since or to or kinds):
        raise click.UsageError("give either SEQs or a camera, times or kinds")
    for option, time in (("--from", since), ("--to", to), ("--until", until)):
        if time is not None:
            parse_rfc3339(time, option)
    select = None if seqs else {"did": did, "since": since, "until": to, "kinds": kinds}
    body = {"reason": reason, "until": until, "seqs": seqs, "select": select}
    added = call_api(data_dir, "POST", "holds", body=body)
    click.echo(added["hold"]["id"])
    if missing := len(added["missing"]):
        click.echo(f"{missing} of these records are gone", err=True)


@hold.command("release")
@click.argument("hold", type=int)
@data_option()
def release(data_dir: Path, hold: int) -> None:
    """Release a HOLD. Its records are deleted with their day, or at once if that is gone."""
    from hub.cli.requests import call_api

    call_api(data_dir, "DELETE", "holds", hold)


@hold.command("export")
@click.argument("hold", type=int)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--language",
    type=click.Choice(("en", "zh")),
    default="en",
    show_default=True,
    help="The language of the page in the archive.",
)
@data_option()
def export(data_dir: Path, hold: int, file: Path, language: Language) -> None:
    """Write a HOLD to FILE, a ZIP with pictures, a page to read, and checksums."""
    import trio

    from hub.cli.outside_files import new_file_outside
    from hub.cli.requests import execute
    from hub.process.control.holds import BeginExport

    try:
        with new_file_outside(data_dir, file) as output:
            facts = execute(data_dir, BeginExport(hold))
            trio.run(_write, output, _ControlSource(data_dir, hold), facts, language)
    except OSError as error:
        raise StartFault(f"cannot write {file}: {error.strerror}") from None


async def _write(
    output: Sink, source: HeldRecords, facts: ExportedHold, language: Language
) -> None:
    from web.language import LANGUAGES
    from web.pages.hold_export.export import HoldExportFacts, about_hold, export_records

    words, zone = LANGUAGES[language], ZoneInfo(facts.zone)
    export_facts = HoldExportFacts(
        site=facts.site,
        log=facts.log,
        about=about_hold(facts.hold, words, zone),
        exported_by="command line",
        exported_at=facts.now,
        zone=zone,
    )
    async for data in export_records(source, export_facts, words):
        output.write(data)


class _ControlSource:
    """Reads the records of a hold from the hub, page by page."""

    def __init__(self, data_dir: Path, id: int) -> None:
        self._data_dir = data_dir
        self._id = id
        self._pictures: dict[tuple[int, str], bytes] = {}

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        import trio

        from hub.cli.requests import execute
        from hub.process.control.holds import ReadHeldRecords

        request = ReadHeldRecords(self._id, after, with_pictures)
        found = await trio.to_thread.run_sync(execute, self._data_dir, request)
        self._pictures = {
            (one.seq, name): data for one in found for name, data in one.pictures.items()
        }
        return [one.record() for one in found]

    async def picture(self, seq: int, name: str) -> AsyncGenerator[bytes, None]:
        if data := self._pictures.get((seq, name)):
            yield data


def _cells(hold: dict[str, Any]) -> tuple[str, ...]:
    state = "in force" if hold["ended_at"] is None else "ended"
    until = hold["until"] or ""
    return (str(hold["id"]), str(hold["records"]), until, state, hold["created_by"], hold["reason"])
