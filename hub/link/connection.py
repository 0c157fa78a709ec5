"""One device's open connection: deadlines, rate limit, close handshake, and requests to the device.

One task reads and answers: run(). Other tasks may send the device a request or close the link;
they never read. Each link has a single deadline, watched by hub.net.deadlines. It is moved as the
connection proceeds: for the upgrade and the first frame, then for each answer, then for the next
frame.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable

import trio
from trio_websocket import ConnectionClosed

from hub import metrics
from hub.config import DevicesConfig
from hub.errors import DeviceLeft, DeviceNonsense, DeviceSilent
from hub.link.ending import NORMAL, Ending
from hub.link.large_answer import LargeAnswer
from hub.link.message_budget import MessageBudget, MessageReservation
from hub.link.pending_request import PendingRequest, answer_of
from hub.link.websocket import DeviceSocket, OwnNames
from hub.live.frame_ring import FrameRing
from hub.live.registry import DeviceAnswer, FileSink
from hub.log import limited
from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.net.rate_limits import TokenBucket
from hub.net.tls_stream import TlsStream
from hub.wire.envelope import Response, encode_request
from hub.wire.session import PendingRequests

log = logging.getLogger(__name__)

#: How long a pending connection stays open after its last frame (D2: bounded in time). A camera
#: connects again when its connection ends.
PENDING_SECONDS = 300.0
#: D2: a device is offline after this many heartbeat intervals without a frame.
SILENT_INTERVALS = 2.5
#: Limit for handling a frame and sending its answer, not counting any backoff.
ANSWER_SECONDS = 20.0
#: Limit for sending a request to the device.
SEND_SECONDS = 10.0
CLOSE_SECONDS = 2.0
MAX_REQUESTS = 32
#: Links stay open for days, and most frames are shorter.
_PORTION_BYTES = 4096
#: A device counts as busy with an unanswered request for this many times its time-out.
BUSY_TIMEOUTS = 2

#: All connections whose device is not admitted: together they may use what one device may, or
#: their first frames from many addresses would leave no room for devices.
STRANGERS = "strangers"

_ANSWER_LATE = Ending(NORMAL, "it did not read its answer in time")
_FRAME_LATE = Ending(NORMAL, "no frame came in time")
_LEFT = "the connection ended before the device answered"

#: Handles one message in the task that reads.
HandleMessage = Callable[["DeviceLink", str | bytes], Awaitable[None]]
#: Called once when the connection has ended, with the reason.
OnEnded = Callable[["DeviceLink", str], None]


class DeviceLink:
    """The hub's end of one device connection; the Link of hub.live.registry.

    `did`, `sn` and `since` (UNIX milliseconds) are empty until admit(). `deadline` is on trio's
    clock. Call all methods in the trio thread, and send() and delay_answer() only in the task that
    runs run().
    """

    __slots__ = (
        "_closing",
        "_config",
        "_deadlines",
        "_delay",
        "_handle_message",
        "_msgid_prefix",
        "_msgids",
        "_nursery",
        "_on_ended",
        "_overdue",
        "_pending",
        "_rate_limit",
        "_scope",
        "_slot",
        "_socket",
        "address",
        "cipher_suite",
        "deadline",
        "did",
        "ip",
        "is_pending",
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
        messages: MessageBudget,
        *,
        trace: FrameRing,
        handle: HandleMessage,
        on_ended: OnEnded,
        own_names: OwnNames = frozenset,
    ) -> None:
        """The link owns `stream`. `deadlines` must be watched while run() runs."""
        self.address = peer.address
        #: The name of its TLS cipher suite; "" without TLS.
        self.cipher_suite = ""
        if isinstance(stream, TlsStream):
            self.cipher_suite = stream.cipher_suite()
            stream.portion_bytes = _PORTION_BYTES
        self._slot = peer.slot
        self.did = ""
        self.sn = ""
        self.ip = ""
        self.since = 0
        #: Keeps the frames in both directions; replaced when the device is admitted.
        self.trace = trace
        #: The token that was issued last; requests to the device carry it (D4).
        self.token: str | None = None
        #: Whether a connect attempt was refused and none has been accepted since.
        self.is_pending = False
        self._config = config
        self._deadlines = deadlines
        self._handle_message = handle
        self._on_ended = on_ended
        room = MessageReservation(messages, deadlines, sender=self._sender, give_up=self._end)
        self._socket = DeviceSocket(
            stream,
            room,
            limit=config.max_first_frame_kb * 1024,
            any_origin=config.any_origin,
            own_names=own_names,
        )
        self._pending = PendingRequests(MAX_REQUESTS)
        #: Random, so that a late answer to an earlier connection's request matches none of these.
        self._msgid_prefix = secrets.token_hex(4)
        self._msgids = itertools.count(1)
        self._scope = trio.CancelScope()
        self.deadline = peer.accepted_at + config.first_message_seconds
        self._overdue = Ending(
            NORMAL,
            f"no frame came within {config.first_message_seconds:g} s",
            limit="first_message",
        )
        self._closing: Ending | None = None
        self._delay: trio.CancelScope | None = None
        # Allow bursts of one second's frames.
        rate = config.max_requests_per_second
        self._rate_limit = TokenBucket(rate, burst=rate)

    async def run(self) -> None:
        """Serve the connection until either side ends it, then close it.

        Errors caused by the peer end the connection and are not raised; faults of the hub are. If
        cancelled, it closes the stream at once.
        """
        ending: Ending | None = None
        self._deadlines.add(self)
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    ending = await self._read()
        finally:
            self._deadlines.discard(self)
        final = self._final_ending(ending)
        if final.limit:
            self._log_limit(final)
        with trio.move_on_after(CLOSE_SECONDS):
            await self._socket.finish(final)

    @property
    def path(self) -> str:
        """The path of the upgrade; "" before it."""
        return self._socket.path or ""

    @property
    def hub_address(self) -> str:
        """See hub.live.registry.Link: from the Host header of the upgrade."""
        return f"{'wss' if self.cipher_suite else 'ws'}://{self._socket.host}"

    def expire(self) -> None:
        """The deadline has passed: end the connection."""
        self._scope.cancel()

    def admit(self, did: str, sn: str, token: str, *, since: int) -> None:
        """Make this the link of a device whose connect is about to be accepted.

        `since`: UNIX milliseconds; ignored if the same device was admitted here before.
        """
        if did != self.did:
            self.since = since
        self.did, self.sn, self.token = did, sn, token
        self.is_pending = False
        self._slot.keep()
        self._socket.limit = self._config.max_frame_kb * 1024

    def close(self, reason: str, code: int = NORMAL) -> None:
        """End the connection soon, with a close frame. Only the first call has an effect."""
        self._end(Ending(code, reason))

    def start_soon(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job beside the reader. It is cancelled when the connection ends."""
        self._nursery.start_soon(job)

    async def send(self, frame: str) -> None:
        """Send an answer. Raises ConnectionClosed. The link's deadline bounds the wait."""
        self.trace.sent(frame)
        await self._socket.send_text(frame)

    async def delay_answer(self, seconds: float) -> None:
        """See hub.live.registry.Link."""
        self._set_deadline(seconds + ANSWER_SECONDS, _ANSWER_LATE)
        with trio.move_on_after(seconds) as self._delay:
            await trio.sleep_forever()
        self._delay = None

    async def request(
        self,
        uri: str,
        param: object,
        *,
        seconds: float,
        on_answer: Callable[[DeviceAnswer], None] | None = None,
        on_free: Callable[[], None] | None = None,
        sink: FileSink | None = None,
    ) -> DeviceAnswer:
        """See hub.live.registry.Link. A cancellation in the middle of a frame ends the connection,
        because nothing can be sent after half a frame.
        """
        msgid = f"{self._msgid_prefix}-{next(self._msgids)}"
        request = PendingRequest(
            msgid, self._pending, self._deadlines, on_answer=on_answer, on_free=on_free
        )
        large = None

        def note_part() -> None:
            request.deadline = trio.current_time() + seconds
            self._set_deadline(self._silence_seconds, _FRAME_LATE)

        if sink is not None:
            large = self._socket.large_answer = LargeAnswer(msgid, sink, note_part)
        try:
            frame = encode_request(msgid, self.token, uri, param)
            self._pending.expect(msgid, request.finish)
            await self._send_request(frame)
            request.start_timeout(trio.current_time() + seconds)
            await request.done.wait()
        finally:
            if large is not None:
                large.drop()
            if large is not None and request.outcome is not None:
                self._socket.large_answer = None
            if request.outcome is None:
                request.abandon((BUSY_TIMEOUTS - 1) * seconds)
        if isinstance(request.outcome, Response):
            return answer_of(request.outcome)
        if request.outcome is not None:
            raise request.outcome
        raise DeviceSilent(f"the device did not answer within {seconds:g} s")

    def resolve(self, response: Response) -> None:
        """Pass an answer to its pending request; count it as stray if there is none."""
        if not self._pending.resolve(response):
            metrics.stray_answers.inc()

    def fail_request(self, msgid: str, error: str) -> None:
        """Fail the pending request with this msgid, if there is one: its answer is unreadable."""
        self._pending.fail(msgid, DeviceNonsense(f"the device's answer cannot be used: {error}"))

    def _end(self, ending: Ending) -> None:
        if self._closing is None:
            self._closing = ending
            # Or a camera that connects again and again would keep many slots.
            self._slot.release()
            self._scope.cancel()

    def _sender(self) -> str:
        """Whose messages these are, for the budget of all messages."""
        return f"device {self.did}" if self.did else STRANGERS

    async def _read(self) -> Ending:
        ending: Ending | None = None
        try:
            ending = await self._socket.serve(self._handle, self._limit_rate)
            return ending
        except Exception:
            self._closing = Ending(NORMAL, "a fault of the hub")
            raise
        finally:
            self._pending.close(DeviceLeft(_LEFT))
            self._on_ended(self, self._final_ending(ending).reason)

    def _final_ending(self, ending: Ending | None) -> Ending:
        """Why the connection ends: the hub's reason, else the peer's, else the passed deadline."""
        return self._closing or ending or self._overdue

    async def _handle(self, message: str | bytes) -> None:
        self._set_deadline(ANSWER_SECONDS, _ANSWER_LATE)
        self._slot.speak()
        self.trace.received(message)
        await self._handle_message(self, message)
        self._set_deadline(self._silence_seconds, _FRAME_LATE)

    @property
    def _silence_seconds(self) -> float:
        """How long the device may stay silent in its present state."""
        if self.did:
            return SILENT_INTERVALS * self._config.heartbeat_interval
        return PENDING_SECONDS if self.is_pending else self._config.first_message_seconds

    def _set_deadline(self, seconds: float, overdue: Ending) -> None:
        """End the connection as `overdue` unless the deadline is moved within `seconds`."""
        self.deadline = trio.current_time() + seconds
        self._overdue = overdue

    def _log_limit(self, ending: Ending) -> None:
        metrics.limits_reached.labels(ending.limit).inc()
        limited(
            log,
            logging.WARNING,
            f"{ending.limit} {self.address} {self.did}",
            "%s at %s was disconnected: %s",
            self._peer_name,
            self.address,
            ending.reason,
        )

    @property
    def _peer_name(self) -> str:
        return f"device {self.did}" if self.did else "a device"

    async def _limit_rate(self) -> None:
        """Wait if the peer sends more frames than its rate limit allows."""
        wait = self._rate_limit.take(trio.current_time())
        if wait:
            metrics.limits_reached.labels("requests_per_second").inc()
            limited(
                log,
                logging.WARNING,
                f"pace {self.address} {self.did}",
                "%s at %s sends more than %d frames a second, and is slowed down",
                self._peer_name,
                self.address,
                self._config.max_requests_per_second,
            )
            await trio.sleep(wait)

    async def _send_request(self, frame: str) -> None:
        if self._delay is not None:
            self._delay.cancel()  # The delayed task is the one that must read the answer.
        self.trace.sent(frame)
        try:
            rest = self._socket.begin_text(frame)
            if rest is not None:
                await self._send_rest(rest)
        except ConnectionClosed:
            raise DeviceLeft(_LEFT) from None

    async def _send_rest(self, rest: bytes) -> None:
        try:
            with trio.move_on_after(SEND_SECONDS) as timeout:
                await self._socket.send_rest(rest)
        finally:
            if self._socket.is_torn:  # Cancelled or timed out in the middle of the frame.
                self.close("only part of a request was sent")
        if timeout.cancelled_caught:
            raise DeviceLeft("the device did not read the request in time")
