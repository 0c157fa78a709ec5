"""What people change during a soak: whether each change has all of its effects, or none.

A changer of each kind asks for one change after the other, now and then twice at once, through
every fault. What was answered 200 must be there; what was answered 503, or not at all, may be there
or not, and half of those is asked for again until it is answered. At the end what cameras hold and
do, which plates raise alarms, where records are delivered and what is erased must follow from what
the API says.
"""

from __future__ import annotations

import base64
import io
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import trio
from PIL import Image

from hub.simulator.camera import Camera, Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.simulator.uploads import UploadRequest
from tests.bench.soak.hub import HOST, SoakHub

T = TypeVar("T")

_API = "/api/hub/v1"
_TIMEOUT_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
#: What changes bring about must be there so soon, once nothing is broken any more.
_SETTLE_SECONDS = 60.0
_TIMING = Timing(connect_retry_seconds=1, max_backoff_seconds=2, restart_seconds=1)
#: How many cameras the changes need: one that stays, and two that are shut out and let in again.
CAMERAS = 3


class SiteCameras:
    """Simulated cameras without faults, in a thread of their own."""

    def __init__(
        self, hub: SoakHub, identities: Sequence[CameraIdentity], now: Callable[[], float]
    ) -> None:
        endpoint = HubEndpoint(HOST, ws_port=hub.device_port, http_port=hub.web_port)
        population = make_population(1)
        self.cameras = [
            Camera(
                identity,
                endpoint,
                population=population,
                now=now,
                rng=random.Random(identity.sn),
                on_event=lambda event: None,
                timing=_TIMING,
            )
            for identity in identities
        ]
        self._now = now
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with trio.open_nursery() as nursery:
                for camera in self.cameras:
                    nursery.start_soon(camera.run)
        for camera in self.cameras:
            with trio.CancelScope(shield=True):
                await camera.aclose()

    def start(self) -> None:
        self._thread.start()
        while self._token is None:
            time.sleep(0.01)

    def stop(self) -> None:
        trio.from_thread.run_sync(self._scope.cancel, trio_token=self._token)
        self._thread.join(_TIMEOUT_SECONDS)

    def held(self, number: int) -> dict[str, tuple[str, int | None]]:
        """Return name and category of the people on a camera, by pid."""

        def read() -> dict[str, tuple[str, int | None]]:
            entries = self.cameras[number].state.people.entries()
            return {one.row.pid: (one.row.name or "", one.row.category) for one in entries}

        return trio.from_thread.run_sync(read, trio_token=self._token)

    def upload(self, number: int, path: str, seconds: float, **fields: object) -> bool:
        """Send a record; return whether the hub acknowledged it in time."""
        camera = self.cameras[number]
        body = {"did": camera.identity.did, "sn": camera.identity.sn, **fields}
        request = UploadRequest("POST", path, msgspec.json.encode(body))

        async def send() -> bool:
            with trio.move_on_after(seconds):
                return (await camera.upload(request)).code == 200
            return False

        return trio.from_thread.run(send, trio_token=self._token)

    def upload_plate(self, plate: str) -> bool:
        at = str(int(self._now() * 1000))
        data = {"plate": {"id": plate, "plate_type": 1}, "type": "1"}
        path = "/api/v1/vehicle/capture"
        return self.upload(0, path, _SETTLE_SECONDS, time=at, data=data)

    def upload_face(self, number: int, seconds: float, **who: str) -> bool:
        path = "/api/v1/adapter/lenfocus/face/capture"
        return self.upload(number, path, seconds, time=int(self._now()), data={}, **who)


class Asked(NamedTuple):
    """A request for a change, and what is there once it is carried out."""

    method: str
    path: str
    body: object
    wanted: Hashable
    key: str = ""


