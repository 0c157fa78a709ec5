"""One simulated camera: the device side of the protocol, over real connections.

It connects with a signature, keeps its token fresh, sends heartbeats, answers commands, comes back
when the hub was away, upgrades itself, and uploads until it is answered. Its faults are data
(`hub.simulator.faults`).
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
from trio_websocket import ConnectionClosed, HandshakeError

from hub.errors import DeviceBusy, HubError
from hub.simulator import firmware_upgrade
from hub.simulator.actions import Break, Enrolled, Fragments, HangUp, Restart, Say, Step, Wait
from hub.simulator.device_state import DeviceState
from hub.simulator.endpoint import HubAway, first_of
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.http_client import Poster, Reply
from hub.simulator.identity import CameraIdentity
from hub.simulator.responder import Responder
from hub.simulator.scenario.population import Cast
from hub.simulator.uploads import Upload, device_info
from hub.simulator.websocket import Line, open_line
from hub.wire.envelope import Request, Response, decode_frame, encode_error, encode_request
from hub.wire.session import ConnectResult, Outcome, Pending, TokenResult
from hub.wire.signing import sign_connect

log = logging.getLogger(__name__)

R = TypeVar("R")

_ANSWER_SECONDS = 10
_MAX_DEPTH = 64
_LONGEST_MESSAGE = 16 << 20
#: Answers that are being waited with or drawn; what is asked beyond is refused.
_MOST_AT_ONCE = 32

What = Literal[
    "online", "offline", "waiting", "refused", "enrolled", "sent", "not-sent", "upgraded"
]


class Told(Struct, frozen=True):
    """What happened to a camera, for whoever runs it. `code` is the hub's."""

    identity: CameraIdentity
    what: What
    text: str = ""
    code: int = 0


class Hub(Protocol):
    """Where a camera gets its connections from: `Target`, or a test's own."""

    host: str
    #: What stands in an HTTP request's Host.
    authority: str

    async def open_ws(self) -> Stream: ...

    async def open_http(self) -> Stream: ...


class Pace(Struct, frozen=True):
    """How long a camera takes, in seconds."""

    #: A refused or unknown camera asks again after this, or once it was given its parameters.
    knock: float = 20
    longest_backoff: float = 30
    #: From switching off to the next connect (1.9).
    restart: float = 3
    #: From one look for a new release (2.3) to the next.
    upgrade: float = 60


UNHURRIED = Pace()


