"""Addresses that administrators send to cameras without a signature: expected for a while (D12).

Only in memory, and only fixed addresses: nobody knows which one DHCP will give. Synchronous methods
only.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from msgspec import Struct

#: How long a camera may take to come back by its new address.
EXPECTED_SECONDS = 180.0


class _Move(Struct, frozen=True):
    sn: str
    address: str
    until: float


class ExpectedMoves:
    """The last one of each camera. `now`: seconds of a monotonic clock, by default trio's."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._now = now
        self._moves: dict[str, _Move] = {}

    def expect(self, did: str, sn: str, address: str) -> None:
        """Expect the camera at this address from now on, once, or where it is held to."""
        self._moves[did] = _Move(sn, address, self._now() + EXPECTED_SECONDS)

    def forget(self, did: str) -> None:
        """Forget that the camera moves: it was not told to, or it has come back."""
        self._moves.pop(did, None)

    def is_expected(self, did: str, sn: str, address: str) -> bool:
        """Whether this camera is expected at this address now."""
        move = self._moves.get(did)
        if move is None:
            return False
        if self._now() >= move.until:
            del self._moves[did]
            return False
        return (move.sn, move.address) == (sn, address)
