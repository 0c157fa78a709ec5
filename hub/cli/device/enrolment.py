"""`sitehub device waiting`, `check`, `accept` and `init`: cameras that connect to enrol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option, key_option

if TYPE_CHECKING:
    from hub.process.control.devices import ListedPendingDevice, ProvisionedDevice

_KEY_HELP = "The camera's public key or certificate (PEM); without it the site key applies."


@click.command("waiting")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def waiting(data_dir: Path, as_json: bool) -> None:
    """List the waiting cameras, with the reasons why they are refused."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.devices import ListPendingDevices

    rows = execute(data_dir, ListPendingDevices())
    if as_json:
        print_json(rows)
    else:
        print_table(("SN", "ADDRESS", "LAST SEEN", "TRIES", "REASON"), map(_cells, rows))


@click.command("check")
@click.argument("sn")
@click.option("--code", required=True, help="The security code to try.")
@key_option(_KEY_HELP)
@data_option()
def check(data_dir: Path, sn: str, code: str, key: str | None) -> None:
    """Check a security code against the last signature of a waiting camera.

    Nothing is stored. If the code fits, prints "fits" and any other reasons for which the camera is
    refused; otherwise prints why not, and exits with status 1.
    """
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.devices import CheckCode

    found = execute(data_dir, CheckCode(sn, code, key))
    fits = found.outcome == "fits"
    sentences = [reason.sentence for reason in found.reasons]
    print_line("; ".join(["fits", *sentences] if fits else sentences))
    if not fits:
        raise click.exceptions.Exit(1)


@click.command("accept")
@click.argument("sn")
@click.option("--code", required=True, help="The security code on the camera.")
@key_option(_KEY_HELP)
@click.option("--name", default="", help="The name on the pages, such as Gate or Lobby.")
@click.option("--did", help="The device number of the camera [default: the next free].")
@click.option("--replaces", metavar="DID", help="The broken camera that it replaces.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def accept(
    data_dir: Path,
    sn: str,
    code: str,
    key: str | None,
    name: str,
    did: str | None,
    replaces: str | None,
    as_json: bool,
) -> None:
    """Enrol a waiting camera, and send it its initial parameters.

    Prints its did, and the camera's response below it. If the code does not fit the camera's last
    signature, nothing is stored.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import AcceptDevice

    new = AcceptDevice(sn=sn, code=code, key=key, name=name, did=did, replaces=replaces)
    _print(execute(data_dir, new), as_json)


@click.command("init")
@click.argument("did")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def init(data_dir: Path, did: str, as_json: bool) -> None:
    """Send a camera its initial parameters again.

    Prints its did, and the camera's response below it.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import SendInitialParameters

    _print(execute(data_dir, SendInitialParameters(did)), as_json)


COMMANDS: tuple[click.Command, ...] = (waiting, check, accept, init)


def _print(delivered: ProvisionedDevice, as_json: bool) -> None:
    from hub.cli.output import print_json, print_line

    if as_json:
        print_json(delivered)
        return
    print_line(delivered.did)
    print_line(f"initial parameters: {delivered.message}")


def _cells(row: ListedPendingDevice) -> Sequence[str]:
    return row.sn, row.ip, row.last_seen, str(row.tries), row.reason
