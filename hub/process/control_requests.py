"""What the command line asks for: one struct per command, which carries it out on the services.

The same request is carried out by the running hub (hub.process.control_channel takes it there)
or, where none runs, by the command's own process. Every change is written to the audit log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.services.access.api_keys import NewApiKey
from hub.services.access.audit import COMMAND_LINE
from hub.services.devices.csv_import import DeviceCsv
from hub.services.devices.directory import DeviceChange, NewDevice
from hub.services.devices.enrolment import CodeCheck
from hub.services.devices.frame_trace import Frame
from hub.services.devices.provisioning import Outcome
from hub.services.firmware.campaigns import Campaign
from hub.services.firmware.downloads import Download
from hub.services.firmware.releases import NewRelease, Release
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.services import Services

R = TypeVar("R")


class ControlRequest(
    Struct, Generic[R], frozen=True, tag_field="operation", forbid_unknown_fields=True
):
    """One command. `perform` raises HubErrors whose message is for the person who gave it."""

    #: The type of the result, for whoever has to decode it.
    result: ClassVar[Any] = None
    #: Whether it asks for what only a running hub has.
    needs_running_hub: ClassVar[bool] = False

    async def perform(self, services: Services) -> R:
        raise NotImplementedError

    def __repr__(self) -> str:
        # Passwords and codes are in here.
        return f"{type(self).__name__}(...)"


# Devices


class AddDevice(ControlRequest[str], frozen=True, tag="device.add"):
    """Gives the new did."""

    device: NewDevice
    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        added = await services.devices.add(self.device)
        await services.audit.add(COMMAND_LINE, "device.add", added.did)
        return added.did


class ImportDevices(ControlRequest[list[str]], frozen=True, tag="device.import"):
    """All or nothing. Gives the new dids in the order of the rows."""

    sheet: DeviceCsv
    result: ClassVar[Any] = list[str]

    async def perform(self, services: Services) -> list[str]:
        dids = [added.did for added in await services.devices.import_csv(self.sheet)]
        await services.audit.add_each(COMMAND_LINE, "device.add", dids)
        return dids


class ExportDevices(ControlRequest[str], frozen=True, tag="device.export"):
    """Gives the sheet as CSV."""

    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        return services.devices.export_csv()


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
            for device in services.devices.list()
        ]


class ChangeDevice(ControlRequest[None], frozen=True, tag="device.change"):
    did: str
    change: DeviceChange

    async def perform(self, services: Services) -> None:
        await services.devices.change(self.did, self.change)
        await services.audit.add(COMMAND_LINE, "device.change", self.did)


class RemoveDevice(ControlRequest[None], frozen=True, tag="device.remove"):
    did: str

    async def perform(self, services: Services) -> None:
        await services.devices.remove(self.did)
        await services.audit.add(COMMAND_LINE, "device.remove", self.did)


class ListedWaiting(Struct, frozen=True):
    """A device that waits, as `device waiting` shows it; times are RFC 3339."""

    sn: str
    ip: str
    first_seen: str
    last_seen: str
    tries: int
    clock_offset: float
    reason: str


class ListWaiting(ControlRequest[list[ListedWaiting]], frozen=True, tag="device.waiting"):
    result: ClassVar[Any] = list[ListedWaiting]

    async def perform(self, services: Services) -> list[ListedWaiting]:
        return [
            ListedWaiting(
                sn=waiting.sn,
                ip=waiting.attempt.ip,
                first_seen=format_rfc3339(waiting.first_seen),
                last_seen=format_rfc3339(waiting.last_seen),
                tries=waiting.tries,
                clock_offset=round(waiting.attempt.clock_offset, 3),
                reason=waiting.reason,
            )
            for waiting in services.enrolment.waiting()
        ]


class CheckCode(ControlRequest[CodeCheck], frozen=True, tag="device.check"):
    sn: str
    code: str
    key: str | None
    result: ClassVar[Any] = CodeCheck

    async def perform(self, services: Services) -> CodeCheck:
        return services.enrolment.check_code(self.sn, self.code, self.key)


class DeliveredDevice(Struct, frozen=True):
    """A device, and how it took its initial parameters."""

    did: str
    outcome: Outcome
    message: str


class AcceptDevice(ControlRequest[DeliveredDevice], frozen=True, tag="device.accept"):
    sn: str
    code: str
    key: str | None = None
    name: str = ""
    did: str | None = None
    replaces: str | None = None
    result: ClassVar[Any] = DeliveredDevice

    async def perform(self, services: Services) -> DeliveredDevice:
        accepted = await services.enrolment.accept(
            self.sn,
            self.code,
            key=self.key,
            name=self.name,
            did=self.did,
            replaces=self.replaces,
        )
        did = accepted.device.did
        await services.audit.add(COMMAND_LINE, "device.accept", did)
        return DeliveredDevice(did, accepted.outcome, accepted.message)


class SendParameters(ControlRequest[DeliveredDevice], frozen=True, tag="device.init"):
    """The initial parameters, once more."""

    did: str
    result: ClassVar[Any] = DeliveredDevice

    async def perform(self, services: Services) -> DeliveredDevice:
        delivery = await services.enrolment.initial.send_again(self.did)
        await services.audit.add(COMMAND_LINE, "device.init", self.did)
        return DeliveredDevice(self.did, delivery.outcome, delivery.message)


class RemoveSiteKey(ControlRequest[None], frozen=True, tag="site-key.remove"):
    async def perform(self, services: Services) -> None:
        await services.devices.remove_site_key()
        await services.audit.add(COMMAND_LINE, "site-key.remove", "")


class TraceDevice(ControlRequest[list[Frame]], frozen=True, tag="device.trace"):
    """The frames after that number, of a did or of the serial number of one that waits; where
    there are none, as soon as one comes, but within so many seconds."""

    device: str
    after: int
    seconds: float
    result: ClassVar[Any] = list[Frame]
    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> list[Frame]:
        trace = services.trace
        try:
            return await trace.wait(self.device, self.after, self.seconds)
        except NoSuchResource:
            return await trace.wait_for_waiting(self.device, self.after, self.seconds)


class SetSiteKey(ControlRequest[None], frozen=True, tag="site-key"):
    pem: str

    async def perform(self, services: Services) -> None:
        await services.devices.set_site_key(self.pem)
        await services.audit.add(COMMAND_LINE, "site-key.set", "")


# Users. Accounts writes the audit log itself.


class AddUser(ControlRequest[None], frozen=True, tag="user.add"):
    name: str
    role: str
    password: str

    async def perform(self, services: Services) -> None:
        await services.users.add(self.name, self.role, self.password, by=COMMAND_LINE)


class SetPassword(ControlRequest[None], frozen=True, tag="user.passwd"):
    name: str
    password: str

    async def perform(self, services: Services) -> None:
        await services.users.set_password(self.name, self.password, by=COMMAND_LINE)


class ListedUser(Struct, frozen=True):
    """A user as `user list` shows it; `created_at` is RFC 3339."""

    name: str
    role: str
    created_at: str


class ListUsers(ControlRequest[list[ListedUser]], frozen=True, tag="user.list"):
    result: ClassVar[Any] = list[ListedUser]

    async def perform(self, services: Services) -> list[ListedUser]:
        return [
            ListedUser(user.name, user.role, format_rfc3339(user.created_at))
            for user in services.users.all()
        ]


class RemoveUser(ControlRequest[None], frozen=True, tag="user.remove"):
    name: str

    async def perform(self, services: Services) -> None:
        await services.users.remove(self.name, by=COMMAND_LINE)


class NewSetupLink(ControlRequest[str], frozen=True, tag="user.setup-link"):
    """Gives the link as it is opened in a browser; an earlier one is good no more."""

    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        token = await services.setup_links.create(by=COMMAND_LINE)
        return f"{dashboard_urls(services)[0]}setup/{token}"


# Integrators' keys. Accounts writes the audit log itself.


class AddApiKey(ControlRequest[NewApiKey], frozen=True, tag="apikey.add"):
    name: str
    read_only: bool
    result: ClassVar[Any] = NewApiKey

    async def perform(self, services: Services) -> NewApiKey:
        return await services.api_keys.add(self.name, self.read_only, by=COMMAND_LINE)


class ListedApiKey(Struct, frozen=True):
    """A key as `apikey list` shows it, without its secret; `created_at` is RFC 3339."""

    appid: str
    name: str
    read_only: bool
    created_at: str


class ListApiKeys(ControlRequest[list[ListedApiKey]], frozen=True, tag="apikey.list"):
    result: ClassVar[Any] = list[ListedApiKey]

    async def perform(self, services: Services) -> list[ListedApiKey]:
        return [
            ListedApiKey(key.appid, key.name, key.read_only, format_rfc3339(key.created_at))
            for key in services.api_keys.all()
        ]


class RemoveApiKey(ControlRequest[None], frozen=True, tag="apikey.remove"):
    appid: str

    async def perform(self, services: Services) -> None:
        await services.api_keys.remove(self.appid, by=COMMAND_LINE)


# Firmware


class CheckFirmwareRoom(ControlRequest[None], frozen=True, tag="firmware.room"):
    """Fails where the disk has no room for files of so many bytes."""

    size: int

    async def perform(self, services: Services) -> None:
        services.releases.check_disk(self.size)


class TakeFirmwareFile(ControlRequest[str], frozen=True, tag="firmware.take"):
    """Takes over a file that was laid into the data directory; gives its SHA-256."""

    staged: str
    result: ClassVar[Any] = str

    async def perform(self, services: Services) -> str:
        return (await services.releases.take_staged(self.staged)).sha256


class AddRelease(ControlRequest[int], frozen=True, tag="firmware.add"):
    """Gives the new release's id."""

    release: NewRelease
    result: ClassVar[Any] = int

    async def perform(self, services: Services) -> int:
        added = await services.releases.add(self.release)
        await services.audit.add(COMMAND_LINE, "firmware.add", str(added.id))
        return added.id


