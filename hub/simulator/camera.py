"""One simulated camera: the device side of the protocol, over real connections.

It connects with a signature, keeps its token fresh, sends heartbeats, takes its initial parameters
(D3), refuses other commands, comes back when the hub was away, and uploads until it is answered.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable
from typing import Literal, NoReturn, Protocol, TypeVar

import msgspec
import trio
from msgspec import Raw, Struct
from trio.abc import Stream
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from hub.errors import HubError, NoSuchPath
from hub.simulator.bodies import Upload
from hub.simulator.identity import CameraIdentity
from hub.simulator.poster import Poster, Reply
from hub.simulator.target import HubAway, first_of
from hub.wire.envelope import (
    Request,
    Response,
    decode_frame,
    encode_error,
    encode_ok,
    encode_request,
)
from hub.wire.session import ConnectResult, Outcome, Pending, TokenResult
from hub.wire.signing import sign_connect

log = logging.getLogger(__name__)

R = TypeVar("R")

_ANSWER_SECONDS = 10
#: A refused or unknown camera asks again after this, or as soon as it was given its parameters.
_KNOCK_SECONDS = 20
_LONGEST_BACKOFF = 30
_MAX_DEPTH = 64
_LONGEST_MESSAGE = 16 << 20

What = Literal["online", "offline", "waiting", "refused", "enrolled", "sent", "not-sent"]


class Told(Struct, frozen=True):
    """What happened to a camera, for whoever runs it. `code` is the hub's."""

    identity: CameraIdentity
    what: What
    text: str = ""
    code: int = 0


class Hub(Protocol):
    """Where a camera gets its connections from: `Target`, or a test's own."""

    host: str

    async def open_ws(self) -> Stream: ...

    async def open_http(self) -> Stream: ...


class _Given(Struct):
    """The initial parameters, as far as a camera looks at them."""

    did: str


