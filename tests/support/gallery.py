"""Serves the pages with made-up data, to be looked at: python -m tests.support.gallery [PORT]

Set-up link: /setup/first-run. Names: admin, guard, viewer; password: "a long sentence".
"""

from __future__ import annotations

import io
import itertools
import random
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import trio
from msgspec import Raw
from msgspec.structs import replace
from PIL import Image as Picture
from PIL import ImageDraw, ImageFilter

from hub.config import Web
from hub.services.access.audit import AuditEntry
from hub.services.devices.frame_trace import TracedUpload
from hub.services.firmware.campaign_views import Campaign, CampaignDevice, TargetState
from hub.services.firmware.downloads import Download
from hub.services.firmware.releases import Component, Release
from hub.services.site.health import HealthReason
from hub.simulator.faults import FAULTLESS, Quirks
from hub.wire.pictures import Image
from hub.wire.uploads.firmware import Versions
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    Vehicle,
    VehicleDetail,
)
from tests.support.exchanges import EXCHANGES, answer_of, record_exchange, request_of
from tests.support.fake_services import SETUP_TOKEN, FakeServices, device, image, record, waiting
from web.app import create_app
from web.server import serve

PLACES = (
    "Main gate",
    "Loading bay 2",
    "北门岗亭",
    "Car park, upper level",
    "Staff entrance",
    "仓库三号门",
    "Reception",
    "Roof terrace",
)
NAMES = ("Chen Wei", "王小明", "Maria Alvarez", "Tom Becker", "李静", None, None, None, None)

#: How the answers of some cameras are: slow, none, a refusal, and nonsense.
QUIRKS = {
    2: Quirks(delay=3),
    3: Quirks(silent=True),
    5: Quirks(refuses=True),
    6: Quirks(results="wrong"),
}


def draw(one: Record, name: str) -> bytes:
    """A face, a car or a scene in flat shapes; the same one each time."""
    rng = random.Random(one.seq if name != "background" else one.did)
    sizes = {"face": (300, 360), "body": (240, 480), "vehicle": (480, 360), "plate": (280, 90)}
    size = sizes.get(name, (960, 540))
    hue = rng.randrange(360)
    picture = Picture.new("RGB", size, f"hsl({hue}, 18%, {rng.randrange(35, 70)}%)")
    pen = ImageDraw.Draw(picture)
    if name in ("face", "body"):
        _draw_person(pen, size, rng)
    elif name == "vehicle":
        _draw_car(pen, size, rng)
    else:
        _draw_scene(pen, size, rng)
    out = io.BytesIO()
    picture.filter(ImageFilter.SMOOTH).save(out, "PNG")
    return out.getvalue()


