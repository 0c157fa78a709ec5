"""The same setting, or a restart, for many devices: each as a job that shows every answer.

Settings (1.5, 1.6) are desired state: a device that is offline gets them when it comes; they do not
wait for one that is refused. They may be some fields of a setting: the others stay what the device
has last accepted. A restart (1.9) is for the devices that are online now.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from msgspec import UNSET, Raw, Struct, UnsetType

from hub.decoders import decode_json
from hub.errors import (
    BadParameter,
    DeviceNonsense,
    DeviceRefused,
    HubError,
    NoSuchResource,
    NotSent,
    Unanswered,
)
from hub.live.feed import Change, keys_of, of_kinds
from hub.live.registry import Link
from hub.log import limited
from hub.services.audit import Actor
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.store.jobs.jobs import ItemState, Job
from hub.store.jobs.pending_settings import PendingSetting
from hub.store.tables.device_settings import SettingName
from hub.wire.commands.dialect import REBOOT, SET_FACE, SET_RECORDING, Command
from hub.wire.commands.param_structs import FaceParam, Reboot, RecordParam
from hub.wire.commands.params import changed_param, check_param, encode_param, merge_changes

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: Devices that are asked at the same time.
_AT_ONCE = 32
#: How long to wait before a device that was busy, or did not answer, gets a setting again.
_PAUSES = (5.0, 15.0, 60.0, 300.0)

#: Nothing reads settings back from a device, which wants all fields at once.
_UNKNOWN = "its other settings are not known: send all of them once"
#: A device is refused for good if it was all this time: its clock may be set after its start.
_REFUSED_MS = 60_000
_REFUSED = "the device is refused"

_SETTINGS: dict[str, Command[Any, Any]] = {"face": SET_FACE, "recording": SET_RECORDING}


class ManySubject(Struct, frozen=True):
    """What many devices were told: a setting's name ("face", "recording"), or "restart".

    `param`: of a setting, the fields that change.
    """

    name: str
    param: Raw


class DeviceOutcome(Struct, frozen=True, omit_defaults=True):
    """The item of one device. `code`, `msg`: what it answered; no code if it did not.

    `is_unknown`: nothing was sent, because the other fields of the setting are not known.
    `is_refused`: nor was anything, because it is not let in. `later_job`: the job that sends these
    changes together with its own.
    """

    did: str
    code: int | UnsetType = UNSET
    msg: str = ""
    is_unknown: bool = False
    is_refused: bool = False
    later_job: int | UnsetType = UNSET


class _Delivery(Struct):
    """What is being sent to one device, and on which connection.

    `at_once`: set when the device must not wait for the end of a pause.
    """

    link: Link
    at_once: trio.Event


class ManyDevices:
    """Sends settings and restarts to many devices. run() delivers settings when devices come."""

    def __init__(self, core: Core, devices: Devices, commands: Commands, jobs: Jobs) -> None:
        self._store = core.store
        self._devices = devices
        self._commands = commands
        self._jobs = jobs
        self._audit = core.audit
        self._change_feed = core.changes
        self._now = core.now
        self._limit = trio.CapacityLimiter(_AT_ONCE)
        self._deliveries: dict[str, _Delivery] = {}
        jobs.on_cancel("settings", self._withdraw)

    async def apply_setting(
        self,
        name: SettingName,
        param: FaceParam | RecordParam | Raw,
        dids: Sequence[str],
        by: Actor,
        *,
        whole: Mapping[str, Raw] = {},
    ) -> Job:
        """Give devices a setting, which was checked: at once, or when they come.

        `param`: the whole setting, or from check_changes() the fields that change. What a device
        still waits for goes with it, as far as it does not change the same. `whole`: by did, the
        whole setting of devices whose other fields are not known: what nothing of that changes.
        Raises BadParameter without devices, NoSuchResource for one that is unknown.
        """
        dids = self._known(dids)
        sent = param if isinstance(param, Raw) else encode_param(_SETTINGS[name], param)
        # Before there is a job, which nothing else would end.
        params = [await self._with_rest(did, name, whole.get(did), sent) for did in dids]
        job = await self._jobs.add(
            "settings", ManySubject(name, sent), by, items=[DeviceOutcome(did) for did in dids]
        )
        at = self._ms()
        settings = [
            PendingSetting(
                did=did,
                name=name,
                param=param,
                job=job.id,
                position=position,
                asked_by=by.who,
                asked_at=at,
            )
            for position, (did, param) in enumerate(zip(dids, params, strict=True))
        ]
        try:
            await self._store.pending_settings.put(settings)
        except HubError:
            with suppress(HubError):
                await self._withdraw(job.id)
            raise
        await self._audit.add_each(
            by, f"device.set_{name}", [f"{did} job {job.id}" for did in dids]
        )
        for did in self._deliveries.keys() & set(dids):
            self._deliveries[did].at_once.set()
        # Begins the other deliveries, in run().
        self._change_feed.publish([Change("device", did) for did in dids])
        return job

    async def _with_rest(self, did: str, name: SettingName, rest: Raw | None, sent: Raw) -> str:
        """Return the fields that change, and the rest of the setting if it is given."""
        text = bytes(sent).decode()
        if rest is None:
            return text
        fields = decode_json(rest, dict)
        pending = [one.param for one in await self.waiting(did) if one.name == name]
        for changes in (*pending, text):
            fields = merge_changes(fields, decode_json(changes, dict))
        return msgspec.json.encode(fields).decode()

    async def restart(self, delay_ms: int, dids: Sequence[str], by: Actor) -> Job:
        """Restart the devices that are online. Raises BadParameter, NoSuchResource."""
        dids = self._known(dids)
        param = check_param(REBOOT, msgspec.json.encode({"delay_ms": delay_ms}))
        subject = ManySubject("restart", encode_param(REBOOT, param))

        async def work(progress: JobProgress) -> None:
            async with trio.open_nursery() as nursery:
                for position, did in enumerate(dids):
                    nursery.start_soon(self._restart, progress, position, did, param)

        job = await self._jobs.start(
            "restart", subject, by, work, items=[DeviceOutcome(did) for did in dids]
        )
        await self._audit.add_each(by, "device.reboot", [f"{did} job {job.id}" for did in dids])
        return job

    async def waiting(self, did: str) -> list[PendingSetting]:
        """Return the settings that a device has not got yet."""
        return (
            await self._store.pending_settings.of_device(did)
            if did in self._store.pending_settings.dids
            else []
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver settings to devices that are online, or come online, until cancelled."""
        with self._change_feed.subscribe(4096, wants=of_kinds("device")) as changes:
            async with trio.open_nursery() as nursery:
                task_status.started()
                await self._settle()
                self._look_at(nursery, self._store.pending_settings.dids)
                while True:
                    dids = keys_of("device", await changes.next())
                    if dids is None:
                        await self._settle()
                        self._look_at(nursery, self._store.pending_settings.dids)
                        continue
                    if any(self._store.devices.by_did(did) is None for did in dids):
                        await self._settle()
                    self._look_at(nursery, dids & self._store.pending_settings.dids)

    # -- delivering

    def _look_at(self, nursery: trio.Nursery, dids: set[str]) -> None:
        """Deliver to these devices, as far as they are online; give up on those refused."""
        for did in dids:
            link, delivery = self._devices.link(did), self._deliveries.get(did)
            if link is None:
                if self._is_refused(did):
                    nursery.start_soon(self._give_up, did)
            elif delivery is None:
                self._deliveries[did] = delivery = _Delivery(link, trio.Event())
                nursery.start_soon(self._deliver, did, delivery)
            elif link is not delivery.link:
                delivery.at_once.set()

    def _is_refused(self, did: str) -> bool:
        try:
            tried = self._devices.get(did).waiting
        except NoSuchResource:
            return False
        if tried is None or not tried.is_refused:
            return False
        return tried.last_seen - tried.first_seen >= _REFUSED_MS

    async def _give_up(self, did: str) -> None:
        """End what waits for a device that is refused, unless it was let in meanwhile."""
        outcome = DeviceOutcome(did, msg=_REFUSED, is_refused=True)
        try:
            for setting in await self.waiting(did):
                if self._devices.link(did) is None:
                    await self._note(setting, "failed", outcome)
        except HubError as error:
            limited(log, logging.WARNING, "pending settings", "a job goes on later: %s", error)

    async def _deliver(self, did: str, delivery: _Delivery) -> None:
        """Send a device its settings, until it has all of them or is offline."""
        failures = 0
        while (link := self._devices.link(did)) is not None:
            delivery.link, delivery.at_once = link, trio.Event()
            if await self._send_all(did):
                failures = 0
                if not delivery.at_once.is_set():
                    break
            else:
                failures += 1
                with trio.move_on_after(_PAUSES[min(failures, len(_PAUSES)) - 1]):
                    await delivery.at_once.wait()
        del self._deliveries[did]

    async def _send_all(self, did: str) -> bool:
        """Send a device its settings; return whether all of them were answered."""
        try:
            async with self._limit:
                return all([await self._send(setting) for setting in await self.waiting(did)])
        except HubError as error:
            limited(
                log, logging.WARNING, "pending settings", "settings are delivered later: %s", error
            )
            return False

    async def _send(self, setting: PendingSetting) -> bool:
        """Send a setting, and note the answer; return whether there was one."""
        if not await self._note(setting, "running", DeviceOutcome(setting.did)):
            return True
        command = _SETTINGS[setting.name]
        try:
            known = getattr(self._commands.settings(setting.did), setting.name)
            param = changed_param(command, known and known.taken, setting.param.encode())
            if param is None:
                unknown = DeviceOutcome(setting.did, msg=_UNKNOWN, is_unknown=True)
                await self._note(setting, "failed", unknown)
                return True
            await self._commands.call(setting.did, command, param)
        except (NotSent, Unanswered) as error:
            await self._note(setting, "waiting", DeviceOutcome(setting.did, msg=error.message))
            return False
        except (DeviceRefused, DeviceNonsense, NoSuchResource, BadParameter) as error:
            await self._note(setting, "failed", _outcome(setting.did, error))
        else:
            await self._note(setting, "done", DeviceOutcome(setting.did, 0))
        return True

    async def _restart(self, progress: JobProgress, position: int, did: str, param: Reboot) -> None:
        async with self._limit:
            await progress.note(position, "running")
            try:
                await self._commands.call(did, REBOOT, param)
            except HubError as error:
                await progress.note(position, "failed", _outcome(did, error))
            else:
                await progress.note(position, "done", DeviceOutcome(did, 0))

    # -- noting

    async def _note(
        self, setting: PendingSetting, state: ItemState, outcome: DeviceOutcome
    ) -> bool:
        is_current = await self._store.pending_settings.note(setting, state, outcome, self._ms())
        if setting.job is not None:
            self._jobs.changed(setting.job)
        return is_current

    async def _withdraw(self, job_id: int) -> None:
        await self._store.pending_settings.withdraw(job_id, self._ms())

    async def _settle(self) -> None:
        """Note what will never be delivered, because the device was removed."""
        try:
            for job_id in await self._store.pending_settings.settle(
                "the device was removed", self._ms()
            ):
                self._jobs.changed(job_id)
        except HubError as error:
            limited(log, logging.WARNING, "pending settings", "a job goes on later: %s", error)

    def _known(self, dids: Sequence[str]) -> Sequence[str]:
        """Return the dids once each. Raises BadParameter, NoSuchResource."""
        if not dids:
            raise BadParameter("at least one device is expected", field="dids")
        for did in dids:
            self._devices.device(did)
        return list(dict.fromkeys(dids))

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _outcome(did: str, error: HubError) -> DeviceOutcome:
    if isinstance(error, DeviceRefused):
        return DeviceOutcome(did, error.device_code, error.device_msg)
    return DeviceOutcome(did, msg=error.message)
