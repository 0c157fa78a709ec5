"""Binds the hub's ports, and tells the user what to do if a port cannot be bound."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from hub.config import Config, ports_of, udp_ports_of
from hub.errors import StartFault

#: After a power cut a thousand cameras connect at the same moment. The kernel may allow fewer.
_BACKLOG = 4096
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
#: The tables of sockets in /proc/net, and the state of a bound one.
_TCP_TABLES = (("tcp", "0A"), ("tcp6", "0A"))
_UDP_TABLES = (("udp", "07"), ("udp6", "07"))


async def open_listeners(
    bind: str, port: int, *, setting: str = "port"
) -> list[trio.SocketListener]:
    """Listen on `port` of each address of `bind`. The caller closes the listeners.

    `bind` is an address or a name of this host; "::" accepts IPv4 as well. `setting` names where
    the port was set, such as "web.port". Raises StartFault with one line that says what to do.
    """
    if not bind:  # On Windows an empty name stands for this host.
        raise StartFault(_bad_bind_message(bind, setting))
    try:
        found = await trio.socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise StartFault(_bad_bind_message(bind, setting)) from None
    listeners: list[trio.SocketListener] = []
    faults: list[OSError] = []
    for family, _, _, _, address in found:
        try:
            listeners.append(await _listen(family, address))
        except OSError as error:
            faults.append(error)
    if listeners:
        # A name may resolve to an IPv6 address that this host does not have: the others suffice.
        faults = [error for error in faults if error.errno not in _NO_SUCH_ADDRESS]
    if faults:
        for listener in listeners:
            listener.socket.close()
        raise StartFault(_advice(faults[0], bind, port, setting)) from faults[0]
    return listeners


async def open_udp_sockets(
    bind: str, port: int, *, setting: str = "port"
) -> list[trio.socket.SocketType]:
    """Bind UDP sockets to `port` of each address of `bind`. The caller closes them.

    Raises StartFault like open_listeners().
    """
    if not bind:
        raise StartFault(_bad_bind_message(bind, setting))
    try:
        found = await trio.socket.getaddrinfo(
            bind, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise StartFault(_bad_bind_message(bind, setting)) from None
    sockets: list[trio.socket.SocketType] = []
    faults: list[OSError] = []
    for family, _, _, _, address in found:
        try:
            sockets.append(await _bind_udp(family, address))
        except OSError as error:
            faults.append(error)
    if sockets:
        faults = [error for error in faults if error.errno not in _NO_SUCH_ADDRESS]
    if faults:
        for sock in sockets:
            sock.close()
        raise StartFault(_advice(faults[0], bind, port, setting, _UDP_TABLES)) from faults[0]
    return sockets


async def check_ports(config: Config) -> None:
    """Raise StartFault if one of the hub's ports cannot be bound. Leaves none of them open."""
    for setting, bind, port in ports_of(config):
        for listener in await open_listeners(bind, port, setting=setting):
            listener.socket.close()
    for setting, bind, port in udp_ports_of(config):
        for sock in await open_udp_sockets(bind, port, setting=setting):
            sock.close()


async def _listen(family: int, address: tuple[Any, ...]) -> trio.SocketListener:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows SO_REUSEADDR would let another program take over the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Elsewhere it only lets a restart bind while old connections are in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        await sock.bind(address)
        sock.listen(_BACKLOG)
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


async def _bind_udp(family: int, address: tuple[Any, ...]) -> trio.socket.SocketType:
    sock = trio.socket.socket(family, socket.SOCK_DGRAM)
    try:
        # No SO_REUSEADDR: with UDP it would let another program take datagrams.
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        await sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _advice(
    error: OSError,
    bind: str,
    port: int,
    setting: str,
    tables: tuple[tuple[str, str], ...] = _TCP_TABLES,
) -> str:
    """Say why the port could not be bound, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is already in use{_port_user(port, tables)}: "
            f"stop that program, or set another {setting}"
        )
    if error.errno == errno.EACCES:
        reason = _permission_reason(port)
        return f"not permitted to listen on port {port}: {reason}; set another {setting}"
    if error.errno in _NO_SUCH_ADDRESS:
        return _bad_bind_message(bind, setting)
    return f"cannot listen on {bind} port {port}: {error.strerror or error}"


def _bad_bind_message(bind: str, setting: str) -> str:
    section, dot, _ = setting.rpartition(".")
    # The port for the time is bound where the devices' ports are.
    name = f"{'devices' if section == 'time' else section}{dot}bind"
    return f"bad setting {name} = {bind}: allowed is an address of this computer, 0.0.0.0 for all"


def _permission_reason(port: int) -> str:
    if sys.platform == "win32":
        reason = "another program holds it, or Windows reserves it"
    elif port < 1024:
        reason = "ports below 1024 need a privilege"
    else:
        reason = "a security policy of this computer forbids it"
    return reason


def _port_user(port: int, tables: tuple[tuple[str, str], ...]) -> str:
    """Return " by NAME (process PID)" if Linux shows it to this user, else an empty text."""
    inodes = {f"socket:[{inode}]" for inode in _bound_inodes(port, tables)}
    if not inodes:
        return ""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(os.readlink(entry) in inodes for entry in descriptors.iterdir()):
                name = (descriptors.parent / "comm").read_text("utf-8", "replace").strip()
                return f" by {name} (process {descriptors.parent.name})"
    return ""


def _bound_inodes(port: int, tables: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for table, bound in tables:
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                local, state, inode = fields[1], fields[3], fields[9]
                if state == bound and int(local.rpartition(":")[2], 16) == port:
                    yield inode
