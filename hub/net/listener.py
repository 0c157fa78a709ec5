"""Accepts connections on a port, within limits in total and per address."""

from __future__ import annotations

import errno
import logging
import os
import ssl
from collections.abc import Callable, Sequence

import trio
from msgspec import Struct

from hub import metrics
from hub.log import limited
from hub.net.connection import Handler, Peer, PlainHandler, PortHandler, peer_of
from hub.net.socket_stream import SocketStream, from_trio_stream

log = logging.getLogger(__name__)

#: The host is out of files, buffers or memory. This is temporary, so accepting continues.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SHORTAGE_PAUSE_SECONDS = 0.1


class Limits(Struct, frozen=True):
    """How many connections a port accepts, in total and from one address."""

    connections: int
    per_address: int


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
    """Accept until cancelled, and run `handler(stream, peer)` for each connection.

    Handlers run in `handler_nursery`: cancelling this call closes the listeners, but connections
    continue. A connection is closed when its handler returns; any closing handshake is up to the
    handler. An error in a handler ends its connection only.

    `tls` is called for each accepted connection and returns its context; None serves a plain port.
    On a TLS port, connections that do not begin with a TLS handshake go to `on_plain`. Handshake
    and `on_plain` must finish within `handshake_seconds`. Connections beyond `limits` are closed at
    once.
    """
    server = _PortServer(name, PortHandler(name, handler, tls, handshake_seconds, on_plain), limits)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(server.accept_from, listener, handler_nursery)
        task_status.started()


class _PortServer:
    """Accepts and counts the connections of one port."""

    def __init__(self, name: str, port_handler: PortHandler, limits: Limits) -> None:
        self._name = name
        self._port_handler = port_handler
        self._limits = limits
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
                self._start(from_trio_stream(stream), nursery)

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

    def _start(self, stream: SocketStream, nursery: trio.Nursery) -> None:
        peer = peer_of(stream)
        if peer is None or not self._has_room_for(peer.address):
            stream.close()
            return
        self._connections += 1
        self._by_address[peer.address] = self._by_address.get(peer.address, 0) + 1
        self._gauge.inc()
        nursery.start_soon(self._serve, stream, peer)

    async def _serve(self, stream: SocketStream, peer: Peer) -> None:
        try:
            await self._port_handler.serve(stream, peer)
        finally:
            self._forget(peer.address)

    def _has_room_for(self, address: str) -> bool:
        if self._connections >= self._limits.connections:
            self._log_refusal(address, "connections", self._limits.connections)
            return False
        if self._by_address.get(address, 0) >= self._limits.per_address:
            self._log_refusal(address, "per_address", self._limits.per_address)
            return False
        return True

    def _log_refusal(self, address: str, limit: str, allowed: int) -> None:
        metrics.connections_refused.labels(self._name, limit).inc()
        limited(
            log,
            logging.WARNING,
            f"refused {self._name} {limit} {address if limit == 'per_address' else ''}",
            "refused a connection from %s on the %s port: %d are open %s",
            address,
            self._name,
            allowed,
            "from that address" if limit == "per_address" else "in total",
        )

    def _forget(self, address: str) -> None:
        self._connections -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self._gauge.dec()
