"""The same setting, or a restart, for many devices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec import Raw
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import BadParameter, CannotStoreNow, DeviceSilent, NoSuchResource
from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.commands.many import DeviceOutcome, ManyDevices
from hub.store.jobs.jobs import Job
from hub.store.tables.devices import NewDevice
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from hub.wire.commands.params import check_changes, encode_param
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services

ANN = Actor("user ann")
FACE = SET_FACE.example
DIDS = ("1", "2", "3")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        for did in DIDS:
            await hub.services.cameras.devices.add(
                NewDevice(sn=f"SN{did}", code="CODE0001", did=did)
            )
        yield hub


@pytest.fixture
async def many(hub: HubServices, nursery: trio.Nursery) -> ManyDevices:
    await nursery.start(hub.services.jobs.run)
    await nursery.start(hub.services.cameras.many.run)
    return hub.services.cameras.many


def connect(hub: HubServices, did: str, **how: object) -> AskedLink:
    """Bring a device online, as a connect does."""
    link = AskedLink(did, **how)  # type: ignore[arg-type]
    hub.registry.attach(link)
    hub.services.core.changes.publish([Change("device", did)])
    return link


def disconnect(hub: HubServices, link: AskedLink) -> None:
    hub.registry.detach(link)
    link.leave()
    hub.services.core.changes.publish([Change("device", link.did)])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, which takes work of tasks and of the store's threads."""
    with trio.fail_after(30):
        while not await condition():
            await wait_all_tasks_blocked(0.002)


async def reached(hub: HubServices, job: Job, *expected: str) -> None:
    """Wait until a job, and then its items, have these states."""

    async def has_them() -> bool:
        return await states(hub, job) == expected

    await until(has_them)
    await wait_all_tasks_blocked()


async def was_asked(link: AskedLink, count: int) -> None:
    """Wait until a device was sent so many requests."""

    async def has_them() -> bool:
        return len(link.asked) == count

    await until(has_them)


async def settled(hub: HubServices) -> None:
    """Give what should not happen the time to happen."""
    for _ in range(3):
        await hub.store.write(lambda connection: None)
        await hub.store.read(lambda connection: None)
        await wait_all_tasks_blocked()


async def outcomes(hub: HubServices, job: Job) -> list[tuple[str, DeviceOutcome]]:
    items = await hub.services.jobs.items(job.id)
    return [(item.state, msgspec.json.decode(item.detail, type=DeviceOutcome)) for item in items]


async def states(hub: HubServices, job: Job) -> tuple[str, ...]:
    found = await outcomes(hub, job)
    return ((await hub.services.jobs.get(job.id)).state, *(state for state, _ in found))


async def test_devices_that_are_online_get_a_setting_at_once_and_others_when_they_come(
    hub: HubServices, many: ManyDevices
) -> None:
    took = connect(hub, "1", reply=lambda uri, param: answer())
    connect(hub, "2", reply=lambda uri, param: answer(420, "no"))
    job = await many.apply_setting("face", FACE, DIDS, ANN)
    await reached(hub, job, "running", "done", "failed", "waiting")
    assert await outcomes(hub, job) == [
        ("done", DeviceOutcome("1", 0)),
        ("failed", DeviceOutcome("2", 420, "no")),
        ("waiting", DeviceOutcome("3")),
    ]
    assert [setting.name for setting in await many.waiting("3")] == ["face"]
    assert took.uris == [SET_FACE.uri]
    connect(hub, "3", reply=lambda uri, param: answer())
    await reached(hub, job, "done", "done", "failed", "done")
    assert await many.waiting("3") == []
    assert len(took.asked) == 1
    entries = await hub.services.core.audit.newest()
    assert {(entry.action, entry.target) for entry in entries} == {
        ("device.set_face", f"{did} job {job.id}") for did in DIDS
    }


async def test_a_setting_that_waits_outlives_a_restart_of_the_hub(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))
        job = await hub.services.cameras.many.apply_setting("face", FACE, ["1"], ANN)
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as nursery:
        await nursery.start(hub.services.jobs.run)
        connect(hub, "1", reply=lambda uri, param: answer())
        await nursery.start(hub.services.cameras.many.run)
        await reached(hub, job, "done", "done")
        nursery.cancel_scope.cancel()


