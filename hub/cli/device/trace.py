"""`sitehub device trace`: the frames between a device and the running hub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hub.cli.options import data_option
from hub.errors import StartFault

#: How long one request to the running hub waits for a frame.
_WAIT_SECONDS = 10


@click.command("trace")
@click.argument("device", metavar="DID")
@click.option("--follow", is_flag=True, help="Show new frames as well, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@data_option()
def trace(data_dir: Path, device: str, follow: bool, as_json: bool) -> None:
    """Show the last frames from and to a camera.

    DID may be the serial number of a waiting camera. Secrets and personal numbers are redacted, and
    pictures are replaced by their size. The hub must be running: it keeps the frames in memory.
    """
    from hub.cli.output import print_json

    for frame in _frames(data_dir, device, follow=follow):
        if as_json:
            print_json(frame)
        else:
            _print(frame)


def _frames(data_dir: Path, device: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    from hub.cli.requests import call_api
    from hub.wire.times import parse_rfc3339

    path: tuple[str, ...] = ("devices", device, "trace")
    after = wait = 0
    while True:
        try:
            found = call_api(data_dir, "GET", *path, needs_hub=True, after=after, wait=wait)
        except StartFault:
            if len(path) > 3:
                raise
            path = ("devices", "waiting", device, "trace")
            continue
        for frame in found["items"]:
            at = parse_rfc3339(frame.pop("time"), "time")
            given = {name: value for name, value in frame.items() if value not in (None, "")}
            yield {"number": given.pop("number"), "at": at, **given}
        if not follow:
            return
        after, wait = found["next"], _WAIT_SECONDS


def _print(frame: dict[str, Any]) -> None:
    from hub.cli.output import print_line

    print_line("  ".join(_cells(frame)))
    if "text" in frame:
        print_line(f"    {frame['text']}")


def _cells(frame: dict[str, Any]) -> tuple[str, ...]:
    at = time.localtime(frame["at"] // 1000)
    took = f"{frame['duration_ms']:g} ms" if "duration_ms" in frame else ""
    return (
        f"{time.strftime('%H:%M:%S', at)}.{frame['at'] % 1000:03}",
        f"{frame['direction']:<3}",
        f"{frame['kind']:<7}",
        f"{frame.get('uri', '')} {frame.get('code', '')}".strip().ljust(32),
        f"{frame['size']:>7} B",
        f"{took:>10}",
    )
