"""Who is online: device -> link. Synchronous methods only, so that nothing comes in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from msgspec import Raw, Struct

from hub import metrics


class DeviceAnswer(Struct, frozen=True):
    """What a device answered to a request of ours."""

    code: int
    msg: str = ""
    result: Raw | None = None


class Link(Protocol):
    """An open connection to a device. `did` and `sn` are empty until the device is in."""

    #: The address on its LAN that the device told last on this connection.
    ip: str

    @property
    def did(self) -> str: ...
    @property
    def sn(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def since(self) -> int:
        """When the device came in, in UNIX milliseconds."""

    def close(self, reason: str) -> None:
        """End the connection soon. `reason` is a few plain words, for the log and the peer."""

    async def hold_back(self, seconds: float) -> None:
        """Let the peer wait; ends at once when something is to be asked of it."""

    async def request(
        self,
        uri: str,
        param: object,
        *,
        seconds: float,
        on_answer: Callable[[DeviceAnswer], None] | None = None,
        on_free: Callable[[], None] | None = None,
    ) -> DeviceAnswer:
        """Ask the device and wait for its answer.

        `on_answer` is called the moment that the answer is read, before anything else that the
        device sends. `on_free` is called once, whatever happens, when the device has nothing more
        to do with the request: it has answered, if only after the asker gave up; or the connection
        has ended; or as long as the time-out has passed after it once more.

        Raises DeviceLeft when the connection ends before the answer, DeviceBusy when too many
        requests are open, DeviceNonsense when what came cannot be read, DeviceSilent when no answer
        came in time: a late one is counted and dropped. Never call it in the task that reads the
        device.
        """


class Registry:
    """Links of devices that are in, and when each device was last heard."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._links: dict[str, Link] = {}
        self._by_sn: dict[str, Link] = {}
        self._by_address: Counter[str] = Counter()
        self._seen: dict[str, int] = {}
        self._unsaved: set[str] = set()

    def attach(self, link: Link) -> Link | None:
        """Make `link` its device's only one; returns the older link that it replaces."""
        older = self._links.get(link.did)
        if older is link:
            return None
        if older is not None:
            self.detach(older)
        self._links[link.did] = link
        self._by_sn[link.sn] = link
        self._by_address[link.address] += 1
        metrics.devices_online.set(len(self._links))
        return older

    def detach(self, link: Link) -> bool:
        """Take `link` out; False where it was replaced, or never in."""
        if self._links.get(link.did) is not link:
            return False
        del self._links[link.did]
        del self._by_sn[link.sn]
        self._by_address[link.address] -= 1
        if not self._by_address[link.address]:
            del self._by_address[link.address]
        metrics.devices_online.set(len(self._links))
        return True

    def get(self, did: str) -> Link | None:
        return self._links.get(did)

    def is_online_from(self, sn: str, address: str) -> bool:
        """D8: does this very address hold the connection of the device with this SN?"""
        link = self._by_sn.get(sn)
        return link is not None and link.address == address

    def is_any_online_from(self, address: str) -> bool:
        return address in self._by_address

    def touch(self, did: str) -> None:
        """The device was heard just now."""
        self._seen[did] = int(self._now() * 1000)
        self._unsaved.add(did)

    def last_seen(self, did: str) -> int | None:
        """In UNIX milliseconds; None where this process has not heard the device."""
        return self._seen.get(did)

    def take_unsaved(self) -> dict[str, int]:
        """The devices heard since the last call, and when: for the store, many at a time."""
        unsaved, self._unsaved = self._unsaved, set()
        return {did: self._seen[did] for did in unsaved if did in self._seen}

    def forget(self, did: str) -> None:
        """The device was removed."""
        self._seen.pop(did, None)
        self._unsaved.discard(did)
