"""`sitehub retention`: what is kept, what awaits confirmation, how long the disk will last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option

if TYPE_CHECKING:
    from hub.services.retention.view import ClockView, ForecastView, RetentionView

_GB = 1_000_000_000
_REASONS = {
    "share": "they are more than usual, and hold more than a tenth of all records",
    "last": "no other day holds records",
}
_TRUST = {
    "doubted": "doubted: it does not fit the time at which the hub ran before",
    "contradicted": "not trusted: the clocks of most cameras show another day",
    "settling": "not trusted yet: it must be steady for a day of running time",
    "trusted": "trusted",
}
_LIMITS = {"age": "store.keep_days", "size": "store.max_gb", "disk": "the disk"}


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
@click.pass_context
def retention(context: click.Context, data_dir: Path, as_json: bool) -> None:
    """Show what is kept, what awaits confirmation, and how long the disk will last.

    Needs a running hub.
    """
    if context.invoked_subcommand is not None:
        return
    from hub.cli.output import print_json, print_line
    from hub.cli.requests import execute
    from hub.process.control.retention import ReadRetention

    found = execute(data_dir, ReadRetention())
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            print_line(line)


@retention.command()
@click.argument("days", nargs=-1, required=True, metavar="DAY...")
@data_option()
def confirm(data_dir: Path, days: tuple[str, ...]) -> None:
    """Confirm that days which await it are deleted, with their records and pictures.

    Name exactly the days that "sitehub retention" lists.
    """
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.retention import ConfirmRetention

    done = execute(data_dir, ConfirmRetention(list(days)))
    print_line(f"{len(done.days)} days with {done.records} records are deleted now")


@retention.command("confirm-clock")
@data_option()
def confirm_clock(data_dir: Path) -> None:
    """Confirm that the clock of this computer is right, so that the hub trusts it."""
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.retention import ConfirmClock

    clock = execute(data_dir, ConfirmClock())
    print_line(f"clock: {clock.shows}, {_TRUST[clock.trust]}")


def _lines(found: RetentionView) -> Iterator[str]:
    yield f"kept      {len(found.days)} days, {found.records} records, {_size(found.bytes)}"
    yield f"limits    {_limits(found)}"
    yield from _forecast_lines(found.forecast)
    yield from _clock_lines(found.clock)
    if found.waiting and found.reason:
        yield ""
        yield f"These days are too old and wait for a person, since {_REASONS[found.reason]}."
        yield "Check the date of this computer. If they may be deleted:"
        yield ""
        yield f"  sitehub retention confirm {' '.join(day.day for day in found.waiting)}"
        yield ""
        for day in found.waiting:
            dated = "" if day.day == day.date else f", dated {day.date}"
            yield f"  {day.day}  {day.records} records, {_size(day.bytes)}{dated}"


def _limits(found: RetentionView) -> str:
    limits = [f"{found.keep_days} days"]
    if found.max_gb:
        limits.append(f"{found.max_gb:g} GB of pictures")
    return ", ".join([*limits, f"{found.min_free_gb:g} GB are to stay free"])


def _forecast_lines(found: ForecastView) -> Iterator[str]:
    if not found.measured_days:
        yield "forecast  known once the first day is over"
        return
    kinds = ", ".join(f"{kind} {_size(size)}" for kind, size in found.kinds.items() if size)
    each = f"{kinds}, " if kinds else ""
    yield f"a day     {each}database {_size(found.database)} (average of {found.measured_days})"
    yield f"forecast  {found.kept_days} days will be kept, because of {_LIMITS[found.limited_by]}"
    if found.full_in_days is not None:
        yield f"disk      full in {found.full_in_days:.0f} days; then the oldest days are deleted"


def _clock_lines(clock: ClockView) -> Iterator[str]:
    yield f"clock     {clock.shows}, {_TRUST[clock.trust]}"
    if clock.trust == "doubted":
        yield f"expected  {clock.expected}"
        yield "          If it is right all the same: sitehub retention confirm-clock"
    if clock.cameras_off:
        yield f"cameras   {clock.cameras_off} of {clock.cameras} show another day"


def _size(count: float) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB / 10 else f"{count / 1_000_000:.1f} MB"
