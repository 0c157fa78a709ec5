"""Captures of a device, newest first, whichever way the device lists them (1.10, 1.11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from msgspec import Struct

from hub.services.commands.newest_first import MOST, CapturePart, NewestFirst, OlderCaptures
from hub.services.commands.paging import DeviceList
from hub.wire.commands.paging import PageCursor

START = datetime(2026, 11, 1)
END = datetime(2026, 11, 30, 23, 59, 59)
PAGE = 32


class Capture(Struct, frozen=True):
    number: int
    time: str


class Page(Struct, frozen=True):
    rows: tuple[Capture, ...]
    total: int | None
    unreadable: int = 0


class Camera:
    """Answers with the captures of a span of time, in pages from 1."""

    def __init__(
        self, moments: Sequence[datetime], *, tells_total: bool = True, newest_first: bool = False
    ) -> None:
        self.captures = [
            (moment, Capture(number, f"{moment:%Y-%m-%d %H:%M:%S}"))
            for number, moment in enumerate(sorted(moments))
        ]
        self._tells_total = tells_total
        self._newest_first = newest_first
        self.commands = 0

    def ask(self, start: datetime, end: datetime) -> DeviceList[Capture]:
        found = [capture for moment, capture in self.captures if start <= moment <= end]
        if self._newest_first:
            found.reverse()

        async def page(number: int) -> Page:
            self.commands += 1
            rows = found[(number - 1) * PAGE : number * PAGE] if number else []
            return Page(tuple(rows), len(found) if self._tells_total else None)

        return DeviceList(PageCursor[Capture](1), page)

    @property
    def newest(self) -> list[Capture]:
        return [capture for _, capture in reversed(self.captures)]


async def read_all(camera: Camera) -> tuple[list[Capture], list[int]]:
    """All captures, and how many commands each part took."""
    newest = NewestFirst(camera.ask, START, END)
    part: CapturePart[Capture] = await newest.first()
    rows, commands = list(part.rows), [camera.commands]
    while part.older is not None:
        before = camera.commands
        part = await newest.older(part.older)
        rows += part.rows
        commands.append(camera.commands - before)
    assert part.page is None
    assert part.read == len(rows)
    return rows, commands


def every(minutes: float, count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(minutes=minutes * n) for n in range(count)]


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize(
    "moments",
    [
        [],
        every(60, 40),
        every(60, 700),
        every(0.5, 2_000),
        [*every(0.1, 300), *every(0.1, 300, datetime(2026, 11, 28))],
        [START] * 200,
        [*every(1, 100), END, START],
    ],
    ids=["none", "few", "even", "dense", "two crowds", "one second", "the ends of the time"],
)
async def test_every_capture_is_returned_once_and_the_newest_first(
    moments: list[datetime], tells_total: bool
) -> None:
    camera = Camera(moments, tells_total=tells_total)
    rows, commands = await read_all(camera)
    assert rows == camera.newest
    # Where no total is told, page 0 of an empty list is asked for as well.
    assert max(commands) <= (22 if tells_total else 40)


async def test_captures_are_listed_from_a_beginning_before_there_were_any() -> None:
    camera = Camera(every(60, 200))
    newest = NewestFirst(camera.ask, datetime.min, END)
    part = await newest.first()
    rows = list(part.rows)
    while part.older is not None:
        part = await newest.older(part.older)
        rows += part.rows
    assert rows == camera.newest


async def test_a_short_list_takes_as_many_commands_as_it_has_pages() -> None:
    camera = Camera(every(60, MOST))
    await read_all(camera)
    assert camera.commands == 2


async def test_a_month_of_captures_begins_after_a_few_commands() -> None:
    camera = Camera(every(0.5, 80_000))
    part = await NewestFirst(camera.ask, START, END).first()
    assert (part.total, part.older is not None) == (80_000, True)
    assert list(part.rows) == camera.newest[: len(part.rows)]
    assert len(part.rows) >= MOST // 4
    assert camera.commands <= 16


@pytest.mark.parametrize("seconds", [20, 80, 300, 600, 1_800])
@pytest.mark.parametrize("hour", [1, 7, 12, 18, 22])
async def test_a_crowd_before_an_empty_hour_is_found(seconds: int, hour: int) -> None:
    """As on a busy camera, whose clock may be an hour ahead of the hub's."""
    now = datetime(2026, 11, 20, hour, 38)
    crowd = [now - timedelta(seconds=n // 6) for n in range(6 * seconds)]
    camera = Camera([*every(20, 400, now - timedelta(days=6)), *crowd])
    latest = now + timedelta(hours=1)
    part = await NewestFirst(camera.ask, now - timedelta(days=7), END, latest=latest).first()
    assert len(part.rows) >= MOST // 4
    assert list(part.rows) == camera.newest[: len(part.rows)]
    assert camera.commands <= 18


async def test_the_rest_of_a_day_is_not_asked_for() -> None:
    camera = Camera(every(1, 1_000))
    newest = NewestFirst(camera.ask, START, END, latest=START + timedelta(minutes=1_000))
    part = await newest.first()
    assert list(part.rows) == camera.newest[: len(part.rows)]
    assert len(part.rows) >= MOST // 2
    assert camera.commands <= 4


async def test_a_device_that_lists_the_newest_first_is_read_in_its_pages() -> None:
    camera = Camera(every(60, 200), newest_first=True)
    part = await NewestFirst(camera.ask, START, END).first()
    assert list(part.rows) == camera.newest[:MOST]
    assert (part.page, part.older, camera.commands) == (3, None, 2)
    assert part.left is not None
    assert part.left.read == MOST


async def test_a_long_time_without_captures_is_left_after_some_commands() -> None:
    camera = Camera([START])
    left = OlderCaptures(END, seconds=1)
    part = await NewestFirst(camera.ask, START, END).older(left)
    assert camera.commands <= 20
    assert part.older is None or part.older.before < END
