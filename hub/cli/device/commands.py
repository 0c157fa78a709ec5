"""`sitehub device`: enrol cameras, list them, change them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hub.cli.device import csv_import, enrolment
from hub.cli.device.trace import trace
from hub.cli.options import data_option, key_option

_SHOWN = ("did", "sn", "name", "state", "ip", "last_seen", "waiting_reason")
_KEY_HELP = "The device's public key or certificate (PEM); without it the site key applies."


@click.group()
def device() -> None:
    """Enrol cameras, list them, change them."""


for _command in (*enrolment.COMMANDS, *csv_import.COMMANDS, trace):
    device.add_command(_command)


@device.command("add")
@click.option("--sn", required=True, help="The serial number that the camera connects with.")
@click.option("--code", required=True, help="The security code on the camera.")
@key_option(_KEY_HELP)
@click.option("--did", help="The device ID of the camera [default: the next free].")
@click.option("--name", default="", help="The name on the pages, such as Gate or Lobby.")
@click.option("--no-clock-check", is_flag=True, help="Accept it even if its clock is wrong.")
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
    """Enrol a camera and print its did."""
    from hub.cli.requests import call_api

    new: dict[str, Any] = {"sn": sn, "code": code, "did": did, "name": name, "key": key}
    new["clock_trusted"] = not no_clock_check
    click.echo(call_api(data_dir, "POST", "devices", body=new)["did"])


@device.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the cameras with their states."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import list_api

    devices = list_api(data_dir, "devices")
    if as_json:
        print_json([{name: one[name] for name in _SHOWN} for one in devices])
    else:
        print_table(("DID", "SN", "NAME", "STATE", "ADDRESS", "LAST SEEN"), map(_cells, devices))


@device.command("remove")
@click.argument("did")
@data_option()
def remove(data_dir: Path, did: str) -> None:
    """Remove a camera. Its records stay."""
    from hub.cli.requests import call_api

    call_api(data_dir, "DELETE", "devices", did)


@device.command("disable")
@click.argument("did")
@data_option()
def disable(data_dir: Path, did: str) -> None:
    """Refuse a camera until it is enabled again."""
    _change(data_dir, did, enabled=False)


@device.command("enable")
@click.argument("did")
@data_option()
def enable(data_dir: Path, did: str) -> None:
    """Accept a disabled camera again."""
    _change(data_dir, did, enabled=True)


@device.command("set")
@click.argument("did")
@click.option("--name", help="The name on the pages.")
@click.option("--code", help="The security code.")
@key_option("The public key or certificate (PEM). The old one works until this one is used.")
@click.option("--site-key", "to_site_key", is_flag=True, help="Use the site key from now on.")
@click.option(
    "--drop-earlier-key", "drop_earlier", is_flag=True, help="Stop accepting the previous key now."
)
@click.option(
    "--clock-check/--no-clock-check",
    "clock_check",
    default=None,
    help="Refuse the camera if its clock is wrong, or accept it anyway.",
)
@data_option()
def set_(
    data_dir: Path,
    did: str,
    name: str | None,
    code: str | None,
    key: str | None,
    to_site_key: bool,
    drop_earlier: bool,
    clock_check: bool | None,
) -> None:
    """Change the given properties of a camera."""
    if key is not None and to_site_key:
        raise click.UsageError("give either --key or --site-key")
    given = {"name": name, "code": code, "key": key, "clock_trusted": clock_check}
    changes: dict[str, Any] = {f: value for f, value in given.items() if value is not None}
    if to_site_key:
        changes["key"] = None
    if drop_earlier:
        changes["earlier_key"] = None
    if not changes:
        raise click.UsageError("give a change, such as --name, --code or --key: see --help")
    _change(data_dir, did, **changes)


@device.command("replace")
@click.argument("did")
@click.option("--sn", required=True, help="The serial number of the new camera.")
@click.option("--code", required=True, help="The security code on the new camera.")
@key_option(_KEY_HELP)
@data_option()
def replace(data_dir: Path, did: str, sn: str, code: str, key: str | None) -> None:
    """Replace a broken camera with a new one.

    The new camera keeps the did, the name and the history.
    """
    _change(data_dir, did, sn=sn, code=code, key=key)


def _change(data_dir: Path, did: str, **changes: Any) -> None:
    from hub.cli.requests import call_api

    call_api(data_dir, "PATCH", "devices", did, body=changes)


def _cells(device: dict[str, Any]) -> Sequence[str]:
    return (
        device["did"],
        device["sn"],
        device["name"],
        device["waiting_reason"] or device["state"],
        device["ip"] or "",
        device["last_seen"] or "never",
    )
