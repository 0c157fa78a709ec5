"""A data directory with rows in every table."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import trio
from msgspec import Raw

from hub.reasons import Reason
from hub.store.commit.record_batch import RecordBatch
from hub.store.commit.repeat_window import RepeatWindow
from hub.store.db import Store
from hub.store.jobs.jobs import JobItem
from hub.store.jobs.pending_settings import PendingSetting
from hub.store.media.day_index import PackDay
from hub.store.opening import open_store
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.campaigns import CampaignTarget
from hub.store.tables.clock_steps import ClockStep
from hub.store.tables.device_capabilities import CapabilityRow
from hub.store.tables.device_pictures import stored_picture
from hub.store.tables.device_relays import DeviceRelay
from hub.store.tables.device_settings import DeviceSetting
from hub.store.tables.devices import DeviceChange, NewDevice, StatusUpdate, UnsignedPins
from hub.store.tables.erasures import ErasureReport, NewErasure, Subject
from hub.store.tables.firmware import NewComponent, NewRelease, StoredFile
from hub.store.tables.holds import NewHold
from hub.store.tables.outages import HubRun, Outage
from hub.store.tables.reviews import Review
from hub.store.tables.saved_searches import NewSearch
from hub.store.tables.sessions import Session
from hub.store.tables.tokens import AcceptedConnect
from hub.store.tables.used_signatures import UsedSignature
from hub.store.tables.user_links import UserLink
from hub.store.tables.users import User
from hub.store.targets.target import (
    Cursor,
    DeadLetter,
    NewTarget,
    Selection,
    TargetOptions,
    TargetSecrets,
)
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.firmware import Versions
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Rect,
    Vehicle,
    VehicleDetail,
)

#: 2026-11-25, 12:00 UTC.
NOW = 1_795_608_000
_MS = NOW * 1000
_DAY_MS = 86_400_000

_JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
_FACE, _BACKGROUND = (
    Picture("face", "image/jpeg", _JPEG),
    Picture("background", "image/jpeg", _JPEG * 2),
)
_UPLOADS = (
    CheckedUpload(
        kind="face",
        occurred_at=_MS - 1,
        detail=FaceDetail(name="Li Wei", age=30, gender=1, uuid="p1", category=1),
        extra=Raw(b'{"score":12}'),
        pictures=(_FACE, _BACKGROUND),
    ),
    CheckedUpload(
        kind="event",
        occurred_at=_MS - 2,
        detail=EventDetail(type=3, data=Raw(b'{"temp":36.6}'), name="Anna", uuid="p2", category=0),
    ),
    CheckedUpload(
        kind="vehicle",
        occurred_at=_MS - 3,
        detail=VehicleDetail(Plate("京A12345", 1, Rect(1, 2, 3, 4)), Vehicle(2, "VW", None)),
    ),
    CheckedUpload(
        kind="access",
        occurred_at=_MS - 4,
        detail=AccessDetail(rid="r1", uuid="p1", type=1, status=1, temperature=36.6, score="high"),
    ),
    # A picture that follows an access record.
    CheckedUpload(kind="access", occurred_at=_MS - 5, detail=AccessDetail(), pictures=(_FACE,)),
)

#: In the order of the columns.
_ROWS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("device_people", ("1", "managed", 0, 1, "fw1 sw1", 1, _MS)),
    ("holding", ("1", "12", 1, None, None, None, "", 0, None)),
    ("unknown_person", ("2", "99", '{"pid": "99"}')),
    (
        "alarm",
        (
            *(1, "blacklist", "12", "critical", "acknowledged", 2, _MS, _MS + 9, 2),
            *(_MS + 9, _MS, None, None, '["1"]', "{}", "known"),
        ),
    ),
    ("alarm_record", (1, 2)),
    ("alarm_step", (1, 0, _MS, "raised", "", "")),
    ("alarm_rule", (1, '{"severity":"minor","types":[2]}')),
    ("plate_list", (1, "Stolen", "critical")),
    ("plate_entry", (1, "粤B*", "a note", None)),
    ("earlier_log", ("0" * 32, 5)),
    ("erased_record", (1, "0" * 32, 3)),
)


def fill_directory(data_dir: Path) -> None:
    """Copy a data directory with rows in every table to `data_dir`, which may exist."""
    shutil.copytree(_made().name, data_dir, dirs_exist_ok=True)


@cache
def _made() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    trio.run(_make, Path(folder.name))
    return folder


async def _make(data_dir: Path) -> None:
    async with open_store(data_dir, now=lambda: NOW, on_records=lambda records: None) as store:
        await _fill_devices(store)
        await _fill_access(store)
        await _fill_records(store)
        await _fill_firmware(store)
        await _fill_people_and_jobs(store)
        await _fill_targets(store)
        await store.write(_insert_rows)


async def _fill_devices(store: Store) -> None:
    pins = UnsignedPins("192.168.1.30", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32)
    await store.devices.add(
        [
            NewDevice(sn="SN1", code="CODE0001", did="1", name="North gate"),
            NewDevice(sn="SN2", code="CODE0002", did="2", key="PEM", clock_trusted=False),
            NewDevice(sn="SN3", code="CODE0003", did="3", pins=pins),
        ]
    )
    await store.devices.change(
        "2", DeviceChange(enabled=False, init_outcome="taken", sign_form="md5")
    )
    await store.devices.change(
        "3",
        DeviceChange(
            next_path_hash="cd" * 32,
            suspect="address",
            suspect_address="192.168.1.99",
            suspect_mac="00:1b:2c:3d:4e:5f",
            suspect_at=_MS,
        ),
    )
    status = StatusUpdate(
        ip="10.0.0.8",
        address="10.0.0.9",
        last_seen=_MS,
        fw_ver="fw1",
        sw_ver="sw1",
        os_ver="os1",
        hw_ver="hw1",
        dev_name="Front camera",
        clock_offset=-1.5,
        did_state="known",
    )
    await store.devices.update_status({"SN1": status})
    await store.devices.keep_previous_key("OLD PEM", _MS + _DAY_MS)
    await store.tokens.issue(
        "1",
        b"t" * 32,
        expires_at=_MS + _DAY_MS,
        grace_until=0,
        accepted=AcceptedConnect("SN1", "1795608000", None),
    )
    setting = DeviceSetting(
        did="1",
        name="face",
        taken='{"threshold":80}',
        taken_at=_MS,
        uri="/face/set",
        code=200,
        msg="OK",
        answered_at=_MS + 1,
    )
    await store.device_settings.save(setting, "SN1")
    picture = stored_picture("image/jpeg", _JPEG)
    await store.device_pictures.put("1", "SN1", "/data/1.jpg", picture, _MS)
    capability = CapabilityRow(
        part="face",
        learnt="3",
        source="answer",
        firmware="1.1.7_x",
        learnt_at=_MS,
        override="1",
    )
    await store.capabilities.save("1", "SN1", [capability])
    relay = DeviceRelay(
        did="1",
        name="Front door",
        kind="door",
        seconds=5,
        address="192.168.1.20",
        is_own=True,
        port=443,
        tls=True,
        certificate="ef" * 32,
        username="operator",
    )
    await store.relays.put(relay, "Kl9-gate", "SN1")
    outage = Outage(id=1, did="1", began_at=_MS, ended_at=None, cause="lost")
    await store.outages.save([outage], HubRun(1, _MS - 9, _MS))
    await store.clock_steps.add(ClockStep(3, _MS - _DAY_MS, _MS, True))


async def _fill_access(store: Store) -> None:
    await store.users.add(User("alice", "admin", "scrypt$0", _MS))
    await store.users.add(User("bob", "guard", "scrypt$1", _MS, enabled=False))
    await store.second_factors.put("alice", "JBSWY3DPEHPK3PXP", 7, ("ab" * 32, "cd" * 32))
    await store.user_links.put(UserLink("carol", "viewer", b"l" * 32, _MS + _DAY_MS))
    await store.user_links.put(UserLink("dan", "guard", b"m" * 32, _MS + _DAY_MS, made_by="alice"))
    await store.sessions.add(Session(b"s" * 32, "alice", _MS, _MS + 5, "10.0.0.1"))
    await store.sessions.add(Session(b"w" * 32, "alice", _MS + 1, _MS + 5, "10.0.0.9", "Lobby"))
    await store.api_keys.add(ApiKey("APP1", "VMS", True, _MS), "api secret")
    await store.api_keys.save_used({"APP1": _MS + 7})
    await store.used_signatures.use(UsedSignature("APP1", "AB" * 16, _MS))
    await store.settings.set("site.name", "Main site")
    await store.settings.set("site.timezone", "Asia/Shanghai")
    await store.audit.add(_MS, "alice", "device.add", "1", "10.0.0.1")
    search = NewSearch(
        name="Gate at night",
        query="did=1&around=23%3A00",
        created_by="user mei",
        created_at=_MS,
    )
    await store.saved_searches.add(search)
    await store.reviews.put(
        Review(name="alice", line=1, seen=2, seen_at=_MS, reviewed=1, marks=(2,))
    )


async def _fill_records(store: Store) -> None:
    for number, upload in enumerate(_UPLOADS):
        batch = RecordBatch(
            [upload],
            did="1",
            sn="SN1",
            device_name="North gate",
            digest=bytes([number]) * 16,
            arrived_at=_MS,
            follows_access=upload is _UPLOADS[-1],
        )
        await store.records.append(batch)
    hold = NewHold(
        reason="keep for the police",
        until=_MS + _DAY_MS,
        created_by="user alice",
        created_at=_MS,
    )
    await store.holds.create(hold, (1, 2))
    (day,) = store.retention.days()
    pack_day = PackDay(day.day, day.first_seq, day.last_seq, day.records, day.bytes)
    await store.evidence.move_before(pack_day, trio.lowlevel.checkpoint)
    erasure = NewErasure(
        created_by="user alice",
        created_at=_MS,
        manner="person",
        subject=Subject(uuids=("gone",)),
        with_held=False,
        last_seq=5,
    )
    report = ErasureReport(first_day=day.day, last_day=day.day, kept=1, dids=("1",))
    await store.erasures.finish(await store.erasures.add(erasure), report, _MS + 1)


async def _fill_firmware(store: Store) -> None:
    firmware = b"firmware" * 100
    file = StoredFile(
        hashlib.sha256(firmware).hexdigest(), hashlib.md5(firmware).hexdigest(), 800, _MS
    )
    async with store.firmware_files.receive() as receiving:
        await receiving.write(firmware)
        await store.firmware_files.keep(receiving.path, await receiving.finish(_MS))
    await store.firmware.add_file(file)
    new = NewRelease(
        ver_code=7,
        ver_name="v7",
        components=(NewComponent("app.bin", 1, file.sha256),),
        description="Better doors",
        reports=Versions(sw_ver="sw7"),
        least=Versions(sw_ver="sw1"),
    )
    release = await store.firmware.add_release(new, "2026-11-25 12:00:00", _MS)
    targets = (CampaignTarget("1"), CampaignTarget("2"))
    campaign = await store.campaigns.add(release.id, targets, _MS, [])
    done = CampaignTarget("1", "done", _MS, _MS + 1, _MS + 2)
    await store.campaigns.update_target(campaign.id, done, proved_at=_MS + 2)
    store.downloads.begin("1", file.sha256, file.size, _MS)
    await store.downloads.save()


async def _fill_people_and_jobs(store: Store) -> None:
    await store.camera_groups.add("Gate", ["1"])
    person = PersonChange(
        name="王芳",
        work_id="A-7",
        id_card_no="110101199003071234",
        ic_card_no="00FF21",
        gender=2,
        birth_year=1990,
        department="Gate",
        phone="13800000000",
        category=2,
        groups=(1,),
        valid_until=_MS + _DAY_MS,
        note="a note",
        photo=_JPEG,
    )
    await store.people.put([PersonPut(pid="12", change=person)], "user alice", _MS + 1)
    job = await store.jobs.add("import", "{}", "user alice", _MS, 2)
    ended = msgspec.structs.replace(job, state="interrupted", done=1, failed=1, ended_at=_MS)
    await store.jobs.end(ended, [JobItem(1, "failed", '{"line":3}')])
    await store.jobs.add("settings", "{}", "user alice", _MS, 1, ['{"did":"1"}'], '"photo"')
    setting = PendingSetting(
        did="1",
        name="recording",
        param='{"file_len":5}',
        job=2,
        position=0,
        asked_by="user alice",
        asked_at=_MS,
    )
    await store.pending_settings.put([setting])


async def _fill_targets(store: Store) -> None:
    options = TargetOptions(
        url="https://192.168.1.20/in", hub="school-1f9a0c", selection=Selection(kinds=("face",))
    )
    new = NewTarget(
        kind="webhook",
        name="VMS",
        options=options,
        created_at=_MS,
        cursor=Cursor("log", 7, 2),
    )
    target = await store.targets.add(new, TargetSecrets(secret="whsec_" + "AAAA" * 8))
    for kind in ("record", "alarm"):
        await store.targets.add_dead_letter(
            DeadLetter(target.id, kind, "log", 7, Reason("it answered 422"), _MS)
        )
    await store.targets.add_gaps({target.id: (1, 3)}, "log", "age", _MS)


def _insert_rows(connection: sqlite3.Connection) -> None:
    for table, values in _ROWS:
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    window = RepeatWindow()
    window.since(connection, _MS + 9)
    window.note(connection)
