"""What a broker is told of the site beside records: its cameras, and what needs somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.errors import HubError, NoSuchResource, NotSent
from hub.live.feed import Change, Subscription
from hub.services.alarms.alarms import RaisedAlarms
from hub.services.audit import Actor
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.services.photos.photos import BadPhoto, PhotoRules, Photos
from hub.services.urls import base_url
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.services.core import Core

#: What is older when a connection begins is not told any more: nothing is to happen because of it.
RECENT_SECONDS = 300
_PAGES, _PAGE_RECORDS = 5, 200
_REBOOT_DELAY_MS = 1_000
_PICTURE_RULES = PhotoRules(max_side=4_096, max_bytes=2_000_000)
#: Alarms that are acknowledged at once.
_MAX_ACKNOWLEDGED = 100


class SiteCamera(Struct, frozen=True):
    """A camera as a broker is told of it. What is not known is empty."""

    did: str
    name: str
    sn: str
    software: str
    hardware: str
    is_online: bool


class SiteView:
    """Reads the site, and does what commands of a broker ask for."""

    def __init__(
        self,
        core: Core,
        devices: Devices,
        alarms: RaisedAlarms,
        commands: Commands,
        photos: Photos,
    ) -> None:
        self._store = core.store
        self._site = core.site
        self._devices = devices
        self._alarms = alarms
        self._commands = commands
        self._photos = photos
        self._audit = core.audit
        self._changes = core.changes
        self._now = core.now
        self._settings = core.settings

    def base_url(self) -> str:
        """Return how the hub is reached, without a slash at the end."""
        return base_url(self._site, self._settings)

    @property
    def name(self) -> str:
        """The site's name; "" if it has none."""
        return self._site.name()

    def dids(self) -> list[str]:
        """Return the dids of all cameras."""
        return [one.did for one in self._devices.overview.all()]

    def camera(self, did: str) -> SiteCamera | None:
        try:
            view = self._devices.get(did)
        except NoSuchResource:
            return None
        return SiteCamera(
            did,
            view.name or view.sn,
            view.sn,
            view.fw_ver or view.sw_ver or "",
            view.hw_ver or "",
            view.state == "online",
        )

    def alarmed(self) -> frozenset[str]:
        """Return the cameras with an alarm that nobody has acknowledged; "" is the hub itself."""
        new = [alarm.dids or ("",) for alarm in self._alarms.active() if alarm.state == "new"]
        return frozenset(did for dids in new for did in dids)

    def changes(self) -> AbstractContextManager[Subscription[Change]]:
        """Follow what changes."""
        return self._changes.subscribe()

    async def recent_after(self, seq: int) -> int:
        """Return after which record those are recent that come after `seq`.

        Of a thousand at most. Raises TooManyRequests, CannotStoreNow.
        """
        oldest = int((self._now() - RECENT_SECONDS) * 1000)
        before: int | None = None
        for _ in range(_PAGES):
            page = await self._store.records.page(
                RecordFilter(), after=seq, before=before, newest_first=True, limit=_PAGE_RECORDS
            )
            for record in page.items:
                if record.received_at < oldest:
                    return record.seq
            if page.next is None:
                return seq
            before = page.next
        return (before or 1) - 1

    async def records(self, seqs: Sequence[int]) -> list[Record]:
        """Return those of these records that are there. Raises like `recent_after`."""
        return await self._store.records.some(seqs)

    def camera_names(self) -> Mapping[str, str]:
        """Return what the cameras are called, by did."""
        return self._devices.names()

    async def as_jpeg(self, data: bytes) -> bytes | None:
        """Return a picture of another type as a JPEG; None if it cannot be read."""
        try:
            return await self._photos.convert(data, _PICTURE_RULES)
        except BadPhoto:
            return None

    def is_recent(self, moment: int) -> bool:
        """Whether a moment (UNIX milliseconds) is recent."""
        return moment >= (self._now() - RECENT_SECONDS) * 1000

    async def reboot(self, did: str, by: Actor) -> None:
        """Restart a camera. Raises HubError; after all but NotSent, it may restart all the same."""
        try:
            await self._commands.reboot(did, _REBOOT_DELAY_MS)
        except NotSent:
            raise
        except HubError:
            await self._audit.add(by, "device.reboot", did)
            raise
        await self._audit.add(by, "device.reboot", did)

    async def acknowledge(self, did: str, by: Actor) -> None:
        """Acknowledge the new alarms that a camera saw; of "", those without one."""
        seqs = [
            alarm.seq
            for alarm in self._alarms.active()
            if alarm.state == "new" and (did in alarm.dids if did else not alarm.dids)
        ]
        await self._alarms.acknowledge(seqs[:_MAX_ACKNOWLEDGED], "", by)
