"""`sitehub alarm`: listing, acknowledging and closing alarms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.options import data_option

if TYPE_CHECKING:
    from hub.store.alarms.alarm import Alarm

#: How many of the alarms that it changed the API answers with.
_MAX_ANSWERED = 200
_SEQS = click.argument(
    "seqs", metavar="SEQ...", type=click.IntRange(1, 2**63 - 1), nargs=-1, required=True
)
_NOTE = click.option("--note", default="", help="A note to keep with the alarm.")


@click.group()
def alarm() -> None:
    """Alarms: list, acknowledge and close them."""


@alarm.command("list")
@click.option(
    "--state",
    type=click.Choice(("active", "new", "acknowledged", "closed", "all")),
    default="active",
    show_default=True,
    help="Only alarms in this state; active: not closed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_alarms(
    data_dir: Path,
    state: Literal["active", "new", "acknowledged", "closed", "all"],
    as_json: bool,
) -> None:
    """List alarms, the oldest first."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.alarms import ActiveAlarms

    if state == "active":
        found = execute(data_dir, ActiveAlarms())
    else:
        found = list(_pages(data_dir, state))
    head = ("ALARM", "SEVERITY", "STATE", "KIND", "COUNT", "LAST", "CAMERAS", "ABOUT")
    print_list(found, head, _cells, as_json=as_json, shown=_fields)


@alarm.command("ack")
@_SEQS
@_NOTE
@data_option()
def acknowledge(data_dir: Path, seqs: tuple[int, ...], note: str) -> None:
    """Acknowledge alarms by their numbers (SEQ)."""
    _change(data_dir, "ack", seqs, note)


@alarm.command("close")
@_SEQS
@_NOTE
@data_option()
def close(data_dir: Path, seqs: tuple[int, ...], note: str) -> None:
    """Close alarms by their numbers (SEQ)."""
    _change(data_dir, "close", seqs, note)


def _change(data_dir: Path, step: str, seqs: tuple[int, ...], note: str) -> None:
    """Print which alarms were not changed. Raises StartFault if none was."""
    from hub.cli.requests import call_api
    from hub.errors import StartFault

    changed: set[int] = set()
    for start in range(0, len(seqs), _MAX_ANSWERED):
        body = {"seqs": seqs[start : start + _MAX_ANSWERED], "note": note}
        answer = call_api(data_dir, "POST", "alarms", step, body=body)
        changed.update(one["seq"] for one in answer["items"])
    if rest := [str(seq) for seq in dict.fromkeys(seqs) if seq not in changed]:
        text = f"not changed, because it is closed or so already, or no alarm: {' '.join(rest)}"
        if not changed:
            raise StartFault(text)
        click.echo(text, err=True)


def _pages(
    data_dir: Path, state: Literal["new", "acknowledged", "closed", "all"]
) -> Iterator[Alarm]:
    from hub.cli.requests import execute
    from hub.process.control.alarms import ListAlarms
    from hub.store.tables.alarms import AlarmFilter

    matching = AlarmFilter(state=None if state == "all" else state)
    after: int | None = None
    while True:
        page = execute(data_dir, ListAlarms(matching, after))
        yield from page.items
        if page.next is None:
            return
        after = page.next


def _cells(alarm: Alarm) -> tuple[str, ...]:
    from hub.services.alarms.csv_export import describe_alarm
    from hub.wire.times import format_rfc3339

    about, cameras = describe_alarm(alarm)
    return (
        *(str(alarm.seq), alarm.severity, alarm.state, alarm.kind, str(alarm.count)),
        *(format_rfc3339(alarm.last_at), cameras, about),
    )


def _fields(alarm: Alarm) -> dict[str, Any]:
    import msgspec

    from hub.wire.times import format_rfc3339

    fields = msgspec.structs.asdict(alarm) | {"detail": alarm.detail.told()}
    for name in ("first_at", "last_at", "heard_at", "new_since", "escalated_at", "over_at"):
        fields[name] = None if fields[name] is None else format_rfc3339(fields[name])
    return fields
