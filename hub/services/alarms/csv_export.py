"""Alarms as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from hub.services.alarms.alarms import RaisedAlarms
from hub.services.alarms.answers import last_answer, may_have_answer
from hub.services.csv_cells import as_text
from hub.store.alarms.alarm import Alarm, AlarmStep
from hub.store.tables.alarms import AlarmFilter
from hub.wire.code_tables import event_name
from hub.wire.times import format_rfc3339

HEAD = (
    *("seq", "kind", "severity", "state", "what", "plate", "person", "cameras", "count"),
    *("first", "last", "acknowledged", "acknowledged_by", "closed", "closed_by", "note", "again"),
)
_PART = 200

#: Returns what an alarm is about, and where it was, in words.
Describe = Callable[[Alarm], tuple[str, str]]


async def export_csv(
    alarms: RaisedAlarms, matching: AlarmFilter, describe: Describe
) -> AsyncIterator[bytes]:
    """Yield the matching alarms as CSV, the newest first, part by part."""
    # Excel takes a file without this mark for one in the code page of the PC.
    yield "\ufeff".encode() + _lines([HEAD])
    before: int | None = None
    while True:
        found = await alarms.page(matching, before=before, newest_first=True, limit=_PART)
        steps = [
            await alarms.history(one.seq) if may_have_answer(one) else () for one in found.items
        ]
        yield _lines(map(_cells, found.items, steps, map(describe, found.items)))
        if found.next is None:
            return
        before = found.next


def describe_alarm(alarm: Alarm) -> tuple[str, str]:
    """Return in English what an alarm is about, and where it was."""
    detail = alarm.detail
    what = {
        "blacklist": detail.name or detail.uuid or "unknown person",
        "plate": detail.list,
        "event": " · ".join(filter(None, (event_name(detail.type or 0), alarm.event_person))),
    }.get(alarm.kind, detail.text)
    return what, ", ".join(alarm.dids)


def _cells(alarm: Alarm, steps: Sequence[AlarmStep], words: tuple[str, str]) -> Sequence[str]:
    what, where = words
    texts = (alarm.detail.plate, alarm.detail.pid or alarm.detail.uuid, where)
    return (
        *(str(alarm.seq), alarm.kind, alarm.severity, alarm.state),
        *(as_text(text) for text in (what, *texts)),
        *(str(alarm.count), format_rfc3339(alarm.first_at), format_rfc3339(alarm.last_at)),
        *_last(steps, "acknowledged"),
        *_last(steps, "closed"),
        as_text(alarm.note),
        _again(alarm, steps),
    )


def _again(alarm: Alarm, steps: Sequence[AlarmStep]) -> str:
    """Since when an alarm that was acknowledged is new again; "" if it is not."""
    answer = last_answer(alarm, steps)
    again_at = None if answer is None else answer.again_at
    return "" if again_at is None else format_rfc3339(again_at)


def _last(steps: Sequence[AlarmStep], wanted: str) -> tuple[str, str]:
    """When something was done for the last time, and by whom; empty if it was not."""
    found = [step for step in steps if step.step == wanted]
    return (format_rfc3339(found[-1].at), as_text(found[-1].who)) if found else ("", "")


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")
