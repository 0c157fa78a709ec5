"""The filter of the audit log: its form, and the query that comes of it."""

from __future__ import annotations

from msgspec import Struct
from quart import request

from hub.store.tables.audit import AuditFilter
from web import auth
from web.language import N_
from web.pages.times import begin_of, end_of, read_days

#: The subjects of actions, by the first word of their codes.
GROUPS = {
    "device": N_("Cameras"),
    "person": N_("People"),
    "group": N_("Groups of cameras"),
    "job": N_("Jobs"),
    "user": N_("Users"),
    "screen": N_("Wall screens"),
    "apikey": N_("API keys"),
    "site": N_("Site"),
    "settings": N_("Settings"),
    "certificate": N_("Certificate"),
    "setup": N_("Setup links"),
    "site-key": N_("Site key"),
    "alarm": N_("Alarms"),
    "plates": N_("Plate lists"),
    "hold": N_("Evidence"),
    "record": N_("Records"),
    "search": N_("Saved searches"),
    "report": N_("Reports"),
    "target": N_("Forwarding"),
    "erasure": N_("Erasure of people"),
    "retention": N_("Storage"),
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
    since, until = read_days(values)
    matching = AuditFilter(
        who=values["who"],
        group=values["group"],
        target=values["target"],
        targets=_cameras(values["target"]),
        since=begin_of(since) if since else None,
        until=end_of(until) if until else None,
    )
    return AuditForm(values, matching)


def _cameras(name: str) -> tuple[str, ...]:
    """The dids of cameras whose name contains this text: the log holds dids."""
    wanted = name.casefold()
    if not wanted:
        return ()
    found = (
        one.did for one in auth.services().cameras.devices.list() if wanted in one.name.casefold()
    )
    return tuple(did for did, _ in zip(found, range(_MAX_CAMERAS), strict=False))
