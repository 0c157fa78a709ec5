"""`sitehub erase`: erases one person's records."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.services.records.erasures import Erasable
    from hub.store.tables.erasures import Erasure

_POLL_SECONDS = 0.5


@click.command()
@click.option("--number", default="", help="The number of the person: the uuid of the records.")
@click.option("--name", default="", help="The exact name; case is ignored.")
@click.option(
    "--without-number",
    is_flag=True,
    help="With --name: of those with this name, the records without a number, or with that of "
    "strangers.",
)
@click.option(
    "--seq",
    "seqs",
    type=click.IntRange(1, 2**63 - 1),
    multiple=True,
    help="A record chosen by hand; may be repeated.",
)
@click.option("--with-held", is_flag=True, help="Erase records even if they are held.")
@click.option(
    "--confirm",
    metavar="TEXT",
    help="The number or name again (for --seq how many records), instead of asking for it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as a JSON object.")
@data_option()
def erase(
    data_dir: Path,
    number: str,
    name: str,
    without_number: bool,
    seqs: tuple[int, ...],
    with_held: bool,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Erase one person's names, numbers and pictures from all records, for good.

    Shows what would be erased, and asks for the number or name again. Each record stays as an
    empty shell with its time and camera. A person in the register is removed from it, and so from
    all cameras. NATS targets are told the number, even if this hub no longer knows it. If several
    people have the name, they are listed: then erase by number. Older backups and the cameras keep
    what they hold; the report names them.
    """
    from hub.cli.requests import execute
    from hub.process.control.erasures import BeginErasure, FindErasable, GetErasure

    if [bool(number), bool(name), bool(seqs)].count(True) != 1:
        raise click.UsageError("give one of --number, --name and --seq")
    found = execute(data_dir, FindErasable(number, name, seqs))
    if without_number:
        found = [one for one in found if one.match is not None and not one.match.uuid]
    if not found:
        raise StartFault("there are no such records: a name must be exactly as cameras sent it")
    if len(found) > 1:
        raise StartFault(
            f"several people have this name: erase by number, or with --without-number "
            f"({_numbers(found)})"
        )
    (erasable,) = found
    click.echo(_sentence(erasable, with_held), err=True)
    check_confirmation(confirm, number or name or str(len(set(seqs))))
    id = execute(data_dir, BeginErasure(erasable.subject, with_held))
    while (erasure := execute(data_dir, GetErasure(id))).finished_at is None:
        time.sleep(_POLL_SECONDS)
    _print_report(erasure, as_json)


def _numbers(found: list[Erasable]) -> str:
    matches = [one.match for one in found if one.match is not None]
    return ", ".join(f"{match.uuid or 'no number'}: {match.records} records" for match in matches)


def _sentence(erasable: Erasable, with_held: bool) -> str:
    preview = erasable.preview
    days = f"from {preview.first_day} to {preview.last_day}"
    held = ""
    if preview.held:
        held = f"; {preview.held} of them are held" + (
            "" if with_held else " and stay (--with-held erases them)"
        )
    register = "; the person is removed from the register too" if erasable.in_register else ""
    told = ", ".join(erasable.told)
    if told:
        told = f"; told to erase what they have of this number: {told}"
    if not preview.records:
        return f"no records here{register}{told}"
    count = f"{preview.records} records with {preview.pictures} pictures"
    return f"{count} {days}{held}{register}{told}"


def check_confirmation(given: str | None, wanted: str) -> None:
    """Ask for what is erased, unless it is given. Raises StartFault if that is something else."""
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask: use --confirm")
        given = click.prompt("Type it again to erase this for good", err=True)
    if given.strip() != wanted.strip():
        raise StartFault(
            "what you typed is not what was given: nothing was erased. Run the command again"
        )


def _print_report(erasure: Erasure, as_json: bool) -> None:
    from hub.cli.output import print_json, print_line

    if as_json:
        print_json(erasure)
        return
    report = erasure.report
    print_line(f"erasure {erasure.id}: {erasure.records} records, {erasure.pictures} pictures")
    if report.kept:
        print_line(f"{report.kept} records stay, because they are held")
    for copy in report.copies:
        print_line(f"still in the older copy {copy}")
    for target in report.targets:
        print_line(f"{target}, which records are forwarded to, is told to erase what it has")
    if report.dids:
        print_line(f"cameras that may still have the person or pictures: {', '.join(report.dids)}")
