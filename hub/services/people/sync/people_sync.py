"""Keeps the people on all managed devices in step with the register (D10)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.clock_reading import is_past
from hub.errors import CannotStoreNow, DeviceBusy, DeviceNonsense, HubError, Unanswered
from hub.live.feed import Change, Subscription
from hub.log import limited
from hub.net.rate_limits import TokenBucket
from hub.services.audit import Actor
from hub.services.commands.calls import Commands
from hub.services.commands.files import DeviceFiles
from hub.services.devices.directory import Devices
from hub.services.jobs.jobs import Jobs
from hub.services.people.register import PeopleRegister
from hub.services.people.sync.decisions import Decisions
from hub.services.people.sync.device_check import DeviceCheck
from hub.services.people.sync.frames import Frames
from hub.services.people.sync.numbers import DeviceNumbers, Numbers
from hub.services.people.sync.pusher import Pusher, SyncTools
from hub.store.people.device_people import PeopleState
from hub.store.people.holdings import PersonRow, SyncState
from hub.upload_priority import UploadPriority
from hub.wire.commands.edition_3_commands import PERSON_CLEAR
from hub.wire.commands.edition_3_params import NoParam

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: An absence that is longer may have cost a device its people.
ABSENCE_MS = 600_000
#: How often it is looked whether somebody became valid or invalid: D10 says within a minute.
VALIDITY_SECONDS = 20.0
#: At most so often the change of one device's numbers is told.
TELL_SECONDS = 0.5
#: When devices are compared, in the site's time, one after the other.
COMPARE_HOUR = 4
#: A device that was compared since is not compared at night.
_COMPARED_MS = 12 * 3_600_000
#: Photos that all pushers together send in two passes of the event loop.
_TURNS = 1
_SUBSCRIPTION = 2048
#: So many devices are begun with at once, and then so many a second: after a power cut all connect
#: in the same second, and are to be connected before they are asked whom they hold.
_STARTS_AT_ONCE, _STARTS_PER_SECOND = 50.0, 100.0
_UNKNOWN_PAGE = 100
#: How long to wait until a device that is to be cleared is sent nobody.
CLEAR_WAIT_SECONDS = 25.0


class PersonOnDevice(Struct, frozen=True):
    """Where one person stands on one device. `code` and `msg`: the device's last refusal."""

    did: str
    state: SyncState
    code: int | None = None
    msg: str = ""


class _Running(Struct):
    pusher: Pusher
    scope: trio.CancelScope
    link: object


