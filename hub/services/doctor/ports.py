"""Whether the ports can be used: free while no hub runs, else held by it and reachable."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator

import trio

from hub.config import ListeningPort, ports_of, udp_ports_of
from hub.errors import StartFault
from hub.net.binding import open_listeners, open_udp_sockets
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, ok

_CONNECT_SECONDS = 3.0
#: What to connect to for a port that is open on all addresses.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def check_ports(context: CheckContext) -> Iterator[Finding]:
    """Try each port."""
    check = _check_free if context.hub is None else _check_open
    for port in ports_of(context.config):
        yield check(port)
    # Whether a UDP port answers cannot be told: a hub that doubts its clock is silent.
    if context.hub is None:
        for port in udp_ports_of(context.config):
            yield _check_free(port, _bind_udp)


def _check_free(
    port: ListeningPort, bind: Callable[[ListeningPort], Awaitable[None]] | None = None
) -> Finding:
    try:
        trio.run(bind or _bind, port)
    except StartFault as fault:
        return failed("ports", "port-unusable", reason=fault.message)
    return ok("ports", "port-free", port=str(port.port), setting=port.setting)


async def _bind(port: ListeningPort) -> None:
    for listener in await open_listeners(port.bind, port.port, setting=port.setting):
        listener.socket.close()


async def _bind_udp(port: ListeningPort) -> None:
    for sock in await open_udp_sockets(port.bind, port.port, setting=port.setting):
        sock.close()


def _check_open(port: ListeningPort) -> Finding:
    args = {"port": str(port.port), "setting": port.setting}
    address = _LOOPBACK.get(port.bind, port.bind)
    try:
        socket.create_connection((address, port.port), _CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return failed("ports", "port-closed", address=address, reason=reason, **args)
    return ok("ports", "port-open", **args)
