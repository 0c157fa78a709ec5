"""What is decided about the people on a device: compare, take over, remove, leave alone (D10)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.decoders import decode_json
from hub.errors import BadParameter, DeviceOffline, DeviceRefused, HubError, NoSuchResource
from hub.log import limited
from hub.services.audit import Actor
from hub.services.commands.files import DeviceFiles
from hub.services.devices.directory import Devices
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.services.people.register import PeopleRegister
from hub.services.people.sync.device_check import CheckProgress, Comparison
from hub.services.people.sync.pusher import SyncTools
from hub.store.jobs.jobs import Job
from hub.store.people.device_people import PeopleState
from hub.store.people.holdings import ItemResult
from hub.store.people.person_rows import PersonChange
from hub.store.tables.devices import Device
from hub.wire.commands.answers import Person as DeviceRow
from hub.wire.commands.dialect import PERSON_DELETE
from hub.wire.commands.param_structs import PersonDelete

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: What takes long, because the device has to be asked for each person.
LongDecision = Literal["compare", "take-over", "remove-unknown"]

_UNKNOWN_PAGE = 100
#: Codes of 1.15 that mean that nobody is there.
_GONE = (404, 426)


class UnknownOnDevice(Struct, frozen=True):
    """A person on a device that the register does not have, as the device tells it."""

    pid: str
    row: DeviceRow


class Pushing(Protocol):
    """The pushers, which keep the devices in step."""

    def lock(self, did: str) -> trio.Lock:
        """Return the lock of a device, which its pusher holds while it makes a step."""

    def decided(self, did: str) -> None:
        """Note that something was decided about a device."""


class Decisions:
    """Carries out decisions. They wait until the device's pusher is between two steps.

    Everything raises NoSuchResource, and what Commands.call() raises.
    """

    def __init__(
        self,
        core: Core,
        people: PeopleRegister,
        devices: Devices,
        files: DeviceFiles,
        jobs: Jobs,
        tools: SyncTools,
        pushing: Pushing,
    ) -> None:
        self._store = core.store
        self._people = people
        self._devices = devices
        self._commands = tools.commands
        self._files = files
        self._check = tools.check
        self._audit = core.audit
        self._jobs = jobs
        self._pushing = pushing

    async def unknown(
        self, did: str, *, after: str = "", limit: int = 100
    ) -> list[UnknownOnDevice]:
        """Return the people on a device that the register does not have."""
        self._devices.device(did)
        stored = await self._store.device_people.unknown(did, after=after, limit=limit)
        return [UnknownOnDevice(person.pid, _decoded(person.pid, person.row)) for person in stored]

    async def start(self, kind: LongDecision, did: str, *, by: Actor) -> Job:
        """Start a comparison or a decision as a job. Raises DeviceOffline at once."""
        self._device_online(did)

        async def work(progress: JobProgress) -> None:
            match kind:
                case "compare":
                    found = await self.compare(did, progress)
                    progress.expect((progress.job.total or 0) + 1)
                    await progress.note(0, "done", {"did": did, **asdict(found)})
                case "take-over":
                    await self.take_over(did, progress, by=by)
                case "remove-unknown":
                    await self.remove_unknown(did, progress, by=by)

        return await self._jobs.start(kind, {"did": did}, by, work)

    async def leave_alone(self, did: str, *, by: Actor) -> None:
        """Change nothing on a device any more, until somebody decides otherwise."""
        await self._decide(did, "alone", by)

    async def manage(self, did: str, *, by: Actor) -> None:
        """Keep a device in step that was left alone; it is looked at as a new one."""
        await self._decide(did, "new", by)

    async def compare(self, did: str, progress: CheckProgress | None = None) -> Comparison:
        """Compare the whole list of a device with the register; what differs is then repaired.

        Raises NoSuchResource, and what Commands.call() raises.
        """
        device = self._devices.device(did)
        async with self._pushing.lock(did):
            found = await self._check.compare(did, device.sn, progress)
        self._pushing.decided(did)
        return found

    async def take_over(
        self, did: str, progress: CheckProgress | None = None, *, by: Actor
    ) -> None:
        """Add the unknown people on a device to the register, and keep the device in step.

        They are put on the cameras of its groups; if it is in none, on all cameras.

        Somebody whose photo the device does not give stays unknown, and counts as failed.
        """
        await self._each_unknown(did, progress, lambda sn, one: self._take_over(did, sn, one, by))
        await self._audit.add(by, "person.take-over", did)

    async def remove_unknown(
        self, did: str, progress: CheckProgress | None = None, *, by: Actor
    ) -> None:
        """Delete the unknown people on a device, and keep the device in step."""
        await self._audit.add(by, "person.remove-unknown", did)
        await self._each_unknown(did, progress, lambda sn, one: self._delete(did, one))
        with suppress(HubError):
            await self._commands.people_changed(did)

    async def _decide(self, did: str, state: PeopleState, by: Actor) -> None:
        device = self._devices.device(did)
        # Nobody should have to wait for a camera that takes half an hour to tell its list.
        with self._check.cutting_short(did):
            async with self._pushing.lock(did):
                row = self._store.device_people.get(did)
                changed = replace(row, state=state, must_check=True)
                await self._store.device_people.save(changed, device.sn)
        await self._audit.add(by, "person.sync", f"{did} {state}")
        self._pushing.decided(did)

    async def _each_unknown(
        self,
        did: str,
        progress: CheckProgress | None,
        work: Callable[[str, UnknownOnDevice], Awaitable[None]],
    ) -> None:
        """Do the work for each unknown person; what fails stays unknown and is counted."""
        device = self._device_online(did)
        before = self._store.device_people.get(did).state
        if progress is not None:
            progress.expect(await self._store.device_people.count_unknown(did))
        after, failed = "", 0
        while people := await self.unknown(did, after=after, limit=_UNKNOWN_PAGE):
            after = people[-1].pid
            for one in people:
                is_done = await self._one_unknown(did, device.sn, one, work)
                failed += not is_done
                if progress is not None:
                    await progress.advance(done=int(is_done), failed=int(not is_done))
        if not failed:
            await self._end_indecision(did, device.sn, before)
        self._pushing.decided(did)

    def _device_online(self, did: str) -> Device:
        device = self._devices.device(did)
        if self._devices.link(did) is None:
            raise DeviceOffline("the device is offline")
        return device

    async def _one_unknown(
        self,
        did: str,
        sn: str,
        one: UnknownOnDevice,
        work: Callable[[str, UnknownOnDevice], Awaitable[None]],
    ) -> bool:
        try:
            async with self._pushing.lock(did):
                # Somebody may have added the person to the register since it was listed.
                if await self._store.device_people.is_unknown(did, one.pid):
                    await work(sn, one)
                    await self._store.device_people.drop_unknown(did, [one.pid])
        except (BadParameter, DeviceRefused, NoSuchResource) as error:
            limited(
                log,
                logging.INFO,
                f"unknown {did}",
                "an unknown person on device %s stays there: %s",
                did,
                error,
            )
            return False
        return True

    async def _take_over(self, did: str, sn: str, one: UnknownOnDevice, by: Actor) -> None:
        row = one.row
        groups = tuple(group.id for group in self._store.camera_groups.of_device(did))
        photo = await self._files.picture(did, row.photo or "")
        change = PersonChange(
            name=row.name or one.pid,
            work_id=row.work_id or "",
            id_card_no=row.id_card_no or "",
            ic_card_no=row.ic_card_no or "",
            gender=_gender(row.gender),
            age=row.age if row.age and row.age <= 150 else None,
            department=row.department or "",
            phone=row.phone or "",
            category=_category(row.category),
            groups=groups,
            photo=photo.data,
        )
        person = await self._people.add(change, by=by, pid=one.pid)
        # The device holds it already, with this photo.
        held = ItemResult(pid=person.pid, revision=person.revision)
        await self._store.holdings.note(did, sn, [held])

    async def _delete(self, did: str, one: UnknownOnDevice) -> None:
        try:
            await self._commands.exchange(did, PERSON_DELETE, PersonDelete(pid=one.pid))
        except DeviceRefused as refusal:
            if refusal.device_code not in _GONE:
                raise

    async def _end_indecision(self, did: str, sn: str, before: PeopleState) -> None:
        """Keep the device in step, unless somebody decided otherwise meanwhile."""
        async with self._pushing.lock(did):
            row = self._store.device_people.get(did)
            if row.state == before != "managed":
                await self._store.device_people.save(replace(row, state="managed"), sn)


def _decoded(pid: str, row: str) -> DeviceRow:
    """The device's row; of a damaged one, the pid."""
    try:
        return decode_json(row, DeviceRow)
    except (msgspec.MsgspecError, ValueError):
        return DeviceRow(pid=pid)


def _gender(told: int | None) -> int | None:
    return told if told in (1, 2) else None


def _category(told: int | None) -> int:
    return told if told in (2, 3, 4) else 1
