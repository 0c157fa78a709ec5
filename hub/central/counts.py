"""What became of some messages."""

from __future__ import annotations

from msgspec import Struct


class Counts(Struct, frozen=True):
    """`repeated`: records that were there already. `pictures`: those that were kept."""

    records: int = 0
    repeated: int = 0
    alarms: int = 0
    gaps: int = 0
    erasures: int = 0
    pictures: int = 0
    unreadable: int = 0
