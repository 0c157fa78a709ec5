"""A COMMIT whose flush failed may come back after a crash: nothing that it names is lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.errors import CannotStoreNow
from hub.store.commit import group_commit
from hub.store.db import Store
from hub.store.disk import Disk
from hub.store.health import StoreHealth
from hub.store.media.pack_format import groups
from hub.store.records.record_filter import RecordFilter
from hub.store.recovery.rebuild import rebuild
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.stores import batch, copy_as_left, is_whole, opened

PACK = Path("media", "2026-11-25.pack")
FAILURE = "nothing can be stored now: the disk reports an input/output error"


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> FailingCommits:
    commits = FailingCommits()
    commits.install(monkeypatch)
    return commits


async def refused(store: Store, clock: FrozenClock, seed: int) -> None:
    with pytest.raises(CannotStoreNow, match="input/output error"):
        await store.records.append(batch(clock, seed))


def numbers(data: Path) -> list[tuple[int, int]]:
    return [(group.number, group.previous) for group in groups(data / PACK, 0)]


@pytest.mark.expects_error(FAILURE)
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_the_retry_of_an_upload_whose_commit_failed_is_a_new_one(
    times: int, tmp_path: Path, clock: FrozenClock, commits: FailingCommits
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        commits.failing = True
        for _ in range(times):
            size = (tmp_path / PACK).stat().st_size
            await refused(store, clock, 2)
            assert (tmp_path / PACK).stat().st_size > size  # nothing is cut
        commits.failing = False
        again = await store.records.append(batch(clock, 2))
        assert (again.seqs, again.repeated) == ((2,), False)
        assert store.health.can_store
        for seed in (1, 2):
            assert await is_whole(store, seed, batch(clock, seed).uploads[0])
        assert len(commits.failed) == times
        # Each attempt has a number of its own, and names the last group that was committed.
        assert numbers(tmp_path) == [(1, 0), *((2 + n, 1) for n in range(times + 1))]
    async with opened(tmp_path, clock) as store:
        assert store.health == StoreHealth()
        assert (await store.records.append(batch(clock, 2))).repeated
        assert (await store.records.append(batch(clock, 3))).seqs == (3,)


@pytest.mark.expects_error(FAILURE)
async def test_a_probe_goes_behind_what_may_come_back(
    tmp_path: Path,
    clock: FrozenClock,
    commits: FailingCommits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "_PROBE_SECONDS", 0.01)
    async with opened(tmp_path, clock) as store:
        commits.failing = True
        await refused(store, clock, 1)
        whole = (tmp_path / PACK).read_bytes()
        await commits.wait_failed(3)  # of probes
        left = copy_as_left(tmp_path, tmp_path.parent / "left")
        assert (left / PACK).read_bytes()[: len(whole)] == whole
        commits.failing = False
        await commits.wait_good()
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)


@pytest.mark.expects_error(FAILURE)
async def test_what_failed_before_midnight_is_removed_by_the_next_good_commit(
    tmp_path: Path, clock: FrozenClock, commits: FailingCommits
) -> None:
    async with opened(tmp_path, clock) as store:
        commits.failing = True
        await refused(store, clock, 1)
        assert (tmp_path / PACK).exists()
        commits.failing = False
        clock.advance(86_400)
        await store.settings.set("site.name", "Gate")
        assert (tmp_path / PACK).stat().st_size == 0
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)


@pytest.mark.expects_error(FAILURE)
async def test_a_clean_end_after_a_failed_commit_leaves_nothing_of_it(
    tmp_path: Path, clock: FrozenClock, commits: FailingCommits
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        size = (tmp_path / PACK).stat().st_size
        commits.failing = True
        await refused(store, clock, 2)
        commits.failing = False
    assert (tmp_path / PACK).stat().st_size == size
    async with opened(tmp_path, clock) as store:
        assert store.clean_start
        assert (await store.records.append(batch(clock, 2))).seqs == (2,)


class Crash(NamedTuple):
    """A directory as a crash left it, what was acknowledged, and what was refused since."""

    data: Path
    acknowledged: int
    seeds: dict[int, int]  # of the records, by seq
    failed: list[int]  # numbers of groups that may come back


@pytest.mark.expects_error(FAILURE)
@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
async def test_after_a_crash_every_combination_of_what_arrived_is_whole(
    seed: int, tmp_path: Path, clock: FrozenClock, commits: FailingCommits
) -> None:
    """Groups that succeed and fail at random; a crash after each, in each of which the database
    is as acknowledged, or one of the failed COMMITs is in it, and the end of the pack is there as a
    whole, in part, or not at all.
    """
    rng = random.Random(seed)
    crashes: list[Crash] = []
    async with opened(tmp_path / "data", clock) as store:
        seeds: dict[int, int] = {}
        failed: list[int] = []
        for number in range(1, 7):
            commits.failing = rng.random() < 0.5
            try:
                appended = await store.records.append(batch(clock, number))
            except CannotStoreNow:
                failed.append(number)
            else:
                seeds[appended.seqs[0]] = number
                failed = []
            left = copy_as_left(tmp_path / "data", tmp_path / f"left-{number}")
            crashes.append(Crash(left, len(seeds), dict(seeds), list(failed)))
        commits.failing = False
    for crash in crashes:
        for came_back in (None, *crash.failed):
            await check(crash, came_back, rng, clock)


async def check(
    crash: Crash, came_back: int | None, rng: random.Random, clock: FrozenClock
) -> None:
    data = crash.data.with_name(f"{crash.data.name}-{came_back}")
    shutil.copytree(crash.data, data)
    seeds = dict(crash.seeds)
    if came_back is not None:
        bring_back(data, came_back)
        seeds[crash.acknowledged + 1] = came_back
    keep = (data / PACK).stat().st_size
    if crash.failed and (keeps := end_of(data, came_back, crash)) < keep:
        # Groups behind it, whose flush may not have come, or the start of one.
        keep = rng.choice([keep, keeps, rng.randint(keeps, keep)])
        os.truncate(data / PACK, keep)
    async with opened(data, clock) as store:
        page = await store.records.page(RecordFilter(), limit=100)
        assert [record.seq for record in page.items] == sorted(seeds)
        for seq, number in seeds.items():
            assert await is_whole(store, seq, batch(clock, number).uploads[0])
        assert store.health == StoreHealth()
        for number in range(1, 7):  # retries: those that are stored are repeats
            again = await store.records.append(batch(clock, number))
            assert again.repeated == (number in seeds.values())
        page = await store.records.page(RecordFilter(), limit=100)
        assert [record.seq for record in page.items] == list(range(1, 7))
    async with opened(data, clock) as store:
        assert store.records.last_seq == 6
        assert store.health == StoreHealth()


def bring_back(data: Path, number: int) -> None:
    """Let the database be as if the failed COMMIT of this group was in its write-ahead log."""
    pack = (data / PACK).read_bytes()
    (group,) = (group for group in groups(data / PACK, 0) if group.number == number)
    other = data.with_name(f"{data.name}-with")
    shutil.copytree(data, other)
    os.truncate(other / PACK, group.end)
    address = f"file:{other / 'hub.sqlite'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as reader:
        # While it reads, nothing empties the log: the database is left as by a kill.
        reader.execute("SELECT count(*) FROM record").fetchone()
        assert rebuild(other, Disk(), os.urandom).records == 1
        for name in ("hub.sqlite", "hub.sqlite-wal"):
            shutil.copy(other / name, data)
    assert (data / PACK).read_bytes() == pack


def end_of(data: Path, came_back: int | None, crash: Crash) -> int:
    """The end of the pack as the database knows it."""
    found = list(groups(data / PACK, 0))
    known = [g.end for g in found if g.number not in crash.failed or g.number == came_back]
    return max(known, default=0)
