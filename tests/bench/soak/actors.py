"""Who uses the hub during a soak, besides the cameras: readers, operators and backups.

Each runs in a thread of its own until `stopped`, through every restart: what fails because the hub
is away is tried again.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.bench.soak.hub import SoakHub

_TIMEOUT_SECONDS = 30.0
#: An erasure ends a backup that is being made.
_BACKUPS_BESIDE_ERASURES = 3
_AWAY_SECONDS = 0.5
_API = "/api/hub/v1"
#: Answers that a program must expect of a hub whose devices have faults, or which starts.
_EXPECTED = (200, 201, 204, 302, 303, 304, 400, 401, 404, 409, 429, 502, 503, 504)
_NOT_FOLLOWED = re.compile(r"sign-out|/stream|/docs|download|\.(js|css|svg|ico|woff2|crt)\b")


class Actors:
    """All of them. `unexpected` are answers that nobody should get, with their number."""

    def __init__(self, hub: SoakHub, bearer: str, dids: list[str], seed: int) -> None:
        self.hub = hub
        self.stopped = threading.Event()
        self.unexpected: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.readers: list[StreamReader] = []
        self._headers = {"Authorization": bearer}
        self._dids = dids
        self._seed = seed
        self._threads: list[threading.Thread] = []

    def start(self, *, streams: int, pages: int, api: int, login: tuple[str, str]) -> None:
        self.readers = [StreamReader(self) for _ in range(streams)]
        for reader in self.readers:
            self._run(reader.run)
        for number in range(pages):
            self._run(lambda n=number: self._read_pages(random.Random(f"page {n}"), *login))
        for number in range(api):
            self._run(lambda n=number: self._read_api(random.Random(f"api {self._seed} {n}")))
        self._run(lambda: self._change_people(random.Random(f"people {self._seed}")))

    def stop(self) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_SECONDS)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.hub.url, verify=False, timeout=_TIMEOUT_SECONDS, **options
        )

    def api_client(self) -> httpx.Client:
        return self.client(headers=self._headers)

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._keep_running, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_running(self, work: Callable[[], None]) -> None:
        while not self.stopped.is_set():
            with suppress(httpx.TransportError, httpx.StreamError):
                work()
            self.stopped.wait(_AWAY_SECONDS)

    def _count(self, what: str, answer: httpx.Response) -> None:
        self.counts[what] += 1
        if answer.status_code not in _EXPECTED:
            path = re.sub(r"\d+", "N", answer.request.url.path)
            self.unexpected[f"{answer.request.method} {path}: {answer.status_code}"] += 1

    # Pages: signed in as an administrator, from link to link.

    def _read_pages(self, rng: random.Random, name: str, password: str) -> None:
        with self.client() as browser:
            page = browser.get("/sign-in").text
            found = re.search(r'name="csrf_token" value="([^"]+)"', page)
            if found is None:
                return
            fields = {"name": name, "password": password, "csrf_token": found[1]}
            answer = browser.post("/sign-in", data=fields)
            self._count("pages", answer)
            path = "/"
            while not self.stopped.wait(rng.uniform(0.3, 1.0)):
                answer = browser.get(path)
                self._count("pages", answer)
                if answer.status_code in (302, 303) and "sign-in" in answer.headers["location"]:
                    return
                links = re.findall(r'href="(/[^"#]*)"', answer.text)
                links = [link.replace("&amp;", "&") for link in links]
                links = [link for link in links if not _NOT_FOLLOWED.search(link)]
                path = rng.choice([*links, "/"])

    # The API of integrators: records and their pictures.

    def _read_api(self, rng: random.Random) -> None:
        with self.api_client() as api:
            while not self.stopped.wait(rng.uniform(0.3, 1.0)):
                order = {"order": "desc"} if rng.random() < 0.5 else {}
                answer = api.get(f"{_API}/records", params={"limit": 20, **order})
                self._count("api", answer)
                if answer.status_code == 200 and (items := answer.json()["items"]):
                    images = rng.choice(items)["images"]
                    for path in images.values():
                        self._count("media", api.get(path))

    # People: added, asked for and deleted at single cameras.

    def _change_people(self, rng: random.Random) -> None:
        with self.api_client() as api:
            while not self.stopped.wait(rng.uniform(0.2, 0.8)):
                pid = str(rng.randint(1, 40))
                uri, param = rng.choice(
                    (
                        ("/person/add", {"pid": pid, "name": f"P{pid}", "category": 1}),
                        ("/person/query", {"pid": pid}),
                        ("/person/delete", {"pid": pid}),
                    )
                )
                path = f"{_API}/devices/{rng.choice(self._dids)}/commands"
                self._count("commands", api.post(path, json={"uri": uri, "param": param}))


class SeenRecord(msgspec.Struct, frozen=True):
    """What a reader of the stream keeps of a record."""

    number: str
    received_at: str


class StreamReader:
    """A program that follows the log, and resumes from the last seq that it has read."""

    def __init__(self, actors: Actors) -> None:
        self.seen: dict[int, SeenRecord] = {}
        self.log = ""
        self.last = 0
        #: Numbers that came again, or out of order.
        self.disorders = 0
        self._actors = actors

    def run(self) -> None:
        with (
            self._actors.api_client() as api,
            api.stream("GET", f"{_API}/stream", params={"after": self.last}) as answer,
        ):
            if answer.status_code != 200:
                return
            event = ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:") and event == "record":
                    self._take(msgspec.json.decode(line[5:]))
                if self._actors.stopped.is_set():
                    return

    def _take(self, record: dict[str, Any]) -> None:
        seq = record["seq"]
        if seq <= self.last:
            self.disorders += 1
        self.last = seq
        number = str(record["extra"].get("soak", ""))
        self.seen[seq] = SeenRecord(number, record["received_at"])


def back_up(hub: SoakHub, file: Path) -> bool:
    """Write a backup of the running hub, again if it says so; return whether that went well."""
    file.unlink(missing_ok=True)
    for _ in range(_BACKUPS_BESIDE_ERASURES):
        try:
            hub.run("backup", str(file))
        except (RuntimeError, OSError) as error:
            if "erased while the backup was made: make it again" not in str(error):
                return False
        else:
            return file.exists()
    return False


def read_all(api: httpx.Client) -> list[dict[str, Any]]:
    """Read all records, page by page."""
    records: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = api.get(f"{_API}/records", params={"after": after, "limit": 500})
        if answer.status_code in (429, 503):
            time.sleep(_AWAY_SECONDS)
            continue
        page = answer.raise_for_status().json()
        records += page["items"]
        after = page["next"]
    return records
