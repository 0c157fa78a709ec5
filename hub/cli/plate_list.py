"""`sitehub plate-list`: watched plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hub.cli.options import data_option
from hub.errors import StartFault

#: What the first column is called where the first row names the columns.
_HEADINGS = ("plate", "platenumber", "pattern", "车牌", "车牌号", "车牌号码")
_SEVERITY = click.Choice(("critical", "major", "minor"))
_PLATES = click.option(
    "--plate",
    "plates",
    metavar="PLATE",
    multiple=True,
    help="A plate; * stands for any text, ? for one character. May be repeated.",
)
_FILE = click.option(
    "--csv",
    "file",
    type=click.Path(path_type=Path),
    help="More plates: a CSV file with plate, note and end (a day, or RFC 3339) in each row.",
)


@click.group("plate-list")
def plate_list() -> None:
    """Lists of watched plates. A vehicle with one of them raises an alarm."""


@plate_list.command("add")
@click.argument("name")
@click.option(
    "--severity",
    type=_SEVERITY,
    default="critical",
    show_default=True,
    help="The severity of the alarms that it raises.",
)
@_PLATES
@_FILE
@data_option()
def add(
    data_dir: Path, name: str, severity: str, plates: tuple[str, ...], file: Path | None
) -> None:
    """Add a list; print its number."""
    from hub.cli.requests import call_api

    body = {"name": name, "severity": severity, "entries": _entries(data_dir, plates, file)}
    click.echo(call_api(data_dir, "POST", "plate-lists", body=body)["id"])


@plate_list.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_lists(data_dir: Path, as_json: bool) -> None:
    """List the lists; with --json, also their plates."""
    from hub.cli.output import print_list
    from hub.cli.requests import call_api

    found = call_api(data_dir, "GET", "plate-lists")["items"]
    print_list(
        found,
        ("LIST", "SEVERITY", "PLATES", "NAME"),
        lambda one: (str(one["id"]), one["severity"], str(len(one["entries"])), one["name"]),
        as_json=as_json,
    )


@plate_list.command("set")
@click.argument("which", metavar="LIST")
@click.option("--name", help="Its new name.")
@click.option("--severity", type=_SEVERITY, help="Of the alarms that it raises.")
@_PLATES
@_FILE
@click.option("--no-plates", is_flag=True, help="Remove all plates from the list.")
@data_option()
def set_(
    data_dir: Path,
    which: str,
    name: str | None,
    severity: str | None,
    plates: tuple[str, ...],
    file: Path | None,
    no_plates: bool,
) -> None:
    """Change a LIST, given by its number or name. New plates replace all that it has."""
    has_plates = bool(plates or file)
    if has_plates and no_plates:
        raise click.UsageError("give either plates or --no-plates")
    if not (has_plates or no_plates or name or severity):
        raise click.UsageError("give what to change")
    changed: dict[str, object] = {"name": name, "severity": severity}
    if has_plates or no_plates:
        changed["entries"] = _entries(data_dir, plates, file)
    _call(data_dir, "PUT", which, {key: one for key, one in changed.items() if one is not None})


@plate_list.command("remove")
@click.argument("which", metavar="LIST")
@data_option()
def remove(data_dir: Path, which: str) -> None:
    """Remove a LIST, given by its number or name. Its alarms stay."""
    _call(data_dir, "DELETE", which)


def _call(data_dir: Path, method: str, which: str, changed: Mapping[str, object] = {}) -> None:
    from hub.cli.requests import call_api, find_item

    lists = call_api(data_dir, "GET", "plate-lists")["items"]
    found = find_item(lists, which, "plate list", "id", "name")
    id = found.pop("id")
    call_api(data_dir, method, "plate-lists", id, body={**found, **changed} if changed else None)


def _entries(data_dir: Path, plates: Sequence[str], file: Path | None) -> list[dict[str, str]]:
    """The entries that are wanted, as the API takes them."""
    return [*({"pattern": one} for one in plates), *(_read(data_dir, file) if file else ())]


def _read(data_dir: Path, file: Path) -> list[dict[str, str]]:
    """Read the entries of a CSV file: plate, note, end. Raises StartFault."""
    import io

    from hub.cli.outside_files import read_source
    from hub.errors import BadParameter
    from hub.services.csv_cells import from_text
    from hub.services.csv_files import NOT_TEXT, NotCsv, find_encoding, fold_name, read_rows

    data = read_source(data_dir, file)
    encoding = find_encoding(io.BytesIO(data))
    if encoding is None:
        raise StartFault(f"{file}: {NOT_TEXT}")
    text = data.decode(encoding)
    entries: list[dict[str, str]] = []
    number = 0
    try:
        for row in read_rows(io.StringIO(text, newline=""), _delimiter_of(text)):
            number = row.number
            plate, note, until, *_ = (*map(from_text, row.cells), "", "", "")
            if plate and not (number == 1 and fold_name(plate) in _HEADINGS):
                entries.append({"pattern": plate, "note": note} | _end_of(until))
    except NotCsv as error:
        raise StartFault(f"{file}, {error}") from None
    except BadParameter as error:
        raise StartFault(f"{file}, row {number}: {error}") from None
    return entries


def _delimiter_of(text: str) -> str:
    """The first of them in the file: no plate contains one."""
    from hub.services.csv_files import DELIMITERS

    return next((character for character in text if character in DELIMITERS), ",")


def _end_of(text: str) -> dict[str, str]:
    """A time in RFC 3339, or the end of a day in the zone of this PC. Raises BadParameter."""
    from datetime import date, datetime, time, timedelta

    from hub.wire.times import format_rfc3339, parse_rfc3339

    if not text:
        return {}
    try:
        next_day = date.fromisoformat(text.replace("/", "-")) + timedelta(days=1)
        until = int(datetime.combine(next_day, time()).timestamp() * 1000)
    except (ValueError, OverflowError):
        until = parse_rfc3339(text, "end")
    return {"until": format_rfc3339(until)}
