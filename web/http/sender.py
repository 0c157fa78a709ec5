"""Sending on a connection whose peer may stop reading."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

import trio

from hub import metrics
from hub.log import limited
from hub.net.socket_stream import SendNowaitStream

log = logging.getLogger(__name__)

#: A step of this size must be sent ...
_STEP_BYTES = 64 * 1024
#: ... within this time.
SEND_SECONDS = 10.0
#: An answer of at most this size is sent without waiting if the socket has room for it.
_MAX_QUICK_BYTES = 16 * 1024


class PeerLost(OSError):
    """Nothing more can be sent: the connection broke, or the peer does not read."""


class Sender:
    """Sends whole messages, one after the other. After a send that failed it sends no more.

    A cancelled send counts as failed, since the peer would take the next message for the rest of
    the cancelled one. `on_break` is called after the first failure.
    """

    def __init__(self, stream: trio.abc.Stream, address: str, on_break: Callable[[], None]) -> None:
        self._stream = stream
        self._nowait_stream = stream if isinstance(stream, SendNowaitStream) else None
        self._address = address
        self._on_break = on_break
        self._lock = trio.Lock()
        self.is_broken = False

    async def send(self, data: bytes) -> None:
        """Send all of `data`. Raises PeerLost."""
        if self._nowait_stream is not None and self._is_quick(data):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                if self._nowait_stream.send_nowait(data):
                    return
                data = b""  # The stream keeps the remainder: it goes out with the next send.
        try:
            await self._acquire()
            try:
                await self._send_steadily(memoryview(data))
            finally:
                self._lock.release()
        except BaseException as error:
            self._break()
            if isinstance(error, trio.BrokenResourceError | trio.ClosedResourceError):
                raise PeerLost from error
            raise

    def _is_quick(self, data: bytes) -> bool:
        return len(data) <= _MAX_QUICK_BYTES and not self.is_broken and not self._lock.locked()

    async def _acquire(self) -> None:
        try:
            # The lock is nearly always free, and acquire() would cost a scheduler round.
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def _send_steadily(self, data: memoryview) -> None:
        if self.is_broken:
            raise PeerLost
        with trio.CancelScope() as time_limit:
            # Send even when empty: the stream may hold an unsent remainder.
            for start in range(0, len(data) or 1, _STEP_BYTES):
                time_limit.deadline = trio.current_time() + SEND_SECONDS
                await self._stream.send_all(data[start : start + _STEP_BYTES])
        if time_limit.cancelled_caught:
            self._report_stalled_peer()
            raise PeerLost

    def _break(self) -> None:
        if not self.is_broken:
            self.is_broken = True
            self._on_break()

    def _report_stalled_peer(self) -> None:
        metrics.limits_reached.labels("send").inc()
        limited(
            log,
            logging.WARNING,
            f"send {self._address}",
            "%s did not read its answer for %d s",
            self._address,
            SEND_SECONDS,
        )
