"""A camera's HTTP client: one persistent connection, one request at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import h11
import msgspec
import trio
from msgspec import Struct
from trio.abc import Stream

from hub.decoders import decode_json
from hub.simulator.endpoint import HubAway

#: Limit for one exchange, from sending the request to the end of the response.
RESPONSE_SECONDS = 30
_MAX_RESPONSE_BYTES = 1 << 20
#: Errors of a connection, or of what is received on it, that end the exchange.
_CONNECTION_ERRORS = (
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    h11.ProtocolError,
)


class UploadReply(Struct, frozen=True):
    """The hub's reply to an upload: the HTTP status, and the code from the body."""

    status: int
    code: int
    retry_after: float = 0


class HttpResponse(Struct, frozen=True):
    status: int
    content: bytes
    #: In seconds; 0 if the hub sent none.
    retry_after: float = 0


class HttpClient:
    """Opens its connection when needed and keeps it. Concurrent requests wait for each other.

    A request raises HubAway if the connection fails or no response arrives in time. Cancelling one
    closes the connection, since half of a request may have been sent.
    """

    def __init__(
        self,
        open_stream: Callable[[], Awaitable[Stream]],
        host: str,
        *,
        base: Callable[[], str] = str,
    ) -> None:
        """`base`: what precedes all paths but those of downloads."""
        self._base = base
        self._open_stream = open_stream
        self._host = host
        self._stream: Stream | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._lock = trio.Lock()

    async def send(self, method: str, path: str, body: bytes, token: str | None) -> UploadReply:
        """Send an upload. After HubAway it is unknown whether the hub stored it."""
        request = _HttpRequest(method, self._base() + path, body, _headers(token))
        response = await self._request(request)
        code = _code_in(response.content, response.status)
        return UploadReply(response.status, code, response.retry_after)

    async def post(self, path: str, body: bytes, token: str | None) -> HttpResponse:
        """Post JSON, and return the response with its content (2.3)."""
        request = _HttpRequest("POST", self._base() + path, body, _headers(token))
        return await self._request(request)

    async def get_range(self, path: str, first: int, last: int) -> HttpResponse:
        """Download the bytes `first` to `last` of a file, both included."""
        return await self._request(
            _HttpRequest("GET", path, b"", (("Range", f"bytes={first}-{last}"),))
        )

    async def send_truncated(
        self, method: str, path: str, body: bytes, token: str | None, *, share: float
    ) -> None:
        """Send the first `share` (0 to 1) of a body, then close the connection."""
        request = _HttpRequest(method, self._base() + path, body, _headers(token))
        async with self._lock:
            try:
                with trio.fail_after(RESPONSE_SECONDS):
                    await self._send_head(request)
                    await self._send_events(h11.Data(body[: int(len(body) * share)]))
            except _CONNECTION_ERRORS as error:
                raise _hub_away(request, error) from error
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. The next request opens another one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _request(self, request: _HttpRequest) -> HttpResponse:
        async with self._lock:
            if self._stream is not None:
                # The hub may have closed the idle connection in the meantime: try a new one.
                with contextlib.suppress(HubAway):
                    return await self._try_request(request)
            return await self._try_request(request)

    async def _try_request(self, request: _HttpRequest) -> HttpResponse:
        try:
            with trio.fail_after(RESPONSE_SECONDS):
                return await self._exchange(request)
        except _CONNECTION_ERRORS as error:
            await self.aclose()
            raise _hub_away(request, error) from error
        except BaseException:
            await self.aclose()
            raise

    async def _exchange(self, request: _HttpRequest) -> HttpResponse:
        stream = await self._send_head(request)
        await self._send_events(h11.Data(request.body), h11.EndOfMessage())
        response = await self._receive(stream)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.aclose()
        return response

    async def _send_head(self, request: _HttpRequest) -> Stream:
        """Open a connection if there is none, and send the request line and headers."""
        if self._stream is None:
            self._stream = await self._open_stream()
            self._http = h11.Connection(h11.CLIENT)
        stream = self._stream
        length = str(len(request.body))
        headers = [("Host", self._host), ("Content-Length", length), *request.headers]
        await self._send_events(
            h11.Request(method=request.method, target=request.path, headers=headers)
        )
        return stream

    async def _send_events(self, *events: h11.Event) -> None:
        for event in events:
            if self._stream is None:
                raise trio.ClosedResourceError("closed in the meantime")
            if data := self._http.send(event):
                await self._stream.send_all(data)

    async def _receive(self, stream: Stream) -> HttpResponse:
        status, retry_after, content = 0, 0.0, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Response):
                status = event.status_code
                retry_after = _seconds(dict(event.headers).get(b"retry-after", b"0"))
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > _MAX_RESPONSE_BYTES:
                    raise h11.RemoteProtocolError("the response is too long")
            elif isinstance(event, h11.EndOfMessage):
                return HttpResponse(status, content, retry_after)
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the hub closed the connection")


class _HttpRequest(Struct, frozen=True):
    method: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


class _ReplyBody(Struct):
    code: int


def _hub_away(request: _HttpRequest, error: BaseException) -> HubAway:
    return HubAway(f"{request.method} {request.path}: {error or type(error).__name__}")


def _headers(token: str | None) -> tuple[tuple[str, str], ...]:
    json = ("Content-Type", "application/json")
    return (json,) if token is None else (json, ("Authorization", f"Bearer {token}"))


def _code_in(content: bytes, status: int) -> int:
    """Return the code in a reply's body, or the HTTP status if the body has none."""
    try:
        return decode_json(content, _ReplyBody).code
    except msgspec.MsgspecError:
        return status


def _seconds(value: bytes) -> float:
    return float(value) if value.isdigit() else 0.0
