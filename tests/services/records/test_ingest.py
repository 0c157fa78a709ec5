"""Ingest on the real store: D5 (sender, repeats, refusals) and the additional paths of D8."""

from __future__ import annotations

import base64
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub import metrics
from hub.config import Config, DevicesConfig
from hub.errors import BadParameter, HubError, NotAuthorised, UnknownEventType
from hub.services.commands.abilities import Abilities
from hub.services.records.ingest import Ingest
from hub.store.db import Store
from hub.store.opening import open_store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.devices import Device, NewDevice
from hub.wire.commands.capabilities import Capabilities
from hub.wire.uploads import bodies
from hub.wire.uploads.bodies import DeviceInfo
from hub.wire.uploads.records import AccessDetail, EventDetail, Record
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.known_abilities import KnownAbilities
from tests.support.pictures import JPEG, b64, jpeg

SECONDS = 1_666_781_577
MILLISECONDS = SECONDS * 1000


class Hub:
    """A store with two devices, gate and yard, and ingest on it."""

    def __init__(self, store: Store, devices: tuple[Device, ...], clock: FrozenClock) -> None:
        self.store = store
        self.clock = clock
        self.gate, self.yard = devices
        self.reports: list[tuple[str, DeviceInfo]] = []
        #: The dids whose report was passed on to the campaigns.
        self.reported: list[str] = []
        self.flushed = 0
        self.ingest = self.with_config(DevicesConfig())

    def with_config(self, config: DevicesConfig, abilities: Abilities | None = None) -> Ingest:
        book: Any = SimpleNamespace(note_report=self._note, flush=self._flush)
        site: Any = SimpleNamespace(zone=lambda: ZoneInfo("Asia/Shanghai"))
        campaigns: Any = SimpleNamespace(reported=self._is_done)
        downloads: Any = None
        return Ingest(
            core_of(self.store, self.clock, Config(devices=config), site=site),
            book,
            campaigns,
            downloads,
            abilities or KnownAbilities(),
        )

    def _note(self, device: Device, info: DeviceInfo) -> None:
        self.reports.append((device.did, info))

    async def _is_done(self, did: str) -> None:
        self.reported.append(did)

    async def _flush(self) -> None:
        self.flushed = len(self.reports)

    async def records(self) -> list[Record]:
        return list((await self.store.records.page(RecordFilter())).items)

    async def picture(self, record: Record, name: str) -> bytes | None:
        stored = await self.store.pictures.read(record.seq, name)
        return stored and stored.data


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Hub]:
    async with open_store(tmp_path, now=clock, on_records=lambda records: None) as store:
        devices = await store.devices.add(
            [NewDevice(sn="SN1", code="a", name="Gate"), NewDevice(sn="SN2", code="b")]
        )
        yield Hub(store, devices, clock)


def omitted_fields() -> float:
    return metrics.REGISTRY.get_sample_value("sitehub_extra_fields_omitted_total") or 0.0


async def test_an_extra_field_that_is_too_long_is_counted_and_logged_once(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    before = omitted_fields()
    sent = msgspec.json.encode({"time": SECONDS, "name": "A", "photo": "A" * 15_000_000})
    for _ in range(2):  # The second one is a repeat.
        await hub.ingest.face(hub.gate, sent)
    (record,) = await hub.records()
    (marker,) = msgspec.json.decode(record.extra).values()
    assert marker["omitted_bytes"] == 15_000_002
    assert omitted_fields() == before + 1
    assert [line for line in caplog.messages if "too long to be kept" in line] == [
        "extra fields of device 1 are too long to be kept, 1 in one upload; "
        "the record has their size and SHA-256. The first is photo"
    ]


def body(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


def face(**fields: object) -> bytes:
    return body(**{"time": SECONDS, "data": {"face_data": b64(JPEG)}, **fields})


async def test_a_capture_becomes_a_record_of_its_device_with_its_pictures(hub: Hub) -> None:
    await hub.ingest.face(
        hub.gate, face(data={"face_data": b64(jpeg(99)), "bg_data": b64(jpeg(5000))})
    )
    (record,) = await hub.records()
    assert (record.kind, record.did, record.sn, record.device_name) == (
        "face",
        hub.gate.did,
        "SN1",
        "Gate",
    )
    assert (record.occurred_at, record.received_at) == (MILLISECONDS, hub.clock.ms)
    assert await hub.picture(record, "face") == jpeg(99)
    assert await hub.picture(record, "background") == jpeg(5000)


@pytest.mark.parametrize("own", ["", None])
async def test_d5_whose_did_an_empty_or_absent_did_means_the_sender(
    hub: Hub, own: str | None
) -> None:
    await hub.ingest.face(hub.gate, face(did=own, sn=own))
    await hub.ingest.face(hub.gate, face(did=hub.gate.did, sn="SN1"))
    assert [record.did for record in await hub.records()] == [hub.gate.did] * 2


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("face", {}),
        ("event", {"type": 1}),
        ("vehicle", {}),
        ("device_info", {}),
        ("ota_query", {"otaId": "x"}),
    ],
)
@pytest.mark.parametrize("field", ["did", "sn"])
async def test_d5_whose_did_the_did_or_sn_of_another_device_is_401_and_nothing_is_stored(
    hub: Hub, kind: str, more: dict[str, object], field: str
) -> None:
    foreign = {"did": hub.yard.did, "sn": "SN2"}[field]
    take = getattr(hub.ingest, kind)
    if kind == "ota_query":
        take = partial(take, base_url="https://hub")
    with pytest.raises(NotAuthorised, match=field):
        await take(hub.gate, body(time=SECONDS, **{**more, field: foreign}))
    assert await hub.records() == []
    assert hub.reports == []


