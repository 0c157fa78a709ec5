"""One HTTP request to an address, on a connection of its own: bounded, and no redirect followed.

For devices, whose certificates nobody signs: the caller compares the fingerprint before it sends
anything. The caller also sets the deadline of the whole.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Awaitable, Callable

import h11
import trio
from msgspec import Struct

_HEAD_BYTES = 16 * 1024
_PART_BYTES = 16 * 1024


class ConnectFailed(Exception):
    """No connection could be opened; nothing was sent."""


class AnswerFailed(Exception):
    """A request may have been sent; its answer did not come, is none of HTTP, or is too long."""


class ConnectionLost(AnswerFailed):
    """The connection ended before the answer did."""


class HttpPlace(Struct, frozen=True):
    """Where a server is. `address`: of IPv4 or IPv6; no name, so that nobody is looked up."""

    address: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class HttpConnection(Struct, frozen=True):
    """An open connection. `fingerprint`: SHA-256 of the server's certificate; "" without TLS."""

    stream: trio.abc.Stream
    fingerprint: str = ""


class HttpRequest(Struct, frozen=True):
    """`target`: path and query. It has no repr: a header or the query may be secret."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method!r})"


class HttpAnswer(Struct, frozen=True):
    status: int
    body: bytes


OpenConnection = Callable[[HttpPlace], Awaitable[HttpConnection]]


async def open_connection(place: HttpPlace) -> HttpConnection:
    """Open a connection; the caller closes its stream. Raises ConnectFailed."""
    try:
        tcp = await trio.open_tcp_stream(place.address, place.port)
    except OSError as error:
        raise ConnectFailed(str(error)) from error
    if not place.tls:
        return HttpConnection(tcp)
    try:
        stream = trio.SSLStream(tcp, _unverified(), https_compatible=True)
        await stream.do_handshake()
    except (trio.BrokenResourceError, ssl.SSLError) as error:
        await trio.aclose_forcefully(tcp)
        raise ConnectFailed(str(error.__cause__ or error)) from error
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    certificate = stream.getpeercert(binary_form=True) or b""
    return HttpConnection(stream, hashlib.sha256(certificate).hexdigest())


async def exchange(
    connection: HttpConnection, place: HttpPlace, request: HttpRequest, *, max_bytes: int
) -> HttpAnswer:
    """Send a request and return the answer, whose body has at most `max_bytes`.

    Any status is an answer, also that of a redirect. Raises AnswerFailed.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    headers = [
        ("Host", place.authority),
        ("User-Agent", "sitehub"),
        ("Connection", "close"),
        *request.headers,
    ]
    if request.body:
        headers += [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(request.body))),
        ]
    events: list[h11.Event] = [
        h11.Request(method=request.method, target=request.target, headers=headers)
    ]
    if request.body:
        events.append(h11.Data(request.body))
    data = b"".join(http.send(event) or b"" for event in (*events, h11.EndOfMessage()))
    try:
        await connection.stream.send_all(data)
        return await _receive(http, connection.stream, max_bytes)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise ConnectionLost("the connection ended before the answer") from error


async def _receive(http: h11.Connection, stream: trio.abc.Stream, max_bytes: int) -> HttpAnswer:
    status, body, received, has_ended = 0, bytearray(), 0, False
    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            if has_ended:
                raise ConnectionLost("the connection ended before the answer") from error
            raise AnswerFailed("the answer is not HTTP") from error
        if event is h11.NEED_DATA:
            part = bytes(await stream.receive_some(_PART_BYTES))
            received, has_ended = received + len(part), not part
            if received > max_bytes + _HEAD_BYTES:
                raise AnswerFailed("the answer is too long")
            http.receive_data(part)
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > max_bytes:
                raise AnswerFailed("the answer is too long")
        elif isinstance(event, h11.EndOfMessage):
            return HttpAnswer(status, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionLost("the connection ended before the answer")


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate: its fingerprint is compared instead."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