class Camera:
    """Call `run` in a nursery, and `upload` whenever it sees something."""

    def __init__(
        self,
        identity: CameraIdentity,
        hub: Hub,
        *,
        now: Callable[[], float],
        chance: random.Random,
        tell: Callable[[Told], None],
    ) -> None:
        self.identity = identity
        self._hub = hub
        self._now = now
        self._chance = chance
        self._tell_all = tell
        self._key = identity.signer()
        self._poster = Poster(hub.open_http, hub.host)
        self._msgids = itertools.count(1)
        self._last_ts = 0
        self._token: str | None = None
        self._has_token = trio.Event()
        self._knock = trio.Event()
        self._refused = trio.Event()
        self._state: tuple[What, str] | None = None

    async def run(self) -> NoReturn:
        """Stay connected: for ever, until cancelled."""
        backoff = 1.0
        while True:
            started = trio.current_time()
            try:
                await self._one_connection()
            except* (HubAway, ConnectionClosed) as group:
                self._tell_state("offline", _reason(first_of(group)))
            if trio.current_time() - started > 60:
                backoff = 1.0
            await trio.sleep(backoff * self._chance.uniform(0.5, 1.0))
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def upload(self, upload: Upload) -> Reply:
        """Send the same bytes until the hub answers that it took or refused them."""
        backoff = 1.0
        while True:
            await self._has_token.wait()
            try:
                reply = await self._poster.send(
                    upload.method, upload.path, upload.body, self._token
                )
            except HubAway as error:
                self._tell("not-sent", str(error))
            else:
                if reply.status not in (401, 429, 503):
                    self._tell("sent", upload.path, reply.code)
                    return reply
                self._tell("not-sent", upload.path, reply.code)
                if reply.status == 401:
                    self._refused.set()
                backoff = max(backoff, reply.retry_after)
            await trio.sleep(backoff * self._chance.uniform(0.5, 1.0))
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def aclose(self) -> None:
        """Close the connection that `upload` keeps; works while being cancelled, too."""
        await self._poster.aclose()

    async def _one_connection(self) -> None:
        stream = await self._hub.open_ws()
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(_ANSWER_SECONDS):
                    socket = await wrap_client_stream(
                        nursery,
                        stream,  # type: ignore[arg-type]  # any Stream will do
                        self._hub.host,
                        "/",
                        max_message_size=_LONGEST_MESSAGE,
                    )
                await self._talk(socket)
        except* (HandshakeError, trio.TooSlowError, trio.BrokenResourceError, OSError) as group:
            raise HubAway(f"no WebSocket: {first_of(group)}") from None
        finally:
            await trio.aclose_forcefully(stream)

    async def _talk(self, socket: WebSocketConnection) -> None:
        """Everything on one connection; ends with HubAway or ConnectionClosed."""
        pending = Pending(16)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, socket, pending)
            while True:
                result = await self._connect(socket, pending)
                self._tell_state("online")
                await self._keep_alive(socket, pending, result)

    async def _read(self, socket: WebSocketConnection, pending: Pending) -> None:
        while True:
            try:
                frame = decode_frame(await socket.get_message(), max_depth=_MAX_DEPTH)
            except HubError as error:
                log.debug("simulated camera %s got a bad frame: %s", self.identity.sn, error)
                continue
            if isinstance(frame, Response):
                pending.resolve(frame)
            else:
                await socket.send_message(self._answer(frame))

    def _answer(self, request: Request) -> str:
        """Take the initial parameters (D3), whatever their uri; refuse every other command."""
        try:
            given = msgspec.json.decode(request.param, type=_Given)
        except msgspec.MsgspecError:
            return encode_error(request.msgid, request.uri, NoSuchPath())
        self.identity = msgspec.structs.replace(self.identity, did=given.did)
        self._tell("enrolled", given.did)
        self._knock.set()
        return encode_ok(request)

    async def _connect(self, socket: WebSocketConnection, pending: Pending) -> ConnectResult:
        """Ask until it is let in; while it is unknown it waits for its parameters."""
        while True:
            self._knock = trio.Event()
            response = await self._ask(socket, pending, "/connect", self._connect_param())
            if response.code == 200:
                result = _result(response, ConnectResult)
                self._take_token(result.token)
                return result
            what: What = "waiting" if response.code == 421 else "refused"
            self._tell_state(what, response.msg, response.code)
            with trio.move_on_after(_KNOCK_SECONDS * self._chance.uniform(0.8, 1.2)):
                await self._knock.wait()

    def _connect_param(self) -> dict[str, str | int]:
        identity = self.identity
        # A ts is good for one connect only (D2), so it never stands still.
        self._last_ts = max(int(self._now()), self._last_ts + 1)
        sign = sign_connect(self._key, sn=identity.sn, code=identity.code, ts=self._last_ts)
        param: dict[str, str | int] = {"sn": identity.sn, "sign": sign, "ts": self._last_ts}
        if identity.did:
            param["did"] = identity.did
        return param

    async def _keep_alive(
        self, socket: WebSocketConnection, pending: Pending, result: ConnectResult
    ) -> None:
        """Heartbeats, and new tokens in time; returns when it must connect anew."""
        who = {"did": self.identity.did or "", "sn": self.identity.sn}
        self._refused = trio.Event()
        update_at = trio.current_time() + result.expire * 0.75
        pause = min(result.interval * 0.9, result.expire * 0.25)
        while True:
            with trio.move_on_after(pause * self._chance.uniform(0.8, 1.0)):
                await self._refused.wait()
                return
            response = await self._ask(socket, pending, "/heartbeat", who)
            if response.code == 200 and trio.current_time() >= update_at:
                response = await self._ask(socket, pending, "/token/update", who)
                if response.code == 200:
                    renewed = _result(response, TokenResult)
                    self._take_token(renewed.token)
                    update_at = trio.current_time() + renewed.expire * 0.75
            if response.code != 200:
                return

    async def _ask(
        self, socket: WebSocketConnection, pending: Pending, uri: str, param: object
    ) -> Response:
        """One request and its response. Raises HubAway where none comes."""
        arrived = trio.Event()
        outcome: list[Outcome] = []

        def on_done(done: Outcome) -> None:
            outcome.append(done)
            arrived.set()

        msgid = f"{int(self._now())}-{next(self._msgids)}"
        pending.expect(msgid, on_done)
        try:
            await socket.send_message(encode_request(msgid, self._token, uri, param))
            with trio.move_on_after(_ANSWER_SECONDS):
                await arrived.wait()
        finally:
            pending.forget(msgid)
        if not outcome or not isinstance(outcome[0], Response):
            raise HubAway(f"no answer to {uri}")
        return outcome[0]

    def _take_token(self, token: str) -> None:
        self._token = token
        self._has_token.set()

    def _tell_state(self, what: What, text: str = "", code: int = 0) -> None:
        """Tell how the connection is, unless it is as it was."""
        if self._state != (what, text):
            self._state = what, text
            self._tell(what, text, code)

    def _tell(self, what: What, text: str = "", code: int = 0) -> None:
        self._tell_all(Told(self.identity, what, text, code))


def _result(response: Response, type_: type[R]) -> R:
    try:
        return msgspec.json.decode(response.result or Raw(b"null"), type=type_)
    except msgspec.MsgspecError as error:
        raise HubAway(f"the answer to {response.uri} has no good result: {error}") from None


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionClosed):
        said = error.reason.reason if error.reason is not None else None
        return f"the connection was closed: {said}" if said else "the connection was closed"
    return str(error)
