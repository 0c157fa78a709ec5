"""Kinds, severities, states and steps of alarms as text."""

from __future__ import annotations

from web.language import N_

SEVERITIES = {"critical": N_("Critical"), "major": N_("Major"), "minor": N_("Minor")}

STATES = {
    "new": N_("New"),
    "acknowledged": N_("Acknowledged"),
    "closed": N_("Closed"),
}

KINDS = {
    "blacklist": N_("Person on the blacklist"),
    "plate": N_("Watched plate"),
    "event": N_("Camera event"),
    "offline": N_("Camera offline"),
    "hub": N_("Problem of this hub"),
}

#: Icons of alarms without a picture.
ICONS = {
    "blacklist": "list-black",
    "plate": "vehicle",
    "event": "event",
    "offline": "camera",
    "hub": "site",
}

STEPS = {
    "raised": N_("Raised"),
    "again": N_("Raised again"),
    "acknowledged": N_("Acknowledged"),
    "escalated": N_("Not acknowledged in time: everyone was notified"),
    "over": N_("Back to normal"),
    "closed": N_("Closed"),
}
