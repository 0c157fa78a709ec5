"""The filter of the list of alarms: its form, and the query that comes of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

from msgspec import Struct
from quart import request

from hub.services.alarms.alarms import AlarmFilter, AlarmKind, AlarmState, Severity
from web.pages.date_fields import begin_of, read_day

_FIELDS = ("state", "severity", "kind", "did", "since", "until")
_CODES = {
    "state": get_args(AlarmState),
    "severity": get_args(Severity),
    "kind": get_args(AlarmKind),
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
        """Whether more is chosen than the state, which has links of its own."""
        return any(value for name, value in self.values.items() if name != "state")


def read_form() -> AlarmForm:
    """Read the filter of this request. A field that is not valid is left empty."""
    values = {name: request.args.get(name, "").strip()[:100] for name in _FIELDS}
    for name, codes in _CODES.items():
        if values[name] not in codes:
            values[name] = ""
    since, until = read_day(values["since"]), read_day(values["until"])
    values |= {
        "since": since.isoformat() if since else "",
        "until": until.isoformat() if until else "",
    }
    return AlarmForm(values, _matching(values, since, until))


def _matching(values: dict[str, str], since: date | None, until: date | None) -> AlarmFilter:
    return AlarmFilter(
        state=next((one for one in get_args(AlarmState) if one == values["state"]), None),
        severity=next((one for one in get_args(Severity) if one == values["severity"]), None),
        kind=next((one for one in get_args(AlarmKind) if one == values["kind"]), None),
        did=values["did"] or None,
        # Also what was raised before, and came again.
        last_since=begin_of(since) if since else None,
        # The last day is included.
        until=begin_of(until + timedelta(days=1)) if until else None,
    )
