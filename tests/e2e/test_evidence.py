"""Evidence and erasing against a real process: kill -9 in the middle, and the bytes on the disk."""

from __future__ import annotations

import io
import json
import random
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx

from tests.e2e.camera import Camera, Capture, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

API = "/api/hub/v1"


def files_with(data: Path, needles: list[bytes]) -> set[str]:
    """The files of the hub that contain one of these; the log is not told names."""
    return {
        path.relative_to(data).as_posix()
        for path in data.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    }


async def stored(hub: HubProcess, camera: Camera, count: int) -> list[Capture]:
    """Upload captures, each of another person; return them."""
    did = camera.enrol(hub)
    rng = random.Random(7)
    captures = [Capture.random(rng, 60_000, 30_000, 90_000) for _ in range(count)]
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client() as client,
    ):
        for capture in captures:
            assert await upload(client, token, capture.body()) == 200
    return captures


async def test_an_erasure_goes_on_after_kill_9_and_leaves_no_byte(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    captures = await stored(hub, camera, 20)
    chosen = captures[::2]
    needles = [capture.uuid.encode() for capture in chosen]
    needles += [data[1000:1100] for capture in chosen for data in capture.pictures.values()]
    seqs = [1 + 2 * number for number in range(len(chosen))]
    with hub.sync_client(headers=headers) as client:
        body = {"seqs": seqs, "confirm": len(seqs)}
        answer = client.post(f"{API}/erasures", json=body)
        assert answer.status_code == 200, answer.text
        hub.kill()
    hub.start()
    with hub.sync_client(headers=headers) as client:
        report = wait_finished(client)
        assert (report["records"], report["pictures"]) == (len(seqs), 3 * len(seqs))
        for number, capture in enumerate(captures, 1):
            record = client.get(f"{API}/records/{number}").json()
            assert record.get("erased", False) == (capture in chosen)
            for name, path in record["images"].items():
                assert client.get(path).content == capture.pictures[name]
        assert client.get("/healthz").json() == {"status": "ok"}
    assert files_with(hub.data_dir, needles) == set()
    assert hub.stop() == 0
    assert files_with(hub.data_dir, needles) == set()


async def test_an_erasure_by_number_leaves_nothing_under_the_number_with_zeros_either(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    did = camera.enrol(hub)
    rng = random.Random(7)
    captures = [
        replace(Capture.random(rng, 60_000, 30_000, 20_000), uuid=uuid, name=name)
        for uuid, name in (
            *(("1000123", "Zyxwina Quandary"), ("0001000123", "Zyxwina Quandary")),
            *(("1000124", "Li Wei"), ("0", "Zyxwina Quandary")),
        )
    ]
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client() as client,
    ):
        for capture in captures:
            assert await upload(client, token, capture.body()) == 200

    def search(client: httpx.Client, **asked: str) -> list[tuple[int, str]]:
        items = client.get(f"{API}/records", params=asked).json()["items"]
        return [(one["seq"], one["uuid"]) for one in items]

    needles = [data[1000:1100] for capture in captures[:2] for data in capture.pictures.values()]
    needles += [b"1000123"]
    with hub.sync_client(headers=headers) as client:
        found = [(1, "1000123"), (2, "0001000123")]
        assert search(client, uuid="1000123") == search(client, uuid="00001000123") == found
        (erasable,) = client.get(f"{API}/erasable", params={"number": "0001000123"}).json()["items"]
        assert (erasable["number"], erasable["records"]) == ("1000123", 2)
        body = {"number": "1000123", "confirm": 2}
        assert client.post(f"{API}/erasures", json=body).status_code == 200
        assert wait_finished(client)["records"] == 2
        assert files_with(hub.data_dir, needles) == set()
        # By name go those that only have the number of every stranger, and by that number nobody.
        assert client.post(f"{API}/erasures", json={"number": "0", "confirm": 1}).status_code == 400
        name = "Zyxwina Quandary"
        body = {"name": name, "confirm": 1}
        assert client.post(f"{API}/erasures", json=body).status_code == 200
        assert wait_finished(client, 2)["records"] == 1
        assert search(client, uuid="1000124") == [(3, "1000124")]
    assert hub.stop() == 0
    needles += [name.encode(), name.casefold().encode()]
    assert files_with(hub.data_dir, needles) == set()


def wait_finished(client: httpx.Client, id: int = 1) -> dict[str, object]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        report: dict[str, object] = client.get(f"{API}/erasures/{id}").json()
        if report["finished_at"]:
            return report
        time.sleep(0.05)
    raise AssertionError("the erasure does not end")


async def test_an_export_that_is_cancelled_leaves_nothing_and_the_next_is_whole(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    captures = await stored(hub, camera, 30)
    with hub.sync_client(headers=headers) as client:
        hold = {"reason": "Theft", "select": {"kinds": ["face"]}}
        assert client.post(f"{API}/holds", json=hold).json()["added"] == 30
        before = files_in(hub.data_dir)
        with client.stream("GET", f"{API}/holds/1/export") as answer:
            next(answer.iter_bytes(1000))
        data = client.get(f"{API}/holds/1/export").content
        assert files_in(hub.data_dir) == before
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        records = json.loads(archive.read("sitehub-hold-1/records.json"))["items"]
        for capture, record in zip(captures, records, strict=True):
            for name, path in record["images"].items():
                assert archive.read(f"sitehub-hold-1/{path}") == capture.pictures[name]


def files_in(data: Path) -> set[str]:
    return {path.name for path in data.rglob("*") if path.is_file()} - {"hub.sqlite-shm"}