async def test_a_device_that_does_not_answer_gets_it_again_after_a_pause(
    hub: HubServices, many: ManyDevices, mock_clock: MockClock
) -> None:
    link = connect(hub, "1")
    job = await many.apply_setting("face", FACE, ["1"], ANN)
    await reached(hub, job, "running", "running")
    await was_asked(link, 1)
    link.asked[0].give(DeviceSilent("no answer"))
    await reached(hub, job, "running", "waiting")
    assert await outcomes(hub, job) == [("waiting", DeviceOutcome("1", msg="no answer"))]
    mock_clock.jump(4.9)
    await settled(hub)
    assert len(link.asked) == 1
    mock_clock.jump(0.1)
    await was_asked(link, 2)
    link.asked[1].give(answer())
    await reached(hub, job, "done", "done")


async def test_a_device_that_comes_back_does_not_wait_for_the_end_of_the_pause(
    hub: HubServices, many: ManyDevices
) -> None:
    link = connect(hub, "1")
    job = await many.apply_setting("face", FACE, ["1"], ANN)
    await was_asked(link, 1)
    disconnect(hub, link)
    await reached(hub, job, "running", "waiting")
    connect(hub, "1", reply=lambda uri, param: answer())
    await reached(hub, job, "done", "done")


async def test_another_setting_does_not_wait_for_the_end_of_the_pause(
    hub: HubServices, many: ManyDevices
) -> None:
    link = connect(hub, "1")
    first = await many.apply_setting("face", FACE, ["1"], ANN)
    await was_asked(link, 1)
    link.asked[0].give(DeviceSilent("no answer"))
    await reached(hub, first, "running", "waiting")
    link.reply = lambda uri, param: answer()
    second = await many.apply_setting("recording", SET_RECORDING.example, ["1"], ANN)
    await reached(hub, first, "done", "done")
    await reached(hub, second, "done", "done")


async def test_a_later_setting_of_the_same_name_replaces_one_that_waits(
    hub: HubServices, many: ManyDevices, clock: FrozenClock
) -> None:
    first = await many.apply_setting("face", FACE, ["1"], ANN)
    clock.advance(1)
    second = await many.apply_setting("face", FACE, ["1"], ANN)
    assert await states(hub, first) == ("done", "cancelled")
    link = connect(hub, "1", reply=lambda uri, param: answer())
    await reached(hub, second, "done", "done")
    assert len(link.asked) == 1


RECORDING = SET_RECORDING.example


def change(**fields: object) -> Raw:
    return check_changes(SET_RECORDING, fields)


async def test_a_setting_that_went_to_a_later_job_is_cancelled_with_it(
    hub: HubServices, many: ManyDevices
) -> None:
    await many.apply_setting("face", check_changes(SET_FACE, {"threshold": 50}), ["1"], ANN)
    changes = check_changes(SET_FACE, {"reg_threshold": 60})
    later = await many.apply_setting("face", changes, ["1"], ANN)
    (waiting,) = await many.waiting("1")
    assert json.loads(waiting.param) == {"threshold": 50, "reg_threshold": 60}
    await hub.services.jobs.cancel(later.id, ANN)
    assert await many.waiting("1") == []


async def test_a_change_keeps_what_each_device_has_accepted(
    hub: HubServices, many: ManyDevices
) -> None:
    links = [connect(hub, did, reply=lambda uri, param: answer()) for did in ("1", "2")]
    for did, minutes in (("1", 5), ("2", 20)):
        own = replace(RECORDING, file_len=minutes)
        await hub.services.cameras.commands.call(did, SET_RECORDING, own)
    job = await many.apply_setting(
        "recording", change(strategy=1, pre_record={"duration": 3}), ["1", "2"], ANN
    )
    await reached(hub, job, "done", "done", "done")
    for link, minutes in zip(links, (5, 20), strict=True):
        sent = link.asked[-1].param
        assert (sent["file_len"], sent["strategy"]) == (minutes, 1)
        assert sent["pre_record"] == {"enable": 1, "duration": 3}
    known = hub.services.cameras.commands.settings("2").recording
    assert known is not None
    assert known.taken == replace(
        RECORDING, file_len=20, strategy=1, pre_record=replace(RECORDING.pre_record, duration=3)
    )


