"""One device's open connection: its deadline, its pace, its goodbye, and requests to the device.

One task reads and answers (run). Other tasks may ask the device something (request) or end the
connection (close); they never read. Whatever is late is ended by one deadline that moves as the
connection goes on: the upgrade and the first frame, then each answer, then the next frame. It is
watched by hub.net.deadlines, as those of requests are.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
from collections.abc import Awaitable, Callable

import trio
from trio_websocket import ConnectionClosed

from hub import metrics
from hub.config import DevicesConfig as DevicesConfig
from hub.errors import DeviceLeft, DeviceNonsense, DeviceSilent
from hub.link.websocket import NORMAL, DeviceSocket, Ending
from hub.live.frame_ring import FrameRing
from hub.live.registry import DeviceAnswer
from hub.log import limited
from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.net.rate_limits import TokenBucket
from hub.wire.envelope import Response, encode_request
from hub.wire.session import PendingRequests, RequestOutcome

log = logging.getLogger(__name__)

#: A connection that knocked stays open for so long after its last frame (D2: bounded in time); a
#: camera whose connection ends knocks again.
WAITING_SECONDS = 300.0
#: D2: a device is offline when no frame came for so many intervals.
SILENT_INTERVALS = 2.5
#: Until a frame is handled and its answer is taken; holding back comes on top.
ANSWER_SECONDS = 20.0
#: Until a device has taken a request of ours.
SEND_SECONDS = 10.0
GOODBYE_SECONDS = 2.0
MOST_REQUESTS = 32
#: A device is taken to be at a request that it does not answer for so many of its time-outs.
LATE = 2

_ANSWER_LATE = Ending(NORMAL, "its answer was not taken in time")
_FRAME_LATE = Ending(NORMAL, "no frame came in time")
_LEFT = "the connection ended before the device answered"

#: What is done with a message, and when the connection has ended (with the reason).
Take = Callable[["DeviceLink", str | bytes], Awaitable[None]]
Ended = Callable[["DeviceLink", str], None]


class DeviceLink:
    """The hub's end of one device connection. `did` and `sn` are empty until the device is in."""

    __slots__ = (
        "_closing",
        "_config",
        "_deadlines",
        "_ended",
        "_hold",
        "_mark",
        "_msgids",
        "_nursery",
        "_overdue",
        "_pending",
        "_rate_limit",
        "_scope",
        "_socket",
        "_take",
        "address",
        "deadline",
        "did",
        "ip",
        "is_waiting",
        "since",
        "sn",
        "token",
        "trace",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        peer: Peer,
        config: DevicesConfig,
        deadlines: Deadlines,
        *,
        trace: FrameRing,
        take: Take,
        ended: Ended,
    ) -> None:
        self.address = peer.address
        self.did = ""
        self.sn = ""
        self.ip = ""
        self.since = 0
        #: Where its frames are kept, both ways.
        self.trace = trace
        #: The token that was issued last; requests to the device carry it (D4).
        self.token: str | None = None
        #: It knocked and was not let in.
        self.is_waiting = False
        self._config = config
        self._deadlines = deadlines
        self._take = take
        self._ended = ended
        self._socket = DeviceSocket(stream, limit=config.max_first_frame_kb * 1024)
        self._pending = PendingRequests(MOST_REQUESTS)
        #: Begins each msgid: an answer that a device owes from an earlier connection fits none.
        self._mark = secrets.token_hex(4)
        self._msgids = itertools.count(1)
        self._scope = trio.CancelScope()
        self.deadline = peer.accepted_at + config.first_message_seconds
        self._overdue = Ending(
            NORMAL,
            f"no frame came within {config.first_message_seconds:g} s",
            limit="first_message",
        )
        self._closing: Ending | None = None
        self._hold: trio.CancelScope | None = None
        # A second's worth of frames may come at once.
        rate = config.max_requests_per_second
        self._rate_limit = TokenBucket(rate, burst=rate)

    async def run(self) -> None:
        """Serve the connection until it ends, and close it."""
        ending: Ending | None = None
        self._deadlines.add(self)
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    ending = await self._read()
        finally:
            self._deadlines.discard(self)
        why = self._why(ending)
        if why.limit:
            self._tell_of_limit(why)
        with trio.move_on_after(GOODBYE_SECONDS):
            await self._socket.finish(why)

    def expire(self) -> None:
        """What was to come is late."""
        self._scope.cancel()

    def let_in(self, did: str, sn: str, token: str, *, since: int) -> None:
        """The device's connect was answered 200."""
        if did != self.did:
            self.since = since
        self.did, self.sn, self.token = did, sn, token
        self.is_waiting = False
        self._socket.limit = self._config.max_frame_kb * 1024

    def close(self, reason: str, code: int = NORMAL) -> None:
        """End the connection soon, with a farewell; the first reason given counts."""
        if self._closing is None:
            self._closing = Ending(code, reason)
            self._scope.cancel()

    def start_soon(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job beside the reader; it ends with the connection."""
        self._nursery.start_soon(job)

    async def send(self, frame: str) -> None:
        """Send in the task that reads, under the link's own deadline."""
        self.trace.sent(frame)
        await self._socket.send_text(frame)

    async def hold_back(self, seconds: float) -> None:
        """Let the peer wait; ends at once when something is to be asked of it."""
        self._allow(seconds + ANSWER_SECONDS, _ANSWER_LATE)
        with trio.move_on_after(seconds) as self._hold:
            await trio.sleep_forever()
        self._hold = None

    async def request(
        self,
        uri: str,
        param: object,
        *,
        seconds: float,
        on_answer: Callable[[DeviceAnswer], None] | None = None,
        on_free: Callable[[], None] | None = None,
    ) -> DeviceAnswer:
        """Ask the device and wait for its answer; see hub.live.registry.Link."""
        msgid = f"{self._mark}-{next(self._msgids)}"
        asked = _Asked(msgid, self._pending, self._deadlines, on_answer, on_free)
        try:
            frame = encode_request(msgid, self.token, uri, param)
            self._pending.expect(msgid, asked.end)
            await self._send_request(frame)
            asked.wait_until(trio.current_time() + seconds)
            await asked.over.wait()
        finally:
            if asked.outcome is None:
                asked.give_up((LATE - 1) * seconds)
        if isinstance(asked.outcome, Response):
            return _answer_of(asked.outcome)
        if asked.outcome is not None:
            raise asked.outcome
        raise DeviceSilent(f"the device did not answer within {seconds:g} s")

    def resolve(self, response: Response) -> None:
        """Give a device's answer to whoever waits for it."""
        if not self._pending.resolve(response):
            metrics.stray_answers.inc()

    def misunderstand(self, msgid: str, why: str) -> None:
        """End the wait for an answer that came, but cannot be read."""
        self._pending.fail(msgid, DeviceNonsense(f"the device's answer cannot be used: {why}"))

    async def _read(self) -> Ending:
        ending: Ending | None = None
        try:
            ending = await self._socket.serve(self._handle, self._pace)
            return ending
        except Exception:
            self._closing = Ending(NORMAL, "a fault of the hub")
            raise
        finally:
            self._pending.close(DeviceLeft(_LEFT))
            self._ended(self, self._why(ending).reason)

    def _why(self, ending: Ending | None) -> Ending:
        return self._closing or ending or self._overdue

    async def _handle(self, message: str | bytes) -> None:
        self._allow(ANSWER_SECONDS, _ANSWER_LATE)
        self.trace.received(message)
        await self._take(self, message)
        if self.did:
            silent = SILENT_INTERVALS * self._config.heartbeat_interval
        elif self.is_waiting:
            silent = WAITING_SECONDS
        else:
            silent = self._config.first_message_seconds
        self._allow(silent, _FRAME_LATE)

    def _allow(self, seconds: float, overdue: Ending) -> None:
        """From now on the connection has so many seconds, or ends so."""
        self.deadline = trio.current_time() + seconds
        self._overdue = overdue

    def _tell_of_limit(self, ending: Ending) -> None:
        metrics.limits_reached.labels(ending.limit).inc()
        limited(
            log,
            logging.WARNING,
            f"{ending.limit} {self.address} {self.did}",
            "%s at %s was cut off: %s",
            self._named,
            self.address,
            ending.reason,
        )

    @property
    def _named(self) -> str:
        return f"device {self.did}" if self.did else "a device"

    async def _pace(self) -> None:
        """Slow a peer down that sends more frames than its rate limit allows."""
        wait = self._rate_limit.take(trio.current_time())
        if wait:
            metrics.limits_reached.labels("requests_per_second").inc()
            limited(
                log,
                logging.WARNING,
                f"pace {self.address} {self.did}",
                "%s at %s sends more than %d frames a second, and is slowed down",
                self._named,
                self.address,
                self._config.max_requests_per_second,
            )
            await trio.sleep(wait)

    async def _send_request(self, frame: str) -> None:
        if self._hold is not None:
            self._hold.cancel()  # The answer to come is read by the task that holds back.
        self.trace.sent(frame)
        try:
            rest = self._socket.begin_text(frame)
            if rest is not None:
                await self._send_rest(rest)
        except ConnectionClosed:
            raise DeviceLeft(_LEFT) from None

    async def _send_rest(self, rest: bytes) -> None:
        try:
            with trio.move_on_after(SEND_SECONDS) as patience:
                await self._socket.send_rest(rest)
        finally:
            if self._socket.is_torn:  # Whoever asked gave up, or was too late, in the middle of it.
                self.close("a request was sent in part only")
        if patience.cancelled_caught:
            raise DeviceLeft("the device did not take the request in time")


class _Asked:
    """A request of ours, until the device is done with it."""

    __slots__ = (
        "_deadlines",
        "_is_given_up",
        "_msgid",
        "_on_answer",
        "_on_free",
        "_pending",
        "deadline",
        "outcome",
        "over",
    )

    def __init__(
        self,
        msgid: str,
        pending: PendingRequests,
        deadlines: Deadlines,
        on_answer: Callable[[DeviceAnswer], None] | None,
        on_free: Callable[[], None] | None,
    ) -> None:
        #: Nobody needs to wait any longer.
        self.over = trio.Event()
        #: What it came to for whoever asked; None while they wait, and for good once they gave up.
        self.outcome: RequestOutcome | None = None
        #: For whoever asked; once they gave up, for the device. There is none before it is out.
        self.deadline = math.inf
        self._msgid = msgid
        self._pending = pending
        self._deadlines = deadlines
        self._on_answer = on_answer
        self._on_free = on_free
        self._is_given_up = False

    def wait_until(self, deadline: float) -> None:
        """It is out: an answer is waited for."""
        self.deadline = deadline
        if not self.over.is_set():
            self._deadlines.add(self)

    def give_up(self, more: float) -> None:
        """Nobody waits for its answer any more. The device is at it for so long, or never was."""
        if self.deadline == math.inf or self._on_free is None:
            self._forget()
        else:
            self.deadline += more
            self._is_given_up = True

    def expire(self) -> None:
        if self._is_given_up:
            self._forget()
        else:
            self.over.set()

    def end(self, outcome: RequestOutcome) -> None:
        """The answer is there, or the connection has ended."""
        if not self._is_given_up:
            self.outcome = outcome
            if self._on_answer is not None and isinstance(outcome, Response):
                self._on_answer(_answer_of(outcome))
        elif isinstance(outcome, Response):
            metrics.stray_answers.inc()
        self.over.set()
        self._free()

    def _forget(self) -> None:
        self._pending.forget(self._msgid)
        self._free()

    def _free(self) -> None:
        """The device has done with it."""
        self._deadlines.discard(self)
        on_free, self._on_free = self._on_free, None
        if on_free is not None:
            on_free()


def _answer_of(response: Response) -> DeviceAnswer:
    return DeviceAnswer(response.code, response.msg, response.result)
