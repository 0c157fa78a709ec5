"""Downloads of firmware: links that nobody guesses, few at a time, paced, and all of them seen.

A link says which device may have which file, and until when; it is signed with a key that outlives
a restart, so a device goes on where it was. It leads somewhere as long as the device's campaign
has not been stopped, and no other camera has the device's place.
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
from typing import NoReturn

import trio
from msgspec.structs import replace

from hub.errors import CannotStoreNow, HubError, NoSuchPath, NoSuchResource
from hub.log import limited
from hub.net.rate_limits import TokenBucket
from hub.services.devices.directory import Device, Devices
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.releases import Component, StoredFile
from hub.store.db import Store
from hub.store.tables.downloads import Download as Download
from hub.store.tables.downloads import joined
from hub.wire.uploads.firmware import file_name

log = logging.getLogger(__name__)

PATH = "/api/v1/firmware/"
#: Downloads at a time: of all devices, and of one.
MOST_AT_ONCE = 10
MOST_OF_A_DEVICE = 2
#: While so many are under way, nobody is given a second one: some who take their time with two
#: each would keep all others out.
MOST_WITH_SECONDS = 5
#: For those who find no place.
RETRY_SECONDS = 30
#: What all downloads together are sent a second: captures go first.
BYTES_A_SECOND = 8 * 1024 * 1024
#: What is read and sent in one step: smaller ones cost the processor more for the same bytes.
STEP_BYTES = 256 * 1024

#: did, when it expires, the first bytes of the file's SHA-256; 16 bytes of HMAC follow.
_LINK = struct.Struct("<QI4s")
_MAC_BYTES = 16
#: A device that asks again in the same hour is given the very same link, good for a day at least.
_HOUR = 3600
_LIFE_HOURS = 25
_SAVE_SECONDS = 5.0
_LAST_SAVE_SECONDS = 5.0


class Transfer:
    """One request for (a part of) a file: a context that holds one of the places."""

    def __init__(self, downloads: Downloads, device: Device, file: StoredFile) -> None:
        self._downloads = downloads
        self._device = device
        self.did = device.did
        self.file = file
        self._record: Download | None = None

    def __enter__(self) -> Transfer:
        """Raises CannotStoreNow, with the time to wait, where no place is free."""
        self._downloads.take_place(self.did)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._downloads.give_place_back(self.did)

    async def read(self, offset: int, end: int) -> bytes:
        """The next bytes, once it is their turn; b"" where it may not, or cannot, go on."""
        size = min(STEP_BYTES, end - offset)
        await self._downloads.wait_for_turn(size)
        if not self._downloads.may_have(self._device, self.file.sha256):
            return b""
        data = await self._downloads.read(self.file.sha256, offset, size)
        return data if len(data) == size else b""

    async def sent(self, offset: int, size: int) -> None:
        """These bytes are on their way. The last of a file make the download complete."""
        if self._downloads.is_its_camera(self._device):
            self._record = await self._downloads.note(self._record, self, offset, size)


class Downloads:
    """What devices download, and who did."""

    def __init__(
        self, store: Store, devices: Devices, campaigns: Campaigns, now: Callable[[], float]
    ) -> None:
        self._key = store.link_key
        self._rows = store.downloads
        self._firmware = store.firmware
        self._files = store.firmware_files
        self._devices = devices
        self._campaigns = campaigns
        self._now = now
        self._places: Counter[str] = Counter()
        self._rate_limit = TokenBucket(BYTES_A_SECOND, burst=STEP_BYTES)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Save now and then what was sent, and once more when cancelled."""
        task_status.started()
        try:
            while True:
                await trio.sleep(_SAVE_SECONDS)
                await _or_log(self._rows.save)
        finally:
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True):
                await _or_log(self._rows.save)

    def downloads(self, did: str | None = None) -> list[Download]:
        """The last ones, newest first; of one device, or of all."""
        return [one for one in self._rows.all() if did in (None, one.did)]

    def path_for(self, did: str, component: Component) -> str:
        """The link for this device to this file."""
        expires = (int(self._now()) // _HOUR + _LIFE_HOURS) * _HOUR
        head = _LINK.pack(int(did), expires, bytes.fromhex(component.sha256)[:4])
        mac = self._mac(head, component.sha256, self._devices.device(did))
        token = base64.urlsafe_b64encode(head + mac)
        return f"{PATH}{token.decode().rstrip('=')}/{file_name(component.name)}"

    def find(self, token: str) -> Transfer:
        """What a link leads to. Raises NoSuchPath where that is nothing (any more)."""
        device, file = self._read_link(token)
        if not self.may_have(device, file.sha256):
            raise NoSuchPath("this link leads nowhere any more")
        return Transfer(self, device, file)

    def may_have(self, device: Device, sha256: str) -> bool:
        """Whether it is let in still, and is given this file by a campaign not stopped."""
        return (
            self.is_its_camera(device)
            and self._devices.device(device.did).enabled
            and self._campaigns.gives(device.did, sha256)
        )

    def is_its_camera(self, device: Device) -> bool:
        """Whether it is the very camera that it was."""
        try:
            return self._devices.device(device.did).sn == device.sn
        except NoSuchResource:
            return False

    def take_place(self, did: str) -> None:
        """Raises CannotStoreNow where none is free."""
        taken, own = self._places.total(), self._places[did]
        most = MOST_WITH_SECONDS if own else MOST_AT_ONCE
        if taken >= most or own >= MOST_OF_A_DEVICE:
            raise CannotStoreNow("too many downloads at once", retry_after=RETRY_SECONDS)
        self._places[did] += 1

    def give_place_back(self, did: str) -> None:
        self._places[did] -= 1
        if not self._places[did]:
            del self._places[did]

    async def wait_for_turn(self, size: int) -> None:
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
        """Bytes of a file were sent; `record` is what the last call for this transfer gave."""
        now = int(self._now() * 1000)
        current = record and self._rows.get(record.id)
        if current is None:
            current = self._begun(transfer, now)
            await _or_log(self._campaigns.downloading, transfer.did)
            # Another request of the device may have added to it meanwhile.
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
            self._campaigns.tell_of_progress(transfer.did)
        if current.complete and not before.complete:
            log.info("device %s has downloaded %s", transfer.did, transfer.file.sha256[:12])
            await _or_log(self._rows.save)
            await _or_log(self._campaigns.downloaded, transfer.did)
        return current

    def _begun(self, transfer: Transfer, now: int) -> Download:
        """A download that is not complete goes on with a further request."""
        file = transfer.file
        last = self._rows.last_of(transfer.did, file.sha256)
        if last is None or last.complete:
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
                if expires <= self._now():
                    raise NoSuchPath("this link has expired: ask again")
                return device, file
        raise NoSuchPath("no such link")


def _percent(download: Download) -> int:
    return download.covered * 100 // download.size


async def _or_log(step: Callable[..., Awaitable[None]], *args: str) -> None:
    """A full disk ends no download: what was sent is saved later."""
    try:
        await step(*args)
    except HubError as error:
        limited(log, logging.WARNING, "downloads", "downloads are saved later: %s", error)
