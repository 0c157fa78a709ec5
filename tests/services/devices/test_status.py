"""Status that devices report, and their latest pictures: in memory at once, saved later."""

from __future__ import annotations

import trio
from msgspec import Raw
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.services.devices.status import FLUSH_SECONDS
from hub.store.tables.devices import DeviceChange
from hub.wire.pictures import Image
from hub.wire.session import KeepaliveParam
from hub.wire.uploads.bodies import DeviceInfo
from hub.wire.uploads.records import FaceDetail, Record
from tests.support.clock import NOON, FrozenClock
from tests.support.gate import SN, FakeLink, Gate, gate
from tests.support.stores import batch, drop_day


async def test_a_reported_status_is_shown_at_once_and_saved_later(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    written = site.store.writes
    site.devices.note_report(device, DeviceInfo(fw_ver="1.2", dev_name="IPC"))
    site.devices.note_report(device, DeviceInfo(sw_ver="3"))
    view = site.devices.get(device.did)
    assert (view.fw_ver, view.sw_ver, view.dev_name) == ("1.2", "3", "IPC")
    assert site.store.writes == written
    await site.devices.flush()
    stored = site.store.devices.by_did(device.did)
    assert (stored.fw_ver, stored.sw_ver, stored.dev_name) == ("1.2", "3", "IPC")


async def test_the_status_of_a_replaced_camera_is_not_shown(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    site.devices.note_report(device, DeviceInfo(fw_ver="1.2"))
    await site.devices.change(device.did, DeviceChange(sn="NEW-SN"))
    site.devices.note_report(device, DeviceInfo(fw_ver="1.2"))
    assert site.devices.get(device.did).fw_ver is None
    await site.devices.flush()
    assert site.devices.get(device.did).fw_ver is None


async def test_status_that_is_being_saved_is_not_applied_to_a_replacement(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    site = gate(clock)
    device = await site.enrol()
    site.devices.note(device.sn, ip="10.0.0.1")
    await nursery.start(_replaced, site, device.did)
    await site.devices.flush()
    await wait_all_tasks_blocked()
    assert site.devices.device(device.did).sn == "NEW-SN"
    assert site.devices.get(device.did).ip is None


async def _replaced(site: Gate, did: str, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await site.devices.change(did, DeviceChange(sn="NEW-SN"))


async def test_the_status_of_many_devices_is_saved_in_one_write(clock: FrozenClock) -> None:
    site = gate(clock)
    for number in range(50):
        await site.enrol(f"SN{number}")
        link = FakeLink()
        token = (await site.connect(link, site.connect_param(f"SN{number}"))).result.token
        for _ in range(10):
            site.admission.heartbeat(token, KeepaliveParam(), link)
    written = site.store.writes
    await site.devices.flush()
    assert site.store.writes == written + 1
    assert {device.last_seen for device in site.store.devices.all()} == {clock.ms}
    await site.devices.flush()
    assert site.store.writes == written + 1


async def test_status_reported_during_a_flush_is_not_lost(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    site.devices.note(device.sn, ip="10.0.0.1")

    def report_more() -> None:
        site.store.before_write = None
        site.devices.note(device.sn, ip="10.0.0.2")

    site.store.before_write = report_more
    await site.devices.flush()
    assert site.devices.get(device.did).ip == "10.0.0.2"
    await site.devices.flush()
    assert site.store.devices.by_did(device.did).ip == "10.0.0.2"


async def running(site: Gate, nursery: trio.Nursery) -> None:
    await nursery.start(site.devices.run)


async def test_status_is_saved_every_minute_and_at_the_end(
    clock: FrozenClock, autojump_clock: MockClock
) -> None:
    site = gate(clock)
    device = await site.enrol()
    async with trio.open_nursery() as nursery:
        await running(site, nursery)
        site.devices.note(device.sn, ip="10.0.0.1")
        await trio.sleep(FLUSH_SECONDS + 1)
        assert site.store.devices.by_did(device.did).ip == "10.0.0.1"
        site.devices.note(device.sn, ip="10.0.0.2")
        nursery.cancel_scope.cancel()
    assert site.store.devices.by_did(device.did).ip == "10.0.0.2"


async def test_status_is_saved_later_if_nothing_can_be_stored(
    clock: FrozenClock, autojump_clock: MockClock
) -> None:
    site = gate(clock)
    device = await site.enrol()
    async with trio.open_nursery() as nursery:
        await running(site, nursery)
        site.store.refuses = True
        site.devices.note(device.sn, ip="10.0.0.1")
        await trio.sleep(2 * FLUSH_SECONDS + 1)
        site.store.refuses = False
        await trio.sleep(FLUSH_SECONDS)
        assert site.store.devices.by_did(device.did).ip == "10.0.0.1"
        nursery.cancel_scope.cancel()


def image(path: str) -> Image:
    return Image("face", "image/jpeg", path, 1)


def record(did: str, *images: Image) -> Record:
    return Record(
        seq=1,
        kind="face",
        did=did,
        sn=SN,
        device_name="",
        occurred_at=0,
        received_at=round(NOON * 1000),
        detail=FaceDetail(),
        extra=Raw(b"{}"),
        images=images,
    )


async def test_the_latest_picture_is_loaded_at_start_and_follows_the_records(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    site = gate(clock)
    device = await site.enrol("SN1")  # as `batch` names the camera 1
    await site.store.records.append(batch(clock, 1, did=device.did))
    await running(site, nursery)
    assert site.devices.get(device.did).last_picture == "/media/1/face.jpg"
    site.records.publish([record(device.did, image("/media/8/face.jpg")), record(device.did)])
    await wait_all_tasks_blocked()
    assert site.devices.get(device.did).last_picture == "/media/8/face.jpg"
    await site.store.records.append(batch(clock, 2, did=device.did))
    site.records.publish([record("999")] * 1000)  # more than a subscription holds
    await wait_all_tasks_blocked()
    assert site.devices.get(device.did).last_picture == "/media/2/face.jpg"
    clock.advance(86_400)
    await drop_day(site.store, "2026-11-25")
    assert site.devices.get(device.did).last_picture is None
    await site.devices.remove(device.did)
    assert device.did not in site.devices._pictures._latest