async def test_a_change_that_waits_keeps_what_its_device_has_when_it_comes(
    hub: HubServices, many: ManyDevices
) -> None:
    link = connect(hub, "1", reply=lambda uri, param: answer())
    await hub.services.cameras.commands.call("1", SET_RECORDING, RECORDING)
    disconnect(hub, link)
    first = await many.apply_setting("recording", change(strategy=1), ["1"], ANN)
    second = await many.apply_setting("recording", change(audio_enable=False), ["1"], ANN)
    assert await outcomes(hub, first) == [
        ("cancelled", DeviceOutcome("1", later_job=second.id)),
    ]
    link = connect(hub, "1", reply=lambda uri, param: answer())
    await reached(hub, second, "done", "done")
    (asked,) = link.asked
    whole = json.loads(bytes(encode_param(SET_RECORDING, RECORDING)))
    assert asked.param == {**whole, "strategy": 1, "audio_enable": 0}


async def test_a_device_whose_other_settings_are_not_known_is_sent_nothing(
    hub: HubServices, many: ManyDevices
) -> None:
    link = connect(hub, "1", reply=lambda uri, param: answer())
    job = await many.apply_setting("recording", change(strategy=1), ["1"], ANN)
    await reached(hub, job, "done", "failed")
    ((_, outcome),) = await outcomes(hub, job)
    assert outcome.is_unknown
    assert "not known" in outcome.msg
    assert link.asked == []


async def test_a_cancelled_setting_is_not_given_to_those_that_come_later(
    hub: HubServices, many: ManyDevices
) -> None:
    job = await many.apply_setting("face", FACE, ["1"], ANN)
    cancelled = await hub.services.jobs.cancel(job.id, ANN)
    assert cancelled.state == "cancelled"
    link = connect(hub, "1", reply=lambda uri, param: answer())
    await settled(hub)
    assert link.asked == []


async def test_a_device_that_is_removed_holds_up_no_job(
    hub: HubServices, many: ManyDevices
) -> None:
    job = await many.apply_setting("face", FACE, ["1", "2"], ANN)
    await hub.services.cameras.devices.remove("1")
    connect(hub, "2", reply=lambda uri, param: answer())
    await reached(hub, job, "done", "failed", "done")
    assert (await outcomes(hub, job))[0] == (
        "failed",
        DeviceOutcome("1", msg="the device was removed"),
    )


async def test_a_restart_is_for_devices_that_are_online(
    hub: HubServices, many: ManyDevices
) -> None:
    link = connect(hub, "1", reply=lambda uri, param: answer())
    job = await many.restart(1000, ["1", "2", "1"], ANN)
    await reached(hub, job, "done", "done", "failed")
    assert await outcomes(hub, job) == [
        ("done", DeviceOutcome("1", 0)),
        ("failed", DeviceOutcome("2", msg="the device is offline")),
    ]
    assert [asked.param for asked in link.asked] == [{"delay_ms": 1000}]
    connect(hub, "2", reply=lambda uri, param: answer())
    await settled(hub)
    assert (await states(hub, job))[2] == "failed"


async def test_a_setting_that_cannot_be_stored_leaves_no_job_that_never_ends(
    hub: HubServices, many: ManyDevices, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(settings: object) -> None:
        raise CannotStoreNow("the disk is full")

    monkeypatch.setattr(hub.store.pending_settings, "put", refuse)
    with pytest.raises(CannotStoreNow):
        await many.apply_setting("face", FACE, ["1"], ANN)
    (job,) = await hub.services.jobs.list()
    assert job.state == "cancelled"


async def test_devices_must_be_named_and_known(hub: HubServices, many: ManyDevices) -> None:
    with pytest.raises(BadParameter):
        await many.apply_setting("face", FACE, [], ANN)
    with pytest.raises(NoSuchResource):
        await many.apply_setting("face", FACE, ["1", "9"], ANN)
    with pytest.raises(BadParameter):
        await many.restart(-1, ["1"], ANN)
    assert await hub.services.jobs.list() == ()
