"""`sitehub device waiting`, `check`, `accept` and `init`: cameras that connect to enrol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hub.cli.options import data_option, key_option

#: Of a waiting camera, with --json.
_SHOWN = ("sn", "ip", "first_seen", "last_seen", "tries", "clock_offset", "reason")
_KEY_HELP = "The camera's public key or certificate (PEM); without it the site key applies."


@click.command("waiting")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def waiting(data_dir: Path, as_json: bool) -> None:
    """List the waiting cameras, with the reasons why they are refused."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import call_api

    rows = call_api(data_dir, "GET", "devices", "waiting")["items"]
    if as_json:
        print_json([{name: row[name] for name in _SHOWN} for row in rows])
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
    from hub.cli.requests import call_api

    body = {"code": code, "key": key}
    found = call_api(data_dir, "POST", "devices", "waiting", sn, "check", body=body)
    fits = found["outcome"] == "fits"
    print_line("; ".join(filter(None, ["fits" if fits else "", found["reason"]])))
    if not fits:
        raise click.exceptions.Exit(1)


@click.command("accept")
@click.argument("sn")
@click.option("--code", required=True, help="The security code on the camera.")
@key_option(_KEY_HELP)
@click.option("--name", default="", help="The name on the pages, such as Gate or Lobby.")
@click.option("--did", help="The device ID of the camera [default: the next free].")
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
    from hub.cli.requests import call_api

    new = {"code": code, "key": key, "name": name, "did": did, "replaces": replaces}
    device = call_api(data_dir, "POST", "devices", "waiting", sn, "accept", body=new)
    _print(device["did"], device["init"], as_json)


@click.command("init")
@click.argument("did")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def init(data_dir: Path, did: str, as_json: bool) -> None:
    """Send a camera its initial parameters again.

    Prints its did, and the camera's response below it.
    """
    from hub.cli.requests import call_api

    _print(did, call_api(data_dir, "POST", "devices", did, "init"), as_json)


COMMANDS: tuple[click.Command, ...] = (waiting, check, accept, init)


def _print(did: str, init: dict[str, str], as_json: bool) -> None:
    from hub.cli.output import print_json, print_line

    if as_json:
        print_json({"did": did} | init)
        return
    print_line(did)
    print_line(f"initial parameters: {init['message']}")


def _cells(row: dict[str, Any]) -> Sequence[str]:
    return row["sn"], row["ip"], row["last_seen"], str(row["tries"]), row["reason"]