@pytest.mark.parametrize("did", ["31", "2"])
async def test_d12_a_camera_with_its_sn_may_send_a_number_of_its_own_as_did(
    hub: Hub, did: str
) -> None:
    await hub.ingest.face(hub.gate, face(did=did, sn="SN1"))
    (record,) = await hub.records()
    assert (record.did, record.sn) == (hub.gate.did, "SN1")


async def test_d12_a_camera_without_a_did_may_send_a_number_of_its_own(hub: Hub) -> None:
    camera = msgspec.structs.replace(hub.gate, did_state="none")
    await hub.ingest.event(camera, body(time=SECONDS, type=1, did="31"))
    (record,) = await hub.records()
    assert record.did == hub.gate.did


async def test_d5_repeats_are_one_record(hub: Hub) -> None:
    for _ in range(3):
        await hub.ingest.face(hub.gate, face())
    assert len(await hub.records()) == 1


async def test_d5_repeats_another_device_or_path_is_not_a_repeat(hub: Hub) -> None:
    sent = face(type=1)
    await hub.ingest.face(hub.gate, sent)
    await hub.ingest.face(hub.yard, sent)
    await hub.ingest.event(hub.gate, sent)
    assert len(await hub.records()) == 3


async def test_d5_repeats_are_recognised_for_a_day(hub: Hub) -> None:
    await hub.ingest.face(hub.gate, face())
    hub.clock.advance(23 * 3600)
    await hub.ingest.face(hub.gate, face())
    assert len(await hub.records()) == 1
    hub.clock.advance(2 * 3600)
    await hub.ingest.face(hub.gate, face())
    assert len(await hub.records()) == 2


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("face", b"not json"),
        ("face", b""),
        ("face", b"[]"),
        ("face", b'{"time": NaN}'),
        ("face", b'{"time": "soon"}'),
        ("face", b'{"time": 1e400}'),
        ("face", b'{"time": {}}'),
        ("face", b'{"time": 1, "name": "\xff\xfe"}'),
        ("face", b'{"x":' * 100 + b"1" + b"}" * 100),
        ("face", face(data={"face_data": "not base64!"})),
        ("face", face(data={"face_data": b64(b"no picture")})),
        ("face", face(data={"face_data": b64(JPEG), "bg_data": "%"})),
        ("event", body(time=SECONDS)),
        ("vehicle", body(time=SECONDS, data={"plate": 1})),
        ("access", body(sn="SN1", data=[])),
        ("base64img", b"data:image/jpeg;base64,"),
        ("base64img", b"\x00\x01"),
    ],
)
async def test_bad_input_is_420_and_nothing_is_stored(hub: Hub, kind: str, sent: bytes) -> None:
    with pytest.raises(BadParameter):
        await getattr(hub.ingest, kind)(hub.gate, sent)
    assert await hub.records() == []


async def test_d5_2_4_a_type_beyond_14_is_424_unless_unknown_types_are_kept(hub: Hub) -> None:
    sent = body(type=15, time=MILLISECONDS)
    with pytest.raises(UnknownEventType):
        await hub.ingest.event(hub.gate, sent)
    await hub.with_config(DevicesConfig(unknown_event_types="keep")).event(hub.gate, sent)
    (record,) = await hub.records()
    assert isinstance(record.detail, EventDetail)
    assert record.detail.type == 15


