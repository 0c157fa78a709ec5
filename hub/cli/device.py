"""`sitehub device`: enrol cameras, list them, change them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.options import data_option, key_option, read_key
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.services.devices import ImportRow
    from hub.services.operations import ListedDevice

_COLUMNS = ("sn", "code", "did", "name", "key")
_KEY_HELP = "The device's public key or certificate (PEM); without it the site key applies."


@click.group()
def device() -> None:
    """Enrol cameras, list them, change them."""


@device.command("add")
@click.option("--sn", required=True, help="The serial number that the camera connects with.")
@click.option("--code", required=True, help="The security code on the camera.")
@key_option(_KEY_HELP)
@click.option("--did", help="The number that the camera knows itself by [default: the next free].")
@click.option("--name", default="", help="What it is called on the pages: Gate, Lobby ...")
@click.option("--no-clock-check", is_flag=True, help="Let it in whatever time its clock shows.")
@data_option()
def add(
    data_dir: Path,
    sn: str,
    code: str,
    key: str | None,
    did: str | None,
    name: str,
    no_clock_check: bool,
) -> None:
    """Enrol a camera; prints its did."""
    from hub.cli.calling import carry_out
    from hub.services.devices import NewDevice
    from hub.services.operations import AddDevice

    new = NewDevice(sn=sn, code=code, did=did, name=name, key=key, clock_trusted=not no_clock_check)
    click.echo(carry_out(data_dir, AddDevice(new)))


@device.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@data_option()
def import_(data_dir: Path, file: Path) -> None:
    """Enrol the cameras of a CSV file.

    All of them, or none where a row is wrong. Its first line names the columns:
    sn,code,did,name,key. did, name and key may be empty; key is the path of a PEM file, from where
    FILE is.
    """
    from hub.cli.calling import carry_out
    from hub.services.operations import ImportDevices

    dids = carry_out(data_dir, ImportDevices(tuple(_read_rows(file))))
    click.echo(f"{len(dids)} device{'' if len(dids) == 1 else 's'} enrolled")


@device.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the cameras with their states."""
    from hub.cli.calling import carry_out
    from hub.cli.tables import print_json, print_table
    from hub.services.operations import ListDevices

    devices = carry_out(data_dir, ListDevices())
    if as_json:
        print_json(devices)
    else:
        print_table(("DID", "SN", "NAME", "STATE", "ADDRESS", "LAST SEEN"), map(_cells, devices))


@device.command("remove")
@click.argument("did")
@data_option()
def remove(data_dir: Path, did: str) -> None:
    """Remove a camera. Its records stay."""
    from hub.cli.calling import carry_out
    from hub.services.operations import RemoveDevice

    carry_out(data_dir, RemoveDevice(did))


@device.command("disable")
@click.argument("did")
@data_option()
def disable(data_dir: Path, did: str) -> None:
    """Let a camera in no more, until it is enabled again."""
    _change(data_dir, did, enabled=False)


@device.command("enable")
@click.argument("did")
@data_option()
def enable(data_dir: Path, did: str) -> None:
    """Let a disabled camera in again."""
    _change(data_dir, did, enabled=True)


@device.command("set")
@click.argument("did")
@click.option("--name", help="What it is called on the pages.")
@click.option("--code", help="Its security code.")
@key_option("Its public key or certificate (PEM).")
@click.option(
    "--clock-check/--no-clock-check",
    "clock_check",
    default=None,
    help="Refuse it while its clock is off, or let it in whatever its clock shows.",
)
@data_option()
def set_(
    data_dir: Path,
    did: str,
    name: str | None,
    code: str | None,
    key: str | None,
    clock_check: bool | None,
) -> None:
    """Change what is given; the rest stays."""
    given = {"name": name, "code": code, "key": key, "clock_trusted": clock_check}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("say what to change: --name, --code, --key or --[no-]clock-check")
    _change(data_dir, did, **changes)


@device.command("replace")
@click.argument("did")
@click.option("--sn", required=True, help="The serial number of the new camera.")
@click.option("--code", required=True, help="The security code on the new camera.")
@key_option(_KEY_HELP)
@data_option()
def replace(data_dir: Path, did: str, sn: str, code: str, key: str | None) -> None:
    """Put a new camera in a broken one's place.

    Its did, name and history stay.
    """
    _change(data_dir, did, sn=sn, code=code, key=key)


def _change(data_dir: Path, did: str, **changes: Any) -> None:
    from hub.cli.calling import carry_out
    from hub.services.devices import DeviceChange
    from hub.services.operations import ChangeDevice

    carry_out(data_dir, ChangeDevice(did, DeviceChange(**changes)))


def _cells(device: ListedDevice) -> Sequence[str]:
    return (
        device.did,
        device.sn,
        device.name,
        device.waiting_reason or device.state,
        device.ip or "",
        device.last_seen or "never",
    )


def _read_rows(path: Path) -> Iterator[ImportRow]:
    """The rows of the file. Raises StartFault that names the line."""
    from hub.services.devices import ImportRow, NewDevice

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StartFault(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartFault(f"{path} is not UTF-8 text") from None
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    _check_columns(path, reader.fieldnames or ())
    for row in reader:
        line = reader.line_num
        if None in row:
            raise StartFault(f"line {line}: more values than there are columns")
        cells = {column: (row.get(column) or "").strip() for column in _COLUMNS}
        device = NewDevice(
            sn=cells["sn"],
            code=cells["code"],
            did=cells["did"] or None,
            name=cells["name"],
            key=_read_key_of(cells, path.parent, line),
        )
        yield ImportRow(line, device)


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = {"sn", "code"} - set(names)
    unknown = set(names) - set(_COLUMNS)
    if missing or unknown:
        raise StartFault(
            f"{path}, line 1: allowed are the columns {','.join(_COLUMNS)}; "
            "sn and code must be there"
        )


def _read_key_of(cells: Mapping[str, str], directory: Path, line: int) -> str | None:
    if not cells["key"]:
        return None
    try:
        return read_key(directory / cells["key"])
    except StartFault as fault:
        raise StartFault(f"line {line}: {fault.message}") from None
