"""The time zones that a form offers."""

from __future__ import annotations

import functools
from zoneinfo import available_timezones


def zone_choices(chosen: str) -> list[str]:
    """Zones named after places, UTC, and `chosen` even if it is another one."""
    zones = _zones()
    return zones if chosen in zones else [chosen, *zones]


@functools.cache
def _zones() -> list[str]:
    """Zones named after places, and UTC; other zones are old aliases."""
    places = [zone for zone in available_timezones() if "/" in zone]
    return [*sorted(zone for zone in places if not zone.startswith(("Etc/", "US/"))), "UTC"]