class PeopleSync:
    """Runs a pusher for each online device, and answers how far each is.

    `run` must run for that. `simplify` prepares a photo once more, for a second try. See
    `decisions` for what a person can do to the people on a device.
    """

    def __init__(
        self,
        core: Core,
        people: PeopleRegister,
        devices: Devices,
        commands: Commands,
        files: DeviceFiles,
        jobs: Jobs,
        upload_priority: UploadPriority,
    ) -> None:
        self._store = core.store
        self._people = people
        self._devices = devices
        self._commands = commands
        self._audit = core.audit
        self._change_feed = core.changes
        self._clock = core.clock
        self._now = core.now
        self._zone = core.site.zone
        #: Of how many people nobody knows whether they are valid, because the clock is doubted.
        self.waiting_for_clock = 0
        self._frames = Frames(core, people.photos.simplify, lambda: self._local_time().year)
        check = DeviceCheck(core, commands, self._frames, self._versions)
        self._tools = SyncTools(
            core.store,
            commands,
            self._frames,
            check,
            core.clock.reading,
            core.clock.expiry,
            core.outside.random,
            trio.Semaphore(_TURNS),
            upload_priority,
        )
        #: What people decide about a device.
        self.decisions = Decisions(core, people, devices, files, jobs, self._tools, self)
        self._numbers = Numbers(core.store, core.clock.reading)
        self._running: dict[str, _Running] = {}
        self._starts = TokenBucket(_STARTS_PER_SECOND, _STARTS_AT_ONCE)
        # Kept as long as anybody holds it: also a pusher whose device was removed and added again.
        self._locks: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()
        #: did -> when it was seen last, in UNIX milliseconds; until its absence is noted.
        self._left_at = {device.did: device.last_seen or 0 for device in core.store.devices.all()}
        self._keepers = commands.by_hand.keepers

    # -- running

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the devices that are online in step, until cancelled."""
        with self._change_feed.subscribe(_SUBSCRIPTION) as changes:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._look_at_devices()
                nursery.start_soon(self._tell_changes)
                nursery.start_soon(self._watch_validity)
                nursery.start_soon(self._compare_nightly)
                task_status.started()
                await self._follow(changes)

    async def _follow(self, changes: Subscription[Change]) -> None:
        while True:
            for change in await changes.next():
                self._take(change)

    def _take(self, change: Change) -> None:
        match change.kind, change.key:
            case "device", "":
                self._look_at_devices()
            case "device", did:
                self._look_at_device(did)
            case "person", "":
                self._look_again()
            case "person", pid:
                for running in self._running.values():
                    running.pusher.look_at(pid)
                self._store.device_marks.note()
            case "group", _:
                self._look_again()

    def _look_again(self) -> None:
        for running in self._running.values():
            running.pusher.look_again()
        self._store.device_marks.note()

    def _look_at_devices(self) -> None:
        for did in {*self._running, *(device.did for device in self._store.devices.all())}:
            self._look_at_device(did)

    def _look_at_device(self, did: str) -> None:
        """Start, restart or stop the pusher of a device as its connection says."""
        link, running = self._devices.link(did), self._running.get(did)
        if running is not None and running.link is not link:
            running.scope.cancel()
            del self._running[did], self._keepers[did]
            self._left_at.setdefault(did, self._ms())
            running = None
        if link is not None and running is None:
            pusher = Pusher(did, link.sn, self._tools, self.lock(did))
            self._running[did] = running = _Running(pusher, trio.CancelScope(), link)
            self._keepers[did] = pusher
            self._nursery.start_soon(self._push, running)
        elif running is not None:
            running.pusher.wake()  # it may have reported other versions
        if self._store.devices.by_did(did) is None:
            self._left_at.pop(did, None)

    async def _push(self, running: _Running) -> None:
        with running.scope:
            if wait := self._starts.take(trio.current_time()):
                await trio.sleep(wait)
            await self._note_absence(running.pusher)
            await running.pusher.run()

    async def _note_absence(self, pusher: Pusher) -> None:
        """Have a device checked that was away for long, or is new."""
        did, now = pusher.did, self._ms()
        row = self._store.device_people.get(did)
        if is_past(self._left_at.get(did, now), now, ABSENCE_MS) and not row.must_check:
            try:
                await self._store.device_people.save(replace(row, must_check=True), pusher.sn)
            except HubError:
                return  # it is noted at the next connect
        # Not before: a device that leaves again at once has been away all the time.
        self._left_at.pop(did, None)

    async def _tell_changes(self) -> None:
        """Publish whose numbers changed, at most every TELL_SECONDS."""
        while True:
            changed = await self._store.device_marks.next()
            if changed is None:
                changed = {device.did for device in self._store.devices.all()}
            self._change_feed.publish([Change("sync", did) for did in sorted(changed)])
            await trio.sleep(TELL_SECONDS)

    async def _watch_validity(self) -> None:
        before = self._clock.reading()
        while True:
            now = self._clock.reading()
            with suppress(HubError):
                self.waiting_for_clock = await self._store.holdings.count_waiting(now)
                if await self._store.holdings.validity_changed(before, now):
                    self._look_again()
                before = now
            await trio.sleep(VALIDITY_SECONDS)

    async def _compare_nightly(self) -> None:
        while True:
            await trio.sleep(_seconds_until(COMPARE_HOUR, self._local_time()))
            for did in list(self._running):
                row = self._store.device_people.get(did)
                if row.state != "alone" and self._is_old(row.compared_at):
                    await self._compare_or_skip(did)

    def _is_old(self, compared_at: int | None) -> bool:
        return compared_at is None or is_past(compared_at, self._ms(), _COMPARED_MS)

    async def _compare_or_skip(self, did: str) -> None:
        try:
            await self.decisions.compare(did)
        except HubError as error:
            limited(
                log,
                logging.INFO,
                f"compare {did}",
                "the people of device %s are compared another time: %s",
                did,
                error,
            )

    # -- where it stands

    async def of_person(self, pid: str) -> list[PersonOnDevice]:
        """Return the devices that should hold a person, or must lose it.

        Devices that are left alone are left out. Raises NoSuchResource.
        """
        person = await self._people.get(pid)
        return [
            PersonOnDevice(row.did, row.state, row.code, row.msg)
            for row in await self._store.holdings.of_person(person.pid, self._clock.reading())
            if row.device_state != "alone"
        ]

    async def of_device(self, did: str) -> DeviceNumbers:
        """Return how far a device is. Raises NoSuchResource."""
        self._devices.device(did)
        return await self._numbers.of_device(did)

    async def summary(self) -> list[DeviceNumbers]:
        """Return how far each device is, in the order of the devices."""
        return [await self._numbers.of_device(device.did) for device in self._store.devices.all()]

    async def rows(
        self, did: str, state: SyncState | None = None, *, after: str = "", limit: int = 100
    ) -> list[PersonRow]:
        """Return the people that a device should hold or must lose, behind the pid `after`.

        Raises NoSuchResource.
        """
        self._devices.device(did)
        now = self._clock.reading()
        return await self._store.holdings.rows(did, state, now=now, after=after, limit=limit)

    def state_of(self, did: str) -> PeopleState:
        return self._store.device_people.get(did).state

    # -- what people decide

    async def retry(self, did: str | None, pid: str | None, *, by: Actor) -> None:
        """Try again what failed or waits: on a device, of a person, or both; all without either.

        Raises NoSuchResource.
        """
        if did is not None:
            self._devices.device(did)
        person = None if pid is None else (await self._people.get(pid)).pid
        await self._store.holdings.retry(did, person)
        await self._audit.add(by, "person.retry", " ".join(filter(None, (did, person))) or "all")
        for one in [did] if did is not None else list(self._running):
            if (running := self._running.get(one)) is not None:
                running.pusher.retry()

    async def clear(self, did: str, then: Callable[[], Awaitable[None]]) -> None:
        """Delete everybody on a device that leaves (1.34 of edition 3), then do `then`.

        Meanwhile nobody is sent to it. Raises as a call of `Commands`: then `then` is not done, and
        a device that may have lost its people is checked.
        """
        with trio.move_on_after(CLEAR_WAIT_SECONDS) as waiting:
            async with self.lock(did):
                waiting.deadline = math.inf
                try:
                    await self._commands.call(did, PERSON_CLEAR, NoParam())
                    await then()
                except (Unanswered, DeviceNonsense, CannotStoreNow):
                    await self._check_again(did)
                    raise
        if waiting.cancelled_caught:
            raise DeviceBusy("people are being sent to the device")

    async def _check_again(self, did: str) -> None:
        """Have a device checked that may have lost its people."""
        row = self._store.device_people.get(did)
        try:
            sn = self._devices.device(did).sn
            await self._store.device_people.save(replace(row, must_check=True), sn)
        except HubError as error:  # it is compared at night
            log.warning("cannot note that device %s must be checked: %s", did, error)
        self.decided(did)

    def decided(self, did: str) -> None:
        if (running := self._running.get(did)) is not None:
            running.pusher.look_again()

    def lock(self, did: str) -> trio.Lock:
        """Return the lock that is held while a device's people are changed or compared."""
        lock = self._locks.get(did)
        if lock is None:
            lock = self._locks[did] = trio.Lock()
        return lock

    def _versions(self, did: str) -> str:
        device = self._devices.device(did)
        parts = (device.fw_ver, device.sw_ver, device.os_ver, device.hw_ver)
        return " ".join(part or "-" for part in parts) if any(parts) else ""

    def _local_time(self) -> datetime:
        return datetime.fromtimestamp(self._clock.likely_time(), self._zone())

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _seconds_until(hour: int, now: datetime) -> float:
    """Return the seconds until the next time it is that hour."""
    then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    return (then - now).total_seconds()
