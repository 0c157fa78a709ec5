"""The hub's names of cameras, written into the pictures of many cameras, as a job (D12).

Only the name changes: the other texts are sent as the camera has just said them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio
from msgspec import UNSET, Struct
from msgspec.structs import asdict

from hub.errors import BadParameter, DeviceNonsense, DeviceRefused, HubError
from hub.services.audit import Actor, Audit
from hub.services.camera_functions.readings import CameraReadings
from hub.services.commands.calls import Commands
from hub.services.commands.many import DeviceOutcome
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.services.devices.views import DeviceView
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.store.jobs.jobs import Job
from hub.store.tables.devices import Device
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.edition_3_commands import GET_OSD, SET_OSD
from hub.wire.commands.edition_3_params import Osd
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.params import check_fields

#: Cameras that are asked at the same time.
_AT_ONCE = 32
_MAX_NAME = field_specs(Osd)["channel_name"].most


class NamesSubject(Struct, frozen=True):
    """What the job was asked to do: nothing that its title does not say."""


class PictureNames:
    """Writes the names. Cameras that are offline keep what they show."""

    def __init__(
        self,
        devices: Devices,
        capabilities: CameraCapabilities,
        commands: Commands,
        readings: CameraReadings,
        jobs: Jobs,
        audit: Audit,
    ) -> None:
        self._devices = devices
        self._capabilities = capabilities
        self._commands = commands
        self._readings = readings
        self._jobs = jobs
        self._audit = audit
        self._limit = trio.CapacityLimiter(_AT_ONCE)

    def is_capable(self, did: str) -> bool:
        """Whether the camera can be told what stands in its picture, as far as is known."""
        return may_know(self._capabilities.of(did), "image")

    async def write(self, dids: Sequence[str], by: Actor) -> Job:
        """Write the names into the pictures of those of the cameras that can do so.

        Raises BadParameter if none can, NoSuchResource, and TooManyRequests.
        """
        for did in dids:
            self._devices.device(did)
        capable = [did for did in dict.fromkeys(dids) if self.is_capable(did)]
        if not capable:
            raise BadParameter("at least one device that can do this is expected", field="dids")

        async def work(progress: JobProgress) -> None:
            async with trio.open_nursery() as nursery:
                for position, did in enumerate(capable):
                    nursery.start_soon(self._write, progress, position, did)

        items = [DeviceOutcome(did) for did in capable]
        job = await self._jobs.start("osd-name", NamesSubject(), by, work, items=items)
        await self._audit.add_each(
            by, "device.set_image", [f"{did} job {job.id}" for did in capable]
        )
        return job

    async def _write(self, progress: JobProgress, position: int, did: str) -> None:
        async with self._limit:
            await progress.note(position, "running")
            try:
                await self._write_name(did)
            except HubError as error:
                await progress.note(position, "failed", _outcome(did, error))
            else:
                await progress.note(position, "done", DeviceOutcome(did, 0))

    async def _write_name(self, did: str) -> None:
        device = self._devices.device(did)
        reading = await self._readings.read(did, GET_OSD, anew=True)
        if reading.error is not None or reading.value is None:
            raise reading.error or DeviceNonsense("the device does not say what its picture shows")
        try:
            texts: dict[str, Any] = asdict(reading.value) | {
                "channel_name": name_for_picture(device)
            }
            param: Osd = check_fields(SET_OSD, texts)
        except BadParameter as error:
            raise DeviceNonsense(f"its other texts cannot be sent back: {error.message}") from None
        await self._commands.call(did, SET_OSD, param)
        self._readings.forget(did, GET_OSD)


def name_for_picture(device: Device | DeviceView) -> str:
    """The hub's name of a camera, as far as the picture has room for it."""
    return (device.name or device.sn)[:_MAX_NAME]


def _outcome(did: str, error: HubError) -> DeviceOutcome:
    if isinstance(error, DeviceRefused):
        return DeviceOutcome(did, error.device_code, error.device_msg)
    return DeviceOutcome(did, UNSET, error.message)
