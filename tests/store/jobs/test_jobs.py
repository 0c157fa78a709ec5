"""Jobs on disk: their items, their end, and which ones go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.store.db import Store
from hub.store.jobs.jobs import MAX_JOBS, Job, JobItem, note_item
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        yield store


async def add(store: Store, *items: str, kind: str = "import") -> Job:
    return await store.jobs.add(kind, "{}", "user ann", 1, len(items), items)  # type: ignore[arg-type]


async def test_an_item_without_a_detail_keeps_the_one_it_had(store: Store) -> None:
    job = await add(store, '{"row":1}', '{"row":2}')
    await store.jobs.save(
        replace(job, done=1), [JobItem(0, "done"), JobItem(1, "failed", '{"why":"no"}')]
    )
    assert await store.jobs.items(job.id) == (
        JobItem(0, "done", '{"row":1}'),
        JobItem(1, "failed", '{"why":"no"}'),
    )
    assert await store.jobs.items(job.id, after=0, states=["done"]) == ()
    assert (await store.jobs.get(job.id)).done == 1


async def test_what_the_last_process_left_is_interrupted_and_never_done(store: Store) -> None:
    job = await add(store, "1", "2", "3")
    await store.jobs.save(job, [JobItem(0, "done"), JobItem(1, "running")])
    assert await store.jobs.interrupt_all(9) == 1
    found = await store.jobs.get(job.id)
    assert (found.state, found.ended_at) == ("interrupted", 9)
    states = [item.state for item in await store.jobs.items(job.id)]
    assert states == ["done", "interrupted", "interrupted"]
    assert await store.jobs.interrupt_all(10) == 0


async def test_settings_that_wait_for_cameras_outlive_a_restart(store: Store) -> None:
    job = await add(store, "1", kind="settings")
    assert await store.jobs.interrupt_all(9) == 0
    assert (await store.jobs.get(job.id)).state == "running"


async def test_of_a_cancelled_job_what_had_begun_is_told_from_what_had_not(store: Store) -> None:
    job = await add(store, "1", "2")
    await store.jobs.end(replace(job, state="cancelled", ended_at=5), [JobItem(0, "running")])
    states = [item.state for item in await store.jobs.items(job.id)]
    assert states == ["interrupted", "cancelled"]


async def test_a_job_without_a_task_is_done_with_its_last_item(store: Store) -> None:
    job = await add(store, "1", "2", kind="settings")

    async def note(item: JobItem) -> Job:
        await store.write(lambda c: note_item(c, job.id, item, 7))
        return await store.jobs.get(job.id)

    half = await note(JobItem(1, "failed", "8"))
    assert (half.state, half.done, half.failed) == ("running", 0, 1)
    whole = await note(JobItem(0, "done"))
    assert (whole.state, whole.done, whole.failed, whole.ended_at) == ("done", 1, 1, 7)
    await store.jobs.prune(8)
    await store.write(lambda c: note_item(c, job.id, JobItem(0, "done"), 9))  # it is gone


async def test_the_oldest_of_a_kind_make_room_but_none_that_runs(store: Store) -> None:
    running = await add(store)
    other = await add(store, kind="search")
    ended = await add(store, "1")
    await store.jobs.end(replace(ended, state="done", ended_at=2), [])
    for _ in range(MAX_JOBS):
        await add(store)
    assert (await store.jobs.get(running.id)).id == running.id
    assert await store.jobs.newest("search") == (other,)
    with pytest.raises(NoSuchResource):
        await store.jobs.get(ended.id)
    assert await store.jobs.items(ended.id) == ()


async def test_ended_jobs_go_by_age_or_with_what_they_tell_of_people(store: Store) -> None:
    for kind in ("import", "search"):
        job = await add(store, kind=kind)
        await store.jobs.end(replace(job, state="done", ended_at=5), [])
    await store.jobs.prune(5)
    await store.jobs.prune(6, "compare")
    assert len(await store.jobs.newest()) == 2
    await store.jobs.forget(["search"])
    assert [job.kind for job in await store.jobs.newest()] == ["import"]
    await store.jobs.prune(6)
    assert await store.jobs.newest() == ()


@pytest.mark.parametrize("is_pruned", [True, False])
async def test_what_is_removed_is_overwritten(
    tmp_path: Path, clock: FrozenClock, is_pruned: bool
) -> None:
    async with opened(tmp_path, clock) as store:
        photo = f'"{"PHOTO" * 2000}"'
        job = await store.jobs.add("search", "{}", "user ann", 1, 0, [], photo)
        await store.jobs.end(replace(job, state="done", ended_at=5), [])
    assert b"PHOTOPHOTO" in (tmp_path / "hub.sqlite").read_bytes()
    async with opened(tmp_path, clock) as store:
        if is_pruned:
            await store.jobs.prune(6, "search")
        for _ in range(0 if is_pruned else MAX_JOBS):
            await add(store, kind="search")
        with pytest.raises(NoSuchResource):
            await store.jobs.get(job.id)
    assert b"PHOTOPHOTO" not in (tmp_path / "hub.sqlite").read_bytes()


async def test_jobs_and_items_that_do_not_decode_are_left_out(store: Store) -> None:
    first, second, third = [await add(store, name) for name in "123"]
    await store.write(
        lambda c: c.execute("UPDATE job SET subject = '{' WHERE id = ?", (second.id,)) and None
    )
    await store.write(
        lambda c: c.execute("UPDATE job_item SET detail = 'x' WHERE job = ?", (first.id,)) and None
    )
    assert await store.jobs.newest(limit=2) == (third, first)
    assert await store.jobs.items(first.id) == ()
    assert store.damaged_rows.names() == (f"job (1: {second.id})", "job_item (1: 0)")
