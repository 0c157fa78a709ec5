"""Where a broker is, and a socket to it that never blocks."""

from __future__ import annotations

import socket
import ssl

import trio
from msgspec import Struct

from hub.services.forwarding.mqtt.messages import Publication


class Broker(Struct, frozen=True):
    """Where a broker is, and how a hub proves who it is. `tls`: None without encryption.

    `will`: what the broker publishes once the connection is lost.
    """

    host: str
    port: int
    client_id: str
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    will: Publication | None = None


async def open_socket(broker: Broker) -> socket.socket:
    """Return a connected socket that does not block, encrypted if that is wanted."""
    stream = await trio.open_tcp_stream(broker.host, broker.port)
    sock: socket.socket = socket.socket(fileno=stream.socket.detach())
    try:
        sock.setblocking(False)
        if broker.tls is not None:
            sock = broker.tls.wrap_socket(
                sock, server_hostname=broker.host, do_handshake_on_connect=False
            )
            await _shake_hands(sock)
    except BaseException:
        sock.close()
        raise
    return sock


async def _shake_hands(sock: ssl.SSLSocket) -> None:
    while True:
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(sock)
        except ssl.SSLWantWriteError:
            await trio.lowlevel.wait_writable(sock)