async def test_2_5_a_vehicle_becomes_a_record(hub: Hub) -> None:
    plate = {"id": "粤B54896", "plate_pic": b64(JPEG)}
    await hub.ingest.vehicle(hub.gate, body(time=str(MILLISECONDS), data={"plate": plate}))
    (record,) = await hub.records()
    assert [image.name for image in record.images] == ["plate"]


def access_entry(**fields: object) -> dict[str, object]:
    return {"rid": "1", "accessTime": "2026-11-25 20:00:00", **fields}


async def test_d8_access_times_are_in_the_zone_of_the_site(hub: Hub) -> None:
    entries = [access_entry(), access_entry(rid="2", faceImg=b64(JPEG))]
    await hub.ingest.access(hub.gate, body(sn="SN1", data=entries))
    first, second = await hub.records()
    assert first.occurred_at == hub.clock.ms  # Noon in UTC is eight in the evening in Shanghai.
    assert [image.name for image in second.images] == ["face"]


async def test_d8_one_access_record_of_another_device_refuses_all_of_them(hub: Hub) -> None:
    entries = [access_entry(), access_entry(did=hub.yard.did)]
    with pytest.raises(NotAuthorised):
        await hub.ingest.access(hub.gate, body(sn="SN1", data=entries))
    with pytest.raises(NotAuthorised):
        await hub.ingest.access(hub.gate, body(sn="SN2", data=[access_entry()]))
    assert await hub.records() == []


async def test_d8_a_single_picture_belongs_to_the_latest_access_record_of_its_device(
    hub: Hub,
) -> None:
    lone = b"data:image/jpeg;base64," + base64.b64encode(JPEG)
    await hub.ingest.base64img(hub.gate, lone)
    await hub.ingest.access(hub.gate, body(sn="SN1", data=[access_entry()]))
    await hub.ingest.access(hub.yard, body(sn="SN2", data=[access_entry()]))
    await hub.ingest.base64img(hub.gate, lone + b"\n")
    before, access, _, after = await hub.records()
    assert isinstance(before.detail, AccessDetail)
    assert isinstance(after.detail, AccessDetail)
    assert (before.detail.of, after.detail.of) == (None, access.seq)
    assert after.occurred_at == hub.clock.ms
    assert await hub.picture(after, "face") == JPEG


async def test_2_2_device_info_is_saved_before_it_is_answered(hub: Hub) -> None:
    await hub.ingest.device_info(hub.gate, body(did="", fwVer="V1.0", devName="NFY-01"))
    ((did, info),) = hub.reports
    assert (did, info.fw_ver, info.dev_name) == (hub.gate.did, "V1.0", "NFY-01")
    assert hub.flushed == 1
    assert hub.reported == [hub.gate.did]


async def test_other_firmware_makes_unknown_what_a_camera_can_do(hub: Hub) -> None:
    known = Capabilities(connect="signed", face=1, uploads=2, groups={"information": False})
    abilities = KnownAbilities(**{f"d{hub.gate.did}": known})
    ingest = hub.with_config(DevicesConfig(), abilities)
    for firmware, face in (("V1.0", 1), ("V1.0", 1), (None, 1), ("V2.0", None)):
        await ingest.device_info(hub.gate, body(did="", fwVer=firmware))
        assert abilities.of(hub.gate.did).face == face
    assert abilities.of(hub.gate.did) == Capabilities(connect="signed", firmware="V2.0")
    # Read twice in the same way, so that a long name is not another one each time.
    for _ in range(2):
        await ingest.device_info(hub.gate, body(did="", fwVer="V" * 60))
    assert abilities.sources == ["upload"] * 3


async def test_a_large_body_is_decoded_in_a_thread(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []
    decode = bodies.decode_face

    def watched(*args: Any, **how: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return decode(*args, **how)

    monkeypatch.setattr(bodies, "decode_face", watched)
    await hub.ingest.face(hub.gate, face())
    await hub.ingest.face(hub.gate, face(data={"bg_data": b64(jpeg(1_000_000))}))
    assert threads == [True, False]
    assert len(await hub.records()) == 2


async def test_an_error_in_a_large_body_is_reported_as_in_a_small_one(hub: Hub) -> None:
    with pytest.raises(HubError, match="time"):
        await hub.ingest.face(hub.gate, face(time=None, more="x" * 2_000_000))
