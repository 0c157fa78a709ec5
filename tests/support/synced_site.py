"""A site whose people are kept on simulated cameras, without connections."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import pybase64
import trio
from msgspec import Raw

from hub.config import Config, PeopleConfig
from hub.errors import DeviceBusy, DeviceLeft, DeviceSilent
from hub.live.feed import Change
from hub.live.registry import DeviceAnswer
from hub.services.audit import Actor
from hub.services.clock.clock import SiteClock
from hub.services.commands.calls import Commands
from hub.services.commands.files import DeviceFiles
from hub.services.jobs.jobs import Jobs
from hub.services.people.groups import CameraGroups
from hub.services.people.register import PeopleRegister
from hub.services.people.sync.people_sync import PeopleSync
from hub.services.photos.person_photos import PersonPhotos
from hub.services.photos.photos import PhotoRules, Photos, photo_jpeg
from hub.simulator.device.actions import Send
from hub.simulator.device.responder import Responder
from hub.simulator.device.state import DeviceState
from hub.simulator.drawing import people
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import Person, PersonChange
from hub.store.tables.devices import DeviceChange
from hub.upload_priority import UploadPriority
from hub.wire.envelope import Request, Response, decode_frame
from hub.wire.uploads.bodies import DeviceInfo
from tests.support.answering_link import AnsweringLink
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.gate import Gate
from tests.support.hub_services import outside
from tests.support.known_abilities import KnownAbilities
from tests.support.memory_store import MemoryStore

ADA = Actor("user ada", "10.0.0.1")
START = 1_764_000_000.0
JPEG = b"\xff\xd8\xff" + bytes(64)

#: How a camera answers: at once; after the hub gave up; never, having done it or not; that it is
#: busy; or the connection ends before the answer.
Manner = Literal["at once", "late", "lost", "never", "busy", "leaves"]


class PassingClock(FrozenClock):
    """A wall clock that passes with trio's clock; `advance` lets time pass, `set_by` sets it."""

    _ahead = 0.0

    def __call__(self) -> float:
        return self.right() + self._ahead

    def right(self) -> float:
        """What it would show if it had not been set."""
        return self.seconds + trio.current_time()

    def set_by(self, seconds: float) -> None:
        self._ahead += seconds

    @property
    def ms(self) -> int:
        return round(self() * 1000)


