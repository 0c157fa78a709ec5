"""`sitehub device waiting`, `check`, `accept` and `init`: cameras that knock at a running hub."""

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
    """List the cameras that wait for enrolment, and why."""
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
    """Tell whether a code fits the last signature of a camera that is not let in.

    Nothing is stored. Prints "fits" where it does, and whatever keeps it out besides; else the
    reasons, and exits with 1.
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
@click.option("--name", default="", help="What it is called on the pages: Gate, Lobby ...")
@click.option("--did", help="The number that the camera knows itself by [default: the next free].")
@click.option("--replaces", metavar="DID", help="The broken camera whose place it takes.")
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
    """Enrol a camera that waits, and send it its initial parameters.

    Prints its did, and below it how it took them. A code that does not fit its last signature is
    refused, and nothing is stored.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import AcceptDevice

    new = AcceptDevice(sn=sn, code=code, key=key, name=name, did=did, replaces=replaces)
    _tell(execute(data_dir, new), as_json)


@click.command("init")
@click.argument("did")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def init(data_dir: Path, did: str, as_json: bool) -> None:
    """Send a camera its initial parameters once more.

    Prints its did, and below it how it took them.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import SendInitialParameters

    _tell(execute(data_dir, SendInitialParameters(did)), as_json)


COMMANDS: tuple[click.Command, ...] = (waiting, check, accept, init)


def _tell(delivered: ProvisionedDevice, as_json: bool) -> None:
    from hub.cli.output import print_json, print_line

    if as_json:
        print_json(delivered)
        return
    print_line(delivered.did)
    print_line(f"initial parameters: {delivered.message}")


def _cells(row: ListedPendingDevice) -> Sequence[str]:
    return row.sn, row.ip, row.last_seen, str(row.tries), row.reason
