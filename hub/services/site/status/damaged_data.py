"""What the damaged rows of the database are to people: records, cameras, users, not tables."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Literal

from msgspec import Struct

from hub.store.damage import DamagedRows

DataKind = Literal[
    "records",
    "evidence",
    "erasures",
    "alarms",
    "cameras",
    "people",
    "jobs",
    "connections",
    "firmware",
    "users",
    "sign-ins",
    "api-keys",
    "audit",
    "settings",
    "other",
]

#: As they are named in English; the pages translate them.
NAMES: dict[DataKind, str] = {
    "records": "records",
    "evidence": "evidence",
    "erasures": "list of erasures",
    "alarms": "alarms, alarm rules and plate lists",
    "cameras": "cameras",
    "people": "people",
    "jobs": "jobs",
    "connections": "camera connections",
    "firmware": "firmware",
    "users": "users",
    "sign-ins": "sign-ins",
    "api-keys": "API keys",
    "audit": "audit log",
    "settings": "site settings",
    "other": "internal notes of the hub",
}

_MAX_NAMED = 5


class DamagedEntry(Struct, frozen=True):
    """A damaged row. `key`: what names it in its table, such as a did or a user's name."""

    table: str
    key: str


class DamagedData(Struct, frozen=True):
    """How many entries of a kind are damaged, and the first few of them."""

    kind: DataKind
    count: int
    entries: tuple[DamagedEntry, ...]


_KINDS: dict[str, DataKind] = {
    "record": "records",
    "hold": "evidence",
    "hold_record": "evidence",
    "held_record": "evidence",
    "held_pack": "evidence",
    "erasure": "erasures",
    "alarm": "alarms",
    "alarm_record": "alarms",
    "alarm_step": "alarms",
    "alarm_rule": "alarms",
    "plate_list": "alarms",
    "plate_entry": "alarms",
    "device": "cameras",
    "device_setting": "cameras",
    "device_capability": "cameras",
    "device_relay": "cameras",
    "device_wish": "cameras",
    "outage": "cameras",
    "camera_group": "cameras",
    "camera_group_device": "cameras",
    "person": "people",
    "person_photo": "people",
    "person_group": "people",
    "device_people": "people",
    "holding": "people",
    "unknown_person": "people",
    "job": "jobs",
    "job_item": "jobs",
    "token": "connections",
    "accepted": "connections",
    "firmware_file": "firmware",
    "firmware_component": "firmware",
    "firmware_release": "firmware",
    "firmware_download": "firmware",
    "campaign": "firmware",
    "campaign_device": "firmware",
    "user": "users",
    "user_link": "users",
    "session": "sign-ins",
    "api_key": "api-keys",
    "used_signature": "api-keys",
    "audit": "audit",
    "review": "users",
    "saved_search": "settings",
    "setting": "settings",
    "target": "settings",
    "target_gap": "settings",
    "parked_item": "settings",
    "erased_record": "settings",
    "earlier_log": "settings",
}


def kind_of(table: str) -> DataKind:
    """Return what the rows of a table are to people."""
    return _KINDS.get(table, "other")


def find_damaged(damaged: DamagedRows) -> list[DamagedData]:
    """Return what is damaged, in the order of NAMES."""
    found: dict[DataKind, list[DamagedEntry]] = {kind: [] for kind in NAMES}
    counts: Counter[DataKind] = Counter()
    for table, count in damaged.counts().items():
        kind = kind_of(table)
        counts[kind] += count
        found[kind] += [DamagedEntry(table, key) for key in islice(damaged.of(table), _MAX_NAMED)]
    return [
        DamagedData(kind, counts[kind], tuple(found[kind][:_MAX_NAMED]))
        for kind in NAMES
        if counts[kind]
    ]


def damaged_names(damaged: DamagedRows) -> tuple[str, ...]:
    """Return the names of what is damaged, with the first few of each kind."""
    return tuple(
        f"{NAMES[one.kind]} ({', '.join(entry.key for entry in one.entries)}"
        f"{', …' if one.count > len(one.entries) else ''})"
        for one in find_damaged(damaged)
    )
