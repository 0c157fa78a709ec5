"""`sitehub device import` and `export`: many cameras as CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from hub.cli.options import data_option, read_pem
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.services.devices.csv_import import DeviceCsv, ImportRow


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@data_option()
def import_(data_dir: Path, file: Path) -> None:
    """Enrol the cameras of a CSV file.

    If a row is wrong, no camera is enrolled. The first line names the columns:
    sn,code,did,name,key, or their names on the page. did, name and key may be empty; key is PEM
    text in quotes, or the path of a PEM file relative to FILE.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import ImportDevices
    from hub.services.devices.csv_import import read_csv

    sheet = _with_keys(data_dir, read_csv(_read(data_dir, file)), file.parent)
    dids = execute(data_dir, ImportDevices(sheet))
    click.echo(f"{len(dids)} device{'' if len(dids) == 1 else 's'} enrolled")


@click.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@data_option()
def export(data_dir: Path, file: Path | None) -> None:
    """Write all cameras as CSV, with the columns of an import.

    Writes to FILE or standard output. The security codes are encrypted and left out: fill them in
    before an import.
    """
    from hub.cli.outside_files import new_file_outside
    from hub.cli.requests import call_api

    if file is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(call_api(data_dir, "GET", "devices", "export").encode())
        sys.stdout.buffer.flush()
        return
    try:
        with new_file_outside(data_dir, file) as output:
            # Spreadsheets recognise UTF-8 by the byte order mark.
            output.write(call_api(data_dir, "GET", "devices", "export").encode("utf-8-sig"))
    except OSError as error:
        raise StartFault(f"cannot write {file}: {error.strerror}") from None


COMMANDS: tuple[click.Command, ...] = (import_, export)


def _read(data_dir: Path, path: Path) -> str:
    from hub.cli.outside_files import read_source
    from hub.services.devices.csv_import import BadCsv, decode_csv

    try:
        return decode_csv(read_source(data_dir, path))
    except BadCsv:
        raise StartFault(f"{path} is neither UTF-8 nor GB18030 text") from None


def _with_keys(data_dir: Path, sheet: DeviceCsv, directory: Path) -> DeviceCsv:
    """Replace the paths of key files with their contents."""
    from hub.services.devices.csv_import import RowFault

    rows: list[ImportRow] = []
    faults = list(sheet.faults)
    for row in sheet.rows:
        try:
            rows.append(_with_key(data_dir, row, directory))
        except StartFault as fault:
            sn = row.device.sn
            faults.append(RowFault(row.line, "wrong", fault.message, "key", row=row.row, sn=sn))
    return replace(sheet, rows=tuple(rows), faults=tuple(faults))


def _with_key(data_dir: Path, row: ImportRow, directory: Path) -> ImportRow:
    key = row.device.key
    if key is None or "-----BEGIN " in key:
        return row
    pem = read_pem(data_dir, directory / key)
    return replace(row, device=replace(row.device, key=pem))
