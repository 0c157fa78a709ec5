"""How a broker is reached: where it is, who the hub is to it, and a socket that never blocks."""

from __future__ import annotations

import socket
import ssl

import trio
from msgspec import Struct

from hub.services.forwarding.mqtt.messages import Publication
from hub.services.forwarding.mqtt.options import check_broker, is_encrypted
from hub.services.forwarding.nats.identity import load_certificate
from hub.services.forwarding.sender import TryLater
from hub.store.targets.target import TargetOptions, TargetSecrets


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


async def broker_of(
    options: TargetOptions, keys: TargetSecrets, client_id: str, will: Publication | None
) -> Broker:
    """Return the broker of a target. Raises TryLater if a certificate cannot be used."""
    host, port = check_broker(options.url)
    tls = None
    if is_encrypted(options.url):
        # In a thread: it reads all authorities that this computer knows.
        tls = await trio.to_thread.run_sync(_tls_of, options.ca, options.cert, keys.key)
    return Broker(host, port, client_id, options.user, keys.password, tls, will)


def _tls_of(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Return what checks the broker and shows our certificate. Raises TryLater."""
    try:
        context = ssl.create_default_context(cadata=ca or None)
        if cert:
            load_certificate(context, cert, key)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise TryLater("the certificates: %(why)s", why=str(error)) from error
    return context


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
