"""Serves the pages with made-up data, for viewing: python -m tests.support.gallery [PORT]

Add `empty` for a site without cameras, `unwell` for a hub with faults. It prints the link of the
first run. Names: admin, guard, viewer; password: "a long sentence".
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trio
from msgspec import Raw
from PIL import Image, ImageDraw, ImageFilter

from hub.config import WebConfig
from hub.live.frame_ring import TracedUpload
from hub.services.audit import COMMAND_LINE, Actor
from hub.services.problems import HealthReason
from hub.simulator.faults import FAULTLESS, Quirks
from hub.wire.uploads.firmware import Versions
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    RecordKind,
    Vehicle,
    VehicleDetail,
)
from tests.support.clock import FrozenClock
from tests.support.exchanges import EXCHANGES, record_exchange
from tests.support.firmware import FirmwareSite
from tests.support.page_site import PageSite, open_page_site
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

#: Cameras with unusual answers: slow, none, a refusal, and nonsense.
QUIRKS = {
    2: Quirks(delay=3),
    3: Quirks(silent=True),
    5: Quirks(refuses=True),
    6: Quirks(results="wrong"),
}


class RunningClock(FrozenClock):
    """The time of this machine."""

    def __call__(self) -> float:
        return time.time()

    @property
    def ms(self) -> int:
        return round(time.time() * 1000)


def draw(name: str, number: int) -> bytes:
    """A face, a car or a scene in flat shapes; the same for the same arguments."""
    rng = random.Random(number if name != "background" else number % len(PLACES))
    sizes = {"face": (300, 360), "body": (240, 480), "vehicle": (480, 360), "plate": (280, 90)}
    size = sizes.get(name, (960, 540))
    hue = rng.randrange(360)
    picture = Image.new("RGB", size, f"hsl({hue}, 18%, {rng.randrange(35, 70)}%)")
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


def make_up(rng: random.Random) -> tuple[RecordKind, Detail, tuple[str, ...], bytes]:
    """What a camera might report: kind, detail, names of pictures, extra fields."""
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
        extra = b'{"score": 93, "helmet": 0, "department": "Logistics", "otherInfo": {"mask": 0}}'
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


async def add_made_up_record(site: PageSite, rng: random.Random) -> None:
    did = rng.randrange(1, len(PLACES) + 1)
    kind, detail, pictures, extra = make_up(rng)
    late_ms = 300_000 if rng.random() < 0.03 else 400
    await site.add_record(
        kind,
        detail,
        did=str(did),
        device_name=PLACES[did - 1],
        pictures=pictures,
        extra=extra,
        occurred_at=site.clock.ms - late_ms,
    )


async def add_cameras(site: PageSite) -> None:
    for number, place in enumerate(PLACES, 1):
        did = str(number)
        if number in (4, 7, 8):
            await site.enrol(place, did=did, enabled=number != 7)
        else:
            await site.connect(place, QUIRKS.get(number, FAULTLESS), did=did)
        ip = f"192.168.1.{number + 10}"
        offset = 28680.0 if number == 4 else 0.4
        site.report(did, ip=ip, clock_offset=offset, fw_ver="V2.3.15", sw_ver="V1.8.2")
    site.refuse("4", "clock-off", seconds="28680")
    site.pend("Y3CA9PGDTKM7R1C", tries=3)
    site.pend("Y3CA9PGDTKM7R2D", "clock-off", seconds="28680")
    site.pend("X9", "no-signature")


async def add_firmware(site: PageSite) -> FirmwareSite:
    """Three releases; the newest is being installed."""
    firmware = FirmwareSite(site.hub, site.clock)
    for number, name, text in (
        (1, "v1.8.2", ""),
        (2, "v1.9.0", "Fewer false alarms in rain.\nPlates of 2026 are read."),
        (3, "v2.0.0", "Sees better at night, and knows faces from further away."),
    ):
        files = [bytes([number]) * 3_000_000 for _ in range(number)]
        await firmware.add_release(
            *(file[: -number * at - 1] for at, file in enumerate(files)),
            ver_code=453_000 + number,
            ver_name=name,
            description=text,
            reports=Versions(sw_ver=name.upper()),
            least=Versions(sw_ver="V1.2"),
        )
    newest, older, _ = firmware.releases.all()
    stopped = await firmware.campaigns.start(older.id, ["4", "5"])
    await firmware.campaigns.stop(stopped.id)
    await firmware.campaigns.start(newest.id, ["1", "2", "3", "4", "5", "6"])
    await firmware.download("1")
    await firmware.report("1", swVer="V2.0.0")
    (link, *_) = await firmware.links("2")
    await firmware.fetch(link, 0, 1_000_000)
    await firmware.download("3")
    await firmware.links("5")
    return firmware


def follow_traces(site: PageSite) -> Iterator[None]:
    """The first camera and its hub exchange frames, and one that is pending is refused."""
    traces = site.services.cameras.presence.traces
    sn = site.services.cameras.devices.get("1").sn
    ring, pending = traces.admitted(traces.open(), sn), traces.open()
    traces.attempted(pending, "Y3CA9PGDTKM7R1C")
    path = "/api/v1/adapter/lenfocus/face/capture"
    upload = TracedUpload("POST", path, 200, 200, "OK", 0.0124, 213_400)
    ring.received('{"msgid": "77", "token": "abcdefgh123456", data: {"uri": "/heartbeat"}}')
    ring.sent('{"msgid": "", "data": {"code": 420, "msg": "the frame is not JSON"}}')
    while True:
        for number, exchange in enumerate(EXCHANGES):
            record_exchange(ring, exchange, f"m{number}")
            traces.add_upload(sn, upload)
            record_exchange(pending, EXCHANGES[0]._replace(code=421, result=None), f"w{number}")
            yield


async def add_audit_entries(site: PageSite) -> None:
    for who, address, action, target in (
        ("set-up link", "10.0.0.5", "site.change", "Harbour East"),
        ("command line", "", "apikey.add", "0a1b2c3d4e5f6071 payroll read-only"),
        ("user 王小明", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "device.person_add", "3"),
        ("key 0a1b2c3d4e5f6071", "10.0.0.8", "device.command", "1 /person/query 200"),
        ("user admin", "10.0.0.5", "device.remove", "18446744073709551615 Y3CA9PGDTKM7R1C"),
    ):
        await site.services.core.audit.add(Actor(who, address), action, target)


async def main(port: int, *, empty: bool, unwell: bool) -> None:
    web = WebConfig(bind="127.0.0.1", port=port, tls=False)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_page_site(Path(folder), RunningClock(), web=web) as site,
            trio.open_nursery() as nursery,
        ):
            token = await site.services.access.setup_links.create(by=COMMAND_LINE)
            print(f"http://127.0.0.1:{port}/setup/{token}")
            if unwell:
                full = {"reason": "the disk is full"}
                site.health_reasons += [
                    HealthReason("cannot-store", full),
                    HealthReason("certificate-ends", {"day": "2026-12-01", "days": "6"}),
                ]
            services = site.services
            await nursery.start(site.services.cameras.devices.run)
            await nursery.start(
                lambda task_status: serve(
                    create_app,
                    services,
                    shutdown=trio.Event(),
                    task_status=task_status,
                )
            )
            if not empty:
                await fill(site)


async def fill(site: PageSite) -> None:
    """Add cameras and their history, then a record every 3 s. Does not return."""
    site.draw = draw
    rng = random.Random(7)
    await add_cameras(site)
    await add_audit_entries(site)
    for _ in range(150):
        await add_made_up_record(site, rng)
    await add_firmware(site)
    traces = follow_traces(site)
    for _ in EXCHANGES:
        next(traces)
    while True:
        await trio.sleep(3)
        next(traces)
        await add_made_up_record(site, rng)


if __name__ == "__main__":
    options = set(sys.argv[1:])
    ports = [int(option) for option in options if option.isdigit()]
    trio.run(
        lambda: main(
            ports[0] if ports else 8080, empty="empty" in options, unwell="unwell" in options
        )
    )