class Watch:
    """Told of the requests to a camera: of each as it comes, and of each that was answered."""

    def asked(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        """It is not carried out yet."""

    def answered(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        """The hub has the answer."""

    def ended(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        """It was answered, given up or cancelled."""


class SyncedCamera:
    """One camera, across its connections. `log`: what it was asked: uri and pid."""

    def __init__(self, did: str, sn: str, quirks: Quirks = FAULTLESS) -> None:
        self.watch = Watch()
        self.did = did
        self.sn = sn
        self.manner: Manner = "at once"
        #: How long it takes to answer.
        self.seconds = 0.0
        self.log: list[tuple[str, str]] = []
        self.state = _state(sn, quirks)
        self._responder = Responder(self.state, quirks)

    @property
    def pids(self) -> set[str]:
        return set(self.state.people)

    def asked(self, uri: str) -> list[str]:
        """The pids of the requests with this uri so far."""
        return [pid for asked, pid in self.log if asked == uri]

    def hold(self, pid: str, name: str = "Somebody", **fields: Any) -> None:
        """Let it hold a person that nobody gave it."""
        param = {
            "pid": pid,
            "name": name,
            "gender": 1,
            "age": 30,
            "category": 1,
            "photo": "/9j/",
            **fields,
        }
        self.answer("/person/add", Raw(msgspec.json.encode(param)))

    def answer(self, uri: str, param: Raw) -> DeviceAnswer | None:
        for action in self._responder.respond(Request("1", uri, param)):
            if isinstance(action, Send):
                frame = decode_frame(action.message, max_depth=64)
                assert isinstance(frame, Response)
                return DeviceAnswer(frame.code, frame.msg, frame.result)
        return None


class CameraLink(AnsweringLink):
    """A connection to a camera, as the hub sees it."""

    def __init__(self, camera: SyncedCamera) -> None:
        super().__init__(camera.did, camera.sn)
        self.camera = camera
        self.ip = self.address
        self.is_open = True
        self._ended = trio.Event()

    def close(self, reason: str) -> None:
        self.is_open = False
        self._ended.set()

    async def answered(
        self, uri: str, param: object, seconds: float, free: Callable[[], None]
    ) -> DeviceAnswer:
        camera, sent = self.camera, Raw(msgspec.json.encode(param))
        await trio.lowlevel.checkpoint()
        if not self.is_open:
            raise DeviceLeft("it left")
        if camera.manner == "busy":
            raise DeviceBusy("too many requests")
        pid = msgspec.json.decode(sent).get("pid", "")
        camera.log.append((uri, pid))
        camera.watch.asked(camera, uri, pid)
        try:
            answer = await self._carry_out(uri, sent, seconds)
        finally:
            camera.watch.ended(camera, uri, pid)
        camera.watch.answered(camera, uri, pid)
        return answer

    async def _carry_out(self, uri: str, param: Raw, seconds: float) -> DeviceAnswer:
        camera = self.camera
        if camera.seconds:
            await trio.sleep(camera.seconds)
        answer = None if camera.manner == "never" else camera.answer(uri, param)
        if camera.manner == "leaves":
            self.close("it left")
        if camera.manner in ("late", "lost", "never") or answer is None:
            with trio.move_on_after(seconds):
                await self._ended.wait()
        if not self.is_open:
            raise DeviceLeft("it left")
        if camera.manner != "at once" or answer is None:
            raise DeviceSilent("no answer")
        return answer


class _PhotosAtOnce(Photos):
    """Converts in no thread: while one works, an `autojump_clock` jumps to where it is given up."""

    async def _convert(self, data: bytes, rules: PhotoRules, *, may_be_large: bool) -> bytes:
        return photo_jpeg(data, rules, may_be_large=may_be_large)


class SyncedSite:
    """The register, the sync and the cameras. `start` runs the sync."""

    def __init__(self, nursery: trio.Nursery, *, sends_id_numbers: bool = True) -> None:
        self.clock = PassingClock(START)
        self.store = MemoryStore(self.clock)
        self.gate = Gate(self.store, self.clock)
        self.changes = self.gate.changes
        self.devices = self.gate.devices
        self.registry = self.gate.registry
        self.audit = self.gate.audit
        self._config = Config(people=PeopleConfig(send_id_numbers=sends_id_numbers))
        self._build()
        self.cameras: dict[str, SyncedCamera] = {}
        self._links: dict[str, CameraLink] = {}
        self._enrolled = 0
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self.random = random.Random(1)
        self.upload_priority = UploadPriority()
        self.abilities = KnownAbilities()

    async def start(self) -> PeopleSync:
        """Start the sync, or start it again as after a crash."""
        self.stop()
        self._build()
        core = self._core
        self.commands = Commands(core, self.registry, self.devices, self.abilities)
        self.sync = PeopleSync(
            core,
            self.people,
            self.devices,
            self.commands,
            DeviceFiles(core, self.commands),
            self.jobs,
            self.upload_priority,
        )
        self._scope = trio.CancelScope()
        await self._nursery.start(self._run)
        return self.sync

    def _build(self) -> None:
        """Build what does not ask cameras, as at a start of the hub."""
        self.site_clock = SiteClock(self.store, self.audit, self.clock, steady_now=self.clock.right)
        self._core = core_of(
            self.store,
            self.clock,
            self._config,
            changes=self.changes,
            outside=outside(self.clock, random=lambda: 0.5),
            clock=self.site_clock,
            site=SimpleNamespace(zone=lambda: UTC),
        )
        self.people = PeopleRegister(self._core, _Photos(_PhotosAtOnce()))
        self.jobs = Jobs(self._core)
        self.groups = CameraGroups(self._core)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.jobs.run)
                await self.sync.run(task_status=task_status)

    def stop(self) -> None:
        """Stop the sync at once."""
        self._scope.cancel()

    async def crash(self) -> None:
        """Stop the sync without letting it note anything, cut every camera, and start again."""
        self.store.refuses = True
        self.stop()
        for camera in self.cameras.values():
            self.disconnect(camera)
        await trio.sleep(0.001)
        self.store.refuses = False
        for camera in self.cameras.values():
            self.connect(camera)
        await self.start()

    def report_version(self, camera: SyncedCamera, version: str) -> None:
        """Let a camera report its firmware (2.2)."""
        info = DeviceInfo(fw_ver=version)
        self.devices.note_report(self.devices.device(camera.did), info)

    def photo(self) -> str:
        """A picture of a face as base64."""
        return pybase64.b64encode(people.face_jpeg(make_population(1).known[0], 1)).decode()

    async def add_camera(
        self, quirks: Quirks = FAULTLESS, *, connects: bool = True
    ) -> SyncedCamera:
        self._enrolled += 1
        number = self._enrolled
        device = await self.gate.enrol(sn=f"SN{number:013d}")
        camera = SyncedCamera(device.did, device.sn, quirks)
        self.cameras[device.did] = camera
        if connects:
            self.connect(camera)
        return camera

    async def add_camera_that_holds_one(self) -> SyncedCamera:
        """Add a camera and the person `1`, and let the camera receive that person."""
        camera = await self.add_camera()
        await self.put("1")
        await self.settle()
        return camera

    def connect(self, camera: SyncedCamera) -> None:
        link = self._links[camera.did] = CameraLink(camera)
        self.registry.attach(link)
        self.changes.publish([Change("device", camera.did)])

    def disconnect(self, camera: SyncedCamera) -> None:
        link = self._links.get(camera.did)
        if link is None:
            return
        link.close("cut")
        if self.registry.detach(link):
            self.changes.publish([Change("device", camera.did)])

    async def put(self, pid: str, **fields: Any) -> Person:
        """Add or change a person; a new one has a photo."""
        known = await self.store.people.get(pid)
        if known is None:
            fields = {"name": f"Person {pid}", "photo": JPEG + pid.encode(), **fields}
        put = PersonPut(pid=pid, change=PersonChange(**fields))
        (stored,) = await self.people.put_many([put], by=ADA)
        assert isinstance(stored, Person), stored
        return stored

    async def replace(self, camera: SyncedCamera, quirks: Quirks = FAULTLESS) -> SyncedCamera:
        """Put another camera, which is not connected yet, in the place of one."""
        self.disconnect(camera)
        sn = f"RE{self.random.randrange(10**13):013d}"
        await self.devices.change(camera.did, DeviceChange(sn=sn))
        other = self.cameras[camera.did] = SyncedCamera(camera.did, sn, quirks)
        return other

    async def remove_camera(self, camera: SyncedCamera) -> None:
        self.disconnect(camera)
        await self.devices.remove(camera.did)
        del self.cameras[camera.did]

    async def settle(self, seconds: float = 5) -> None:
        """Let the sync work."""
        await trio.sleep(seconds)


def _state(sn: str, quirks: Quirks) -> DeviceState:
    identity = CameraIdentity(sn=sn, code="12345678", private_key="", name=sn, place="gate")
    return DeviceState(identity, make_population(1), now=lambda: START, quirks=quirks)


class _Photos(PersonPhotos):
    async def simplify(self, jpeg: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        return jpeg + b"simpler"