class Changer(ABC):
    """Asks for changes of one kind, and compares what becomes of them. Runs in a thread."""

    kind = ""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.rng = random.Random(f"{self.kind} {changes.seed}")
        self.faults: list[str] = []
        self.answers: Counter[str] = Counter()

    @abstractmethod
    def next(self, api: httpx.Client) -> Asked:
        """Return the next change, for what is there now."""

    @abstractmethod
    def read(self, api: httpx.Client, key: str) -> Hashable:
        """Return what is there of `key`. Raises httpx.HTTPStatusError."""

    @abstractmethod
    def check(self, api: httpx.Client) -> Iterator[str]:
        """Yield what does not follow from what is there, at the end."""

    def run(self) -> None:
        with self.changes.api() as api:
            while not self.changes.ended.wait(self.rng.uniform(0.2, 1.5)):
                asked = self._steadily(lambda: self.next(api))
                before = self._steadily(lambda: self.read(api, asked.key))  # noqa: B023
                self._change(api, asked, before)

    def _change(self, api: httpx.Client, asked: Asked, before: Hashable) -> None:
        statuses = self._send(api, asked, twice=self.rng.random() < 0.2)
        self.answers.update(statuses)
        confirmed = any(status.startswith("2") for status in statuses)
        unsure = not confirmed and any(status in ("503", "504", "none") for status in statuses)
        if unsure and self.rng.random() < 0.5:
            (status,) = self._send_until_told(api, asked)
            self.answers[f"again {status}"] += 1
            # It is there already, if the hub was killed after the first request was stored.
            confirmed, unsure = status.startswith("2") or status in ("404", "409"), False
            if not confirmed:
                self._fault(asked, f"asked again, it was answered {status}")
        if unsure:
            self._wait_until_stored(api)
        found = self._steadily(lambda: self.read(api, asked.key))
        if confirmed and found != asked.wanted:
            self._fault(asked, f"was answered {statuses}, and {found} is there")
        elif found not in (before, asked.wanted):
            self._fault(asked, f"{before} was there, then {found}")

    def _send(self, api: httpx.Client, asked: Asked, *, twice: bool) -> list[str]:
        statuses: list[str] = []

        def send() -> None:
            try:
                answer = api.request(asked.method, f"{_API}{asked.path}", json=asked.body)
                statuses.append(str(answer.status_code))
            except httpx.TransportError:
                statuses.append("none")

        threads = [threading.Thread(target=send) for _ in range(2 if twice else 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return statuses

    def _send_until_told(self, api: httpx.Client, asked: Asked) -> list[str]:
        while True:
            statuses = self._send(api, asked, twice=False)
            if statuses[0] not in ("429", "503", "504", "none"):
                return statuses
            time.sleep(_PAUSE_SECONDS)

    def _wait_until_stored(self, api: httpx.Client) -> None:
        """Wait until the hub stores again: a write that waited comes before this one."""
        body = {"name": f"probe of {self.kind}"}
        asked = Asked("PUT", "/people/999", body, None)
        self._send_until_told(api, asked)

    def _steadily(self, act: Callable[[], T]) -> T:
        """Repeat what fails because the hub is away."""
        while True:
            try:
                return act()
            except (httpx.TransportError, httpx.HTTPStatusError):
                time.sleep(_PAUSE_SECONDS)

    def _fault(self, asked: Asked, text: str) -> None:
        self.faults.append(f"{asked.method} {asked.path} for {asked.wanted}: {text}")

    def settled(self, is_right: Callable[[], bool]) -> bool:
        """Wait until something is so; return whether it came in time."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError, httpx.HTTPStatusError):
                if is_right():
                    return True
            time.sleep(_PAUSE_SECONDS)
        return False


def _json(answer: httpx.Response) -> Any:
    return answer.raise_for_status().json()


class PeopleChanger(Changer):
    """People of the register, who must be on the cameras as they are there."""

    kind = "people"

    def next(self, api: httpx.Client) -> Asked:
        pid = str(self.rng.randint(900, 915))
        if self.rng.random() < 0.4:
            return Asked("DELETE", f"/people/{pid}", None, None, pid)
        name, category = f"N{self.rng.randint(1, 10**6)}", self.rng.randint(1, 2)
        body = {"name": name, "category": category, "photo": _PHOTO}
        return Asked("PUT", f"/people/{pid}", body, (name, category), pid)

    def read(self, api: httpx.Client, key: str) -> Hashable:
        answer = api.get(f"{_API}/people/{key}")
        if answer.status_code == 404:
            return None
        person = _json(answer)
        return person["name"], person["category"]

    def check(self, api: httpx.Client) -> Iterator[str]:
        wanted: dict[str, object] = {}

        def is_on_camera() -> bool:
            items = _json(api.get(f"{_API}/people", params={"limit": 1000}))["items"]
            has_photo = [one for one in items if one["pid"] != "999"]
            wanted.clear()
            wanted.update({one["pid"]: (one["name"], one["category"]) for one in has_photo})
            held = self.changes.cameras.held(0)
            held.pop("999", None)
            return wanted == held

        if not self.settled(is_on_camera):
            held = self.changes.cameras.held(0)
            yield f"a camera holds {held}, and the register has {wanted}"


class PlateChanger(Changer):
    """Lists of watched plates, which must raise alarms as they are there."""

    kind = "plates"
    _PLATES = tuple(f"SOAK{number:02}" for number in range(8))

    def next(self, api: httpx.Client) -> Asked:
        name = self.rng.choice(("first", "second"))
        ids = self._ids(api)
        plates = frozenset(self.rng.sample(self._PLATES, self.rng.randint(1, 4)))
        body = {"name": name, "entries": [{"pattern": plate} for plate in sorted(plates)]}
        if name not in ids:
            return Asked("POST", "/plate-lists", body, plates, name)
        if self.rng.random() < 0.3:
            return Asked("DELETE", f"/plate-lists/{ids[name]}", None, None, name)
        return Asked("PUT", f"/plate-lists/{ids[name]}", body, plates, name)

    def _ids(self, api: httpx.Client) -> dict[str, int]:
        return {one["name"]: one["id"] for one in _json(api.get(f"{_API}/plate-lists"))["items"]}

    def read(self, api: httpx.Client, key: str) -> Hashable:
        for one in _json(api.get(f"{_API}/plate-lists"))["items"]:
            if one["name"] == key:
                return frozenset(entry["pattern"] for entry in one["entries"])
        return None

    def check(self, api: httpx.Client) -> Iterator[str]:
        lists = [self.read(api, name) or frozenset() for name in ("first", "second")]
        watched = frozenset().union(*lists)  # type: ignore[arg-type]
        for plate in self._PLATES:
            if not self.changes.cameras.upload_plate(plate):
                yield f"the upload of {plate} was not acknowledged"
        query = {"kind": "plate", "limit": 100}
        raised = {one["subject"] for one in _json(api.get(f"{_API}/alarms", params=query))["items"]}
        if watched != raised:
            yield f"watched are {sorted(watched)}, and alarms were raised by {sorted(raised)}"


class GateChanger(Changer):
    """A camera that is shut out and let in again: its connection and token must follow."""

    def __init__(self, changes: Changes, number: int) -> None:
        self.number = number
        self.identity = changes.cameras.cameras[number].identity
        super().__init__(changes)

    def check(self, api: httpx.Client) -> Iterator[str]:
        is_in = self.is_let_in(self.read(api, ""))
        path = f"{_API}/devices/{self.identity.did}"
        if not self.settled(lambda: (_json(api.get(path))["state"] == "online") is is_in):
            yield f"camera {self.number} is let in: {is_in}; it is {_json(api.get(path))['state']}"
        seconds = _SETTLE_SECONDS if is_in else 5.0
        if self.changes.cameras.upload_face(self.number, seconds, name="") is not is_in:
            yield f"camera {self.number} is let in: {is_in}, and its uploads are not so"

    @abstractmethod
    def is_let_in(self, found: Hashable) -> bool:
        """Return whether the camera may connect and upload."""


class EnabledChanger(GateChanger):
    kind = "enabled"

    def next(self, api: httpx.Client) -> Asked:
        wanted = not self.read(api, "")
        return Asked("PATCH", f"/devices/{self.identity.did}", {"enabled": wanted}, wanted)

    def read(self, api: httpx.Client, key: str) -> Hashable:
        path = f"{_API}/devices/{self.identity.did}"
        return bool(_json(api.get(path))["state"] != "disabled")

    def is_let_in(self, found: Hashable) -> bool:
        return found is True


class CodeChanger(GateChanger):
    """The API does not tell a code, so the last one that was confirmed is what is there."""

    kind = "codes"

    def __init__(self, changes: Changes, number: int) -> None:
        super().__init__(changes, number)
        self._codes: dict[str, str] = {}

    def next(self, api: httpx.Client) -> Asked:
        wanted = self.rng.choice((self.identity.code, "wrong-code"))
        return Asked("PATCH", f"/devices/{self.identity.did}", {"code": wanted}, wanted)

    def _change(self, api: httpx.Client, asked: Asked, before: Hashable) -> None:
        (status,) = self._send_until_told(api, asked)
        self.answers[status] += 1
        if status.startswith("2"):
            self._codes[""] = str(asked.wanted)
        else:
            self._fault(asked, f"was answered {status}")

    def read(self, api: httpx.Client, key: str) -> Hashable:
        return self._codes.get("", self.identity.code)

    def is_let_in(self, found: Hashable) -> bool:
        return found == self.identity.code


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Do nothing: the hub was killed while it sent."""


class Receiver:
    """Receives webhooks, and notes which records came."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                message = msgspec.json.decode(body)
                if message["type"] == "record":
                    outer.seqs.append(message["data"]["seq"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/in"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TargetChanger(Changer):
    """A target that moves between two receivers: each record must come once, to where it is."""

    kind = "targets"

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self.receivers = (Receiver(), Receiver())

    def next(self, api: httpx.Client) -> Asked:
        found = self._found(api)
        url, alarms = self.rng.choice(self.receivers).url, self.rng.random() < 0.5
        if found is None:
            body = {"kind": "webhook", "name": "soak", "url": url, "alarms": alarms}
            return Asked("POST", "/targets", body, (url, alarms))
        path = f"/targets/{found['id']}"
        if self.rng.random() < 0.2:
            return Asked("DELETE", path, None, None)
        if self.rng.random() < 0.5:
            return Asked("PATCH", path, {"url": url}, (url, found["alarms"]))
        return Asked("PATCH", path, {"alarms": alarms}, (found["url"], alarms))

    def _found(self, api: httpx.Client) -> Any:
        items = _json(api.get(f"{_API}/targets"))["items"]
        return next((one for one in items if one["name"] == "soak"), None)

    def read(self, api: httpx.Client, key: str) -> Hashable:
        found = self._found(api)
        return None if found is None else (found["url"], found["alarms"])

    def check(self, api: httpx.Client) -> Iterator[str]:
        found = self._found(api)
        if found is not None:
            path = f"{_API}/targets/{found['id']}"
            # Cameras go on: a moment later it may be behind again.
            if not self.settled(lambda: _json(api.get(path))["state"] == "current"):
                yield f"the target is not current: {_json(api.get(path))['state']}"
        last = _json(api.get(f"{_API}/records", params={"order": "desc", "limit": 1}))["items"]
        after = last[0]["seq"] if last else 0
        for _ in range(5):
            self.changes.cameras.upload_face(0, _SETTLE_SECONDS, name="")
        items = _json(api.get(f"{_API}/records", params={"after": after, "limit": 1000}))["items"]
        wanted = {one["seq"] for one in items}
        for receiver in self.receivers:
            due = wanted if found is not None and found["url"] == receiver.url else set()
            self.settled(lambda: due <= set(receiver.seqs))  # noqa: B023
            counts = Counter(seq for seq in receiver.seqs if seq in wanted)
            if counts != Counter(due):
                yield f"{receiver.url} got {dict(counts)} of {sorted(due)}"

    def close(self) -> None:
        for receiver in self.receivers:
            receiver.close()


class ErasureChanger(Changer):
    """People of records, who are erased."""

    kind = "erasures"

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self._count = 0
        self._confirmed: list[str] = []

    def next(self, api: httpx.Client) -> Asked:
        self._count += 1
        number = f"77{self._count:06}"
        self.changes.cameras.upload_face(0, _TIMEOUT_SECONDS, uuid=number, name=f"Eve {number}")
        body = {"number": number, "confirm": 1}
        return Asked("POST", "/erasures", body, "erased", number)

    def _change(self, api: httpx.Client, asked: Asked, before: Hashable) -> None:
        if before != "there":
            return  # Its day was dropped meanwhile, or it could not be uploaded.
        statuses = self._send(api, asked, twice=self.rng.random() < 0.2)
        self.answers.update(statuses)
        if any(status.startswith("2") for status in statuses):
            self._confirmed.append(asked.key)

    def read(self, api: httpx.Client, key: str) -> Hashable:
        found = _json(api.get(f"{_API}/records", params={"uuid": key}))["items"]
        return "there" if found else "erased"

    def check(self, api: httpx.Client) -> Iterator[str]:
        path = f"{_API}/erasures"
        self.settled(lambda: all(one["finished_at"] for one in _json(api.get(path))["items"]))
        for one in _json(api.get(path))["items"]:
            if not one["finished_at"]:
                yield f"erasure {one['id']} is not carried out"
        for number in self._confirmed:
            if self.read(api, number) != "erased":
                yield f"{number} was to be erased, and is there"
        for number in range(1, self._count + 1):
            query = {"name": f"Eve 77{number:06}"}
            named = _json(api.get(f"{_API}/records", params=query))["items"]
            if named and not all(one.get("uuid") for one in named):
                yield f"of {query['name']} the name was left"


def _photo() -> str:
    data = io.BytesIO()
    Image.effect_noise((200, 200), 60).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


_PHOTO = _photo()


class Changes:
    """All changers. Used as a context while the hub is up and down; `check` at the end."""

    def __init__(self, hub: SoakHub, bearer: str, cameras: SiteCameras, seed: int) -> None:
        self._hub = hub
        self._bearer = bearer
        self.cameras = cameras
        self.seed = seed
        self.ended = threading.Event()
        self._targets = TargetChanger(self)
        self.changers: list[Changer] = [
            PeopleChanger(self),
            PlateChanger(self),
            EnabledChanger(self, 1),
            CodeChanger(self, 2),
            self._targets,
            ErasureChanger(self),
        ]
        self._threads = [
            threading.Thread(target=one.run, name=one.kind, daemon=True) for one in self.changers
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Change within the block; at its end the last changes are waited for."""
        self.cameras.start()
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in self._threads:
                thread.join(2 * _TIMEOUT_SECONDS)

    def check(self) -> list[str]:
        """Return what is wrong, while the hub runs undisturbed. Ends the cameras."""
        faults = [f"{one.kind}: {fault}" for one in self.changers for fault in one.faults]
        faults += [
            f"{one.name}: still waits for an answer" for one in self._threads if one.is_alive()
        ]
        with self.api() as api:
            for one in self.changers:
                faults += [f"{one.kind}: {fault}" for fault in one.check(api)]
        self.cameras.stop()
        self._targets.close()
        return faults

    def table(self) -> Iterator[tuple[str, str]]:
        """Yield how many changes of each kind were answered how."""
        for one in self.changers:
            counts = (f"{count} x {answer}" for answer, count in sorted(one.answers.items()))
            yield one.kind, ", ".join(counts)

    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._hub.url,
            verify=False,
            timeout=_TIMEOUT_SECONDS,
            headers={"Authorization": self._bearer},
        )
