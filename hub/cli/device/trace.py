"""`sitehub device trace`: the frames between a device and the running hub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option

if TYPE_CHECKING:
    from hub.services.devices.frame_trace import TracedFrame

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


def _frames(data_dir: Path, device: str, *, follow: bool) -> Iterator[TracedFrame]:
    from hub.cli.requests import execute
    from hub.process.control.devices import TraceDevice

    after, seconds = 0, 0
    while True:
        frames = execute(data_dir, TraceDevice(device, after, seconds))
        yield from frames
        if not follow:
            return
        after = frames[-1].number if frames else after
        seconds = _WAIT_SECONDS


def _print(frame: TracedFrame) -> None:
    from hub.cli.output import print_line

    print_line("  ".join(_cells(frame)))
    if frame.text:
        print_line(f"    {frame.text}")


def _cells(frame: TracedFrame) -> tuple[str, ...]:
    at = time.localtime(frame.at // 1000)
    took = "" if frame.duration_ms is None else f"{frame.duration_ms:g} ms"
    return (
        f"{time.strftime('%H:%M:%S', at)}.{frame.at % 1000:03}",
        f"{frame.direction:<3}",
        f"{frame.kind:<7}",
        f"{frame.uri} {'' if frame.code is None else frame.code}".strip().ljust(32),
        f"{frame.size:>7} B",
        f"{took:>10}",
    )
