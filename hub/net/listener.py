"""Accepts connections on a port, within its limits (hub.net.connection_slots)."""

from __future__ import annotations

import errno
import logging
import os
import ssl
from collections.abc import Callable, Sequence

import msgspec
import trio

from hub import metrics
from hub.log import limited
from hub.net.connection import Handler, OnOldTls, Peer, PlainHandler, PortHandler, peer_of
from hub.net.connection_slots import ConnectionSlots, Full, KnownAddresses, Limits
from hub.net.loop_scheduler import LoopScheduler
from hub.net.networks import network_of
from hub.net.socket_stream import SocketStream, from_trio_stream

log = logging.getLogger(__name__)

#: The host is out of files, buffers or memory. This is temporary, so accepting continues.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SHORTAGE_PAUSE_SECONDS = 0.1


async def serve_port(
    name: str,
    listeners: Sequence[trio.abc.Listener[trio.SocketStream]],
    handler: Handler,
    *,
    limits: Limits,
    known: KnownAddresses | None = None,
    tls: Callable[[], ssl.SSLContext] | None,
    handshake_seconds: float,
    on_plain: PlainHandler | None = None,
    on_old_tls: OnOldTls | None = None,
    handler_nursery: trio.Nursery,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled, and run `handler(stream, peer)` for each connection.

    Handlers run in `handler_nursery`: cancelling this call closes the listeners, but connections
    continue. A connection is closed when its handler returns; any closing handshake is up to the
    handler. An error in a handler ends its connection only.

    `tls` is called for each accepted connection and returns its context; None serves a plain port.
    On a TLS port, connections that do not begin with a TLS handshake go to `on_plain`. Handshake
    and `on_plain` must finish within `handshake_seconds`. `on_old_tls` hears of clients whose TLS
    is too old. Beyond `limits`, connections are closed at once, or take the slot of another one,
    as `known` addresses do (hub.net.connection_slots).
    """
    port_handler = PortHandler(
        name, handler, tls, handshake_seconds, on_plain, on_old_tls, LoopScheduler(known)
    )
    server = _PortServer(name, port_handler, limits, known)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(server.accept_from, listener, handler_nursery)
        task_status.started()


class _PortServer:
    """Accepts and counts the connections of one port."""

    def __init__(
        self, name: str, port_handler: PortHandler, limits: Limits, known: KnownAddresses | None
    ) -> None:
        self._name = name
        self._port_handler = port_handler
        self._limits = limits
        self._slots = ConnectionSlots(limits, known, on_cut=self._count_cut)
        self._gauge = metrics.connections.labels(name)
        # It begins at zero: Prometheus counts no increase to the first value that it sees.
        metrics.connection_faults.labels(name)

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
        if peer is None:
            stream.close()
            return
        try:
            slot = self._slots.take(peer.address, stream.close)
        except Full as full:
            stream.close()
            self._log_refusal(peer.address, full.limit)
            return
        self._gauge.inc()
        nursery.start_soon(self._serve, stream, msgspec.structs.replace(peer, slot=slot))

    async def _serve(self, stream: SocketStream, peer: Peer) -> None:
        try:
            await self._port_handler.serve(stream, peer)
        finally:
            peer.slot.leave()
            self._gauge.dec()

    def _log_refusal(self, address: str, limit: str) -> None:
        metrics.connections_refused.labels(self._name, limit).inc()
        most, where = {
            "connections": (self._limits.connections, "in total"),
            "per_address": (self._limits.per_address, "from that address"),
            "proxies": (self._limits.of_proxies, "from trusted proxies"),
        }[limit]
        limited(
            log,
            logging.WARNING,
            f"refused {self._name} {limit} {network_of(address) if limit == 'per_address' else ''}",
            "refused a connection from %s on the %s port: %d are open %s",
            address,
            self._name,
            most,
            where,
        )

    def _count_cut(self, source: str) -> None:
        metrics.connections_refused.labels(self._name, "cut").inc()
        limited(
            log,
            logging.WARNING,
            f"cut {self._name}",
            "the %s port is full: connections of %s, which has the most, give their slots to"
            " others",
            self._name,
            source,
        )
