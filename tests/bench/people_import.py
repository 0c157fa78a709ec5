"""Measure the import of 5,000 people with photos: photos per second, memory, and the others.

    python -m tests.bench.people_import [--people N]

The photos have 40 to 200 KB, as phones and document scanners leave them. While they are imported,
the time of the hub is asked for, as cameras do: what it takes is what the import costs them.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import httpx
from PIL import Image

from tests.bench.hub_process import HOST, Hub

PEOPLE = 5_000
_PHOTOS = 40
#: Width, height and quality of some photos.
_KINDS = ((480, 640, 85), (640, 800, 80), (720, 960, 85), (900, 1200, 75))
_POLL_SECONDS = 0.25


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=PEOPLE)
    people = arguments.parse_args().people
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        archive = Path(directory, "people.zip")
        write_archive(archive, people)
        hub = Hub(Path(directory), tls=False, devices=1)
        try:
            hub.start()
            measure(hub, archive, people)
        finally:
            hub.close()


def measure(hub: Hub, archive: Path, people: int) -> None:
    base = f"http://{HOST}:{hub.web_port}"
    headers = {"Authorization": hub.bearer(), "Content-Type": "application/zip"}
    with httpx.Client(base_url=f"{base}/api/hub/v1", headers=headers, timeout=600) as client:
        idle = Neighbour(base)
        time.sleep(3)
        print(f"time for cameras, idle        {idle.stop()}")
        print(f"resident memory before        {hub.resident_kib() / 1024:8.1f} MB")
        began = time.perf_counter()
        with archive.open("rb") as file:
            preview = client.post("/people/import/preview", content=file)
        preview.raise_for_status()
        found = preview.json()
        print(f"upload and dry run            {time.perf_counter() - began:8.1f} s", flush=True)
        print(f"resident memory then          {hub.resident_kib() / 1024:8.1f} MB")
        assert (found["adds"], found["photos"]) == (people, people), found
        neighbour = Neighbour(base)
        used, began = hub.cpu_seconds(), time.perf_counter()
        job, memory = follow(hub, client, client.post(f"/people/import/{found['id']}").json())
        seconds = time.perf_counter() - began
        assert (job["state"], job["done"]) == ("done", people), job
        print(f"import of {people:,}               {seconds:8.1f} s")
        print(f"photos per second             {people / seconds:8.1f}    (reach 60)")
        used = (hub.cpu_seconds() - used) * 1000 / people
        print(f"CPU per photo                 {used:8.1f} ms")
        print(f"resident memory, most         {max(memory):8.1f} MB")
        half = len(memory) // 2
        print(
            f"  of the first / second half  {max(memory[:half]):8.1f} / {max(memory[half:]):.1f} MB"
        )
        print(f"time for cameras meanwhile    {neighbour.stop()}")


def follow(hub: Hub, client: httpx.Client, job: Any) -> tuple[Any, list[float]]:
    """Wait for the end of a job; return it, and the resident memory meanwhile in MB."""
    memory = []
    while job["state"] == "running":
        time.sleep(_POLL_SECONDS)
        memory.append(hub.resident_kib() / 1024)
        job = client.get(f"/jobs/{job['id']}").json()
    return job, memory


class Neighbour:
    """Asks for the time every 20 ms in a thread; stop() returns how long that took."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._seconds: list[float] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def stop(self) -> str:
        self._stopped.set()
        self._thread.join()
        seconds = sorted(self._seconds)
        last = seconds[len(seconds) * 99 // 100]
        return (
            f"p50 {statistics.median(seconds) * 1000:.1f} ms  p99 {last * 1000:.1f} ms  "
            f"most {seconds[-1] * 1000:.1f} ms"
        )

    def _ask(self) -> None:
        with httpx.Client(base_url=self._base, timeout=60) as client:
            while not self._stopped.wait(0.02):
                began = time.perf_counter()
                client.get("/api/v1/server/time").raise_for_status()
                self._seconds.append(time.perf_counter() - began)


def write_archive(path: Path, people: int) -> None:
    photos = [_photo(random.Random(number), number) for number in range(_PHOTOS)]
    sizes = sorted(len(photo) for photo in photos)
    print(f"photos of {sizes[0] // 1024} to {sizes[-1] // 1024} KB")
    with ZipFile(path, "w", ZIP_STORED) as archive:
        lines = ["name,work_id,department,category"]
        for number in range(people):
            lines.append(
                f"Person {number},W-{number:05d},Department {number % 30},{1 + number % 4}"
            )
            archive.writestr(f"photos/W-{number:05d}.jpg", photos[number % _PHOTOS])
        archive.writestr("people.csv", "\n".join(lines))


def _photo(chance: random.Random, number: int) -> bytes:
    """A picture with as much detail as a photo, so that it has about as many bytes."""
    width, height, quality = _KINDS[number % len(_KINDS)]
    coarse = Image.frombytes("RGB", (32, 40), chance.randbytes(32 * 40 * 3))
    fine = Image.frombytes(
        "RGB", (width // 3, height // 3), chance.randbytes(width // 3 * (height // 3) * 3)
    )
    size = (width, height)
    picture = Image.blend(coarse.resize(size), fine.resize(size), 0.25)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


if __name__ == "__main__":
    main()