class ListReleases(ControlRequest[list[Release]], frozen=True, tag="firmware.list"):
    result: ClassVar[Any] = list[Release]

    async def perform(self, services: Services) -> list[Release]:
        return list(services.releases.all())


class RemoveRelease(ControlRequest[None], frozen=True, tag="firmware.remove"):
    id: int

    async def perform(self, services: Services) -> None:
        await services.releases.remove(self.id)
        await services.audit.add(COMMAND_LINE, "firmware.remove", str(self.id))


class StartCampaign(ControlRequest[int], frozen=True, tag="campaign.start"):
    """Gives the new campaign's id. `dids` is None for every device that is enabled."""

    release: int
    dids: tuple[str, ...] | None
    result: ClassVar[Any] = int

    async def perform(self, services: Services) -> int:
        dids = self.dids
        if dids is None:
            dids = tuple(device.did for device in services.devices.list() if device.enabled)
        started = await services.campaigns.start(self.release, dids)
        await services.audit.add(COMMAND_LINE, "campaign.start", str(started.id))
        return started.id


class ListCampaigns(ControlRequest[list[Campaign]], frozen=True, tag="campaign.list"):
    """All of them, or the one with this id."""

    id: int | None = None
    result: ClassVar[Any] = list[Campaign]

    async def perform(self, services: Services) -> list[Campaign]:
        if self.id is not None:
            return [services.campaigns.campaign(self.id)]
        return services.campaigns.campaigns()