def _draw_person(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    w, h = size
    skin = f"hsl({rng.randrange(18, 34)}, {rng.randrange(30, 55)}%, {rng.randrange(40, 78)}%)"
    hair = f"hsl({rng.randrange(360)}, {rng.randrange(5, 40)}%, {rng.randrange(10, 50)}%)"
    cx, cy, r = w / 2, h * 0.44, w * 0.27
    pen.ellipse(
        (cx - w * 0.48, h * 0.78, cx + w * 0.48, h * 1.5),
        fill=f"hsl({rng.randrange(360)}, 35%, 40%)",
    )
    pen.rectangle((cx - r * 0.4, cy + r * 0.8, cx + r * 0.4, h * 0.86), fill=skin)
    pen.ellipse((cx - r * 1.1, cy - r * 1.45, cx + r * 1.1, cy + r * 0.9), fill=hair)
    pen.ellipse((cx - r * 0.95, cy - r * 1.05, cx + r * 0.95, cy + r * 1.35), fill=skin)
    for side in (-1, 1):
        x = cx + side * r * 0.4
        pen.ellipse((x - 7, cy - 6, x + 7, cy + 8), fill="#1b1b1b")
    pen.arc(
        (cx - r * 0.4, cy + r * 0.3, cx + r * 0.4, cy + r * 0.85), 20, 160, fill="#6b2c2c", width=5
    )


def _draw_car(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    w, h = size
    paint = f"hsl({rng.randrange(360)}, {rng.randrange(10, 70)}%, {rng.randrange(25, 70)}%)"
    pen.rectangle((0, h * 0.7, w, h), fill="#4a4e52")
    pen.polygon(
        [(w * 0.25, h * 0.42), (w * 0.34, h * 0.2), (w * 0.68, h * 0.2), (w * 0.78, h * 0.42)],
        fill="#24313a",
    )
    pen.rounded_rectangle((w * 0.1, h * 0.4, w * 0.9, h * 0.72), 24, fill=paint)
    for x in (0.27, 0.73):
        pen.ellipse((w * x - 42, h * 0.72 - 42, w * x + 42, h * 0.72 + 42), fill="#15181a")


def _draw_scene(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    w, h = size
    pen.rectangle((0, h * 0.62, w, h), fill="#5d6266")
    for _ in range(7):
        x, top = rng.random() * w, rng.uniform(0.1, 0.45) * h
        pen.rectangle(
            (x, top, x + rng.uniform(60, 170), h * 0.62),
            fill=f"hsl(210, 8%, {rng.randrange(25, 60)}%)",
        )
    pen.line((w * 0.1, h, w * 0.45, h * 0.62), fill="#d8d8d2", width=6)
    pen.line((w * 0.9, h, w * 0.55, h * 0.62), fill="#d8d8d2", width=6)


class Life:
    """Made-up records, one after the other."""

    def __init__(self, hub: FakeServices, seed: int = 7) -> None:
        self._hub = hub
        self._rng = random.Random(seed)
        self._seq = 0

    def happen(self, at_ms: int) -> None:
        self._seq += 1
        did = str(self._rng.randrange(1, len(PLACES) + 1))
        kind, detail, names, extra = self._what()
        images: tuple[Image, ...] = tuple(image(self._seq, name) for name in names)
        late = 300_000 if self._rng.random() < 0.03 else 400
        self._hub.records.add(
            record(
                self._seq,
                kind,
                detail,
                did=did,
                sn=f"Y3CA9PGDTKM{int(did):04d}",
                device_name=PLACES[int(did) - 1],
                occurred_at=at_ms - late,
                received_at=at_ms,
                images=images,
                extra=Raw(extra),
            )
        )
        known = self._hub.devices.views.get(did)
        if known and images:
            self._hub.devices.views[did] = type(known)(
                **{name: getattr(known, name) for name in known.__struct_fields__}
                | {"last_picture": images[-1].path}
            )

    def _what(self):  # type: ignore[no-untyped-def]
        rng = self._rng
        dice = rng.random()
        if dice < 0.58:
            name = rng.choice(NAMES)
            category = rng.choice((1, 1, 1, 3, 4)) if name else (2 if rng.random() < 0.12 else 0)
            if category == 2:
                name = rng.choice(("Viktor Dragan", "赵强"))
            detail = FaceDetail(
                name=name,
                age=rng.randrange(18, 70),
                gender=rng.choice((1, 2)),
                uuid=str(rng.randrange(1000, 9999)) if name else None,
                category=category,
            )
            extra = (
                b'{"score": 93, "helmet": 0, "department": "Logistics", "otherInfo": {"mask": 0}}'
            )
            return "face", detail, ("face", "background"), extra
        if dice < 0.78:
            plate = Plate(
                id=rng.choice(("粤B54896", "沪A8K302", "京AD12345", "粤Z1234港", "苏E7Q9X1")),
                type=rng.choice((1, 1, 3, 5, 17, 11)),
            )
            vehicle = Vehicle(
                type=rng.choice((1, 2, 6, 27, 30)), brand=rng.choice(("保时捷", "Volvo", None))
            )
            if rng.random() < 0.1:
                plate = Plate()
            return "vehicle", VehicleDetail(plate, vehicle), ("full", "vehicle", "plate"), b"{}"
        if dice < 0.95:
            number = rng.choice((1, 2, 5, 6, 8, 11, 12, 13))
            event = EventDetail(
                type=number, data=Raw(b'{"jpeg_url_frame": "sdcard/20260924/14/2741.jpg"}')
            )
            if number == 12:
                event = EventDetail(type=12, name="赵强", uuid="4711", category=2)
                return "event", event, ("face", "background"), b"{}"
            return "event", event, ("background",) if number != 8 else (), b"{}"
        return (
            "access",
            AccessDetail(rid="88", uuid="2201", status=1, temperature=36.6),
            ("face",),
            b"{}",
        )


def furnish(hub: FakeServices) -> Life:
    now = round(time.time() * 1000)
    for at, place in enumerate(PLACES, 1):
        state = "offline" if at in (4, 8) else "disabled" if at == 7 else "online"
        more = {"last_seen": now - at * 60_000}
        if at == 4:
            more |= {
                "waiting": waiting("Y3CA9PGDTKM0004", "clock-off", seconds="28680"),
                "clock_offset": 28680.0,
            }
        if state == "online":
            hub.connect(device(str(at), place, state, **more), QUIRKS.get(at, FAULTLESS))
        else:
            hub.devices.put(device(str(at), place, state, **more))
    hub.enrolment.knock(
        waiting("Y3CA9PGDTKM7R1C"),
        waiting("Y3CA9PGDTKM7R2D", "clock-off", seconds="28680"),
        waiting("X9", "no-signature"),
    )
    life = Life(hub)
    for at in range(150):
        life.happen(now - (150 - at) * 21_000)
    return life


def give_firmware(hub: FakeServices) -> Iterator[None]:
    """Three releases; the newest is on its way, and gets on with each step."""
    now = round(time.time() * 1000)
    names = (
        ("app.bin", 3, 31_457_280),
        ("face-model-2026.bin", 4, 88_080_384),
        ("版本说明.json", 1, 840),
    )
    components = tuple(
        Component(name, type, f"{at}f86d08"[:8] * 8, "9e107d9d372bb6826bd81d3542a419d6", size)
        for at, (name, type, size) in enumerate(names)
    )
    releases = [
        Release(
            id=number,
            ver_code=453_000 + number,
            ver_name=name,
            description=text,
            release_date=f"2026-{8 + number:02d}-12 09:00:00",
            components=components[:count],
            reports=Versions(sw_ver=name.upper()),
            least=Versions(hw_ver="V1.0", sw_ver="V1.2"),
            created_at=now - (4 - number) * 30 * 86_400_000,
        )
        for number, name, text, count in (
            (1, "v1.8.2", "", 1),
            (2, "v1.9.0", "Fewer false alarms in rain.\nPlates of 2026 are read.", 2),
            (3, "v2.0.0", "Sees better at night, and knows faces from further away.", 3),
        )
    ]
    for release in releases:
        hub.releases.put(release)
    states: tuple[TargetState, ...] = ("done", "downloading", "downloaded", "offered", "waiting")
    devices = [
        CampaignDevice(
            did=str(at),
            name=PLACES[at - 1],
            state=states[at - 1],
            is_next=False,
            reported=Versions(fw_ver="V2.3.15", sw_ver="V2.0.0" if at == 1 else "V1.8.2"),
            received=(0, components[0].size, components[0].size // 3, 0, 0, 0)[at],
            offered_at=now - 600_000 if at < 5 else None,
            downloaded_at=now - 500_000 if at in (1, 3) else None,
            done_at=now - 400_000 if at == 1 else None,
        )
        for at in range(1, 6)
    ]
    devices.append(
        replace(
            devices[3], did="6", name=PLACES[5], state="too_old", reported=Versions(sw_ver="V1.1")
        )
    )
    hub.campaigns.put(
        Campaign(
            id=1,
            release=releases[0],
            state="done",
            started_at=now - 5_000_000_000,
            devices=(replace(devices[0], did="1"),),
        )
    )
    hub.campaigns.put(
        Campaign(
            id=2,
            release=releases[1],
            state="stopped",
            started_at=now - 2_000_000_000,
            devices=tuple(devices[3:5]),
        )
    )
    going = Campaign(
        id=3, release=releases[2], state="rest", started_at=now - 700_000, devices=tuple(devices)
    )
    hub.campaigns.put(going)
    for at in range(1, 4):
        size = components[at % 2].size
        hub.downloads.made.append(
            Download(
                at,
                str(at),
                components[at % 2].sha256,
                size,
                now - 600_000,
                now - 500_000,
                size,
                ((0, size // at),),
            )
        )
    while True:
        second = going.devices[1]
        received = second.received + 4_000_000
        if received > going.release.size:
            received = 0
        going = replace(
            going,
            devices=(going.devices[0], replace(second, received=received), *going.devices[2:]),
        )
        if hub.campaigns.made[3].state == "rest":
            hub.campaigns.put(going)
        yield


def talk(hub: FakeServices) -> Iterator[None]:
    """The first camera and its hub go on talking, and one that waits is refused."""
    now = [time.time()]
    traces = hub.traces
    traces.now = lambda: now[0]
    ring = traces.admitted(traces.open(), "Y3CA9PGDTKM0001")
    waits = traces.open()
    traces.attempted(waits, "Y3CA9PGDTKM7R1C")
    upload = TracedUpload(
        "POST", "/api/v1/adapter/lenfocus/face/capture", 200, 200, "OK", 0.0124, 213_400
    )
    ring.received('{"msgid": "77", "token": "abcdefgh123456", data: {"uri": "/heartbeat"}}')
    ring.sent('{"msgid": "", "data": {"code": 420, "msg": "the frame is not JSON"}}')
    for number in itertools.count():
        now[0] = time.time()
        said = EXCHANGES[number % len(EXCHANGES)]
        request, answer = request_of(said, f"m{number}"), answer_of(said, f"m{number}")
        if said.by == "device":
            ring.received(request)
            now[0] += 0.0004
            ring.sent(answer)
        else:
            ring.sent(request)
            now[0] += 0.0412
            ring.received(answer)
        traces.add_upload("Y3CA9PGDTKM0001", upload)
        record_exchange(waits, EXCHANGES[0]._replace(code=421, result=None), f"w{number}")
        yield


class Newest:
    """The audit log's newest(), on made-up entries."""

    def __init__(self, entries: list[AuditEntry]) -> None:
        self._entries = entries

    async def __call__(self, *, before: int | None, limit: int) -> list[AuditEntry]:
        return [one for one in self._entries if before is None or one.id < before][:limit]


def audit_log(now: int) -> list[AuditEntry]:
    """A day of changes, the newest first."""
    changes = (
        ("user admin", "10.0.0.5", "user.sign_in", "admin"),
        ("user admin", "10.0.0.5", "device.accept", "1"),
        ("user admin", "10.0.0.5", "device.set_recording", "2"),
        ("user 王小明", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "device.person_add", "3 4711"),
        ("key 0a1b2c3d4e5f6071", "10.0.0.8", "device.command", "1 /person/query 200"),
        ("command line", "", "user.add", "王小明 guard"),
        ("user admin", "10.0.0.5", "firmware.add", "3"),
        ("user admin", "10.0.0.5", "campaign.start", "3"),
        ("command line", "", "apikey.add", "0a1b2c3d4e5f6071 payroll read-only"),
        ("user admin", "10.0.0.5", "device.remove", "18446744073709551615 Y3CA9PGDTKM7R1C"),
        ("set-up link", "10.0.0.5", "site.change", "Harbour East"),
    )
    return [
        AuditEntry(900 - n, now - n * 1_700_000, who, action, target, address)
        for n, (who, address, action, target) in enumerate(changes * 4)
    ]


async def main(port: int, *, empty: bool, unwell: bool) -> None:
    hub = FakeServices(web=Web(bind="127.0.0.1", port=port, tls=False))
    hub.now = time.time
    hub.records.draw = draw
    hub.accounts.setup_token = SETUP_TOKEN
    hub.audit.newest = Newest(audit_log(round(time.time() * 1000)))
    hub.api_keys = SimpleNamespace(get=lambda appid: None)
    if unwell:
        hub.health.found = [
            HealthReason("cannot-store", "the disk is full", {"reason": "the disk is full"}),
            HealthReason("certificate-ends", "soon", {"day": "2026-12-01", "days": "6"}),
        ]
    app = create_app(hub)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: serve(
                app,
                hub,  # type: ignore[arg-type]
                app.bodies,
                shutdown=trio.Event(),
                task_status=task_status,
            )
        )
        if empty:
            return
        life, talking, giving = furnish(hub), talk(hub), give_firmware(hub)
        for _ in range(len(EXCHANGES)):
            next(talking)
        next(giving)
        while True:
            await trio.sleep(3)
            next(talking)
            next(giving)
            life.happen(round(time.time() * 1000))


if __name__ == "__main__":
    options = set(sys.argv[1:])
    ports = [int(option) for option in options if option.isdigit()]
    trio.run(
        lambda: main(
            ports[0] if ports else 8080, empty="empty" in options, unwell="unwell" in options
        )
    )
