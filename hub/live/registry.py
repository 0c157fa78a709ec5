"""Which devices are online: device -> link.

Synchronous methods only, so that no other task runs between a check and the change based on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from msgspec import Raw, Struct

from hub import metrics


class DeviceAnswer(Struct, frozen=True):
    """A device's answer to a request of the hub. `result` is undecoded JSON."""

    code: int
    msg: str = ""
    result: Raw | None = None


class FileSink(Protocol):
    """Takes the file of an answer (D3) while it arrives."""

    async def write(self, text: bytes) -> None:
        """Take more of the file's Base64, as it is within the JSON. Raises nothing."""


class Link(Protocol):
    """An open connection to a device. `did` and `sn` are empty until the device is admitted."""

    #: The LAN address that the device last reported on this connection.
    ip: str

    @property
    def did(self) -> str: ...
    @property
    def sn(self) -> str: ...
    @property
    def address(self) -> str:
        """The peer's address, as the hub sees it."""

    @property
    def path(self) -> str:
        """The path of its WebSocket, as the device asked for it."""

    @property
    def hub_address(self) -> str:
        """The address by which the device reached the hub, as it says: `wss://HOST:PORT`."""

    @property
    def since(self) -> int:
        """When the device was admitted, in UNIX milliseconds."""

    def close(self, reason: str) -> None:
        """End the connection soon. `reason` is a few words for the log and the peer."""

    async def delay_answer(self, seconds: float) -> None:
        """Wait before the current message is answered (backoff).

        Returns early if a request is sent to the device, because this task must read its answer.
        """

    async def request(
        self,
        uri: str,
        param: object,
        *,
        seconds: float,
        on_answer: Callable[[DeviceAnswer], None] | None = None,
        on_free: Callable[[], None] | None = None,
        sink: FileSink | None = None,
    ) -> DeviceAnswer:
        """Send a request and wait up to `seconds` for the answer, whatever its code.

        `param` is anything that msgspec encodes. `on_answer` is called as soon as the answer is
        read, before anything else that the device sends. `on_free` is called exactly once, when the
        device has finished with the request: it has answered, even after the caller gave up; or the
        connection has ended; or another `seconds` have passed after the time-out. `sink` takes the
        file in the answer, whose size is then not limited as that of a message is; as long as it
        arrives, the time-out begins anew. One such request at a time.

        Raises DeviceBusy when too many requests are open, DeviceLeft when the connection ends
        before the answer, DeviceNonsense when the answer cannot be read, and DeviceSilent when none
        comes in time; a late answer is counted and dropped. May be cancelled at any time. Never
        call it in the task that reads the device, which could then not read the answer.
        """


class Registry:
    """The links of admitted devices, and when each device was last seen.

    `now`: UNIX seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._links: dict[str, Link] = {}
        self._by_sn: dict[str, Link] = {}
        self._by_address: Counter[str] = Counter()
        self._seen: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._heard: dict[str, int] = {}

    def attach(self, link: Link) -> Link | None:
        """Make `link` its device's only link. Returns the older link that it replaces, if any."""
        older = self._links.get(link.did)
        if older is link:
            return None
        if older is not None:
            self.detach(older)
        self._links[link.did] = link
        self._heard.pop(link.did, None)
        self._by_sn[link.sn] = link
        self._by_address[link.address] += 1
        metrics.devices_online.set(len(self._links))
        return older

    def detach(self, link: Link) -> bool:
        """Remove `link`. Returns False if it was replaced or never attached."""
        if self._links.get(link.did) is not link:
            return False
        del self._links[link.did]
        self._heard[link.did] = self._seen.get(link.did, link.since)
        del self._by_sn[link.sn]
        self._by_address[link.address] -= 1
        if not self._by_address[link.address]:
            del self._by_address[link.address]
        metrics.devices_online.set(len(self._links))
        return True

    def get(self, did: str) -> Link | None:
        """The device's link; None if it is offline."""
        return self._links.get(did)

    def is_online_from(self, sn: str, address: str) -> bool:
        """Whether the device with this SN is connected from this address (D8)."""
        link = self._by_sn.get(sn)
        return link is not None and link.address == address

    def is_any_online_from(self, address: str) -> bool:
        """Whether any device is connected from this address."""
        return address in self._by_address

    def touch(self, did: str) -> None:
        """Record that the device sent something just now."""
        self._seen[did] = int(self._now() * 1000)
        self._unsaved.add(did)

    def last_seen(self, did: str) -> int | None:
        """UNIX milliseconds; None if the device sent nothing since the hub started."""
        return self._seen.get(did)

    def heard_before_it_left(self, did: str) -> int | None:
        """When the device was last heard on the link that ended, in UNIX milliseconds.

        What it has uploaded since does not count. None if it is online, or was not since the start.
        """
        return self._heard.get(did)

    def take_unsaved(self) -> dict[str, int]:
        """did -> last seen, of the devices touched since the last call, to save in one batch."""
        unsaved, self._unsaved = self._unsaved, set()
        return {did: self._seen[did] for did in unsaved if did in self._seen}

    def forget(self, did: str) -> None:
        """Forget when a removed device was last seen."""
        self._seen.pop(did, None)
        self._heard.pop(did, None)
        self._unsaved.discard(did)