class ChangeCampaign(ControlRequest[None], frozen=True, tag="campaign.change"):
    id: int
    step: Literal["pause", "resume", "stop"]

    async def perform(self, services: Services) -> None:
        campaigns = services.campaigns
        steps = {"pause": campaigns.pause, "resume": campaigns.resume, "stop": campaigns.stop}
        await steps[self.step](self.id)
        await services.audit.add(COMMAND_LINE, f"campaign.{self.step}", str(self.id))


class ListDownloads(ControlRequest[list[Download]], frozen=True, tag="firmware.downloads"):
    result: ClassVar[Any] = list[Download]

    async def perform(self, services: Services) -> list[Download]:
        return services.downloads.downloads()


#: Every operation there is, told apart by its tag.
AnyControlRequest = (
    AddDevice
    | ImportDevices
    | ExportDevices
    | ListDevices
    | ChangeDevice
    | RemoveDevice
    | ListWaiting
    | CheckCode
    | AcceptDevice
    | SendParameters
    | TraceDevice
    | SetSiteKey
    | RemoveSiteKey
    | AddUser
    | SetPassword
    | ListUsers
    | RemoveUser
    | NewSetupLink
    | AddApiKey
    | ListApiKeys
    | RemoveApiKey
    | CheckFirmwareRoom
    | TakeFirmwareFile
    | AddRelease
    | ListReleases
    | RemoveRelease
    | StartCampaign
    | ListCampaigns
    | ChangeCampaign
    | ListDownloads
)


def dashboard_urls(services: Services) -> list[str]:
    """Where the dashboard is from a browser on the site's network; there is always one."""
    web = services.config.web
    scheme = "https" if web.tls else "http"
    return [f"{scheme}://{host}:{web.port}/" for host in hosts(services, web.bind)]


def device_urls(services: Services) -> list[str]:
    """Where the cameras are pointed at."""
    devices = services.config.devices
    scheme = "wss" if devices.tls else "ws"
    return [f"{scheme}://{host}:{devices.port}/" for host in hosts(services, devices.bind)]


def hosts(services: Services, bind: str) -> list[str]:
    """The addresses at which a port bound to `bind` is reached, as they stand in a URL."""
    found = [bind]
    if bind in ("0.0.0.0", "::"):
        both = bind == "::"
        found = [host for host in services.site.addresses() if both or ":" not in host]
    return [f"[{host}]" if ":" in host else host for host in found or ["localhost"]]
