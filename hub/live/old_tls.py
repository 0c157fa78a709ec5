"""Clients whose TLS is old: cameras that use legacy cipher suites, and addresses refused for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

#: How long a refused address is kept after its last attempt: an installer may open the page late.
KEPT_SECONDS = 3600
#: The maximum number of refused addresses; the one that tried longest ago goes first.
MAX_REFUSED = 64
#: The maximum number of devices; the one that connected longest ago goes first.
MAX_DEVICES = 4096


class RefusedClient(Struct, frozen=True):
    """An address whose TLS is too old for a port. `last_seen`: UNIX milliseconds."""

    address: str
    port_name: str
    last_seen: int
    tries: int = 1


class OldTls:
    """Which clients have old TLS, since the hub's start."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: the wall clock, in UNIX seconds."""
        self._now = now
        self._refused: OrderedDict[tuple[str, str], RefusedClient] = OrderedDict()
        #: By did; the device that connected last is last.
        self._suites: OrderedDict[str, str] = OrderedDict()

    def refuse(self, address: str, port_name: str) -> None:
        """Note a client whose handshake failed because its TLS is too old."""
        key = (address, port_name)
        before = self._refused.pop(key, None)
        tries = before.tries + 1 if before else 1
        self._refused[key] = RefusedClient(address, port_name, int(self._now() * 1000), tries)
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def refused(self) -> list[RefusedClient]:
        """Return the clients of the last hour, the latest first."""
        since = (self._now() - KEPT_SECONDS) * 1000
        return [one for one in reversed(self._refused.values()) if one.last_seen >= since]

    def connected(self, did: str, suite: str) -> None:
        """Note the cipher suite of an admitted device; "" without TLS."""
        self._suites.pop(did, None)
        if is_legacy(suite):
            self._suites[did] = suite
        if len(self._suites) > MAX_DEVICES:
            self._suites.popitem(last=False)

    def legacy_suites(self) -> dict[str, str]:
        """Return the cipher suite of each device, by did, whose last connection used a legacy one.

        A device that was removed may still be among them.
        """
        return dict(self._suites)


def is_legacy(suite: str) -> bool:
    """Whether a cipher suite, in OpenSSL's name, lacks forward secrecy or uses CBC."""
    if not suite or suite.startswith("TLS_"):
        return False
    return not (suite.startswith("ECDHE-") and ("-GCM-" in suite or "-CHACHA20-" in suite))
