"""What is done to the hub during a soak, and when."""

from __future__ import annotations

from random import Random
from typing import Literal

from msgspec import Struct

_HOUR, _DAY = 3600.0, 86_400.0
#: The last part, without an event: memory must be flat in it, and uploads arrive.
QUIET_SHARE = 0.25
#: Longer than the hub lets anybody wait for its disk.
_HANG_SECONDS = 40.0
#: Real seconds from one to the next.
_HANG_EVERY = 900.0
#: The least step that the hub notices, and how far its clock is ever off those of the cameras: they
#: may be off by 900 s.
_LEAST_STEP, _MOST_OFF = 6.0, 400.0

Kind = Literal["kill", "restart", "off", "step", "hang"]


class Event(Struct, frozen=True):
    """`at`: real seconds from the start.

    `seconds`: how long it is off, or the step, of the site; how long the disk hangs, real ones.
    """

    at: float
    kind: Kind
    seconds: float = 0.0


def events_of(seconds: float, rng: Random) -> list[Event]:
    """Return the events of a soak in their order.

    Its clock is first set far away and back: only if it is then steady for a day of the site do
    days go by age.
    """
    busy = seconds * (1 - QUIET_SHARE)
    wrong = rng.choice((-40 * _DAY, -2 * _HOUR, 31 * _DAY, 366 * _DAY))
    events = [
        Event(busy * 0.12, "step", wrong),
        Event(busy * 0.12 + rng.uniform(4, 8), "step", -wrong),
    ]
    at, off = busy * 0.25, 0.0
    kinds: list[Kind] = ["kill", "off", "kill", "restart", "step"]
    while at < busy:
        for kind in rng.sample(kinds, len(kinds)):
            if at < busy:
                events.append(Event(at, kind, _seconds_of(kind, off, rng)))
                off += events[-1].seconds if kind == "step" else 0.0
            at += rng.uniform(10, 16) if seconds < 300 else rng.uniform(25, 70)
    hangs = [Event(busy * 0.2 + n * _HANG_EVERY, "hang", _HANG_SECONDS) for n in range(100)]
    events += [event for event in hangs if event.at < busy]
    return sorted(events, key=lambda event: event.at)


def _seconds_of(kind: Kind, off: float, rng: Random) -> float:
    """`off`: by how much the hub's clock is ahead of the cameras' already."""
    if kind == "off":
        return rng.uniform(10 * _HOUR, 60 * _HOUR)
    if kind == "step":
        steps = (rng.uniform(-_MOST_OFF, _MOST_OFF) - off for _ in range(100))
        return next(step for step in steps if abs(step) >= _LEAST_STEP)
    return 0.0
