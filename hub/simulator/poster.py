"""A camera's HTTP client: one connection that is kept, one request at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import h11
import msgspec
import trio
from msgspec import Struct
from trio.abc import Stream

from hub.simulator.target import HubAway

#: Until an answer is complete.
ANSWER_SECONDS = 30
_MOST_OF_AN_ANSWER = 1 << 20


class Reply(Struct, frozen=True):
    """What the hub said: HTTP's status, and the code in the body."""

    status: int
    code: int
    retry_after: float = 0


class Poster:
    """Sends uploads over a connection that it opens when it is needed, and keeps."""

    def __init__(self, open_stream: Callable[[], Awaitable[Stream]], host: str) -> None:
        self._open_stream = open_stream
        self._host = host
        self._stream: Stream | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def send(self, method: str, path: str, body: bytes, token: str | None) -> Reply:
        """One request and its reply. Raises HubAway; the upload may or may not be stored then."""
        if self._stream is not None:
            # The hub may have closed the kept connection meanwhile, which is no failure of its.
            with contextlib.suppress(HubAway):
                return await self._send_once(method, path, body, token)
        return await self._send_once(method, path, body, token)

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _send_once(self, method: str, path: str, body: bytes, token: str | None) -> Reply:
        try:
            with trio.fail_after(ANSWER_SECONDS):
                return await self._exchange(method, path, body, token)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError, h11.ProtocolError) as error:
            await self.aclose()
            raise HubAway(f"{method} {path}: {error or type(error).__name__}") from error
        except BaseException:
            # Half a request may be out: this connection is of no more use.
            await self.aclose()
            raise

    async def _exchange(self, method: str, path: str, body: bytes, token: str | None) -> Reply:
        if self._stream is None:
            self._stream = await self._open_stream()
            self._http = h11.Connection(h11.CLIENT)
        headers = [
            ("Host", self._host),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        request = h11.Request(method=method, target=path, headers=headers)
        await self._send(request, h11.Data(body), h11.EndOfMessage())
        reply = await self._receive(self._stream)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.aclose()
        return reply

    async def _send(self, *events: h11.Event) -> None:
        assert self._stream is not None
        for event in events:
            if data := self._http.send(event):
                await self._stream.send_all(data)

    async def _receive(self, stream: Stream) -> Reply:
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
                return Reply(status, _code(content, status), retry_after)
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the hub closed the connection")


class _Answer(Struct):
    code: int


def _code(content: bytes, status: int) -> int:
    try:
        return msgspec.json.decode(content, type=_Answer).code
    except msgspec.MsgspecError:
        return status


def _seconds(value: bytes) -> float:
    return float(value) if value.isdigit() else 0.0
