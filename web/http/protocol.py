"""The server side of HTTP/1.1 without I/O: bytes in, events out; answers in, bytes out.

No WebSocket, no HTTP/2, no tunnels. A body of known length is passed on unparsed. Usual heads are
read and written by web.http.http_heads; an exchange with anything unusual, such as a chunked body,
gets its own h11 connection.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import h11
from hypercorn.typing import H11SendableEvent

from hub.net.https_redirect import origin_form
from web.http.http_heads import (
    CLOSE,
    MAX_HEAD_BYTES,
    STATUS_MESSAGES,
    Headers,
    answer_head,
    body_length,
    is_folded,
    read_head,
    refusal_of,
    with_nosniff,
    write_head,
)

#: A body of at most this size that came with its head is part of the Request event.
_MAX_WHOLE_BODY_BYTES = 64 * 1024


class Request(NamedTuple):
    """A request begins. `body`: the whole body (maybe empty); None: BodyParts follow."""

    method: str
    target: bytes
    headers: Headers
    version: str
    body: bytes | None


class BodyPart(NamedTuple):
    """The next bytes of the body, and whether more of it follows."""

    data: bytes
    more: bool


class Refusal(NamedTuple):
    """The request is not served: answer with this error and close. No further event follows."""

    status: int
    message: str


class Wait(Enum):
    """There is no event yet."""

    #: More bytes are needed.
    NEED_DATA = auto()
    #: The next request waits until start_next_cycle() is called.
    PAUSED = auto()


Event = Request | BodyPart | Refusal | Wait


class ServerProtocol:
    """The state of one connection.

    In: `receive_data`, then `next_event` until it returns a Wait. Out: `head`, `body` any number of
    times, `end`; each returns the bytes to be sent, which may be none. They raise
    h11.LocalProtocolError where an answer contradicts its own head. When the answer has been sent
    and `is_request_complete`, `start_next_cycle` begins the next exchange if `can_go_on`.
    """

    #: Received, but not parsed yet.
    _data = b""
    #: None unless something about this exchange is unusual.
    _h11: h11.Connection | None = None
    #: The head of the request, if h11 has not seen it.
    _head = b""
    _has_request = False
    #: How much of a body of known length has not arrived.
    _bytes_left = 0
    _is_chunked = False
    _has_body_begun = False
    is_request_complete = False
    #: The answer to a HEAD request has no body.
    _is_head_request = False
    #: An answer has begun without h11; the bytes of its body that are not sent yet.
    _has_answered = False
    _bytes_owed = 0
    #: The head of an answer of known length is sent together with the first bytes of the body.
    _held = b""
    #: All further input is dropped unread.
    _is_dropping = False

    # In

    def receive_data(self, data: bytes) -> None:
        """Add bytes from the peer. Not to be called while PAUSED: they would pile up."""
        if not self._is_dropping:
            self._data = self._data + data if self._data else data

    def next_event(self) -> Event:
        if self._is_dropping:
            return Wait.NEED_DATA
        if self.is_request_complete:
            return Wait.PAUSED if self._data else Wait.NEED_DATA
        if self._is_chunked:
            return self._next_chunk()
        if not self._data:
            return Wait.NEED_DATA
        return self._next_known_part() if self._bytes_left else self._next_head()

    def drop_rest(self) -> None:
        """Drop all further input unread."""
        self._is_dropping = True
        self._data = b""

    def start_next_cycle(self) -> None:
        self._h11, self._head = None, b""
        self._has_request = self._is_chunked = self._has_body_begun = False
        self.is_request_complete = self._has_answered = self._is_head_request = False

    @property
    def has_data(self) -> bool:
        """Bytes of the next request have arrived."""
        return bool(self._data)

    @property
    def has_partial_head(self) -> bool:
        return not self._has_request and self._partial_head_bytes > 0

    @property
    def is_within_chunks(self) -> bool:
        """The end of a chunked body has not been read."""
        return self._is_chunked and not self.is_request_complete

    @property
    def is_peer_waiting(self) -> bool:
        """The peer sends the body only after `invite_body` (Expect: 100-continue)."""
        return (
            self._h11 is not None
            and self._h11.they_are_waiting_for_100_continue
            and not self._has_body_begun
            # There is no body.
            and not self.is_request_complete
        )

    @property
    def _partial_head_bytes(self) -> int:
        return 0 if self._h11 is None else len(self._h11.trailing_data[0])

    def _next_head(self) -> Event:
        data, room = self._data, MAX_HEAD_BYTES - self._partial_head_bytes
        end = data.find(b"\r\n\r\n", 0, room) + 4
        if end >= 4 and self._h11 is None and (head := read_head(data[:end])) is not None:
            self._head, self._data = data[:end], data[end:]
            return self._begin(head.method, head.target, head.headers, "1.1", head.length)
        # Only the head, and at most one byte beyond the limit, which makes h11 refuse it.
        size = end if end >= 4 else room + 1
        self._data = data[size:]
        connection = self._use_h11()
        if is_folded(connection.trailing_data[0] + data[:size]):
            return self._refuse(400, "a header must not be continued on another line")
        connection.receive_data(data[:size])
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return self._refuse(error.error_status_hint)
        return self._begin_unusual(event) if isinstance(event, h11.Request) else Wait.NEED_DATA

    def _begin_unusual(self, request: h11.Request) -> Request | Refusal:
        headers = list(request.headers)
        self._has_request = True
        self._is_head_request = request.method == b"HEAD"
        refusal = refusal_of(request, headers)
        if refusal is not None:
            return self._refuse(*refusal)
        length = body_length(headers)
        if length is not None:
            self._data = self._use_h11().trailing_data[0] + self._data
        method, version = request.method.decode("ascii").upper(), request.http_version.decode()
        return self._begin(method, origin_form(request.target), headers, version, length)

    def _begin(
        self, method: str, target: bytes, headers: Headers, version: str, length: int | None
    ) -> Request:
        self._has_request = True
        body = None
        if length is None:
            self._is_chunked = True
        elif length <= min(len(self._data), _MAX_WHOLE_BODY_BYTES):
            body, self._data = self._data[:length], self._data[length:]
            self.is_request_complete = True
        else:
            self._bytes_left = length
        return Request(method, target, headers, version, body)

    def _next_known_part(self) -> BodyPart:
        size = self._bytes_left
        part, self._data = self._data[:size], self._data[size:]
        self._has_body_begun = True
        self._bytes_left -= len(part)
        self.is_request_complete = not self._bytes_left
        return BodyPart(part, not self.is_request_complete)

    def _next_chunk(self) -> BodyPart | Refusal | Wait:
        connection = self._use_h11()
        data, self._data = self._data, b""
        try:
            if data:
                connection.receive_data(data)
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return self._refuse(error.error_status_hint)
        if isinstance(event, h11.Data):
            self._has_body_begun = True
            return BodyPart(bytes(event.data), more=True)
        if isinstance(event, h11.EndOfMessage):
            self._data = connection.trailing_data[0]
            self.is_request_complete = True
            return BodyPart(b"", more=False)
        return Wait.NEED_DATA

    def _refuse(self, status: int, message: str = "") -> Refusal:
        self.drop_rest()
        return Refusal(status, message or STATUS_MESSAGES[status])

    # Out

    @property
    def can_answer(self) -> bool:
        """No answer has begun."""
        if self._h11 is not None:
            return self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        return not self._has_answered

    @property
    def can_go_on(self) -> bool:
        """The answer is complete, and the connection may serve another request."""
        if self._h11 is not None:
            return self._h11.our_state is h11.DONE and not self._held
        return self._has_answered and not self._bytes_owed and not self._held

    @property
    def has_answer_body(self) -> bool:
        return not self._is_head_request

    def invite_body(self) -> bytes:
        """100 Continue, if the peer waits for it before it sends the body."""
        if not self.is_peer_waiting:
            return b""
        return self._by_h11(h11.InformationalResponse(status_code=100, headers=[]))

    def head(self, status: int, headers: Headers, *, date: bytes, close: bool = False) -> bytes:
        """Begin the answer. `close`: it is the last one of the connection."""
        # The rest of a chunked body that is answered early is not read.
        close = close or self.is_peer_waiting or self.is_within_chunks
        if close and CLOSE not in headers:
            headers = [*headers, CLOSE]
        usual = write_head(status, tuple(headers)) if self._h11 is None else None
        if usual is not None:
            self._has_answered = True
            self._bytes_owed = usual.length
            self._held = b"%bdate: %b\r\n\r\n" % (usual.start, date)
            return b""
        headers = [*with_nosniff(headers), (b"date", date)]
        self._held = self._use_h11().send(answer_head(status, tuple(headers))) or b""
        return b"" if body_length(headers) else self._take_held()

    def body(self, data: bytes) -> bytes:
        if self._h11 is not None:
            return self._by_h11(h11.Data(data=data))
        if len(data) > self._bytes_owed:
            raise h11.LocalProtocolError("the body is longer than the head announced")
        self._bytes_owed -= len(data)
        return self._take_held() + data

    def end(self) -> bytes:
        if self._h11 is not None:
            return self._by_h11(h11.EndOfMessage())
        if self._bytes_owed:
            raise h11.LocalProtocolError("the body is shorter than the head announced")
        return self._take_held()

    def _by_h11(self, event: H11SendableEvent) -> bytes:
        self._held += self._use_h11().send(event) or b""
        return self._take_held()

    def _take_held(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _use_h11(self) -> h11.Connection:
        """Switch this exchange to h11, if that has not been done."""
        if self._h11 is None:
            self._h11 = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
            if self._head:
                self._h11.receive_data(self._head)
                self._h11.next_event()
                self._head = b""
        return self._h11
