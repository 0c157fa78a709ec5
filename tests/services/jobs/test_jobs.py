"""Jobs: progress, cancelling, what is found again, and their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooManyRequests
from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.store.jobs.jobs import Job, JobItem
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

ANN = Actor("user ann")


@pytest.fixture
async def jobs(hub: HubServices, nursery: trio.Nursery) -> Jobs:
    await nursery.start(hub.services.jobs.run)
    return hub.services.jobs


class Gate:
    """Work that notes its first item, and then waits to be let on."""

    def __init__(self) -> None:
        self.open = trio.Event()

    async def __call__(self, progress: JobProgress) -> None:
        await progress.note(0, "running")
        await progress.save()
        await self.open.wait()
        await progress.note(0, "done", {"said": "yes"})


async def test_a_job_tells_what_it_does_and_is_found_when_it_is_done(
    hub: HubServices, jobs: Jobs
) -> None:
    gate = Gate()
    with hub.services.core.changes.subscribe() as changes:
        job = await jobs.start("search", {"of": "a photo"}, ANN, gate, items=["a", "b"])
        assert await changes.next() == [Change("job", str(job.id))]
    assert (job.state, job.total, job.created_by) == ("running", 2, "user ann")
    await wait_all_tasks_blocked()
    gate.open.set()
    done = await jobs.wait(job.id)
    assert (done.state, done.done, done.failed, done.failure) == ("done", 1, 0, "")
    assert await hub.store.jobs.get(job.id) == await jobs.get(job.id) == done
    assert await jobs.list("search") == (done,)
    assert (await jobs.items(job.id))[0] == JobItem(0, "done", '{"said":"yes"}')


async def test_progress_is_seen_at_once_and_saved_at_most_once_a_second(
    hub: HubServices, jobs: Jobs, mock_clock: MockClock
) -> None:
    gate = trio.Event()

    async def work(progress: JobProgress) -> None:
        progress.expect(3)
        await progress.advance()
        await gate.wait()
        await progress.note(1, "failed", "why")
        await trio.sleep_forever()

    job = await jobs.start("import", None, ANN, work)
    await wait_all_tasks_blocked()
    assert ((await jobs.get(job.id)).total, (await jobs.get(job.id)).done) == (3, 1)
    assert (await hub.store.jobs.get(job.id)).done == 0
    mock_clock.jump(1)
    with hub.services.core.changes.subscribe() as changes:
        gate.set()
        assert await changes.next() == [Change("job", str(job.id))]
    saved = await hub.store.jobs.get(job.id)
    assert (saved.done, saved.failed) == (1, 1)
    assert await jobs.items(job.id) == (JobItem(1, "failed", '"why"'),)


async def test_a_cancelled_job_ends_before_the_caller_goes_on(hub: HubServices, jobs: Jobs) -> None:
    job = await jobs.start("search", None, ANN, Gate(), items=["a", "b"])
    await wait_all_tasks_blocked()
    cancelled = await jobs.cancel(job.id, Actor("user bob"))
    assert cancelled.state == "cancelled"
    (entry,) = await hub.services.core.audit.newest()
    assert (entry.who, entry.action, entry.target) == ("user bob", "job.cancel", f"{job.id} search")
    assert (await jobs.cancel(job.id, ANN)) == cancelled
    with pytest.raises(NoSuchResource):
        await jobs.cancel(99, ANN)


async def test_of_a_job_that_has_ended_each_item_has(jobs: Jobs) -> None:
    gate = Gate()
    gate.open.set()
    job = await jobs.start("search", None, ANN, gate, items=["a"])
    while (await jobs.get(job.id)).state == "running":
        await trio.lowlevel.checkpoint()
    assert [item.state for item in await jobs.items(job.id)] == ["done"]


async def fail(progress: JobProgress) -> None:
    raise BadParameter("row 3 is wrong")


async def divide(progress: JobProgress) -> None:
    raise ZeroDivisionError


async def test_a_job_that_fails_says_why(jobs: Jobs) -> None:
    job = await jobs.start("import", None, ANN, fail)
    failed = await jobs.wait(job.id)
    assert (failed.state, failed.failure) == ("failed", "row 3 is wrong")


@pytest.mark.expects_error("the job 1 \\(import\\) failed")
async def test_a_bug_in_one_job_ends_that_job_alone(jobs: Jobs) -> None:
    job = await jobs.start("import", None, ANN, divide)
    failed = await jobs.wait(job.id)
    failure = "an internal error: see the log of the hub (sitehub logs)"
    assert (failed.state, failed.failure) == ("failed", failure)
    assert (await jobs.start("import", None, ANN, Gate())).state == "running"


async def test_what_ran_when_the_hub_ended_is_interrupted_and_never_done(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as nursery:
        await nursery.start(hub.services.jobs.run)
        job = await hub.services.jobs.start("search", None, ANN, Gate(), items=["a", "b"])
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as nursery:
        await nursery.start(hub.services.jobs.run)
        found = await hub.services.jobs.get(job.id)
        assert (found.state, found.done) == ("interrupted", 0)
        states = [item.state for item in await hub.services.jobs.items(job.id)]
        assert states == ["interrupted", "interrupted"]
        nursery.cancel_scope.cancel()


async def test_a_step_that_fails_while_the_hub_ends_does_not_end_it_with_a_fault(
    hub: HubServices,
) -> None:
    async def fail_at_the_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise BadParameter("too late")

    async def work(progress: JobProgress) -> None:
        async with trio.open_nursery() as steps:
            steps.start_soon(fail_at_the_end)
            steps.start_soon(trio.sleep_forever)

    async with trio.open_nursery() as nursery:
        await nursery.start(hub.services.jobs.run)
        await hub.services.jobs.start("import", None, ANN, work)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_the_number_of_running_jobs_of_a_kind_is_bounded(jobs: Jobs) -> None:
    for _ in range(8):
        await jobs.start("search", None, ANN, Gate())
    with pytest.raises(TooManyRequests):
        await jobs.start("search", None, ANN, Gate())
    assert len(jobs.running("search")) == 8
    await jobs.start("import", None, ANN, Gate())


async def test_items_beyond_the_limit_are_counted_only(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.jobs.jobs.MAX_ITEMS", 2)

    async def work(progress: JobProgress) -> None:
        for place in range(4):
            await progress.note(place, "failed", place)

    job = await jobs.start("import", None, ANN, work)
    assert (await jobs.wait(job.id)).failed == 4
    assert len(await jobs.items(job.id)) == 2


async def test_no_job_starts_before_the_hub_runs(hub: HubServices) -> None:
    with pytest.raises(CannotStoreNow):
        await hub.services.jobs.start("import", None, ANN, fail)


async def test_an_outcome_is_saved_once_the_disk_takes_it(
    hub: HubServices, jobs: Jobs, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(job: Job, items: Sequence[JobItem]) -> None:
        raise CannotStoreNow("the disk is full")

    end = hub.store.jobs.end
    monkeypatch.setattr(hub.store.jobs, "end", refuse)
    job = await ended(jobs)
    assert job.state == "failed"
    assert (await hub.store.jobs.get(job.id)).state == "running"
    monkeypatch.setattr(hub.store.jobs, "end", end)
    with hub.services.core.changes.subscribe() as changes:
        mock_clock.jump(5)
        await changes.next()
    assert await hub.store.jobs.get(job.id) == job


async def test_an_outcome_is_kept_for_a_week(
    hub: HubServices, jobs: Jobs, clock: FrozenClock
) -> None:
    job = await ended(jobs)
    clock.advance(7 * 86_400)
    await jobs.prune()
    assert (await jobs.get(job.id)).state == "failed"
    clock.advance(1)
    await jobs.prune()
    with pytest.raises(NoSuchResource):
        await jobs.get(job.id)


async def test_a_search_and_its_photo_are_kept_for_a_day(jobs: Jobs, clock: FrozenClock) -> None:
    other = await ended(jobs)
    search = await jobs.start("search", None, ANN, fail, attachment="a photo")
    await jobs.wait(search.id)
    clock.advance(86_400)
    await jobs.prune()
    assert await jobs.attachment(search.id, str) == "a photo"
    clock.advance(1)
    await jobs.prune()
    with pytest.raises(NoSuchResource):
        await jobs.get(search.id)
    assert await jobs.get(other.id) == other


async def ended(jobs: Jobs) -> Job:
    job = await jobs.start("import", None, ANN, fail)
    return await jobs.wait(job.id)
