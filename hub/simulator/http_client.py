"""A camera's HTTP client: one connection that is kept, one request at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import h11
import msgspec
import trio
from msgspec import Struct
from trio.abc import Stream

from hub.simulator.endpoint import HubAway

#: Until an answer is complete.
ANSWER_SECONDS = 30
_MOST_OF_AN_ANSWER = 1 << 20
#: What can happen to a connection, or be said on it, that ends the exchange.
_FAILURES = (
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    h11.ProtocolError,
)


class Reply(Struct, frozen=True):
    """What the hub said: HTTP's status, and the code in the body."""

    status: int
    code: int
    retry_after: float = 0


class Content(Struct, frozen=True):
    """What the hub sent in answer to a question."""

    status: int
    content: bytes
    retry_after: float = 0


class Poster:
    """Talks over one connection that it opens when it is needed, and keeps; several take turns."""

    def __init__(self, open_stream: Callable[[], Awaitable[Stream]], host: str) -> None:
        self._open_stream = open_stream
        self._host = host
        self._stream: Stream | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._turn = trio.Lock()

    async def send(self, method: str, path: str, body: bytes, token: str | None) -> Reply:
        """An upload and its reply. Raises HubAway; the upload may or may not be stored then."""
        said = await self._ask(_Ask(method, path, body, _headers(token)))
        return Reply(said.status, _code(said.content, said.status), said.retry_after)

    async def ask(self, path: str, body: bytes, token: str | None) -> Content:
        """A question and its answer (2.3). Raises HubAway."""
        return await self._ask(_Ask("POST", path, body, _headers(token)))

    async def fetch(self, path: str, first: int, last: int) -> Content:
        """A piece of a file, from its byte `first` to `last`. Raises HubAway."""
        return await self._ask(_Ask("GET", path, b"", (("Range", f"bytes={first}-{last}"),)))

    async def break_off(
        self, method: str, path: str, body: bytes, token: str | None, *, share: float
    ) -> None:
        """Send so much of a body, and hang up. Raises HubAway."""
        ask = _Ask(method, path, body, _headers(token))
        async with self._turn:
            try:
                with trio.fail_after(ANSWER_SECONDS):
                    await self._begin(ask)
                    await self._send(h11.Data(body[: int(len(body) * share)]))
            except _FAILURES as error:
                raise HubAway(f"{method} {path}: {error or type(error).__name__}") from error
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _ask(self, ask: _Ask) -> Content:
        async with self._turn:
            if self._stream is not None:
                # The hub may have closed the kept connection meanwhile, which is no failure of its.
                with contextlib.suppress(HubAway):
                    return await self._ask_once(ask)
            return await self._ask_once(ask)

    async def _ask_once(self, ask: _Ask) -> Content:
        try:
            with trio.fail_after(ANSWER_SECONDS):
                return await self._exchange(ask)
        except _FAILURES as error:
            await self.aclose()
            raise HubAway(f"{ask.method} {ask.path}: {error or type(error).__name__}") from error
        except BaseException:
            # Half a request may be out: this connection is of no more use.
            await self.aclose()
            raise

    async def _exchange(self, ask: _Ask) -> Content:
        stream = await self._begin(ask)
        await self._send(h11.Data(ask.body), h11.EndOfMessage())
        content = await self._receive(stream)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.aclose()
        return content

    async def _begin(self, ask: _Ask) -> Stream:
        """Open a connection where there is none, and send the head."""
        if self._stream is None:
            self._stream = await self._open_stream()
            self._http = h11.Connection(h11.CLIENT)
        stream = self._stream
        length = str(len(ask.body))
        headers = [("Host", self._host), ("Content-Length", length), *ask.headers]
        await self._send(h11.Request(method=ask.method, target=ask.path, headers=headers))
        return stream

    async def _send(self, *events: h11.Event) -> None:
        for event in events:
            if self._stream is None:
                raise trio.ClosedResourceError("closed meanwhile")
            if data := self._http.send(event):
                await self._stream.send_all(data)

    async def _receive(self, stream: Stream) -> Content:
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
                if len(content) > _MOST_OF_AN_ANSWER:
                    raise h11.RemoteProtocolError("the answer is too long")
            elif isinstance(event, h11.EndOfMessage):
                return Content(status, content, retry_after)
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the hub closed the connection")


class _Ask(Struct, frozen=True):
    method: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


class _Answer(Struct):
    code: int


def _headers(token: str | None) -> tuple[tuple[str, str], ...]:
    json = ("Content-Type", "application/json")
    return (json,) if token is None else (json, ("Authorization", f"Bearer {token}"))


def _code(content: bytes, status: int) -> int:
    try:
        return msgspec.json.decode(content, type=_Answer).code
    except msgspec.MsgspecError:
        return status


def _seconds(value: bytes) -> float:
    return float(value) if value.isdigit() else 0.0
