"""Where connections come in: listeners, limits, TLS, and the fence around every connection.

Both edges, devices and web, stand on serve_port(). Whatever happens in one connection, it ends
that connection only.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct

from hub import metrics
from hub.config import Config, ports_of
from hub.errors import StartFault
from hub.log import limited
from hub.net.socket_stream import SocketStream, taken_over
from hub.net.tls_stream import TlsStream

log = logging.getLogger(__name__)

Handler = Callable[[trio.abc.Stream, "Peer"], Awaitable[None]]
PlainHandler = Callable[[SocketStream], Awaitable[None]]

#: A thousand cameras come back at the same moment after a power cut; the kernel cuts it to its own.
_BACKLOG = 4096
#: A peer that vanished without a word is noticed after 60 + 4 x 15 s.
_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
#: No file, buffer or memory left: it passes, and accepting goes on.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SHORTAGE_PAUSE_SECONDS = 0.1
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
#: A socket's state in /proc/net/tcp.
_LISTENING = "0A"
#: The first byte of a TLS handshake record.
_TLS_HANDSHAKE = b"\x16"


class Limits(Struct, frozen=True):
    """How many connections one port takes, in all and from one address."""

    connections: int
    per_address: int


class Peer(Struct, frozen=True):
    """Who is at the other end, and since when by trio's clock."""

    address: str
    port: int
    accepted_at: float = 0.0


async def open_listeners(
    bind: str, port: int, *, setting: str = "port"
) -> list[trio.SocketListener]:
    """Listen on `port` of an address or a name of this host; "::" takes IPv4 as well.

    `setting` is where the port comes from, such as "web.port". Raises StartFault with one line
    that says what to do, and in which setting.
    """
    if not bind:  # Windows takes it for a name of this host.
        raise StartFault(_bad_bind(bind, setting))
    try:
        found = await trio.socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise StartFault(_bad_bind(bind, setting)) from None
    listeners: list[trio.SocketListener] = []
    faults: list[OSError] = []
    for family, _, _, _, address in found:
        try:
            listeners.append(await _listen(family, address))
        except OSError as error:
            faults.append(error)
    if listeners:
        # A name may stand for an IPv6 address that this host does not have: the others will do.
        faults = [error for error in faults if error.errno not in _NO_SUCH_ADDRESS]
    if faults:
        for listener in listeners:
            listener.socket.close()
        raise StartFault(_why_not_listening(faults[0], bind, port, setting)) from faults[0]
    return listeners


async def check_ports(config: Config) -> None:
    """Raise StartFault where one of the hub's ports is not to be had; none stays open."""
    for setting, bind, port in ports_of(config):
        for listener in await open_listeners(bind, port, setting=setting):
            listener.socket.close()


