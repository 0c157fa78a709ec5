"""Writes a data directory with rows in every table, as a test for later versions of the hub.

    python -m tests.store.databases.write tests/store/databases/schema_8

makes `schema_8.zip`. With a new migration, add a `fill_schema_N` for the new tables and run this
once with the code of that version. Never write an older schema's archive again: it would no longer
be what the older code wrote.

The archive leaves out the key file, because a key does not belong into a repository. The one that
sealed the secrets in it is `KEY`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory

import msgspec
import trio
from msgspec import Raw

from hub.store.commit.record_batch import RecordBatch
from hub.store.commit.repeat_window import RepeatWindow
from hub.store.db import Store
from hub.store.jobs.jobs import JobItem
from hub.store.jobs.wishes import Wish
from hub.store.media.day_index import PackDay
from hub.store.opening import open_store
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.reports.day_parts import part_of
from hub.store.reports.people_parts import encode_people, encode_people_by_camera
from hub.store.reports.sightings import PersonSeen, PlateSeen
from hub.store.reports.unsorted_faces import FaceCount, encode_faces
from hub.store.reports.vehicle_parts import as_vehicles, encode_vehicles
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
    NewTarget,
    ParkedItem,
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
from tests.store.databases import KEY as KEY

#: 2026-11-25, 12:00 UTC.
NOW = 1_795_608_000
DAY = "2026-11-25"

DEVICES = (
    NewDevice(sn="SN1", code="CODE0001", did="1", name="North gate"),
    NewDevice(sn="SN2", code="CODE0002", did="2", key="PEM", clock_trusted=False),
)
CHANGE = DeviceChange(enabled=False, init_outcome="taken", sign_form="md5")
NOTE = StatusUpdate(
    ip="10.0.0.8",
    last_seen=NOW * 1000,
    fw_ver="fw1",
    sw_ver="sw1",
    os_ver="os1",
    hw_ver="hw1",
    dev_name="Front camera",
    clock_offset=-1.5,
    did_state="known",
)
ADDRESS = "10.0.0.9"
STARTED_AT = NOW * 1000 + 9
TOKEN_HASH, EXPIRES_AT = b"t" * 32, NOW * 1000 + 86_400_000
ACCEPTED = AcceptedConnect("SN1", "1795608000", None)
USER = User("alice", "admin", "scrypt$0", NOW * 1000)
GONE_USER = User("bob", "guard", "scrypt$1", NOW * 1000, enabled=False)
USER_LINK = UserLink("carol", "viewer", b"l" * 32, NOW * 1000 + 86_400_000)
MADE_LINK = UserLink("dan", "guard", b"m" * 32, NOW * 1000 + 86_400_000, made_by="alice")
SESSION = Session(b"s" * 32, "alice", NOW * 1000, NOW * 1000 + 5, "10.0.0.1")
SCREEN_SESSION = Session(b"w" * 32, "alice", NOW * 1000 + 1, NOW * 1000 + 5, "10.0.0.9", "Lobby")
USED_SIGNATURE = UsedSignature("APP1", "AB" * 16, NOW * 1000)
API_KEY, API_SECRET = ApiKey("APP1", "VMS", True, NOW * 1000), "api secret"
SETTINGS = {"site.name": "Main site", "site.timezone": "Asia/Shanghai"}
AUDIT = (NOW * 1000, "alice", "device.add", "1", "10.0.0.1")

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
FACE = CheckedUpload(
    kind="face",
    occurred_at=NOW * 1000 - 1,
    detail=FaceDetail(name="Li Wei", age=30, gender=1, uuid="p1", category=1),
    extra=Raw(b'{"score":12}'),
    pictures=(Picture("face", "image/jpeg", JPEG), Picture("background", "image/jpeg", JPEG * 2)),
)
EVENT = CheckedUpload(
    kind="event",
    occurred_at=NOW * 1000 - 2,
    detail=EventDetail(type=3, data=Raw(b'{"temp":36.6}'), name="Anna", uuid="p2", category=0),
)
VEHICLE = CheckedUpload(
    kind="vehicle",
    occurred_at=NOW * 1000 - 3,
    detail=VehicleDetail(Plate("京A12345", 1, Rect(1, 2, 3, 4)), Vehicle(2, "VW", None)),
)
ACCESS = CheckedUpload(
    kind="access",
    occurred_at=NOW * 1000 - 4,
    detail=AccessDetail(rid="r1", uuid="p1", type=1, status=1, temperature=36.6, score="high"),
)
LONE_PICTURE = CheckedUpload(
    kind="access",
    occurred_at=NOW * 1000 - 5,
    detail=AccessDetail(),
    pictures=(Picture("face", "image/jpeg", JPEG),),
)
UPLOADS = (FACE, EVENT, VEHICLE, ACCESS, LONE_PICTURE)

HOLD = NewHold(
    reason="keep for the police",
    until=NOW * 1000 + 86_400_000,
    created_by="user alice",
    created_at=NOW * 1000,
)
HELD_SEQS = (1, 2)
ERASURE_REPORT = ErasureReport(first_day=DAY, last_day=DAY, kept=1, dids=("1",))
ERASURE = NewErasure(
    created_by="user alice",
    created_at=NOW * 1000,
    manner="person",
    subject=Subject(uuids=("gone",)),
    with_held=False,
    last_seq=5,
)

#: A day's beginning and end, and when it was summarised.
SUMMARISED = (NOW * 1000 - 43_200_000, NOW * 1000 + 43_200_000, NOW * 1000 + 43_201_000)
SEEN = PersonSeen("p1", None, NOW * 1000 - 4, "1", NOW * 1000 - 1, "1", 2, 1)

PREVIOUS_KEY, PREVIOUS_KEY_UNTIL = "OLD PEM", NOW * 1000 + 86_400_000
SETTING = DeviceSetting(
    did="1",
    name="face",
    taken='{"threshold":80}',
    taken_at=NOW * 1000,
    uri="/face/set",
    code=200,
    msg="OK",
    answered_at=NOW * 1000 + 1,
)
CLOCK_STEP = ClockStep(3, NOW * 1000 - 86_400_000, NOW * 1000, True)
PICTURE_PATH, PICTURE = "/data/1.jpg", stored_picture("image/jpeg", JPEG)

FIRMWARE = b"firmware" * 100
FILE = StoredFile(
    hashlib.sha256(FIRMWARE).hexdigest(), hashlib.md5(FIRMWARE).hexdigest(), 800, NOW * 1000
)
RELEASE = NewRelease(
    ver_code=7,
    ver_name="v7",
    components=(NewComponent("app.bin", 1, FILE.sha256),),
    description="Better doors",
    reports=Versions(sw_ver="sw7"),
    least=Versions(sw_ver="sw1"),
)
RELEASE_DATE = "2026-11-25 12:00:00"
TARGETS = (CampaignTarget("1"), CampaignTarget("2"))
DONE = CampaignTarget("1", "done", NOW * 1000, NOW * 1000 + 1, NOW * 1000 + 2)


PERSON = PersonPut(
    pid="12",
    change=PersonChange(
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
        valid_until=NOW * 1000 + 86_400_000,
        note="a note",
        photo=JPEG,
    ),
)

JOB_ITEM = JobItem(1, "failed", '{"line":3}')
WISH = Wish(
    did="1",
    name="recording",
    param='{"file_len":5}',
    job=2,
    position=0,
    wished_by="user alice",
    wished_at=NOW * 1000,
)

OUTAGE = Outage(id=1, did="1", began_at=NOW * 1000, ended_at=None, cause="lost")
HUB_RUN = HubRun(1, NOW * 1000 - 9, NOW * 1000)

REVIEW = Review(name=USER.name, line=1, seen=2, seen_at=NOW * 1000, reviewed=1, marks=(2,))
SAVED_SEARCH = NewSearch(
    name="Gate at night",
    query="did=1&around=23%3A00",
    created_by="user mei",
    created_at=NOW * 1000,
)

TARGET = NewTarget(
    kind="webhook",
    name="VMS",
    options=TargetOptions(
        url="https://192.168.1.20/in", hub="school-1f9a0c", selection=Selection(kinds=("face",))
    ),
    created_at=NOW * 1000,
    cursor=Cursor("log", 7, 2),
)
TARGET_SECRETS = TargetSecrets(secret="whsec_" + "AAAA" * 8)

EARLIER_LOG, ERASED = ("0" * 32, 5), ("0" * 32, 3)

UNSIGNED = NewDevice(
    sn="SN3",
    code="CODE0003",
    did="3",
    pins=UnsignedPins("192.168.1.30", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32),
)
SUSPICION = DeviceChange(
    next_path_hash="cd" * 32,
    suspect="address",
    suspect_address="192.168.1.99",
    suspect_mac="00:1b:2c:3d:4e:5f",
    suspect_at=NOW * 1000,
)
CAPABILITY = CapabilityRow(
    part="face",
    learnt="3",
    source="answer",
    firmware="1.1.7_x",
    learnt_at=NOW * 1000,
    override="1",
)

RELAY = DeviceRelay(
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
RELAY_PASSWORD = "Kl9-gate"

#: In the order of the columns.
ROWS_OF_SCHEMA_15: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("device_people", ("1", "managed", 0, 1, "fw1 sw1", 1, NOW * 1000)),
    ("holding", ("1", "12", 1, None, None, None, "", 0, None)),
    ("unknown_person", ("2", "99", '{"pid": "99"}')),
    (
        "alarm",
        (
            *(1, "blacklist", "12", "critical", "acknowledged", 2, NOW * 1000, NOW * 1000 + 9, 2),
            *(NOW * 1000 + 9, NOW * 1000, None, None, '["1"]', "{}", "known"),
        ),
    ),
    ("alarm_record", (1, 2)),
    ("alarm_step", (1, 0, NOW * 1000, "raised", "", "")),
    ("alarm_rule", (1, '{"severity":"minor","types":[2]}')),
    ("plate_list", (1, "Stolen", "critical")),
    ("plate_entry", (1, "粤B*", "a note", None)),
)


def batch(number: int, upload: CheckedUpload) -> RecordBatch:
    return RecordBatch(
        [upload],
        did="1",
        sn="SN1",
        device_name="North gate",
        digest=bytes([number]) * 16,
        arrived_at=NOW * 1000,
        follows_access=upload is LONE_PICTURE,
    )


async def fill(store: Store) -> None:
    """Write rows into every table, as the hub does."""
    await fill_schema_1(store)
    await fill_schema_2(store)
    await fill_schema_3(store)
    await fill_schema_4(store)
    await fill_schema_5(store)
    await fill_schema_7(store)
    await fill_schema_8(store)
    await fill_schema_10(store)
    await fill_schema_11(store)
    await fill_schema_13(store)
    await fill_schema_14(store)
    await fill_schema_15(store)
    await fill_schema_17(store)
    await fill_schema_18(store)
    await fill_schema_19(store)
    await fill_schema_21(store)
    await fill_schema_22(store)
    await fill_schema_23(store)
    await store.write(fill_schema_24)
    await fill_schema_26(store)
    await fill_schema_27(store)
    # The records of schema 1 also have rows in the table of schema 28, and numbers of schema 29.


async def fill_schema_1(store: Store) -> None:
    await store.devices.add(DEVICES)
    await store.devices.change("2", CHANGE)
    await store.devices.update_status({"SN1": NOTE})
    await store.tokens.issue(
        "1", TOKEN_HASH, expires_at=EXPIRES_AT, grace_until=0, accepted=ACCEPTED
    )
    await store.users.add(USER)
    await store.sessions.add(SESSION)
    await store.api_keys.add(API_KEY, API_SECRET)
    for key, value in SETTINGS.items():
        await store.settings.set(key, value)
    await store.audit.add(*AUDIT)
    for number, upload in enumerate(UPLOADS):
        await store.records.append(batch(number, upload))


async def fill_schema_2(store: Store) -> None:
    await store.devices.keep_previous_key(PREVIOUS_KEY, PREVIOUS_KEY_UNTIL)
    await store.device_settings.save(SETTING, "SN1")
    await store.device_pictures.put("1", "SN1", PICTURE_PATH, PICTURE, NOW * 1000)


async def fill_schema_3(store: Store) -> None:
    async with store.firmware_files.receive() as receiving:
        await receiving.write(FIRMWARE)
        await store.firmware_files.keep(receiving.path, await receiving.finish(NOW * 1000))
    await store.firmware.add_file(FILE)
    release = await store.firmware.add_release(RELEASE, RELEASE_DATE, NOW * 1000)
    campaign = await store.campaigns.add(release.id, TARGETS, NOW * 1000, [])
    await store.campaigns.update_target(campaign.id, DONE, proved_at=NOW * 1000 + 2)
    store.downloads.begin("1", FILE.sha256, FILE.size, NOW * 1000)
    await store.downloads.save()


async def fill_schema_4(store: Store) -> None:
    await store.users.add(GONE_USER)
    await store.user_links.put(USER_LINK)
    await store.api_keys.save_used({"APP1": NOW * 1000 + 7})


async def fill_schema_5(store: Store) -> None:
    await store.clock_steps.add(CLOCK_STEP)


async def fill_schema_7(store: Store) -> None:
    await store.holds.create(HOLD, HELD_SEQS)
    (day,) = store.retention.days()
    pack_day = PackDay(day.day, day.first_seq, day.last_seq, day.records, day.bytes)
    await store.evidence.move_before(pack_day, trio.lowlevel.checkpoint)


async def fill_schema_8(store: Store) -> None:
    id = await store.erasures.add(ERASURE)
    await store.erasures.finish(id, ERASURE_REPORT, NOW * 1000 + 1)


async def fill_schema_10(store: Store) -> None:
    await store.used_signatures.use(USED_SIGNATURE)


async def fill_schema_11(store: Store) -> None:
    await store.user_links.put(MADE_LINK)


async def fill_schema_13(store: Store) -> None:
    await store.devices.update_status({"SN1": StatusUpdate(address=ADDRESS)})


async def fill_schema_14(store: Store) -> None:
    await store.write(_note_a_start)


def _note_a_start(connection: sqlite3.Connection) -> None:
    window = RepeatWindow()
    window.since(connection, STARTED_AT)
    window.note(connection)


async def fill_schema_15(store: Store) -> None:
    await store.camera_groups.add("Gate", ["1"])
    await store.people.put([PERSON], "user alice", NOW * 1000 + 1)
    await store.write(_add_people_and_alarms)
    job = await store.jobs.add("import", "{}", "user alice", NOW * 1000, 2)
    ended = msgspec.structs.replace(job, state="interrupted", done=1, failed=1, ended_at=NOW * 1000)
    await store.jobs.end(ended, [JOB_ITEM])
    await store.jobs.add("settings", "{}", "user alice", NOW * 1000, 1, ['{"did":"1"}'], '"photo"')
    await store.wishes.put([WISH])


def _add_people_and_alarms(connection: sqlite3.Connection) -> None:
    for table, values in ROWS_OF_SCHEMA_15:
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)


async def fill_schema_17(store: Store) -> None:
    await store.outages.save([OUTAGE], HUB_RUN)


async def fill_schema_18(store: Store) -> None:
    await store.saved_searches.add(SAVED_SEARCH)


async def fill_schema_19(store: Store) -> None:
    await store.sessions.add(SCREEN_SESSION)


async def fill_schema_21(store: Store) -> None:
    await store.reviews.put(REVIEW)


async def fill_schema_22(store: Store) -> None:
    summary = await store.day_summaries.begin(*SUMMARISED)
    times = (NOW * 1000 - 3, NOW * 1000 - 2)  # the same passage
    seen = [PlateSeen(at, "1", 2) for at in times]
    vehicles, repeats = as_vehicles(seen, *SUMMARISED[:2], lambda: None)
    contents = {
        "people": encode_people([[SEEN]]),
        "people_by_camera": encode_people_by_camera([[SEEN]], SUMMARISED[0]),
        "vehicles": map(encode_vehicles, vehicles),
        "repeats": map(encode_vehicles, repeats),
        "faces": encode_faces([FaceCount(NOW // 3600, "1", 1, 0)]),
    }
    parts = [part_of(summary, kind, 0, next(content)) for kind, content in contents.items()]
    await store.day_summaries.complete(summary, parts)


async def fill_schema_23(store: Store) -> None:
    target = await store.targets.add(TARGET, TARGET_SECRETS)
    for kind in ("record", "alarm"):
        parked = ParkedItem(target.id, kind, "log", 7, "it answered 422", NOW * 1000)
        await store.targets.park(parked)
    await store.targets.add_gaps({target.id: (1, 3)}, "log", "age", NOW * 1000)


def fill_schema_24(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO earlier_log VALUES (?, ?)", EARLIER_LOG)
    connection.execute("INSERT INTO erased_record (log, seq) VALUES (?, ?)", ERASED)


async def fill_schema_26(store: Store) -> None:
    await store.devices.add([UNSIGNED])
    await store.devices.change("3", SUSPICION)
    await store.capabilities.save("1", "SN1", [CAPABILITY])


async def fill_schema_27(store: Store) -> None:
    await store.relays.put(RELAY, RELAY_PASSWORD, "SN1")


async def write(data_dir: Path) -> None:
    async with open_store(data_dir, now=lambda: NOW, on_records=lambda records: None) as store:
        await fill(store)


def main(archive: Path) -> None:
    with TemporaryDirectory() as folder:
        key_file = Path(folder, "hub.key")
        key_file.write_text(KEY.hex())
        trio.run(write, Path(folder))
        key_file.unlink()  # the test lays it down again
        make_archive(str(archive), "zip", folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
