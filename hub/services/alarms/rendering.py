"""An alarm as the API shows it, and as it is forwarded."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.store.alarms.alarm import Alarm
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import Record, render


def alarm_json(alarm: Alarm, record: Record | None) -> bytes:
    """Encode an alarm as keys get it, with the record that raised it if that is there."""
    raw = None if record is None else msgspec.Raw(render(record))
    return msgspec.json.encode(alarm_fields(alarm, raw))


def alarm_fields(alarm: Alarm, record: msgspec.Raw | None) -> dict[str, Any]:
    """Return the fields of an alarm. `record` is encoded already."""
    return {
        "seq": alarm.seq,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "severity": alarm.severity,
        "state": alarm.state,
        "count": alarm.count,
        "first_at": format_rfc3339(alarm.first_at),
        "last_at": format_rfc3339(alarm.last_at),
        "last_seq": alarm.last_seq,
        "new_since": format_rfc3339(alarm.new_since),
        "escalated_at": _time(alarm.escalated_at),
        "over_at": _time(alarm.over_at),
        "dids": list(alarm.dids),
        "detail": alarm.detail.told(),
        "note": alarm.note,
        "record": record,
    }


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)
