"""Whether the ports can be used: free while no hub runs, else held by it and reachable."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import trio

from hub.config import ListeningPort, ports_of
from hub.errors import StartFault
from hub.net.binding import open_listeners
from hub.services.doctor.findings import Finding, failed, ok
from hub.services.doctor.surroundings import Surroundings

_CONNECT_SECONDS = 3.0
#: What to connect to for a port that is open on all addresses.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def check_ports(surroundings: Surroundings) -> Iterator[Finding]:
    """Try each port."""
    check = _check_free if surroundings.hub is None else _check_open
    for port in ports_of(surroundings.config):
        yield check(port)


def _check_free(port: ListeningPort) -> Finding:
    try:
        trio.run(_bind, port)
    except StartFault as fault:
        return failed("ports", "port-unusable", reason=fault.message)
    return ok("ports", "port-free", port=str(port.port), setting=port.setting)


async def _bind(port: ListeningPort) -> None:
    for listener in await open_listeners(port.bind, port.port, setting=port.setting):
        listener.socket.close()


def _check_open(port: ListeningPort) -> Finding:
    args = {"port": str(port.port), "setting": port.setting}
    address = _LOOPBACK.get(port.bind, port.bind)
    try:
        socket.create_connection((address, port.port), _CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return failed("ports", "port-closed", address=address, reason=reason, **args)
    return ok("ports", "port-open", **args)
