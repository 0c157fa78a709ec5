"""The filter of the audit log: its form, and the query that comes of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time, timedelta

from msgspec import Struct
from quart import request

from hub.services.access.audit import AuditFilter
from web import auth
from web.pages.language import N_

#: The subjects of actions, by the first word of their codes.
GROUPS = {
    "device": N_("Cameras"),
    "person": N_("People"),
    "group": N_("Groups of cameras"),
    "user": N_("Users"),
    "apikey": N_("API keys"),
    "site": N_("Site"),
    "settings": N_("Settings"),
    "certificate": N_("Certificate"),
    "setup": N_("Setup links"),
    "site-key": N_("Site key"),
    "hold": N_("Evidence"),
    "erasure": N_("Erasure of people"),
    "retention": N_("Disk and days"),
    "clock": N_("Clock"),
    "backup": N_("Backups"),
    "update": N_("Update"),
    "firmware": N_("Firmware"),
    "campaign": N_("Campaigns"),
    "pictures": N_("Lost pictures"),
}

#: Cameras whose name contains the text; more would make a slow query.
_MAX_CAMERAS = 50
_FIELDS = ("who", "group", "target", "since", "until")


class AuditForm(Struct, frozen=True):
    """The fields as they were sent, and what they mean."""

    values: dict[str, str]
    matching: AuditFilter

    @property
    def is_used(self) -> bool:
        return any(self.values.values())


def read_form() -> AuditForm:
    """Read the filter of this request. A field that is not valid is left empty."""
    values = {name: request.args.get(name, "").strip()[:100] for name in _FIELDS}
    if values["group"] not in GROUPS:
        values["group"] = ""
    since, until = _day(values["since"]), _day(values["until"])
    values |= {
        "since": since.isoformat() if since else "",
        "until": until.isoformat() if until else "",
    }
    matching = AuditFilter(
        who=values["who"],
        group=values["group"],
        target=values["target"],
        targets=_cameras(values["target"]),
        since=_begin(since) if since else None,
        # The last day is included.
        until=_begin(until + timedelta(days=1)) if until else None,
    )
    return AuditForm(values, matching)


def _day(text: str) -> date | None:
    with suppress(ValueError):
        day = date.fromisoformat(text)
        # The day after must be a date, too.
        return day if 1970 <= day.year < 9999 else None
    return None


def _begin(day: date) -> int:
    """When a day begins in the zone of the site, in UNIX milliseconds."""
    zone = auth.services().site.zone()
    return int(datetime.combine(day, time(), zone).timestamp() * 1000)


def _cameras(name: str) -> tuple[str, ...]:
    """The dids of cameras whose name contains this text: the log holds dids."""
    wanted = name.casefold()
    if not wanted:
        return ()
    found = (one.did for one in auth.services().devices.list() if wanted in one.name.casefold())
    return tuple(did for did, _ in zip(found, range(_MAX_CAMERAS), strict=False))
