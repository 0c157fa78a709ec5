"""A simulated camera's side of the WebSocket: connect, heartbeats, tokens, answers to commands."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable
from typing import TypeVar

import msgspec
import trio
from msgspec import Raw
from trio_websocket import HandshakeError

from hub.decoders import decode_json
from hub.errors import DeviceBusy, HubError
from hub.simulator.credentials import Credentials
from hub.simulator.device.actions import (
    Action,
    AskForFirmware,
    Disconnect,
    Reconnect,
    ReconnectAs,
    Restart,
    Send,
    SendFragmented,
    SendTruncated,
    Wait,
)
from hub.simulator.device.responder import Responder
from hub.simulator.endpoint import Endpoint, HubAway, first_leaf
from hub.simulator.events import CameraEventKind, EventReporter
from hub.simulator.faults import Quirks
from hub.simulator.websocket import CameraSocket, open_camera_socket
from hub.wire.envelope import Request, Response, decode_frame, encode_error, encode_request
from hub.wire.session import ConnectResult, PendingRequests, RequestOutcome, TokenResult

log = logging.getLogger(__name__)

R = TypeVar("R")

_ANSWER_SECONDS = 10
_MAX_DEPTH = 64
_MAX_MESSAGE_BYTES = 16 << 20
_MAX_PENDING_REQUESTS = 16
#: Delayed or drawn answers in preparation; further commands are refused.
_MAX_CONCURRENT_ANSWERS = 32


class Link:
    """Speaks the protocol over one connection at a time.

    `drawing_limiter` limits the threads in which answers with pictures are drawn; without it they
    are drawn in the calling task. `on_restart` is called with the seconds until the camera must
    restart (1.9), `on_upgrade` when it is told to ask for a release, `on_move` when it was told
    another address of its own or of the hub (D12).
    """

    #: Of the current connection.
    _socket: CameraSocket
    _pending: PendingRequests

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        credentials: Credentials,
        responder: Responder,
        events: EventReporter,
        *,
        quirks: Quirks,
        now: Callable[[], float],
        rng: random.Random,
        connect_retry_seconds: float,
        on_restart: Callable[[float], None],
        on_upgrade: Callable[[], None],
        on_move: Callable[[], None],
        ws_path: Callable[[], str],
        drawing_limiter: trio.CapacityLimiter | None,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._responder = responder
        self._events = events
        self._quirks = quirks
        self._now = now
        self._rng = rng
        self._connect_retry_seconds = connect_retry_seconds
        self._on_restart = on_restart
        self._on_upgrade = on_upgrade
        self._on_move = on_move
        self._ws_path = ws_path
        self._drawing_limiter = drawing_limiter
        self._msgids = itertools.count(1)
        self._connects = itertools.count()
        self._concurrent_answers = 0
        self._provisioned = trio.Event()

    async def run(self) -> None:
        """Run one connection to its end. Raises HubAway or ConnectionClosed, or a group of them."""
        if self._quirks.did == "forgotten":
            self._credentials.set_did(None)
        endpoint = self._endpoint()
        stream = await endpoint.open_ws()
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(_ANSWER_SECONDS):
                    self._socket = await open_camera_socket(
                        nursery,
                        stream,
                        endpoint.host,
                        path=self._ws_path(),
                        max_message_bytes=_MAX_MESSAGE_BYTES,
                    )
                await self._converse()
        except* (
            HandshakeError,
            trio.TooSlowError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            OSError,
        ) as group:
            raise HubAway(f"no WebSocket: {first_leaf(group)}") from None
        finally:
            await trio.aclose_forcefully(stream)

    async def _converse(self) -> None:
        self._pending = PendingRequests(_MAX_PENDING_REQUESTS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, nursery)
            while True:
                result = await self._connect()
                self._events.report_state("online")
                await self._keep_alive(result)

    async def _connect(self) -> ConnectResult:
        """Send connects until one is accepted. An unknown camera waits for its parameters (D3)."""
        while True:
            self._provisioned = trio.Event()
            param = self._credentials.connect_param()
            if self._quirks.drops == "connect" and next(self._connects) % 2 == 0:
                await self._socket.send(encode_request("1", None, "/connect", param))
                await self._socket.disconnect()
                raise HubAway("it disconnected after its connect")
            response = await self._request("/connect", param)
            if response.code == 200:
                result = _decode_result(response, ConnectResult)
                self._credentials.set_token(result.token)
                return result
            state: CameraEventKind = "waiting" if response.code == 421 else "refused"
            self._events.report_state(state, response.msg, response.code)
            with trio.move_on_after(self._connect_retry_seconds * self._rng.uniform(0.8, 1.2)):
                await self._provisioned.wait()

    async def _keep_alive(self, result: ConnectResult) -> None:
        """Send heartbeats (1.3) and renew the token (1.2). Returns when a new connect is due."""
        credentials = self._credentials
        who = credentials.who()
        beat = {**who, "ip": credentials.identity.ip} if self._quirks.tells_ip else who
        credentials.token_rejected = trio.Event()
        renew_at = trio.current_time() + result.expire * 0.75
        interval = min(result.interval * 0.9, result.expire * 0.25)
        while True:
            with trio.move_on_after(interval * self._rng.uniform(0.8, 1.0)):
                await credentials.token_rejected.wait()
                return
            response = await self._request("/heartbeat", beat)
            if response.code == 200 and trio.current_time() >= renew_at:
                response = await self._request("/token/update", who)
                if response.code == 200:
                    renewed = _decode_result(response, TokenResult)
                    credentials.set_token(renewed.token)
                    renew_at = trio.current_time() + renewed.expire * 0.75
            if response.code != 200:
                return

    async def _request(self, uri: str, param: object) -> Response:
        """Send one request and wait for its response. Raises HubAway if none arrives."""
        arrived = trio.Event()
        outcome: list[RequestOutcome] = []

        def on_done(done: RequestOutcome) -> None:
            outcome.append(done)
            arrived.set()

        msgid = f"{int(self._now())}-{next(self._msgids)}"
        self._pending.expect(msgid, on_done)
        try:
            for _ in range(self._quirks.copies):
                await self._socket.send(encode_request(msgid, self._credentials.token, uri, param))
            with trio.move_on_after(_ANSWER_SECONDS):
                await arrived.wait()
        finally:
            self._pending.forget(msgid)
        if not outcome or not isinstance(outcome[0], Response):
            raise HubAway(f"no answer to {uri}")
        return outcome[0]

    async def _read(self, nursery: trio.Nursery) -> None:
        while True:
            try:
                frame = decode_frame(await self._socket.receive(), max_depth=_MAX_DEPTH)
            except HubError as error:
                sn = self._credentials.identity.sn
                log.debug("simulated camera %s received an invalid frame: %s", sn, error)
                continue
            if isinstance(frame, Response):
                self._pending.resolve(frame)
            else:
                await self._answer(frame, nursery)

    async def _answer(self, request: Request, nursery: trio.Nursery) -> None:
        """Answer at once; an answer that takes time is prepared while reading goes on."""
        is_drawn = self._drawing_limiter is not None and self._responder.is_drawn(request)
        if not is_drawn and not self._quirks.delay:
            await self._perform(self._responder.respond(request))
        elif self._concurrent_answers < _MAX_CONCURRENT_ANSWERS:
            self._concurrent_answers += 1
            nursery.start_soon(self._answer_later, request, is_drawn)
        else:
            error = DeviceBusy("too many commands at once")
            await self._socket.send(encode_error(request.msgid, request.uri, error))

    async def _answer_later(self, request: Request, is_drawn: bool) -> None:
        try:
            if is_drawn:
                actions = await trio.to_thread.run_sync(
                    self._responder.respond, request, limiter=self._drawing_limiter
                )
            else:
                actions = self._responder.respond(request)
            await self._perform(actions)
        finally:
            self._concurrent_answers -= 1

    async def _perform(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Send():
                    await self._socket.send(action.message)
                case SendFragmented():
                    await self._socket.send_fragmented(action.message)
                case SendTruncated():
                    await self._socket.send_truncated(action.message)
                case Disconnect():
                    await self._socket.disconnect()
                case Wait():
                    await trio.sleep(action.seconds)
                case ReconnectAs():
                    self._credentials.set_did(action.did)
                    self._events.report("enrolled", action.did or "")
                    self._provisioned.set()
                case Restart():
                    self._on_restart(action.seconds)
                case Reconnect():
                    self._on_move()
                case AskForFirmware():
                    self._on_upgrade()


def _decode_result(response: Response, type_: type[R]) -> R:
    try:
        return decode_json(response.result or Raw(b"null"), type_)
    except msgspec.MsgspecError as error:
        raise HubAway(f"the answer to {response.uri} has an invalid result: {error}") from None
