"""`sitehub status`: shows whether the hub runs and is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli.options import data_option

#: Exit statuses, as of `systemctl status`.
_OK, _UNWELL, _NOT_RUNNING = 0, 1, 3
_LABEL_WIDTH = 11
#: A hub that takes longer does not respond.
_RESPONSE_SECONDS = 10.0
_GB = 1_000_000_000
#: The rest of a HubStatus that no hub gave.
_UNKNOWN: dict[str, Any] = {
    "since": None,
    "site": None,
    "dashboard": [],
    "devices": [],
    "fingerprint": None,
    "cameras": None,
    "records": None,
    "backups": None,
    "disk": None,
    "problems": [],
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def status(data_dir: Path, as_json: bool) -> int:
    """Show whether the hub runs, and whether everything is well.

    Exit status: 0 all is well, 1 something keeps the hub from working, 3 not running.
    """
    from hub.cli.output import print_json, print_line

    found = _read(data_dir)
    if as_json:
        print_json(found)
    else:
        for line in _lines(found, data_dir):
            print_line(line)
    return _exit_status(found["state"])


def _read(data_dir: Path) -> dict[str, Any]:
    """Ask the hub for its status. Without one, or an answer, the state says so."""
    from hub import __version__
    from hub.errors import HubError
    from hub.process import data_directory
    from hub.process.control import client
    from hub.process.control.request import ReadStatus

    data_directory.act_for_owner(data_dir)
    holder = data_directory.holder_of(data_dir)
    if holder is None or holder.role != "hub":
        state = "not running"
    elif not client.is_open(data_dir):
        state = "starting"
    else:
        try:
            found: dict[str, Any] = client.ask_running_hub(
                data_dir, ReadStatus(), _RESPONSE_SECONDS
            )
            return found
        except HubError:
            state = "not responding"
    return {"state": state, "version": __version__, **_UNKNOWN}


def _exit_status(state: str) -> int:
    if state == "not running":
        return _NOT_RUNNING
    return _OK if state == "ok" else _UNWELL


def _lines(found: dict[str, Any], data_dir: Path) -> Iterator[str]:
    yield f"sitehub {found['version']}" + (f": {found['site']}" if found["site"] else "")
    for label, text in _rows(found, data_dir):
        yield f"  {label:<{_LABEL_WIDTH}} {text}"


def _rows(found: dict[str, Any], data_dir: Path) -> Iterator[tuple[str, str]]:
    since = f", since {_shown(found['since'])}" if found["since"] else ""
    yield "State", f"{found['state']}{since}"
    yield "Data", str(data_dir)
    for label, urls in (("Dashboard", found["dashboard"]), ("For cameras", found["devices"])):
        for url in urls:
            yield label, url
    if found["fingerprint"]:
        yield "Certificate", f"SHA-256 {found['fingerprint']}"
    if cameras := found["cameras"]:
        states = ("online", "offline", "disabled", "waiting")
        yield "Cameras", ", ".join(f"{cameras[state]} {state}" for state in states)
    if records := found["records"]:
        newest = f"newest {_shown(records['newest'])}" if records["newest"] else "none yet"
        yield "Records", f"{newest}; {records['days']} of at most {records['keep_days']} days"
    if found["backups"]:
        good = found["backups"]["last_good"]
        yield "Backup", f"last good one {_shown(good)}" if good else "none yet"
    if disk := found["disk"]:
        free = "unknown" if disk["free"] is None else f"{disk['free'] / _GB:.1f} GB"
        yield (
            "Disk",
            (
                f"{free} free, {disk['needed'] / _GB:g} GB needed; "
                f"pictures {disk['pictures'] / _GB:.1f} GB, "
                f"database {disk['database'] / _GB:.1f} GB"
            ),
        )
    for problem in found["problems"]:
        yield problem["severity"].capitalize(), f"{problem['text']} {problem['advice']}"


def _shown(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
