"""Requests about devices: enrolment, keys, their list, and the frame trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.process.control.request import ControlRequest
from hub.services.admission.enrolment import CodeCheck
from hub.services.admission.provisioning import DeliveryOutcome
from hub.services.audit import COMMAND_LINE
from hub.services.devices.csv_import import DeviceCsv
from hub.services.devices.directory import DeviceChange, NewDevice
from hub.services.devices.frame_trace import TracedFrame
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.services import Services


class AddDevice(ControlRequest[str], frozen=True, tag="device.add"):
    """Enrol a device. Returns its did."""

    device: NewDevice
    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        added = await services.cameras.devices.add(self.device)
        await services.core.audit.add(COMMAND_LINE, "device.add", added.did)
        return added.did


class ImportDevices(ControlRequest[list[str]], frozen=True, tag="device.import"):
    """Enrol all devices of a CSV file, or none. Returns their dids in the order of the rows."""

    sheet: DeviceCsv
    result: ClassVar[Any] = list[str]

    async def perform(self, services: Services) -> list[str]:
        dids = [added.did for added in await services.cameras.devices.import_csv(self.sheet)]
        await services.core.audit.add_each(COMMAND_LINE, "device.add", dids)
        return dids


class ExportDevices(ControlRequest[str], frozen=True, tag="device.export"):
    """Return all devices as CSV text."""

    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        return services.cameras.devices.export_csv()


class ListedDevice(Struct, frozen=True):
    """A device as `device list` shows it; `last_seen` is RFC 3339."""

    did: str
    sn: str
    name: str
    state: str
    ip: str | None
    last_seen: str | None
    waiting_reason: str | None


class ListDevices(ControlRequest[list[ListedDevice]], frozen=True, tag="device.list"):
    """List the enrolled devices."""

    result: ClassVar[Any] = list[ListedDevice]

    async def perform(self, services: Services) -> list[ListedDevice]:
        return [
            ListedDevice(
                did=device.did,
                sn=device.sn,
                name=device.name,
                state=device.state,
                ip=device.ip,
                last_seen=None if device.last_seen is None else format_rfc3339(device.last_seen),
                waiting_reason=device.waiting_reason,
            )
            for device in services.cameras.devices.list()
        ]


class ChangeDevice(ControlRequest[None], frozen=True, tag="device.change"):
    """Change the fields of a device that `change` sets."""

    did: str
    change: DeviceChange

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.change(self.did, self.change)
        await services.core.audit.add(COMMAND_LINE, "device.change", self.did)


class RemoveDevice(ControlRequest[None], frozen=True, tag="device.remove"):
    """Remove a device; its records stay."""

    did: str

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.remove(self.did)
        await services.core.audit.add(COMMAND_LINE, "device.remove", self.did)


class ListedPendingDevice(Struct, frozen=True):
    """A pending device, as `device waiting` shows it; times are RFC 3339, the offset seconds."""

    sn: str
    ip: str
    first_seen: str
    last_seen: str
    tries: int
    clock_offset: float
    reason: str


class ListPendingDevices(
    ControlRequest[list[ListedPendingDevice]], frozen=True, tag="device.waiting"
):
    """List the devices that connect but are not enrolled."""

    result: ClassVar[Any] = list[ListedPendingDevice]

    async def perform(self, services: Services) -> list[ListedPendingDevice]:
        return [
            ListedPendingDevice(
                sn=waiting.sn,
                ip=waiting.attempt.ip,
                first_seen=format_rfc3339(waiting.first_seen),
                last_seen=format_rfc3339(waiting.last_seen),
                tries=waiting.tries,
                clock_offset=round(waiting.attempt.clock_offset, 3),
                reason=waiting.reason,
            )
            for waiting in services.cameras.enrolment.waiting()
        ]


class CheckCode(ControlRequest[CodeCheck], frozen=True, tag="device.check"):
    """Check a code (and key) against the last connect attempt of a pending device."""

    sn: str
    code: str
    key: str | None
    result: ClassVar[Any] = CodeCheck

    async def perform(self, services: Services) -> CodeCheck:
        return services.cameras.enrolment.check_code(self.sn, self.code, self.key)


class ProvisionedDevice(Struct, frozen=True):
    """A device, and the outcome of sending it its initial parameters."""

    did: str
    outcome: DeliveryOutcome
    message: str


class AcceptDevice(ControlRequest[ProvisionedDevice], frozen=True, tag="device.accept"):
    """Enrol a pending device and send it its initial parameters."""

    sn: str
    code: str
    key: str | None = None
    name: str = ""
    did: str | None = None
    replaces: str | None = None
    result: ClassVar[Any] = ProvisionedDevice

    async def perform(self, services: Services) -> ProvisionedDevice:
        accepted = await services.cameras.enrolment.accept(
            self.sn,
            self.code,
            key=self.key,
            name=self.name,
            did=self.did,
            replaces=self.replaces,
        )
        did = accepted.device.did
        await services.core.audit.add(COMMAND_LINE, "device.accept", did)
        return ProvisionedDevice(did, accepted.outcome, accepted.message)


class SendInitialParameters(ControlRequest[ProvisionedDevice], frozen=True, tag="device.init"):
    """Send a device its initial parameters again."""

    did: str
    result: ClassVar[Any] = ProvisionedDevice

    async def perform(self, services: Services) -> ProvisionedDevice:
        delivery = await services.cameras.enrolment.provisioning.send_again(self.did)
        await services.core.audit.add(COMMAND_LINE, "device.init", self.did)
        return ProvisionedDevice(self.did, delivery.outcome, delivery.message)


class RemoveSiteKey(ControlRequest[None], frozen=True, tag="site-key.remove"):
    """Remove the site key: devices without a key of their own are refused."""

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.remove_site_key()
        await services.core.audit.add(COMMAND_LINE, "site-key.remove", "")


class TraceDevice(ControlRequest[list[TracedFrame]], frozen=True, tag="device.trace"):
    """Return the traced frames with numbers above `after`.

    `device` is a did, or the serial number of a pending device. If there are no such frames, the
    hub waits for one for up to `seconds`.
    """

    device: str
    after: int
    seconds: float
    result: ClassVar[Any] = list[TracedFrame]
    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> list[TracedFrame]:
        trace = services.cameras.trace
        try:
            return await trace.wait(self.device, self.after, self.seconds)
        except NoSuchResource:
            return await trace.wait_for_pending(self.device, self.after, self.seconds)


class SetSiteKey(ControlRequest[None], frozen=True, tag="site-key"):
    """Set the site key, given as PEM text."""

    pem: str

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.set_site_key(self.pem)
        await services.core.audit.add(COMMAND_LINE, "site-key.set", "")


#: Distinguished by their tags.
AnyDeviceRequest = (
    AddDevice
    | ImportDevices
    | ExportDevices
    | ListDevices
    | ChangeDevice
    | RemoveDevice
    | ListPendingDevices
    | CheckCode
    | AcceptDevice
    | SendInitialParameters
    | RemoveSiteKey
    | TraceDevice
    | SetSiteKey
)
