"""Plain HTTP on a TLS port: requests for `http://` are redirected to `https://`."""

from __future__ import annotations

import logging
import re

import h11
import trio

from hub.log import limited
from hub.net.connection import peer_of
from hub.net.socket_stream import SocketStream

log = logging.getLogger(__name__)

_MAX_HEAD_BYTES = 16 * 1024
_CLOSE_SECONDS = 2.0
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


async def redirect_to_https(stream: SocketStream) -> None:
    """Redirect one request to the same host and path over HTTPS, and wait for the peer to close.

    Anything but HTTP gets no response. The caller sets the deadline and closes the stream.
    """
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
    try:
        while not isinstance(event := http.next_event(), h11.Request):
            if event is not h11.NEED_DATA:
                return
            http.receive_data(await stream.receive_some(_MAX_HEAD_BYTES))
    except h11.RemoteProtocolError:
        return
    _log_plain_peer(stream)
    headers = [
        (b"location", b"https://" + _host(event, stream) + _path(event.target)),
        (b"content-length", b"0"),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await stream.send_all(
        http.send(h11.Response(status_code=308, reason=b"Permanent Redirect", headers=headers))
    )
    await stream.send_eof()
    with trio.move_on_after(_CLOSE_SECONDS):
        while await stream.receive_some(_MAX_HEAD_BYTES):
            pass


def origin_form(target: bytes) -> bytes:
    """Return a request target from its path on, without the scheme and host of a proxy request."""
    scheme, separator, rest = target.partition(b"://")
    if target[:1] == b"/" or not separator or scheme.lower() not in (b"http", b"https"):
        return target
    return b"/" + rest.partition(b"/")[2]


def _path(target: bytes) -> bytes:
    """Return the path, "/" for other targets: one like "@evil.example" would extend the host."""
    path = origin_form(target)
    return path if path[:1] == b"/" else b"/"


def _log_plain_peer(stream: SocketStream) -> None:
    """Log the peer for installers: a camera that is set to plain HTTP follows no redirects."""
    peer, port = peer_of(stream), stream.socket.getsockname()[1]
    if peer is None:
        return
    limited(
        log,
        logging.INFO,
        f"plain {peer.address} {port}",
        "%s speaks plain HTTP to port %d, which serves TLS",
        peer.address,
        port,
    )


def _host(request: h11.Request, stream: SocketStream) -> bytes:
    """Return the host that the request names, or the address that it connected to."""
    for name, value in request.headers:
        if name == b"host" and _HOST.fullmatch(value):
            return value
    address, port = stream.socket.getsockname()[:2]
    return f"[{address}]:{port}".encode() if ":" in address else f"{address}:{port}".encode()
