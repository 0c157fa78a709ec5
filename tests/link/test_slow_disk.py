"""What cameras make the hub write without patience: what follows from it, hangs on its commit.

Such a write is given up after 30 s and is committed later, so nothing may stand behind it in the
code but the answer. `tests/web/test_slow_disk.py` does the same for requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from hub.live.registry import DeviceAnswer
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.patience import patience
from hub.store.commit.record_batch import RecordBatch
from hub.store.commit.write_queue import Write
from hub.wire.session import KeepaliveParam
from tests.support import memory_store
from tests.support.clock import FrozenClock
from tests.support.firmware import NEW, firmware_site
from tests.support.gate import FakeLink, gate, public_pem, refusal
from tests.support.pictures import JPEG, b64
from tests.support.unsigned_camera import approved_camera, settle, unsigned_camera

#: Each write, and what follows from it.
OF_CONNECTS = {
    "TokenTable.issue": "nothing: a camera that is not answered connects again",
    "DeviceTable.change": "on_commit, in Provisioning and UnsignedConnects",
}
OF_UPLOADS = {
    "RecordBatch": "the commit tells the followers of the record log and of alarms",
    "CampaignTable.update_target": "on_commit, in Campaigns",
    "DeviceTable.update_status": "nothing: what was reported is shown from memory",
    "DownloadTable.save": "nothing: it is shown from memory",
    "device_capabilities._save": "nothing",
}


class Noted:
    """The names of writes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    @contextmanager
    def noting(self, writer: type[GroupCommit]) -> Iterator[None]:
        submit = writer.submit

        async def noted(commit: GroupCommit, write: Write[Any]) -> Any:
            if patience.get() is None:
                self.names.add(_name_of(write))
            return await submit(commit, write)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "submit", noted)
            yield


def _name_of(write: Write[Any]) -> str:
    if isinstance(write, RecordBatch):
        return "RecordBatch"
    job: Any = write._job
    job = getattr(job, "func", job)
    name = str(job.__qualname__).partition(".<")[0]
    return name if "." in name else f"{job.__module__.rpartition('.')[2]}.{name}"


async def connect_signed(noted: Noted, clock: FrozenClock) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    with noted.noting(memory_store._InlineCommit):
        link = FakeLink()
        link.answers = [DeviceAnswer(200, "OK")]
        await refusal(site, link)
        await site.enrolment.provisioning.offer(device.did, link)
        admitted = await site.connect(FakeLink(), site.connect_param(did=device.did))
        online = site.registry.get(device.did)
        assert online is not None
        await site.admission.renew(admitted.result.token, KeepaliveParam(), online)
    await site.devices.set_site_key(public_pem(1))
    with noted.noting(memory_store._InlineCommit):
        for key in (0, 1):
            await site.connect(FakeLink(), site.connect_param(did=device.did, key=key))
        await refusal(site, FakeLink(), site.connect_param(code="WRONG123"))


async def connect_unsigned(noted: Noted) -> None:
    async with approved_camera() as (port, camera):
        device = port.site.store.devices.by_sn(camera.camera.sn)
        assert device is not None
        camera.link.close("gone")
        await settle()
        port.site.enrolment.moves.expect(device.did, device.sn, "10.0.0.10")
        with noted.noting(memory_store._InlineCommit):
            moved = await unsigned_camera(port, address="10.0.0.10")
            await moved.connect()
            await settle()
            assert port.site.registry.get(device.did) is moved.link
            moved.link.close("gone")
            other = await unsigned_camera(port, mac="00:1b:2c:3d:4e:60")
            await other.connect()
            await other.closed.wait()
        assert port.site.store.devices.by_did(device.did).suspect == "mac"


async def upload(noted: Noted, folder: Path, clock: FrozenClock) -> None:
    async with firmware_site(folder, clock, "1") as site:
        device = site.devices.device("1")
        release = await site.add_release()
        await site.campaigns.start(release.id, ["1"])
        capture = {"time": 1_666_781_577, "data": {"face_data": b64(JPEG)}}
        with noted.noting(GroupCommit):
            await site.ingest.face(device, msgspec.json.encode(capture))
            await site.ingest.event(device, msgspec.json.encode({**capture, "type": 1}))
            await site.ingest.vehicle(device, msgspec.json.encode(capture))
            await site.download("1")
            await site.report("1", fwVer=NEW.fw_ver)


async def test_nothing_but_the_answer_follows_a_write_that_a_camera_causes(
    autojump_clock: MockClock, clock: FrozenClock
) -> None:
    noted = Noted()
    await connect_signed(noted, clock)
    await connect_unsigned(noted)
    assert noted.names == OF_CONNECTS.keys()


async def test_nothing_but_the_answer_follows_a_write_of_an_upload(
    tmp_path: Path, clock: FrozenClock
) -> None:
    noted = Noted()
    await upload(noted, tmp_path, clock)
    assert noted.names == OF_UPLOADS.keys()
