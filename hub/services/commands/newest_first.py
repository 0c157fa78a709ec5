"""Captures of a device (1.10, 1.11) with the newest first, whichever way it lists them.

The commands have no order and no page from the end. A device that lists the oldest first is asked
for short spans of time instead, from the end of the wanted one backwards; each span is sorted here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from hub.services.commands.paging import DeviceList
from hub.wire.commands.paging import ListPosition

#: Captures that are returned at once, unless so many are of one second.
MOST = 64
#: Of one second, where a span cannot be shorter.
_MOST_OF_A_SECOND = 4 * MOST
#: A page of a device that is full has so many rows.
_FULL_PAGE = 32
#: Commands for one part, after which the caller gets what there is.
_MAX_COMMANDS = 20
#: No device has captures from before; and a step further back is a date, too.
_EARLIEST = datetime(1970, 1, 1)
#: Where a device reports no total, a first guess: this part of the time.
_PARTS = 8


class Capture(Protocol):
    """`time`: local time of the site, "yyyy-MM-dd HH:mm:ss", as the device wrote it."""

    @property
    def time(self) -> str: ...


Row = TypeVar("Row", bound=Capture)

#: The list of a span of time, both ends included.
AskSpan = Callable[[datetime, datetime], DeviceList[Row]]


class OlderCaptures(Struct, frozen=True):
    """Where the next older part begins. `seconds`: the span to ask for.

    `read`: captures so far. `total`: as the device reported it for the whole time.
    """

    before: datetime
    seconds: int
    read: int = 0
    total: int | None = None


class CapturePart(Struct, Generic[Row], frozen=True):
    """Captures, newest first. The list goes on at `older`, or in the device's own pages at `page`.

    `unreadable`: rows that could not be understood, and were left out.
    """

    rows: tuple[Row, ...]
    read: int
    total: int | None
    unreadable: int = 0
    older: OlderCaptures | None = None
    page: int | None = None
    left: ListPosition | None = None


class NewestFirst(Generic[Row]):
    """Reads one part of the captures between `start` and `end`.

    `latest`: none is later, by the clock of the site.
    """

    def __init__(
        self, ask: AskSpan[Row], start: datetime, end: datetime, *, latest: datetime = datetime.max
    ) -> None:
        self._ask = ask
        self._start = max(start, _EARLIEST)
        self._end = end
        self._latest = max(start, min(end, latest))

    async def first(self) -> CapturePart[Row]:
        """Return the newest captures. Raises what Commands.call() raises."""
        found = self._ask(self._start, self._end)
        rows = list(await found.next() or ())
        if _is_newest_first(rows):
            rows += await found.next() or ()
            return CapturePart(
                tuple(rows),
                found.read,
                found.total,
                found.unreadable,
                page=found.wanted,
                left=found.left,
            )
        while not _is_long(found, rows) and (more := await found.next()):
            rows += more
        if found.wanted is None:
            return CapturePart(_sorted(rows), found.read, found.total, found.unreadable)
        return await self.older(
            OlderCaptures(self._latest, self._guess(found.total), 0, found.total)
        )

    async def older(self, left: OlderCaptures) -> CapturePart[Row]:
        """Return captures before `left`. None may be there although the list goes on.

        Raises what Commands.call() raises.
        """
        before, seconds = min(left.before, self._end), max(left.seconds, 1)
        rows: list[Row] = []
        unreadable = commands = 0
        # From here to `before` there are captures, after the last span that held too many.
        crowded: datetime | None = None
        is_after_gap = False
        while len(rows) < MOST // 2 and before >= self._start and commands < _MAX_COMMANDS:
            reach = int((before - self._start).total_seconds())
            since = before - timedelta(seconds=min(seconds - 1, reach))
            found = self._ask(since, before)
            room = MOST - len(rows) if since < before else _MOST_OF_A_SECOND
            new, asked = await _read(found, room)
            commands += asked
            if since < before and (found.wanted is not None or len(new) > room):
                crowded = _begin_of_crowd(new, since, before)
                seconds = _length(crowded, before)
                if is_after_gap:
                    seconds = _half(seconds)
                elif found.total is not None:
                    seconds = _narrower(seconds, seconds, found.total - len(new))
                else:
                    seconds = _narrower(seconds, _length(since, crowded), len(new))
                if len(rows) >= MOST // 4:
                    break
                continue
            rows += _sorted(new)
            unreadable += found.unreadable
            before = since - timedelta(seconds=1)
            is_after_gap = not new and crowded is not None and crowded <= before
            if crowded is not None and is_after_gap:
                # How dense they are on the whole does not tell where they end.
                seconds = _half(_length(crowded, before))
            elif len(new) < MOST // 4:
                seconds *= 2 if new else 4
        read = left.read + len(rows)
        goes_on = before >= self._start
        older = OlderCaptures(before, seconds, read, left.total) if goes_on else None
        return CapturePart(tuple(rows), read, left.total, unreadable, older)

    def _guess(self, total: int | None) -> int:
        """How many seconds probably hold half of MOST, or an eighth of the time."""
        seconds = int((self._latest - self._start).total_seconds()) + 1
        return seconds * MOST // (2 * total) if total else seconds // _PARTS


async def _read(found: DeviceList[Row], most: int) -> tuple[list[Row], int]:
    """Read a list to its end, or until it has more than `most` rows; and the commands that took."""
    rows: list[Row] = []
    commands = 0
    while found.wanted is not None and len(rows) <= most and commands < _MAX_COMMANDS:
        commands += 1
        rows += await found.next() or ()
        if len(rows) >= _FULL_PAGE and found.total is not None and found.total > most:
            break
    return rows, commands


def _begin_of_crowd(rows: Sequence[Capture], since: datetime, before: datetime) -> datetime:
    """A time from which on a span that holds too many still holds some, by the `rows` read of it.

    A device that lists the oldest first has sent all before them.
    """
    try:
        time = datetime.strptime(rows[-MOST // 4].time, "%Y-%m-%d %H:%M:%S")
    except (IndexError, ValueError):
        return since
    return time if since <= time <= before else since


def _length(first: datetime, last: datetime) -> int:
    """The seconds of a span, both ends included."""
    return int((last - first).total_seconds()) + 1


def _half(seconds: int) -> int:
    return max(1, seconds // 2)


def _narrower(seconds: int, counted: int, count: int) -> int:
    """The next span within one that holds too many captures: by their density, within limits.

    There are `count` in `counted` seconds.
    """
    guess = counted * MOST // (2 * max(count, 1))
    return max(1, seconds // 32, min(guess, seconds // 2))


def _is_newest_first(rows: Sequence[Capture]) -> bool:
    return len(rows) > 1 and rows[0].time > rows[-1].time


def _is_long(found: DeviceList[Row], rows: Sequence[Row]) -> bool:
    """Whether the list is too long to be sorted as a whole."""
    is_full = len(rows) >= _FULL_PAGE
    return len(rows) > MOST or (is_full and found.total is not None and found.total > MOST)


def _sorted(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with the newest first; those of one second in the device's order, reversed."""
    return tuple(sorted(reversed(rows), key=lambda row: row.time, reverse=True))
