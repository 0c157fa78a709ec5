"""The filter of the list of alarms: its form, and the query that comes of it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

from msgspec import Struct
from quart import request

from hub.store.alarms.alarm import AlarmKind, AlarmState, Severity
from hub.store.tables.alarms import AlarmFilter
from web import auth
from web.pages.times import begin_of, end_of, now_here, read_days, to_ms

When = Literal["visit", "night", "today", "yesterday", "week"]

#: "Last night" is from the evening of yesterday to this morning, in the time of the site.
NIGHT = (time(20), time(8))
_DAY = timedelta(days=1)
_FIELDS = ("state", "severity", "kind", "did", "since", "until", "when")
_CODES = {
    "state": get_args(AlarmState),
    "severity": get_args(Severity),
    "kind": get_args(AlarmKind),
    "when": get_args(When),
}


class AlarmForm(Struct, frozen=True):
    """The fields as they were sent, and what they mean."""

    values: dict[str, str]
    matching: AlarmFilter

    @property
    def is_used(self) -> bool:
        return any(self.values.values())

    @property
    def has_fields(self) -> bool:
        """Whether more is chosen than the state and the time, which have links of their own."""
        return any(value for name, value in self.values.items() if name not in ("state", "when"))


def read_form() -> AlarmForm:
    """Read the filter of this request. A field that is not valid is left empty.

    Days that were entered count more than `when`.
    """
    values = {name: request.args.get(name, "").strip()[:100] for name in _FIELDS}
    for name, codes in _CODES.items():
        if values[name] not in codes:
            values[name] = ""
    since, until = read_days(values)
    values["when"] = "" if since or until else values["when"]
    return AlarmForm(values, _matching(values, *_bounds(values["when"], since, until)))


def _bounds(when: str, since: date | None, until: date | None) -> tuple[int | None, int | None]:
    """From when until when, in UNIX milliseconds; None where it is open. `until` is included."""
    now = now_here()
    today = now.date()
    if when == "visit":
        return auth.services().records.reviews.last_visit(auth.user().name).ended_at, None
    if when == "night":
        evening, morning = NIGHT
        return to_ms(datetime.combine(today - _DAY, evening, now.tzinfo)), to_ms(
            datetime.combine(today, morning, now.tzinfo)
        )
    if when in ("today", "yesterday"):
        since = until = today if when == "today" else today - _DAY
    elif when == "week":
        since = today - 6 * _DAY
    return begin_of(since) if since else None, end_of(until) if until else None


def _matching(values: dict[str, str], since: int | None, until: int | None) -> AlarmFilter:
    """Alarms that came between two times, in UNIX milliseconds."""
    return AlarmFilter(
        state=next((one for one in get_args(AlarmState) if one == values["state"]), None),
        severity=next((one for one in get_args(Severity) if one == values["severity"]), None),
        kind=next((one for one in get_args(AlarmKind) if one == values["kind"]), None),
        did=values["did"] or None,
        # Also what was raised before, and came again.
        last_since=since,
        until=until,
    )
