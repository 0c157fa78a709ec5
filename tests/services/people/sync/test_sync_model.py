"""Whatever happens: in the end each camera holds exactly the people that it should (D10).

Random people, groups and cameras, which come and go, are replaced, refuse, forget, answer late or
never, while the sync is stopped and started at any step. And at no step is anything sent that D10
forbids.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from zlib import crc32

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from hub.errors import HubError
from hub.simulator.faults import Quirks
from hub.wire.commands.answers import Person as PersonRow
from tests.services.people.sync.allowed_requests import AllowedRequests
from tests.support.synced_site import ADA, JPEG, Manner, SyncedCamera, SyncedSite

_PIDS = [str(number) for number in range(1, 9)]
_CAMERAS = 3
_GROUPS = 2
_MANNERS: list[Manner] = ["at once", "late", "lost", "never", "busy", "leaves"]
_QUIRKS = {
    "faultless": Quirks(),
    "deletes first": Quirks(deletes_first=True),
    "picky": Quirks(refuses_photo=3),
    "vague": Quirks(refuses_photo=3, photo_refusal=425),
    "loses answers": Quirks(loses_answer=2),
    "small": Quirks(capacity=4),
}

Step = tuple[Any, ...]
pids, cameras = st.sampled_from(_PIDS), st.integers(0, _CAMERAS - 1)
quirks_of_cameras = st.sampled_from(sorted(_QUIRKS))
steps = st.one_of(
    st.tuples(st.just("put"), pids, st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.just("remove"), pids),
    st.tuples(st.just("place"), pids, st.sampled_from(["everywhere", "1", "2", "nowhere"])),
    st.tuples(st.just("valid"), pids, st.sampled_from([-60, 60, 900])),
    st.tuples(st.just("group"), st.integers(1, _GROUPS), st.lists(cameras, max_size=3)),
    st.tuples(st.just("connect"), cameras),
    st.tuples(st.just("disconnect"), cameras),
    st.tuples(st.just("forget"), cameras),
    st.tuples(st.just("lose one"), cameras, pids),
    st.tuples(st.just("stranger"), cameras),
    st.tuples(st.just("replace"), cameras, quirks_of_cameras, st.booleans()),
    st.tuples(st.just("remove camera"), cameras, quirks_of_cameras, st.booleans()),
    st.tuples(st.just("update"), cameras),
    st.tuples(st.just("manner"), cameras, st.sampled_from(_MANNERS)),
    st.tuples(st.just("crash")),
    st.tuples(st.just("compare"), cameras),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 1.0, 31.0, 700.0])),
)


class Model:
    """Carries out steps on a site, and knows what each camera should hold."""

    def __init__(self, site: SyncedSite) -> None:
        self.site = site
        self.cameras: list[SyncedCamera] = []
        self.strangers: dict[str, set[str]] = {}
        self.watch = AllowedRequests(site)
        self.versions = 0
        self.acts: dict[str, Callable[..., Awaitable[None]]] = {
            "put": self.put,
            "remove": self.remove,
            "place": self.place,
            "valid": self.valid,
            "group": self.group,
            "connect": self.connect,
            "disconnect": self.disconnect,
            "forget": self.forget,
            "lose one": self.lose,
            "stranger": self.stranger,
            "replace": self.replace,
            "remove camera": self.remove_camera,
            "update": self.update,
            "manner": self.manner,
            "crash": self.crash,
            "compare": self.compare,
            "wait": trio.sleep,
        }

    async def begin(self, quirks: list[str]) -> None:
        for number in range(_GROUPS):
            await self.site.groups.add(f"Group {number}", by=ADA)
        for one in quirks:
            self.cameras.append(await self._added(one))
        await self.site.settle()

    async def _added(self, quirks: str, *, has_stranger: bool = False) -> SyncedCamera:
        camera = await self.site.add_camera(_QUIRKS[quirks], connects=False)
        return self._installed(camera, has_stranger=has_stranger)

    def _installed(self, camera: SyncedCamera, *, has_stranger: bool) -> SyncedCamera:
        """Connect a camera that nobody has seen before."""
        camera.watch = self.watch
        self.strangers.pop(camera.did, None)
        if has_stranger:
            self._hold_stranger(camera)
        self.site.connect(camera)
        return camera

    async def put(self, pid: str, category: int, photo: int) -> None:
        await self._put(pid, category=category, photo=JPEG + bytes([photo]))

    async def _put(self, pid: str, **fields: Any) -> None:
        since = self.site.clock.ms
        self.watch.note_person(pid, await self.site.put(pid, **fields), since)

    async def remove(self, pid: str) -> None:
        if await self.site.store.people.get(pid) is not None:
            self.watch.note_person(pid, None, self.site.clock.ms)
            await self.site.people.remove(pid, by=ADA)

    async def place(self, pid: str, where: str) -> None:
        groups = (int(where),) if where.isdigit() else ()
        await self._put(pid, everywhere=where == "everywhere", groups=groups)

    async def valid(self, pid: str, seconds: int) -> None:
        name = "valid_from" if seconds < 900 else "valid_until"
        await self._put(pid, **{name: self.site.clock.ms + seconds * 1000})

    async def group(self, id: int, members: list[int]) -> None:
        dids = {self.cameras[number].did for number in members}
        since = self.site.clock.ms
        await self.site.groups.change(id, dids=dids, by=ADA)
        for camera in self.cameras:
            groups = {group.id for group in self.site.groups.of_device(camera.did)}
            self.watch.note_groups(camera.did, groups, since)

    async def connect(self, number: int) -> None:
        self.site.connect(self.cameras[number])

    async def disconnect(self, number: int) -> None:
        self.site.disconnect(self.cameras[number])

    async def forget(self, number: int) -> None:
        """A reset takes a camera a while; then its absence is noticed."""
        camera = self.cameras[number]
        self.site.disconnect(camera)
        camera.state.people.clear()
        self.strangers.pop(camera.did, None)
        await trio.sleep(601)
        self.site.connect(camera)

    async def lose(self, number: int, pid: str) -> None:
        camera = self.cameras[number]
        if pid in camera.pids:
            camera.state.people.remove(pid)
            self.site.disconnect(camera)
            await trio.sleep(601)
            self.site.connect(camera)

    async def stranger(self, number: int) -> None:
        """Somebody enters a person on the camera itself."""
        self._hold_stranger(self.cameras[number])

    def _hold_stranger(self, camera: SyncedCamera) -> None:
        pid = str(1000 + int(camera.did))
        with suppress(HubError):  # full, or there already
            row = PersonRow(pid=pid, name="A stranger", category=1)
            camera.state.people.add(row, b"stranger")
            self.strangers.setdefault(camera.did, set()).add(pid)

    async def replace(self, number: int, quirks: str, has_stranger: bool) -> None:
        """Another camera in the same place, new or from elsewhere."""
        camera = await self.site.replace(self.cameras[number], _QUIRKS[quirks])
        self.cameras[number] = self._installed(camera, has_stranger=has_stranger)

    async def remove_camera(self, number: int, quirks: str, has_stranger: bool) -> None:
        """One is removed, and another one enrolled."""
        await self.site.remove_camera(self.cameras[number])
        self.cameras[number] = await self._added(quirks, has_stranger=has_stranger)

    async def update(self, number: int) -> None:
        """Other firmware, which may take what was refused, or have lost people."""
        self.versions += 1
        self.site.report_version(self.cameras[number], f"V{self.versions}")

    async def manner(self, number: int, manner: Manner) -> None:
        self.cameras[number].manner = manner

    async def crash(self) -> None:
        await self.site.crash()

    async def compare(self, number: int) -> None:
        with suppress(HubError):
            await self.site.sync.decisions.compare(self.cameras[number].did)

    async def end(self) -> None:
        """Let everything work again, and everybody be valid, and time pass."""
        for camera in self.cameras:
            camera.manner = "at once"
            self.site.disconnect(camera)
            self.site.connect(camera)
        await self.site.settle(2000)
        if self.strangers:
            # A total cannot tell who was lost while somebody else came: a night does.
            for camera in self.cameras:
                await self.site.sync.decisions.compare(camera.did)
            await self.site.settle(2000)

    async def check(self) -> None:
        people = {pid: await self.site.store.people.get(pid) for pid in _PIDS}
        for camera in self.cameras:
            groups = {group.id for group in self.site.groups.of_device(camera.did)}
            wanted = {
                pid
                for pid, person in people.items()
                if person is not None
                and (person.everywhere or groups & set(person.groups))
                and (person.valid_from is None or person.valid_from <= self.site.clock.ms)
                and (person.valid_until is None or person.valid_until > self.site.clock.ms)
            }
            await self._check_camera(camera, wanted)

    async def _check_camera(self, camera: SyncedCamera, wanted: set[str]) -> None:
        strangers = self.strangers.get(camera.did, set())
        if (await self.site.sync.of_device(camera.did)).state == "undecided":
            # Nobody has decided: nothing on it is changed.
            assert camera.pids == strangers != set()
            return
        rows = {row.pid: row.state for row in await self.site.sync.rows(camera.did)}
        refused = {pid for pid, state in rows.items() if state == "failed"}
        waiting = {pid for pid, state in rows.items() if state == "pending"}
        quirks = camera.state.people.quirks
        assert not refused or quirks.refuses_photo
        assert strangers <= camera.pids, "a stranger was removed"
        assert camera.pids - strangers <= wanted
        if quirks.capacity < 20_000:
            assert len(camera.pids) == min(quirks.capacity, len(wanted | strangers))
        else:
            assert waiting == set()
            # Who was refused may be there as before, if the camera said so only now.
            assert wanted - refused == camera.pids - strangers - refused
        for pid in camera.pids - strangers - refused - waiting:
            person = await self.site.store.people.get(pid)
            photo = await self.site.store.people.photo(pid)
            entry = camera.state.people[pid]
            assert person is not None
            assert photo is not None
            assert (entry.row.name, entry.row.category) == (person.name, person.category)
            assert entry.checksum in _checksums(photo)


def _checksums(photo: bytes) -> tuple[int, int]:
    return crc32(photo), crc32(photo + b"simpler")


@given(
    quirks=st.lists(quirks_of_cameras, min_size=_CAMERAS, max_size=_CAMERAS),
    happens=st.lists(steps, max_size=30),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_happens_each_camera_gets_exactly_its_people(
    quirks: list[str], happens: list[Step]
) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            site = SyncedSite(nursery)
            await site.start()
            model = Model(site)
            await model.begin(quirks)
            for name, *values in happens:
                await model.acts[name](*values)
            await model.end()
            await model.check()
            assert model.watch.forbidden == []
            nursery.cancel_scope.cancel()

    trio.run(run, clock=MockClock(autojump_threshold=0))