class Camera:
    """Call `run` in a nursery, and `upload` whenever it sees something.

    `pencil` limits the threads that answers are drawn in; without it they are drawn in place.
    `knows_cast`: who belongs here is in its face library from the start.
    """

    def __init__(
        self,
        identity: CameraIdentity,
        hub: Hub,
        *,
        cast: Cast,
        now: Callable[[], float],
        chance: random.Random,
        tell: Callable[[Told], None],
        quirks: Quirks = FAULTLESS,
        pace: Pace = UNHURRIED,
        pencil: trio.CapacityLimiter | None = None,
        knows_cast: bool = False,
    ) -> None:
        no_did = quirks.did == "never"
        self.identity = msgspec.structs.replace(identity, did=None) if no_did else identity
        self.quirks = quirks
        self._hub = hub
        self._true_now = now
        self._chance = chance
        self._tell_all = tell
        self._pace = pace
        self._pencil = pencil
        self.state = DeviceState(identity, cast, now=self.now, knows_cast=knows_cast)
        self._responder = Responder(self.state, quirks)
        self._key = identity.signer()
        self._poster = Poster(hub.open_http, hub.authority)
        self._msgids = itertools.count(1)
        self._connects = itertools.count()
        self._last_ts = 0
        self._said: dict[str, str | int] = {}
        self._token: str | None = None
        self._has_token = trio.Event()
        self._knock = trio.Event()
        self._refused = trio.Event()
        self._reported = trio.Event()
        self._power = trio.CancelScope()
        self._uptime = trio.CancelScope()
        self._at_once = 0
        self._restarting = False
        self._told_state: tuple[What, str] | None = None

    def now(self) -> float:
        """Its own clock, which may be wrong."""
        return self._true_now() + self.quirks.clock_offset

    async def run(self) -> NoReturn:
        """Live: for ever, until cancelled."""
        async with trio.open_nursery() as self._life:
            self._life.start_soon(self._look_after_itself)
            if self.quirks.reboot_every:
                self._life.start_soon(self._restart_now_and_then)
            await self._stay_connected()
        raise AssertionError("a camera lives until it is cancelled")

    async def wait_reported(self) -> None:
        """Wait until it has told the hub of itself (2.2)."""
        await self._reported.wait()

    async def upload(self, upload: Upload) -> Reply:
        """Send the same bytes until the hub answers that it took or refused them."""
        if self.quirks.drops in ("upload", "reply"):
            await self._break_off(upload, share=0.5 if self.quirks.drops == "upload" else 1)
        reply = await self._upload(upload)
        for _ in range(self.quirks.copies - 1):
            reply = await self._upload(upload)
        return reply

    async def aclose(self) -> None:
        """Close the connection that `upload` keeps; works while being cancelled, too."""
        await self._poster.aclose()

    async def _upload(self, upload: Upload) -> Reply:
        backoff = 1.0
        while True:
            await self._has_token.wait()
            try:
                reply = await self._poster.send(
                    upload.method, upload.path, upload.body, self._http_token
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
            backoff = min(backoff * 2, self._pace.longest_backoff)

    async def _break_off(self, upload: Upload, *, share: float) -> None:
        await self._has_token.wait()
        try:
            await self._poster.break_off(
                upload.method, upload.path, upload.body, self._http_token, share=share
            )
        except HubAway as error:
            self._tell("not-sent", str(error))

    @property
    def _http_token(self) -> str | None:
        return self._token if self.quirks.http_token else None

    async def _look_after_itself(self) -> None:
        """At each start tell of itself (2.2); then look for a new release, again and again."""
        while True:
            with trio.CancelScope() as self._uptime:
                await self.upload(device_info(self.identity, self.state.versions))
                self._reported.set()
                while True:
                    await self._look_for_release()
                    await trio.sleep(self._pace.upgrade * self._chance.uniform(0.8, 1.2))

    async def _look_for_release(self) -> None:
        await self._has_token.wait()
        try:
            release = await firmware_upgrade.query(
                self._poster, self.state, self._who(), self._http_token
            )
            if release is None or self.quirks.upgrades == "ignored":
                return
            brings = await firmware_upgrade.download(self._poster, release)
        except (HubAway, firmware_upgrade.NoUpgrade) as error:
            log.debug("simulated camera %s is not upgraded: %s", self.identity.sn, error)
            return
        if self.quirks.upgrades == "installed":
            firmware_upgrade.install(self.state, release, brings)
            self._tell("upgraded", release.ver_name)
            self._life.start_soon(self._restart_after, 0)

    async def _restart_now_and_then(self) -> None:
        while True:
            await trio.sleep(self.quirks.reboot_every)
            await self._restart_after(0)

    async def _restart_after(self, seconds: float) -> None:
        if self._restarting:
            return
        self._restarting = True
        await trio.sleep(seconds)
        self._token = None
        if self._has_token.is_set():
            self._has_token = trio.Event()
        self._power.cancel()
        self._uptime.cancel()

    async def _stay_connected(self) -> None:
        backoff = 1.0
        while True:
            started = trio.current_time()
            with trio.CancelScope() as self._power:
                try:
                    await self._one_connection()
                except* (HubAway, ConnectionClosed) as group:
                    self._tell_state("offline", _reason(first_of(group)))
                if trio.current_time() - started > 60:
                    backoff = 1.0
                await trio.sleep(backoff * self._chance.uniform(0.5, 1.0))
                backoff = min(backoff * 2, self._pace.longest_backoff)
            if self._power.cancelled_caught:
                self._tell_state("offline", "it restarts")
                await self._poster.aclose()
                await trio.sleep(self._pace.restart)
                self._restarting = False
                backoff = 1.0

    async def _one_connection(self) -> None:
        if self.quirks.did == "forgotten":
            self.identity = msgspec.structs.replace(self.identity, did=None)
        stream = await self._hub.open_ws()
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(_ANSWER_SECONDS):
                    line = await open_line(
                        nursery, stream, self._hub.host, most_bytes=_LONGEST_MESSAGE
                    )
                await self._talk(line)
        except* (
            HandshakeError,
            trio.TooSlowError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            OSError,
        ) as group:
            raise HubAway(f"no WebSocket: {first_of(group)}") from None
        finally:
            await trio.aclose_forcefully(stream)

    async def _talk(self, line: Line) -> None:
        """Everything on one connection; ends with HubAway or ConnectionClosed."""
        pending = Pending(16)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, line, pending, nursery)
            while True:
                result = await self._connect(line, pending)
                self._tell_state("online")
                await self._keep_alive(line, pending, result)

    async def _read(self, line: Line, pending: Pending, nursery: trio.Nursery) -> None:
        while True:
            try:
                frame = decode_frame(await line.receive(), max_depth=_MAX_DEPTH)
            except HubError as error:
                log.debug("simulated camera %s got a bad frame: %s", self.identity.sn, error)
                continue
            if isinstance(frame, Response):
                pending.resolve(frame)
            else:
                await self._answer(line, frame, nursery)

    async def _answer(self, line: Line, request: Request, nursery: trio.Nursery) -> None:
        """Answer now, or beside the reading where it takes a while."""
        drawn = self._pencil is not None and self._responder.draws(request)
        if not drawn and not self.quirks.delay:
            await self._perform(line, self._responder.answer(request))
        elif self._at_once < _MOST_AT_ONCE:
            self._at_once += 1
            nursery.start_soon(self._answer_later, line, request, drawn)
        else:
            await line.say(encode_error(request.msgid, request.uri, DeviceBusy("too many")))

    async def _answer_later(self, line: Line, request: Request, drawn: bool) -> None:
        try:
            if drawn:
                steps = await trio.to_thread.run_sync(
                    self._responder.answer, request, limiter=self._pencil
                )
            else:
                steps = self._responder.answer(request)
            await self._perform(line, steps)
        finally:
            self._at_once -= 1

    async def _perform(self, line: Line, steps: tuple[Step, ...]) -> None:
        for step in steps:
            match step:
                case Say():
                    await line.say(step.message)
                case Fragments():
                    await line.say_in_fragments(step.message)
                case Break():
                    await line.break_off(step.message)
                case HangUp():
                    await line.hang_up()
                case Wait():
                    await trio.sleep(step.seconds)
                case Enrolled():
                    self.identity = msgspec.structs.replace(self.identity, did=step.did)
                    self._tell("enrolled", step.did or "")
                    self._knock.set()
                case Restart():
                    self._life.start_soon(self._restart_after, step.seconds)

    async def _connect(self, line: Line, pending: Pending) -> ConnectResult:
        """Ask until it is let in; while it is unknown it waits for its parameters."""
        while True:
            self._knock = trio.Event()
            if self.quirks.drops == "connect" and next(self._connects) % 2 == 0:
                await line.say(encode_request("1", None, "/connect", self._connect_param()))
                await line.hang_up()
                raise HubAway("it hung up after its connect")
            response = await self._ask(line, pending, "/connect", self._connect_param())
            if response.code == 200:
                result = _result(response, ConnectResult)
                self._take_token(result.token)
                return result
            what: What = "waiting" if response.code == 421 else "refused"
            self._tell_state(what, response.msg, response.code)
            with trio.move_on_after(self._pace.knock * self._chance.uniform(0.8, 1.2)):
                await self._knock.wait()

    def _connect_param(self) -> dict[str, str | int]:
        if self.quirks.replays and self._said:
            return self._said
        identity = self.identity
        # A ts is good for one connect only (D2), so it never stands still.
        self._last_ts = max(int(self.now()), self._last_ts + 1)
        param: dict[str, str | int] = {"sn": identity.sn, "ts": self._last_ts}
        if self.quirks.signs:
            code = f"not {identity.code}" if self.quirks.wrong_code else identity.code
            param["sign"] = sign_connect(self._key, sn=identity.sn, code=code, ts=self._last_ts)
        if self.quirks.tells_ip:
            param["ip"] = identity.ip
        if identity.did:
            param["did"] = identity.did
        self._said = param
        return param

    def _who(self) -> dict[str, object]:
        """Who it is, in a request or a body."""
        return {"did": self.identity.did or "", "sn": self.identity.sn}

    async def _keep_alive(self, line: Line, pending: Pending, result: ConnectResult) -> None:
        """Heartbeats, and new tokens in time; returns when it must connect anew."""
        who = self._who()
        beat = {**who, "ip": self.identity.ip} if self.quirks.tells_ip else who
        self._refused = trio.Event()
        update_at = trio.current_time() + result.expire * 0.75
        pause = min(result.interval * 0.9, result.expire * 0.25)
        while True:
            with trio.move_on_after(pause * self._chance.uniform(0.8, 1.0)):
                await self._refused.wait()
                return
            response = await self._ask(line, pending, "/heartbeat", beat)
            if response.code == 200 and trio.current_time() >= update_at:
                response = await self._ask(line, pending, "/token/update", who)
                if response.code == 200:
                    renewed = _result(response, TokenResult)
                    self._take_token(renewed.token)
                    update_at = trio.current_time() + renewed.expire * 0.75
            if response.code != 200:
                return

    async def _ask(self, line: Line, pending: Pending, uri: str, param: object) -> Response:
        """One request and its response. Raises HubAway where none comes."""
        arrived = trio.Event()
        outcome: list[Outcome] = []

        def on_done(done: Outcome) -> None:
            outcome.append(done)
            arrived.set()

        msgid = f"{int(self.now())}-{next(self._msgids)}"
        pending.expect(msgid, on_done)
        try:
            for _ in range(self.quirks.copies):
                await line.say(encode_request(msgid, self._token, uri, param))
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
        if self._told_state != (what, text):
            self._told_state = what, text
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
