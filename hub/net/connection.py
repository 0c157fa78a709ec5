"""One accepted connection: its TLS, its handler, and the handling of its errors."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from msgspec import Struct, field

from hub import metrics
from hub.log import limited, place_of
from hub.net.connection_slots import ConnectionSlot
from hub.net.loop_scheduler import LoopScheduler
from hub.net.networks import network_of
from hub.net.socket_stream import SocketStream
from hub.net.tls_stream import TlsStream

log = logging.getLogger(__name__)

Handler = Callable[[trio.abc.Stream, "Peer"], Awaitable[None]]
PlainHandler = Callable[[SocketStream], Awaitable[None]]
#: Called with the address and the port's name.
OnOldTls = Callable[[str, str], None]

#: A peer that vanished without closing is detected after 60 + 4 x 15 s.
_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
#: The first byte of a TLS handshake record.
_TLS_HANDSHAKE = b"\x16"
#: OpenSSL's reasons for a handshake that failed because the client's TLS is too old.
_OLD_TLS = frozenset({"no shared cipher", "unsupported protocol", "version too low"})


class Peer(Struct, frozen=True):
    """The other end of a connection; `accepted_at` is in seconds of trio's clock.

    A handler notes at the `slot` that the peer has spoken: silent connections go first when the
    port is full. It is then closed, which its handler notices as trio.ClosedResourceError.
    """

    address: str
    port: int
    accepted_at: float = 0.0
    slot: ConnectionSlot = field(default_factory=ConnectionSlot)


class PortHandler(Struct, frozen=True):
    """How the connections of one port are served. The fields are those of serve_port().

    `turns`: handshakes are begun in turns.
    """

    port_name: str
    handler: Handler
    tls: Callable[[], ssl.SSLContext] | None
    handshake_seconds: float
    on_plain: PlainHandler | None
    on_old_tls: OnOldTls | None = None
    turns: LoopScheduler = field(default_factory=LoopScheduler)

    async def serve(self, stream: SocketStream, peer: Peer) -> None:
        """Run the handler for one connection, and close the connection when it returns.

        Raises only trio.Cancelled: any other error ends this connection only, and is logged unless
        the peer broke the connection.
        """
        try:
            _enable_keepalive(stream)
            secured = await self._secure(stream, peer) if self.tls else stream
            if secured is not None:
                await self.handler(secured, peer)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("%s broke its connection to the %s port", peer.address, self.port_name)
        except* Exception as faults:
            self._report(faults, peer)
        finally:
            stream.close()

    async def _secure(self, stream: SocketStream, peer: Peer) -> TlsStream | None:
        """Return the connection over TLS, or None if it was redirected or the handshake failed."""
        with trio.move_on_after(self.handshake_seconds) as deadline:
            first = await stream.wait_first_byte()
            if first == _TLS_HANDSHAKE:
                await self.turns.turn(peer.address)
                return await self._do_handshake(stream, peer)
            if first and self.on_plain:
                await self.on_plain(stream)
        if deadline.cancelled_caught:
            self._handshake_failed(peer, "it took too long")
        return None

    async def _do_handshake(self, stream: SocketStream, peer: Peer) -> TlsStream | None:
        assert self.tls is not None
        secured = TlsStream(stream, self.tls())
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            self._handshake_failed(peer, str(error) or "the connection broke")
            return None
        return secured

    def _handshake_failed(self, peer: Peer, reason: str) -> None:
        metrics.handshake_failures.labels(self.port_name).inc()
        if reason in _OLD_TLS:
            reason += "; its TLS is too old (see the page Site, Certificate)"
            if self.on_old_tls:
                self.on_old_tls(peer.address, self.port_name)
        limited(
            log,
            logging.INFO,
            f"handshake {self.port_name} {network_of(peer.address)}",
            "the TLS handshake with %s on the %s port failed: %s",
            peer.address,
            self.port_name,
            reason,
        )

    def _report(self, faults: ExceptionGroup[Exception], peer: Peer) -> None:
        metrics.connection_faults.labels(self.port_name).inc()
        limited(
            log,
            logging.ERROR,
            f"fault {self.port_name} {place_of(faults)}",
            "an internal error ended a connection from %s on the %s port",
            peer.address,
            self.port_name,
            exc_info=faults,
        )


def peer_of(stream: SocketStream) -> Peer | None:
    """Return the peer of a connection that was just accepted; None if it has gone already."""
    try:
        host, port, *_ = stream.socket.getpeername()
    except OSError:
        return None
    # Strip the prefix that an IPv6 listener gives to an IPv4 peer, and the zone of a link-local
    # address.
    address = host.removeprefix("::ffff:").partition("%")[0]
    return Peer(address, port, trio.current_time())


def _enable_keepalive(stream: SocketStream) -> None:
    with suppress(OSError):  # Not every platform has all three timers.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE_OPTIONS.items():
            if hasattr(socket, option):
                stream.socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