async def serve_port(
    name: str,
    listeners: Sequence[trio.abc.Listener[trio.SocketStream]],
    handler: Handler,
    *,
    limits: Limits,
    tls: Callable[[], ssl.SSLContext] | None,
    handshake_seconds: float,
    on_plain: PlainHandler | None = None,
    handler_nursery: trio.Nursery,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept for ever, and run `handler(stream, peer)` for each connection in `handler_nursery`.

    `tls` gives the context for a connection at the moment it comes; None is a plain port. On a TLS
    port, what does not begin as TLS goes to `on_plain`; it and the handshake share the time of
    `handshake_seconds`. Cancelling this stops accepting and closes the listeners; connections live
    on in their nursery. A connection is closed, without further ado, when its handler returns; to
    say goodbye before is the handler's business.
    """
    port = _Port(name, handler, limits, tls, handshake_seconds, on_plain)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(port.accept_from, listener, handler_nursery)
        task_status.started()


class _Port:
    """One served port: who is connected to it, and what is done with whoever comes."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        limits: Limits,
        tls: Callable[[], ssl.SSLContext] | None,
        handshake_seconds: float,
        on_plain: PlainHandler | None,
    ) -> None:
        self._name = name
        self._handler = handler
        self._limits = limits
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._on_plain = on_plain
        self._connections = 0
        self._by_address: dict[str, int] = {}
        self._gauge = metrics.connections.labels(name)

    async def accept_from(
        self, listener: trio.abc.Listener[trio.SocketStream], nursery: trio.Nursery
    ) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _SHORTAGES:
                        raise
                    await self._wait_out_shortage(error)
                    continue
                self._take(taken_over(stream), nursery)

    async def _wait_out_shortage(self, error: OSError) -> None:
        metrics.limits_reached.labels("open-files").inc()
        limited(
            log,
            logging.ERROR,
            f"shortage {self._name}",
            "cannot accept on the %s port for now: %s",
            self._name,
            os.strerror(error.errno or 0),
        )
        await trio.sleep(_SHORTAGE_PAUSE_SECONDS)

    def _take(self, stream: SocketStream, nursery: trio.Nursery) -> None:
        peer = _peer_of(stream)
        if peer is None or not self._has_room_for(peer.address):
            stream.close()
            return
        self._connections += 1
        self._by_address[peer.address] = self._by_address.get(peer.address, 0) + 1
        self._gauge.inc()
        nursery.start_soon(self._serve, stream, peer)

    def _has_room_for(self, address: str) -> bool:
        if self._connections >= self._limits.connections:
            self._refuse(address, "connections", self._limits.connections)
            return False
        if self._by_address.get(address, 0) >= self._limits.per_address:
            self._refuse(address, "per_address", self._limits.per_address)
            return False
        return True

    def _refuse(self, address: str, limit: str, allowed: int) -> None:
        metrics.connections_refused.labels(self._name, limit).inc()
        limited(
            log,
            logging.WARNING,
            f"refused {self._name} {limit} {address if limit == 'per_address' else ''}",
            "refused a connection from %s on the %s port: %d are open %s",
            address,
            self._name,
            allowed,
            "from that address" if limit == "per_address" else "in all",
        )

    async def _serve(self, stream: SocketStream, peer: Peer) -> None:
        """One connection, and the fence around it: an error ends this one and no other."""
        try:
            _keep_alive(stream)
            secured = await self._secure(stream, peer) if self._tls else stream
            if secured is not None:
                await self._handler(secured, peer)
        except* trio.BrokenResourceError:
            log.debug("%s left the %s port without a word", peer.address, self._name)
        except* Exception as faults:
            self._report(faults, peer)
        finally:
            stream.close()
            self._forget(peer.address)

    def _report(self, faults: ExceptionGroup[Exception], peer: Peer) -> None:
        metrics.connection_faults.labels(self._name).inc()
        limited(
            log,
            logging.ERROR,
            f"fault {self._name} {_kinds_of(faults)}",
            "a fault of the hub ended a connection from %s on the %s port",
            peer.address,
            self._name,
            exc_info=faults,
        )

    def _forget(self, address: str) -> None:
        self._connections -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self._gauge.dec()

    async def _secure(self, stream: SocketStream, peer: Peer) -> TlsStream | None:
        """The connection over TLS; None if there is nothing more to be done with it."""
        with trio.move_on_after(self._handshake_seconds) as deadline:
            first = await stream.wait_first_byte()
            if first == _TLS_HANDSHAKE:
                return await self._shake_hands(stream, peer)
            if first and self._on_plain:
                await self._on_plain(stream)
        if deadline.cancelled_caught:
            self._handshake_failed(peer, "it took too long")
        return None

    async def _shake_hands(self, stream: SocketStream, peer: Peer) -> TlsStream | None:
        assert self._tls is not None
        secured = TlsStream(stream, self._tls())
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            self._handshake_failed(peer, str(error) or "the connection broke")
            return None
        return secured

    def _handshake_failed(self, peer: Peer, why: str) -> None:
        metrics.handshake_failures.labels(self._name).inc()
        limited(
            log,
            logging.INFO,
            f"handshake {self._name} {peer.address}",
            "no TLS with %s on the %s port: %s",
            peer.address,
            self._name,
            why,
        )


def _peer_of(stream: SocketStream) -> Peer | None:
    """Who is at the other end; None if it is gone already."""
    try:
        host, port, *_ = stream.socket.getpeername()
    except OSError:
        return None
    # An IPv4 peer of an IPv6 listener; and the zone of a link-local address is no part of it.
    address = host.removeprefix("::ffff:").partition("%")[0]
    return Peer(address, port, trio.current_time())


def _keep_alive(stream: SocketStream) -> None:
    with suppress(OSError):  # Not every platform lets every timer be set.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE_OPTIONS.items():
            if hasattr(socket, option):
                stream.socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _kinds_of(group: BaseExceptionGroup[BaseException]) -> str:
    """The kinds of the errors in a group, so that each kind is logged for itself."""
    return ",".join(
        _kinds_of(error) if isinstance(error, BaseExceptionGroup) else type(error).__name__
        for error in group.exceptions
    )


async def _listen(family: int, address: tuple[Any, ...]) -> trio.SocketListener:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There, SO_REUSEADDR would let another program take the port over.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Here, it only lets a restart bind while old connections linger in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        await sock.bind(address)
        sock.listen(_BACKLOG)
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


def _why_not_listening(error: OSError, bind: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is already in use{_by_whom(port)}: stop that, or set another {setting}"
    if error.errno == errno.EACCES:
        advice = _permission_advice(port)
        return f"not permitted to listen on port {port}: {advice}; set another {setting}"
    if error.errno in _NO_SUCH_ADDRESS:
        return _bad_bind(bind, setting)
    return f"cannot listen on {bind} port {port}: {error.strerror or error}"


def _bad_bind(bind: str, setting: str) -> str:
    *section, _ = setting.split(".")
    name = ".".join((*section, "bind"))
    return f"bad setting {name} = {bind}: allowed is an address of this computer, 0.0.0.0 for all"


def _permission_advice(port: int) -> str:
    if sys.platform == "win32":
        advice = "another program holds it, or Windows keeps it back"
    elif port < 1024:
        advice = "ports below 1024 need the right to do so"
    else:
        advice = "a security policy of this host forbids it"
    return advice


def _by_whom(port: int) -> str:
    """' by NAME (process PID)', as far as Linux tells this user; else nothing."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return ""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(os.readlink(entry) in inodes for entry in descriptors.iterdir()):
                name = (descriptors.parent / "comm").read_text("utf-8", "replace").strip()
                return f" by {name} (process {descriptors.parent.name})"
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            for line in table.read_text("ascii").splitlines()[1:]:
                fields = line.split()
                local, state, inode = fields[1], fields[3], fields[9]
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield inode
