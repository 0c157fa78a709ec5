"""Settings that wait for devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.store.db import Store
from hub.store.jobs.jobs import Job
from hub.store.jobs.pending_settings import PendingSetting
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened

DEVICES = [NewDevice(sn=f"SN{did}", code="CODE0001", did=did) for did in ("1", "2")]


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        await store.devices.add(DEVICES)
        yield store


async def add_job(store: Store) -> Job:
    items = ['{"did":"1"}', '{"did":"2"}']
    return await store.jobs.add("settings", "{}", "user ann", 1, 2, items)


def setting(job: Job, did: str = "1", **fields: object) -> PendingSetting:
    made = PendingSetting(
        did=did,
        name="face",
        param='{"threshold":80}',
        job=job.id,
        position=int(did) - 1,
        asked_by="user ann",
        asked_at=1,
    )
    return replace(made, **fields)


async def states(store: Store, job: Job) -> tuple[str, ...]:
    items = await store.jobs.items(job.id)
    return ((await store.jobs.get(job.id)).state, *(item.state for item in items))


async def test_a_wish_is_one_until_the_device_has_answered(
    store: Store, tmp_path: Path, clock: FrozenClock
) -> None:
    job = await add_job(store)
    await store.pending_settings.put(
        [setting(job), setting(job, "2"), setting(job, name="recording", position=None)]
    )
    assert store.pending_settings.dids == {"1", "2"}
    assert [one.name for one in await store.pending_settings.of_device("1")] == [
        "face",
        "recording",
    ]
    assert await store.pending_settings.note(setting(job), "running", {"did": "1"}, 2)
    assert await states(store, job) == ("running", "running", "waiting")
    assert await store.pending_settings.note(setting(job), "done", {"did": "1", "code": 0}, 3)
    assert await store.pending_settings.note(
        setting(job, "2"), "failed", {"did": "2", "code": 420}, 4
    )
    assert await states(store, job) == ("done", "done", "failed")
    assert store.pending_settings.dids == {"1"}
    assert (await store.jobs.items(job.id))[1].detail == '{"did":"2","code":420}'


async def test_wishes_outlive_the_process(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.devices.add(DEVICES)
        await store.pending_settings.put([setting(await add_job(store))])
    async with opened(tmp_path, clock) as store:
        assert store.pending_settings.dids == {"1"}


async def test_a_later_setting_replaces_an_earlier_one(store: Store) -> None:
    earlier, later = await add_job(store), await add_job(store)
    await store.pending_settings.put([setting(earlier), setting(earlier, "2")])
    await store.pending_settings.put([setting(later, asked_at=5)])
    assert await states(store, earlier) == ("running", "cancelled", "waiting")
    assert not await store.pending_settings.note(setting(earlier), "done", {}, 6)
    assert await states(store, later) == ("running", "waiting", "waiting")
    details = [item.detail for item in await store.jobs.items(earlier.id)]
    assert details == [f'{{"did":"1","later_job":{later.id}}}', '{"did":"2"}']


async def test_a_later_setting_goes_with_what_only_the_earlier_one_changes(store: Store) -> None:
    job = await add_job(store)
    param = '{"threshold":80,"alarm_out":{"interval":10,"alarm_push":true}}'
    await store.pending_settings.put([setting(job, param=param)])
    param = '{"enable":true,"threshold":90,"alarm_out":{"interval":20}}'
    await store.pending_settings.put([setting(await add_job(store), asked_at=5, param=param)])
    (joined,) = await store.pending_settings.of_device("1")
    assert joined.param == (
        '{"threshold":90,"alarm_out":{"interval":20,"alarm_push":true},"enable":true}'
    )
    assert await store.pending_settings.note(joined, "done", {}, 6)
    assert store.pending_settings.dids == set()


async def test_a_job_that_is_cancelled_takes_its_wishes_along(store: Store) -> None:
    job = await add_job(store)
    await store.pending_settings.put([setting(job), setting(job, "2")])
    await store.pending_settings.note(setting(job), "running", {"did": "1"}, 2)
    await store.pending_settings.withdraw(job.id, 3)
    assert await states(store, job) == ("cancelled", "interrupted", "cancelled")
    assert store.pending_settings.dids == set()
    assert not await store.pending_settings.note(setting(job), "done", {}, 4)
    assert await states(store, job) == ("cancelled", "interrupted", "cancelled")


async def test_a_wish_goes_with_its_device_and_its_job_ends(store: Store) -> None:
    job = await add_job(store)
    await store.pending_settings.put([setting(job), setting(job, "2")])
    await store.devices.remove("1")
    assert store.pending_settings.dids == {"2"}
    assert await store.pending_settings.settle("it is gone", 5) == [job.id]
    await store.pending_settings.note(setting(job, "2"), "done", {"did": "2"}, 6)
    assert await states(store, job) == ("done", "failed", "done")
    assert (await store.jobs.items(job.id))[0].detail == '{"did":"1","msg":"it is gone"}'
    assert await store.pending_settings.settle("it is gone", 7) == []


async def test_a_wish_for_a_device_that_was_just_removed_is_none(store: Store) -> None:
    job = await add_job(store)
    await store.pending_settings.put([setting(job, "9", position=0)])
    assert store.pending_settings.dids == set()


async def test_a_wish_is_fulfilled_though_its_job_has_gone(store: Store) -> None:
    job = await add_job(store)
    await store.pending_settings.put([setting(job)])
    await store.write(lambda c: c.execute("DELETE FROM job") and None)
    (left,) = await store.pending_settings.of_device("1")
    assert (left.job, left.param) == (None, '{"threshold":80}')
    assert await store.pending_settings.note(setting(job), "done", {}, 2)
    assert store.pending_settings.dids == set()
