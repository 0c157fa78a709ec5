"""Answers what devices send (1.1 to 1.3): decode the frame, call the service for its uri, reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio
from msgspec import Raw

from hub import metrics
from hub.config import DevicesConfig
from hub.errors import (
    BadParameter,
    CannotStoreNow,
    HubError,
    NoSuchPath,
    NotAuthorised,
    TooManyRequests,
)
from hub.link.connection import DeviceLink
from hub.link.ending import TRY_AGAIN_LATER
from hub.live.frame_trace import FrameTraces
from hub.live.old_tls import OldTls
from hub.services.admission.connect import Admission, Admitted, Quarantined
from hub.services.admission.connect_checks import MissingDid
from hub.services.admission.enrolment import Enrolment
from hub.threads import WorkerThreads
from hub.wire.envelope import (
    BadFrame,
    Request,
    Response,
    decode_frame,
    encode_error,
    encode_ok,
    guess_msgid,
)
from hub.wire.json_limits import weight
from hub.wire.session import (
    decode_connect,
    decode_keepalive,
    find_sn,
    read_usual_heartbeat,
)

CONNECT = "/connect"
HEARTBEAT = "/heartbeat"

#: A frame that weighs more is decoded in a thread.
_INLINE_BYTES = 256 * 1024
#: The requests of 1.1 to 1.3 have a few short fields; only answers hold pictures and long lists.
MAX_PARAM_BYTES = 64 * 1024
_NO_PARAM = Raw(b"{}")

#: Returns the frame that answers a request. Raises the HubError to answer instead.
RequestHandler = Callable[[DeviceLink, Request], Awaitable[str]]


class Dispatch:
    """Handles the messages of all links."""

    def __init__(
        self,
        admission: Admission,
        enrolment: Enrolment,
        traces: FrameTraces,
        config: DevicesConfig,
        now: Callable[[], float],
        old_tls: OldTls,
        *,
        note_address: Callable[[str], None],
    ) -> None:
        """`note_address` is called with the address of each device that proved who it is."""
        self._note_address = note_address
        self._admission = admission
        self._enrolment = enrolment
        self._traces = traces
        self._max_depth = config.max_depth
        self._now = now
        self._old_tls = old_tls
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)
        self._handlers: dict[str, RequestHandler] = {
            CONNECT: self._connect,
            "/token/update": self._update_token,
            HEARTBEAT: self._heartbeat,
        }
        self._counters = {uri: metrics.frames.labels(uri) for uri in (*self._handlers, "answer")}
        self._other = metrics.frames.labels("other")

    async def handle(self, link: DeviceLink, message: str | bytes) -> None:
        """Handle one message: answer a request, or pass a response to the request it belongs to.

        Runs in the task that reads `link`. Raises ConnectionClosed if the answer cannot be sent.
        """
        if (answer := self._usual_heartbeat(link, message)) is not None:
            await link.send(answer)
            return
        try:
            frame = await self._threads.run(
                weight(message), partial(decode_frame, message, max_depth=self._max_depth)
            )
        except BadFrame as error:
            _count_refusal(error)
            link.fail_request(error.msgid or guess_msgid(message), error.message)
            await link.send(encode_error(error.msgid, "", error))
            return
        if isinstance(frame, Response):
            self._counters["answer"].inc()
            link.resolve(frame)
        else:
            self._counters.get(frame.uri, self._other).inc()
            await self._answer(link, frame)

    def _usual_heartbeat(self, link: DeviceLink, message: str | bytes) -> str | None:
        """Answer a heartbeat as nearly all cameras send it, which is most of what they send.

        None leaves it to the way that all other frames take: it is another one, or is not good.
        """
        if not link.did or (sent := read_usual_heartbeat(message)) is None:
            return None
        param = sent.data.param
        if param.ip not in (None, link.ip):
            return None
        try:
            result = self._admission.heartbeat(sent.token, param, link)
        except HubError:
            return None
        self._counters[HEARTBEAT].inc()
        return encode_ok(Request(sent.msgid, HEARTBEAT, _NO_PARAM), result)

    def on_ended(self, link: DeviceLink, reason: str) -> None:
        """Handle a connection's end: its device is offline unless a newer link replaced it."""
        self._traces.ended(link.trace, reason)
        self._admission.leave(link, reason)

    async def _answer(self, link: DeviceLink, request: Request) -> None:
        try:
            handle = self._handler_for(link, request)
            _check_param_size(request)
            answer = await handle(link, request)
        except (CannotStoreNow, TooManyRequests) as error:
            # D7: these codes are for HTTP only. Close the connection: the device retries later.
            link.close(error.message, TRY_AGAIN_LATER)
        except HubError as error:
            _count_refusal(error)
            await link.send(encode_error(request.msgid, request.uri, error))
            if isinstance(error, MissingDid) and error.offer:
                link.start_soon(partial(self._enrolment.provisioning.offer, error.did, link))
        else:
            await link.send(answer)
            if request.uri == CONNECT and self._admission.needs_proof(link):
                link.start_soon(partial(self._prove, link))

    async def _prove(self, link: DeviceLink) -> None:
        """Ask a camera in quarantine who it is (D12), and put it online if that fits."""
        if (admitted := await self._admission.prove(link)) is not None:
            self._admit(link, admitted)

    def _handler_for(self, link: DeviceLink, request: Request) -> RequestHandler:
        if request.uri == CONNECT:
            return self._connect
        if not link.did:
            raise NotAuthorised("connect first")
        handler = self._handlers.get(request.uri)
        if handler is None:
            self._admission.check_token(request.token, link)
            raise NoSuchPath(f"no such uri: {request.uri}")
        return handler

    async def _connect(self, link: DeviceLink, request: Request) -> str:
        if not link.did and (sn := find_sn(request.param)):
            self._traces.attempted(link.trace, sn)
        begun = trio.current_time()
        try:
            admitted = await self._admission.connect(decode_connect(request.param), link)
        except HubError as error:
            metrics.connects.labels(str(error.code)).inc()
            if not link.did and not isinstance(error, BadParameter):
                link.is_pending = True
            raise
        metrics.connects.labels("200").inc()
        metrics.connect_seconds.observe(trio.current_time() - begun)
        if isinstance(admitted, Quarantined):
            link.is_pending = True
            link.token = admitted.result.token
        else:
            self._admit(link, admitted)
        return encode_ok(request, admitted.result)

    def _admit(self, link: DeviceLink, admitted: Admitted) -> None:
        device, token = admitted.device, admitted.result.token
        if link.did not in ("", device.did):
            self._admission.leave(link, "another device connected on its connection")
        link.admit(device.did, device.sn, token, since=int(self._now() * 1000))
        link.trace = self._traces.admitted(link.trace, device.sn)
        self._old_tls.connected(device.did, link.cipher_suite)
        self._admission.enter(link)
        self._note_address(link.address)

    async def _update_token(self, link: DeviceLink, request: Request) -> str:
        result = await self._admission.renew(request.token, decode_keepalive(request.param), link)
        link.token = result.token
        return encode_ok(request, result)

    async def _heartbeat(self, link: DeviceLink, request: Request) -> str:
        param = decode_keepalive(request.param)
        return encode_ok(request, self._admission.heartbeat(request.token, param, link))


def _check_param_size(request: Request) -> None:
    if len(memoryview(request.param)) > MAX_PARAM_BYTES:
        raise BadParameter(f"at most {MAX_PARAM_BYTES} bytes are allowed", field="data.param")


def _count_refusal(error: HubError) -> None:
    metrics.frames_refused.labels(str(error.code)).inc()
