"""What the damaged rows of the database are to people: records, cameras, users, not tables."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from hub.store.damage import DamagedRows

DataKind = Literal[
    "records",
    "evidence",
    "erasures",
    "cameras",
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
    "cameras": "cameras",
    "connections": "connections of cameras",
    "firmware": "firmware",
    "users": "users",
    "sign-ins": "sign-ins",
    "api-keys": "API keys",
    "audit": "audit log",
    "settings": "site settings",
    "other": "notes that the hub makes for itself",
}

_KINDS: dict[str, DataKind] = {
    "record": "records",
    "hold": "evidence",
    "hold_record": "evidence",
    "held_record": "evidence",
    "held_pack": "evidence",
    "erasure": "erasures",
    "device": "cameras",
    "device_setting": "cameras",
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
    "setting": "settings",
}


def kind_of(table: str) -> DataKind:
    """Return what the rows of a table are to people."""
    return _KINDS.get(table, "other")


def count_damaged(damaged: DamagedRows) -> dict[DataKind, int]:
    """Return how many entries of each kind are damaged, in the order of NAMES."""
    found: Counter[DataKind] = Counter()
    for table, count in damaged.counts().items():
        found[kind_of(table)] += count
    return {kind: found[kind] for kind in NAMES if found[kind]}
