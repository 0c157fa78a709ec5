"""Firmware downloads by signed links: limited in number and rate, and recorded.

A link names the device, the file and an expiry time. The key that signs it survives a restart, so
that a device can then continue its download. The link becomes invalid when the campaign is stopped
or another camera replaces the device's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

import trio
from msgspec.structs import replace

from hub.errors import CannotStoreNow, HubError, NoSuchPath, NoSuchResource
from hub.log import limited
from hub.net.rate_limits import TokenBucket
from hub.services.devices.directory import Devices
from hub.services.expiry import is_current
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.one_use_links import ONE_USE_PREFIX, OneUseLinks
from hub.store.tables.devices import Device
from hub.store.tables.downloads import Download, joined
from hub.store.tables.firmware import Component, StoredFile
from hub.wire.uploads.firmware import file_name

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

PATH = "/api/v1/firmware/"
#: How many downloads may run at once: of all devices, and of one.
MAX_DOWNLOADS = 10
MAX_DOWNLOADS_PER_DEVICE = 2
#: While this many run, no device gets a second one, so that a few slow devices with two each cannot
#: keep out all others.
MAX_DOWNLOADS_FOR_SECOND = 5
#: How long a device that gets no slot should wait (Retry-After).
RETRY_SECONDS = 30
#: Shared by all downloads, so that captures have priority.
MAX_BYTES_PER_SECOND = 8 * 1024 * 1024
#: Bytes that are read and sent in one step; smaller steps take more CPU time in total.
STEP_BYTES = 256 * 1024

#: did, expiry (UNIX seconds), the first bytes of the file's SHA-256; 16 bytes of HMAC follow.
_LINK = struct.Struct("<QI4s")
_MAC_BYTES = 16
#: Within an hour, a device gets the same link again. A link is valid for at least a day.
_HOUR_SECONDS = 3600
_LIFE_HOURS = 25
_SAVE_SECONDS = 5.0
_LAST_SAVE_SECONDS = 5.0


class Transfer:
    """One request for a file or a part of it: a context manager that holds a download slot."""

    def __init__(
        self, downloads: Downloads, device: Device, file: StoredFile, token: str = ""
    ) -> None:
        self._downloads = downloads
        self._token = token
        self._device = device
        self.did = device.did
        self.file = file
        self._record: Download | None = None

    def __enter__(self) -> Transfer:
        """Take a slot. Raises CannotStoreNow, with the time to wait, if none is free."""
        self._downloads.acquire_slot(self.did)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._downloads.release_slot(self.did)

    async def read(self, offset: int, end: int) -> bytes:
        """Wait for the rate limit and return the next bytes; b"" if the download must end."""
        size = min(STEP_BYTES, end - offset)
        await self._downloads.wait_for_rate_limit(size)
        if not self._downloads.is_allowed(self._device, self.file.sha256):
            return b""
        data = await self._downloads.read(self.file.sha256, offset, size)
        return data if len(data) == size else b""

    async def sent(self, offset: int, size: int) -> None:
        """Record that these bytes were sent. The last bytes of a file complete the download."""
        self._downloads.used(self._token, offset, offset + size, self.file.size)
        if self._downloads.is_same_camera(self._device):
            self._record = await self._downloads.note(self._record, self, offset, size)


class Downloads:
    """Checks download links, limits downloads, and records them."""

    def __init__(self, core: Core, devices: Devices, campaigns: Campaigns) -> None:
        """`now` is the wall clock, `expiry` the clock by which links end."""
        self._key = core.store.link_key
        self._rows = core.store.downloads
        self._firmware = core.store.firmware
        self._files = core.store.firmware_files
        self._devices = devices
        self._campaigns = campaigns
        self._now = core.now
        self._expiry = core.clock.expiry
        self._slots: Counter[str] = Counter()
        self._one_use = OneUseLinks(core.clock.expiry)
        self._rate_limit = TokenBucket(MAX_BYTES_PER_SECOND, burst=STEP_BYTES)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Save the records every 5 s, and once more when cancelled."""
        task_status.started()
        try:
            while True:
                await trio.sleep(_SAVE_SECONDS)
                await _run_or_log(self._rows.save)
        finally:
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True):
                await _run_or_log(self._rows.save)

    def downloads(self, did: str | None = None) -> list[Download]:
        """Return the last downloads of a device, or of all devices; newest first."""
        return [one for one in self._rows.all() if did in (None, one.did)]

    def path_for(self, did: str, component: Component) -> str:
        """Return the URL path from which this device can download this file."""
        expires = (int(self._expiry()) // _HOUR_SECONDS + _LIFE_HOURS) * _HOUR_SECONDS
        head = _LINK.pack(int(did), expires, bytes.fromhex(component.sha256)[:4])
        mac = self._mac(head, component.sha256, self._devices.device(did))
        token = base64.urlsafe_b64encode(head + mac)
        return f"{PATH}{token.decode().rstrip('=')}/{file_name(component.name)}"

    def one_use_path_for(self, did: str, component: Component) -> str:
        """Return a URL path that is good until the file was sent whole, or for an hour (D12).

        For cameras that have no digest to check what they got: nobody else can fetch or guess it.
        """
        device = self._devices.device(did)
        token = self._one_use.issue(device, component.sha256)
        return f"{PATH}{token}/{file_name(component.name)}"

    def find(self, token: str) -> Transfer:
        """Return the transfer that a link allows. Raises NoSuchPath if it is not valid."""
        if token.startswith(ONE_USE_PREFIX):
            device, file = self._read_one_use_link(token)
        else:
            device, file = self._read_link(token)
        if not self.is_allowed(device, file.sha256):
            raise NoSuchPath("this link is no longer valid")
        return Transfer(self, device, file, token)

    def _read_one_use_link(self, token: str) -> tuple[Device, StoredFile]:
        link = self._one_use.find(token)
        for file in self._firmware.files():
            if file.sha256 == link.sha256:
                return link.device, file
        raise NoSuchPath("no such link")

    def is_allowed(self, device: Device, sha256: str) -> bool:
        """Whether the device is enabled, and a campaign that is not stopped gives it this file."""
        return (
            self.is_same_camera(device)
            and self._devices.device(device.did).enabled
            and self._campaigns.may_download(device.did, sha256)
        )

    def is_same_camera(self, device: Device) -> bool:
        """Whether the device still has the same camera."""
        try:
            return self._devices.device(device.did).sn == device.sn
        except NoSuchResource:
            return False

    def used(self, token: str, start: int, end: int, size: int) -> None:
        """Note that a part of the file was sent by a link, which may be good for one download."""
        self._one_use.used(token, start, end, size)

    def acquire_slot(self, did: str) -> None:
        """Take a slot for the device. Raises CannotStoreNow if none is free."""
        taken, own = self._slots.total(), self._slots[did]
        limit = MAX_DOWNLOADS_FOR_SECOND if own else MAX_DOWNLOADS
        if taken >= limit or own >= MAX_DOWNLOADS_PER_DEVICE:
            raise CannotStoreNow(
                f"too many downloads at once: try again in {RETRY_SECONDS} s",
                retry_after=RETRY_SECONDS,
            )
        self._slots[did] += 1

    def release_slot(self, did: str) -> None:
        self._slots[did] -= 1
        if not self._slots[did]:
            del self._slots[did]

    async def wait_for_rate_limit(self, size: int) -> None:
        """Wait until the rate limit that all downloads share allows `size` more bytes."""
        await trio.sleep(self._rate_limit.take(trio.current_time(), size))

    async def read(self, sha256: str, offset: int, size: int) -> bytes:
        try:
            return await self._files.read(sha256, offset, size)
        except OSError as error:
            limited(log, logging.WARNING, f"firmware {sha256}", "cannot read firmware: %s", error)
            return b""

    async def note(
        self, record: Download | None, transfer: Transfer, offset: int, size: int
    ) -> Download:
        """Record that bytes were sent; `record` is the result of the transfer's last call."""
        now = int(self._now() * 1000)
        current = record and self._rows.get(record.id)
        if current is None:
            current = self._current_record(transfer, now)
            await _run_or_log(self._campaigns.downloading, transfer.did)
            # Another request of the device may have added to the record meanwhile.
            current = self._rows.get(current.id) or current
        before = current
        current = replace(
            current,
            ended_at=now,
            sent=current.sent + size,
            spans=joined(current.spans, offset, offset + size),
        )
        self._rows.put(current)
        if _percent(current) != _percent(before):
            self._campaigns.publish_progress(transfer.did)
        if current.is_complete and not before.is_complete:
            log.info("device %s has downloaded %s", transfer.did, transfer.file.sha256[:12])
            await _run_or_log(self._rows.save)
            await _run_or_log(self._campaigns.downloaded, transfer.did)
        return current

    def _current_record(self, transfer: Transfer, now: int) -> Download:
        """Return the device's incomplete record of the file, or a new one."""
        file = transfer.file
        last = self._rows.last_of(transfer.did, file.sha256)
        if last is None or last.is_complete:
            return self._rows.begin(transfer.did, file.sha256, file.size, now)
        return last

    def _mac(self, head: bytes, sha256: str, device: Device) -> bytes:
        signed = head + bytes.fromhex(sha256) + device.sn.encode()
        return hmac.digest(self._key, signed, "sha256")[:_MAC_BYTES]

    def _read_link(self, token: str) -> tuple[Device, StoredFile]:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            head, mac = raw[: _LINK.size], raw[_LINK.size :]
            did, expires, digest = _LINK.unpack(head)
            device = self._devices.device(str(did))
        except (binascii.Error, ValueError, struct.error, NoSuchResource):
            raise NoSuchPath("no such link") from None
        for file in self._firmware.files():
            if bytes.fromhex(file.sha256)[:4] == digest and hmac.compare_digest(
                self._mac(head, file.sha256, device), mac
            ):
                lifetime = _LIFE_HOURS * _HOUR_SECONDS
                if not is_current(expires * 1000, int(self._expiry() * 1000), lifetime * 1000):
                    raise NoSuchPath("this link has expired: ask again")
                return device, file
        raise NoSuchPath("no such link")


def _percent(download: Download) -> int:
    return download.covered * 100 // download.size


async def _run_or_log(step: Callable[..., Awaitable[None]], *args: str) -> None:
    """Run the step, but log a HubError: a full disk must not end a download."""
    try:
        await step(*args)
    except HubError as error:
        limited(log, logging.WARNING, "downloads", "cannot save downloads now: %s", error)
