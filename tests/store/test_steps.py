"""Long work in short writes: how long each works, and how long others have the writer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
import trio

from hub.store.commit import steps
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.steps import in_steps

pytestmark = pytest.mark.jumping_clock

T = TypeVar("T")
#: Records of a busy day, and how many a step removes.
RECORDS, ROWS = 337_000, 20
HOUR = 3600


class Disk:
    """A writer and its disk: a commit and a row take so many seconds; others write too, or not."""

    def __init__(self, commit: float, row: float, *, is_quiet: bool = False) -> None:
        self.last_seq = 0
        self.works: list[float] = []
        self._commit = commit
        self._row = row
        self._is_quiet = is_quiet
        self._worked = 0.0
        self._spans: list[tuple[float, float]] = []

    def clock(self) -> float:
        return self._worked

    async def write(self, job: Callable[[Any], T]) -> T:
        began, before = trio.current_time(), self._worked
        result = job(None)
        self.works.append(self._worked - before)
        await trio.sleep(self._commit + self.works[-1])
        self.last_seq += 0 if self._is_quiet else 7
        self._spans.append((began, trio.current_time()))
        return result

    def step(self, connection: object, start: int) -> int | None:
        self._worked += self._row * ROWS
        return start + ROWS if start + ROWS < RECORDS else None

    def pauses(self) -> list[float]:
        return [after[0] - before[1] for before, after in itertools.pairwise(self._spans)]

    async def remove(self, end: int | None = RECORDS) -> float:
        """Remove the records of a day; return the seconds that it took."""
        began = trio.current_time()
        await in_steps(cast(GroupCommit, self), self.step, 0, end)
        return trio.current_time() - began


def disk_of(
    monkeypatch: pytest.MonkeyPatch, commit: float, row: float, *, is_quiet: bool = False
) -> Disk:
    disk = Disk(commit, row, is_quiet=is_quiet)
    monkeypatch.setattr(steps, "perf_counter", disk.clock)
    return disk


@pytest.mark.parametrize(("is_quiet", "pauses"), [(False, 7.0), (True, 0.5)])
async def test_on_a_quick_disk_others_have_the_writer_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch, is_quiet: bool, pauses: float
) -> None:
    disk = disk_of(monkeypatch, 0.005, 0.00005, is_quiet=is_quiet)
    await disk.remove()
    assert max(disk.works) <= 0.007
    assert disk.pauses() == pytest.approx(
        [pauses * (0.005 + work) for work in disk.works[:-1]], rel=0.01
    )


@pytest.mark.parametrize("commit", [0.05, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("row", [0.00005, 0.0005])
async def test_a_day_goes_within_an_hour_however_slow_commits_are(
    monkeypatch: pytest.MonkeyPatch, commit: float, row: float
) -> None:
    disk = disk_of(monkeypatch, commit, row)
    assert await disk.remove() < HOUR
    # A group of others takes at most twice as long.
    assert max(disk.works) <= commit + row * ROWS


async def test_a_disk_that_keeps_up_works_for_a_quarter_of_its_commits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = disk_of(monkeypatch, 0.2, 0.00001)
    assert await disk.remove() < HOUR / 2
    assert max(disk.works) == pytest.approx(0.05, rel=0.05)
    assert min(disk.pauses()) > 0.5


async def test_one_slow_commit_does_not_lengthen_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disk_of(monkeypatch, 0.005, 0.00005)
    quick = disk.write
    numbers = itertools.count()

    async def write(job: Callable[[Any], T]) -> T:
        if next(numbers) % 10 == 9:
            await trio.sleep(2.0)  # a checkpoint
        return await quick(job)

    disk.write = write  # type: ignore[method-assign]
    await disk.remove(end=None)
    assert max(disk.works) <= 0.007
