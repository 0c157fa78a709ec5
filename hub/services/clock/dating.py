"""When the days of the record log really were, whatever the clock said when they were written.

A day's name is what the hub's clock showed. Its place in the log is its last `seq`, which no clock
can change. In the order of the seqs the dates must not decrease; where they do, the clock was
wrong. So:

1. A day before a step of the clock is dated again by the steps that followed: they say by how much
   the clock differed from today's. A step while the hub ran is exact. Between two runs the time
   that passed is not known: up to three days count as time off, more as a clock that was behind.
2. Of the dates found so, the chain that does not decrease and holds the most records is right.
3. Every other day takes the date of the next day of the chain; if there is none, today, or tomorrow
   if the chain ends with it (another zone).

A day is never dated earlier than it was, as far as the steps are known, and never later than the
days after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from msgspec import Struct

from hub.services.clock.clock import JUMP_SECONDS, OFF_SECONDS, is_jump
from hub.services.clock.plausibility import EARLIEST_PLAUSIBLE
from hub.store.records.retention import DayUse
from hub.store.tables.clock_steps import ClockStep

DatedBy = Literal["own", "step", "neighbour"]

_DAY_MS = 86_400_000
_JUMP_MS = int(JUMP_SECONDS * 1000)
_OFF_MS = int(OFF_SECONDS * 1000)
_FIRST_DATE = datetime.fromtimestamp(EARLIEST_PLAUSIBLE, UTC).date()
#: So many steps ahead are searched for one at which the clock was right again.
_SEARCHED_STEPS = 50


class DatedDay(Struct, frozen=True):
    """A day of the log and when it really was. `by`: where the date comes from."""

    use: DayUse
    date: date
    by: DatedBy


class _Epoch(Struct, frozen=True):
    """A part of the log between two jumps, up to seq `end`; `correction` in milliseconds."""

    end: float
    correction: int


def date_days(
    days: Sequence[DayUse], steps: Sequence[ClockStep], today: date
) -> tuple[DatedDay, ...]:
    """Return the days in the order of their last seq, each with its date.

    `today` must be of a clock that is trusted.
    """
    ordered = sorted(days, key=lambda day: day.last_seq)
    epochs = _epochs(steps)
    corrected = [_corrected(day, epochs) for day in ordered]
    chain = _heaviest_chain(
        [
            (found, weight)
            if found is not None and _FIRST_DATE <= found <= today + timedelta(days=1)
            else None
            for (found, _), weight in zip(corrected, _weights(ordered), strict=True)
        ]
    )
    dated: list[DatedDay] = []
    following = max(today, *(found for at in chain if (found := corrected[at][0])), date.min)
    for index in reversed(range(len(ordered))):
        found, by = corrected[index]
        if index in chain and found is not None:
            following = found
            dated.append(DatedDay(ordered[index], found, by))
        else:
            dated.append(DatedDay(ordered[index], following, "neighbour"))
    return tuple(reversed(dated))


def _weights(ordered: Sequence[DayUse]) -> list[int]:
    """Return what each day counts: its records.

    But one if it was written again after a later day began and ended: the clock was set back, and
    most of the records may be from long before.
    """
    return [1 if _is_resumed(day, ordered) else day.records for day in ordered]


def _is_resumed(day: DayUse, days: Sequence[DayUse]) -> bool:
    return day.last_seq - day.first_seq >= day.records and any(
        day.first_seq < other.first_seq and other.last_seq < day.last_seq and other.day > day.day
        for other in days
    )


def _corrected(day: DayUse, epochs: Sequence[_Epoch]) -> tuple[date | None, DatedBy]:
    """Return the date of a day by the steps after it; None if no calendar has it."""
    epoch = next(one for one in epochs if day.last_seq <= one.end)
    own = date.fromisoformat(day.day)
    if abs(epoch.correction) <= _JUMP_MS:
        return own, "own"
    try:
        return own + timedelta(days=math.ceil(epoch.correction / _DAY_MS)), "step"
    except OverflowError:
        return None, "step"


def _epochs(steps: Sequence[ClockStep]) -> list[_Epoch]:
    """Return the parts of the log, oldest first; what must be added to each one's times."""
    jumps = [step for step in steps if is_jump(step)]
    corrections = [0]  # of the epochs, from the newest to the oldest
    for index in reversed(range(len(jumps))):
        corrections.append(_correction(jumps, index, corrections))
    ends = [*(float(jump.seq) for jump in jumps), math.inf]
    return [_Epoch(*pair) for pair in zip(ends, reversed(corrections), strict=True)]


def _correction(jumps: Sequence[ClockStep], index: int, newer: Sequence[int]) -> int:
    """Return the correction of the epoch before jump `index`.

    `newer`: those of the epochs after it, newest first. If a later epoch begins where this one
    ended, the clock was right again then, and both have the same correction.
    """
    jump = jumps[index]
    fitting: list[int] = []
    ran, is_exact = 0, True
    for later in range(index, min(len(jumps), index + _SEARCHED_STEPS)):
        is_exact = is_exact and not jumps[later].at_start
        if later > index:
            ran += max(0, jumps[later].before - jumps[later - 1].after)
        gap = jumps[later].after - jump.before
        if -_JUMP_MS <= gap <= ran + (_JUMP_MS if is_exact else _OFF_MS):
            fitting.append(newer[len(jumps) - 1 - later])
    if fitting:
        return min(fitting, key=abs)
    return newer[-1] + jump.after - jump.before


def _heaviest_chain(items: Sequence[tuple[date, int] | None]) -> set[int]:
    """Return the indices of the non-decreasing dates that weigh most together."""
    # The best chains so far, by the date that they end with: weight grows with the date.
    dates: list[date] = []
    weights: list[int] = []
    tails: list[int] = []
    before: dict[int, int] = {}
    for index, item in enumerate(items):
        if item is None:
            continue
        found, weight = item
        place = bisect_right(dates, found)
        # An empty day must be in a chain too.
        total = weight + 1 + (weights[place - 1] if place else 0)
        if place:
            before[index] = tails[place - 1]
        end = place
        start = bisect_left(dates, found)
        while end < len(dates) and weights[end] <= total:
            end += 1
        dates[start:end], weights[start:end], tails[start:end] = [found], [total], [index]
    chain: set[int] = set()
    at = tails[-1] if tails else None
    while at is not None:
        chain.add(at)
        at = before.get(at)
    return chain
