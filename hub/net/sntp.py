"""An SNTP server (RFC 4330) for devices that have no other source of time.

It answers the request of a client, of 48 bytes, with 48 bytes, and nothing else. While the clock is
doubted it says nothing: no time is better than a wrong one.
"""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Callable, Sequence

import trio

from hub import metrics
from hub.log import limited
from hub.net.networks import network_of
from hub.net.rate_limits import TokenBucket, TokenBuckets

log = logging.getLogger(__name__)

PACKET_BYTES = 48
#: Flags, stratum, poll, precision, root delay and dispersion, reference id, and four timestamps:
#: reference, originate, receive, transmit.
_PACKET = struct.Struct("!BBbbII4sQQQQ")
_CLIENT, _SERVER = 3, 4
_VERSIONS = (1, 2, 3, 4)
#: From 1900 to 1970. Seconds are sent modulo 2^32, which begin again in 2036.
_EPOCH_SECONDS = 2_208_988_800
#: Of a clock that no better one sets, as far as we know: clients take it, but prefer others.
_STRATUM = 10
_REFERENCE = bytes((127, 127, 1, 1))
_PRECISION = -20  # 2^-20 s
_DISPERSION = 655  # 10 ms, in units of 2^-16 s
#: Many cameras may be behind one address.
_RATE, _BURST = 5.0, 50.0
_TOTAL_RATE, _TOTAL_BURST = 500.0, 1000.0
_PAUSE_SECONDS = 0.1
#: ICMP messages about earlier answers, which Windows reports here.
_HARMLESS = {errno.ECONNRESET, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}


def is_request(datagram: bytes) -> bool:
    """Whether a datagram is what a client sends."""
    if len(datagram) != PACKET_BYTES:
        return False
    version, mode = datagram[0] >> 3 & 7, datagram[0] & 7
    return version in _VERSIONS and mode == _CLIENT


def answer_of(request: bytes, received_at: float, sent_at: float) -> bytes:
    """Return the answer to a request. Times in UNIX seconds."""
    flags, _, poll, _, _, _, _, _, _, _, transmit = _PACKET.unpack(request)
    return _PACKET.pack(
        flags & 0x38 | _SERVER,
        _STRATUM,
        poll,
        _PRECISION,
        0,
        _DISPERSION,
        _REFERENCE,
        _timestamp(received_at),
        transmit,
        _timestamp(received_at),
        _timestamp(sent_at),
    )


async def serve_sntp(
    sockets: Sequence[trio.socket.SocketType],
    now: Callable[[], float],
    may_answer: Callable[[], bool],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on bound UDP sockets until cancelled, and close them."""
    server = _SntpServer(now, may_answer)
    try:
        async with trio.open_nursery() as nursery:
            for sock in sockets:
                nursery.start_soon(server.serve, sock)
            task_status.started()
    finally:
        for sock in sockets:
            sock.close()


class _SntpServer:
    def __init__(self, now: Callable[[], float], may_answer: Callable[[], bool]) -> None:
        self._now = now
        self._may_answer = may_answer
        self._by_network = TokenBuckets(_RATE, _BURST)
        self._total = TokenBucket(_TOTAL_RATE, _TOTAL_BURST)

    async def serve(self, sock: trio.socket.SocketType) -> None:
        while True:
            try:
                # One byte more than a request, to see that a datagram is longer.
                request, address = await sock.recvfrom(PACKET_BYTES + 1)
                metrics.sntp_requests.labels(await self._answer(sock, request, address)).inc()
            except OSError as error:
                if error.errno not in _HARMLESS:
                    limited(log, logging.WARNING, "sntp", "the SNTP port: %s", error)
                    await trio.sleep(_PAUSE_SECONDS)

    async def _answer(
        self, sock: trio.socket.SocketType, request: bytes, address: tuple[object, ...]
    ) -> str:
        """Answer a datagram if possible; return what became of it, for the metrics."""
        received_at = self._now()
        # Nobody can be answered at port 0.
        if not is_request(request) or not address[1]:
            return "malformed"
        if not self._may_answer():
            return "doubted"
        at = trio.current_time()
        if self._by_network.take(network_of(str(address[0])), at, 0) or self._total.take(at, 1, 0):
            metrics.limits_reached.labels("sntp").inc()
            return "limited"
        await sock.sendto(answer_of(request, received_at, self._now()), address)
        return "answered"


def _timestamp(moment: float) -> int:
    """Return a UNIX time as seconds since 1900 in units of 2^-32 s."""
    return int((moment + _EPOCH_SECONDS) * 2**32) % 2**64
