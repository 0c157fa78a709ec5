"""Sends to NATS JetStream: in batches that are stored as a whole, each after the one before.

Each batch names the last record that the stream must have (compare-and-set on the subject). So what
was in flight when a connection broke is neither lost nor stored twice: the next connection asks for
the last record, and goes on from there. Servers before 2.12 get the same message by message.
"""

from __future__ import annotations

import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import trio
from msgspec.structs import replace

from hub.reasons import Reason
from hub.services.forwarding.nats.address import is_encrypted, servers_of
from hub.services.forwarding.nats.identity import load_certificate
from hub.services.forwarding.nats.messages import (
    ERASURE,
    LOG,
    REACHED,
    SEQ,
    SESSION,
    Message,
    Messages,
    largest_of,
    size_of,
)
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.sender import (
    Delivery,
    Item,
    NeedsPerson,
    Position,
    Refused,
    TryLater,
    Undelivered,
)
from hub.store.targets.target import Cursor, TargetOptions, TargetSecrets

if TYPE_CHECKING:
    from hub.services.forwarding.nats.connection import ApiError, NatsConnection
    from hub.services.forwarding.nats.stream import LastMessage, NatsStream
    from hub.services.forwarding.site_state import Asked, SiteState

_BATCH_MESSAGES, _BATCH_BYTES, _BATCH_SECONDS = 200, 4 * 1024 * 1024, 0.25
#: What a slow line brings through before the acknowledgement is given up.
_MIN_BATCH_BYTES = 256 * 1024
#: So long a record waits for others. A batch costs the servers as much as a record alone.
GATHER_SECONDS = 1.0
_KEPT_DELIVERIES = 100
#: So often a hub without records shows that it is there.
_SIGN_SECONDS = 600
#: Thousands of hubs come back after a cut: spread over a minute.
PLAN = RetryPlan(waits=(1.0,), spread_seconds=59.0)
_WRONG_SEQUENCE = frozenset({10071, 10164})
#: So often another hub may have sent under our name, or the sequence may be wrong in a row: the
#: server that is asked may be behind the others for a while.
_MAX_OTHERS, _MAX_WRONG = 3, 20
#: No subject has so many.
_IMPOSSIBLE = str(2**53)

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_BATCH_ID, _BATCH_SEQUENCE, _COMMIT = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"


class NatsSender:
    """Delivers to one subject of one stream, through one connection at a time."""

    batch = _BATCH_MESSAGES

    def __init__(
        self,
        options: TargetOptions,
        keys: TargetSecrets,
        messages: Messages,
        now: Callable[[], float],
        is_this_hub: Callable[[], Awaitable[bool]] | None = None,
        plan: RetryPlan = PLAN,
    ) -> None:
        """`is_this_hub`: whether one of the addresses leads here."""
        self.retry_plan = plan
        self._options = options
        self._secrets = keys
        self._messages = messages
        self._now = now
        self._is_this_hub = is_this_hub
        self._session = secrets.token_hex(8)
        self._loop: Any = None
        self._connection: NatsConnection | None = None
        self._has_batches, self._max_bytes = False, 0
        #: Halved when a batch did not get through.
        self._batch_bytes = _BATCH_BYTES
        #: The stream's number of our last record; 0 if there is none.
        self._last = 0
        #: The seq of our last record that the stream is known to have; 0 if there is none.
        self._reached = 0
        #: Whether the stream was asked, and what it was then taken to need no more.
        self._is_placed, self._floor = False, 0
        self._others = self._wrong = 0
        #: What says how the hub is; None before that is known.
        self._state: Message | None = None
        #: What the server is, and how records go there; None before the first connection.
        self.about: Reason | None = None
        #: The last attempts, the newest last.
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

    @property
    def gather_seconds(self) -> float:
        return GATHER_SECONDS if self._has_batches else 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        # Imported here because most hubs have no such target, and it takes memory.
        from hub.services.forwarding.nats.connection import run_loop

        async with trio.open_nursery() as nursery:
            self._loop, loop_scope = await nursery.start(run_loop)
            try:
                yield
            finally:
                try:
                    await self.aclose()
                finally:
                    loop_scope.cancel()

    # -- where the stream is

    async def position(self, cursor: Cursor) -> Position:
        stream = await self._connect()
        assert self._connection is not None
        from hub.services.forwarding.nats.stream import last_message

        name, subject = self._messages.stream, self._messages.record_subject
        last = await self._dropping(last_message, self._connection, name, stream, subject)
        self._check_sender(last)
        await self._announce()
        place = replace(
            self._place(cursor, stream, last),
            erasure_number=await self._last_erasure(stream) if cursor.erasure_number else None,
        )
        self._is_placed = True
        self._floor = place.seq
        self._last = 0 if last is None else last.stream_seq
        return place

    async def _last_erasure(self, stream: NatsStream) -> int | None:
        """Return the number of the last erasure that the stream has, None if it has none."""
        from hub.services.forwarding.nats.stream import last_message

        name, subject = self._messages.stream, self._messages.erasure_subject
        last = await self._dropping(last_message, self._connection, name, stream, subject)
        return None if last is None else _number(last.headers.get(ERASURE, ""))

    async def wait_broken(self) -> Reason:
        while self._connection is not None:
            with trio.move_on_after(_SIGN_SECONDS):
                reason = await self._connection.wait_broken()
                await self.aclose()
                return reason
            try:
                await self._announce()
            except TryLater as failure:
                return failure.reason
        return Reason("it is not connected")

    async def tell(self, state: SiteState) -> None:
        """Tell how the hub is, or once there is a connection. Whether it arrives is not told."""
        self._state = self._messages.state(state, self._options)
        await self._tell_state()

    async def asked(self) -> Sequence[Asked]:
        from hub.services.forwarding.nats.asked import ASKED, asked_subject, read_asked
        from hub.services.forwarding.nats.stream import last_of_any

        options = self._options
        if self._connection is None or not options.commands or not options.ca:
            return ()
        with suppress(TryLater):
            subject = asked_subject(options.hub)
            last = await last_of_any(self._connection, ASKED, subject, is_optional=True)
            return () if last is None else read_asked(last.payload, options.hub, options.ca)
        return ()

    async def _tell_state(self) -> None:
        if self._connection is not None and self._state is not None:
            with suppress(TryLater):
                await self._connection.tell(self._state)

    async def _announce(self) -> None:
        """Tell which log this is, before anything of it, and then as a sign of life."""
        message = await self._messages.announcement()
        assert self._connection is not None
        ack = await self._dropping(self._connection.publish, message)
        if ack.error is not None:
            await self._failed(ack.error)

    def _place(self, cursor: Cursor, stream: NatsStream, last: LastMessage | None) -> Position:
        """Return from where to go on, given the last record of the stream."""
        log_id = self._messages.log_id
        begin = self._options.begin_seq if self._options.begin_log == log_id else 0
        known, self._reached = self._reached, 0
        if last is None:
            if (expired := stream.expired_before(self._now())) is None:
                return Position(log_id, min(begin, cursor.seq), has_lost=known > 0)
            if self._is_placed and not known:
                # It was so before, and nothing was sent since.
                return Position(log_id, cursor.seq)
            return Position(log_id, min(begin, cursor.seq), expired_before=expired)
        if last.headers.get(LOG) != log_id:
            return Position(log_id, min(begin, cursor.seq))
        seq = _number(last.headers.get(SEQ, ""))
        self._reached = _number(last.headers.get(REACHED, "")) or seq
        if self._reached == known:
            # What comes between it and the cursor was not selected.
            return Position(log_id, max(cursor.seq, known))
        record = last.payload if self._reached == seq else b""
        return Position(log_id, self._reached, record, has_lost=self._reached < known)

    def _check_sender(self, last: LastMessage | None) -> None:
        """Raise NeedsPerson if another hub sends under our name again and again."""
        if not self._is_placed or last is None or last.stream_seq == self._last:
            return
        if last.headers.get(SESSION) != self._session:
            # The first may have been in flight when this hub was started.
            self._others += 1
        if self._others >= _MAX_OTHERS:
            raise NeedsPerson("another hub sends as %(name)s too", name=self._options.hub)

    async def _connect(self) -> NatsStream:
        """Open a connection, if there is none; return the stream."""
        from hub.services.forwarding.nats.connection import open_connection
        from hub.services.forwarding.nats.stream import find_stream, has_batches

        if self._connection is None:
            options = self._options
            # Each time: a name may lead elsewhere than when the target was added.
            if self._is_this_hub is not None and await self._is_this_hub():
                raise TryLater("the address leads to this hub")
            self._connection = await open_connection(
                self._loop,
                servers_of(options.url),
                await self._login(),
                options.hub,
                wants_tls=is_encrypted(options.url),
            )
            # At once: what comes next may fail again and again.
            await self._tell_state()
        connection = self._connection
        subjects = f"sitehub.{self._options.partition}.>"
        name = self._messages.stream
        stream: NatsStream = await self._dropping(find_stream, connection, name, subjects)
        self._has_batches = has_batches(connection, stream)
        self._max_bytes = stream.max_bytes(connection.max_payload)
        about = {"version": connection.version, "stream": name}
        self.about = (
            Reason("NATS %(version)s, stream %(stream)s, in batches", about)
            if self._has_batches
            else Reason("NATS %(version)s, stream %(stream)s, one by one", about)
        )
        return stream

    async def _login(self) -> Any:
        """Return how to prove who we are. Raises TryLater if the certificate cannot be used."""
        from hub.services.forwarding.nats.connection import Login

        options, keys = self._options, self._secrets
        tls = None
        if is_encrypted(options.url):
            # In a thread: it reads all authorities that this computer knows.
            tls = await trio.to_thread.run_sync(_tls_of, options, keys)
        return Login(options.user, keys.password, tls)

    async def _dropping(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do some work with the connection, which is closed if that fails."""
        try:
            return await work(*args)
        except TryLater:
            await self.aclose()
            raise

    # -- sending

    async def send(self, items: Sequence[Item]) -> None:
        group: list[Message] = []
        began, size = trio.current_time(), 0
        for position, item in enumerate(items):
            try:
                messages = await self._checked_messages(item, position)
            except Refused:
                await self._publish(group)
                raise
            size += (added := size_of(messages))
            if group and (
                len(group) + len(messages) > _BATCH_MESSAGES
                or size > self._batch_bytes
                or trio.current_time() - began > _BATCH_SECONDS
            ):
                await self._publish(group)
                group, began, size = [], trio.current_time(), added
            group += messages
        await self._publish(group)

    async def _checked_messages(self, item: Item, position: int) -> list[Message]:
        """Return the messages of an item. Raises Refused if one is too large for the server."""
        if self._connection is None or self._connection.is_broken:
            await self.aclose()
            raise TryLater("the connection broke")
        messages = await self._messages.of(item)
        if (size := largest_of(messages)) > self._max_bytes:
            raise Refused(
                "%(size)s bytes are more than the server takes (%(limit)s)",
                position,
                size=size,
                limit=self._max_bytes,
            )
        return messages

    async def _publish(self, group: Sequence[Message]) -> None:
        """Publish the messages of some items, and note what became of it."""
        if not group:
            return
        began, at = trio.current_time(), int(self._now() * 1000)
        failure: Reason | None = Reason("it was interrupted")
        try:
            # A batch of one would only use up what the server has for batches.
            if self._has_batches and len(group) > 1:
                await self._publish_batch(group)
            else:
                for message in group:
                    await self._publish_one(message)
            self._batch_bytes = min(_BATCH_BYTES, 2 * self._batch_bytes)
            failure = None
        except Undelivered as error:
            failure = error.reason
            self._batch_bytes = max(_MIN_BATCH_BYTES, self._batch_bytes // 2)
            raise
        finally:
            took = int((trio.current_time() - began) * 1000)
            seqs = [message.seq for message in group if message.seq]
            id = f"{self._messages.log_id}-{_range(seqs)}"
            self.deliveries.append(Delivery(id, at, took, None, failure))

    async def _publish_batch(self, group: Sequence[Message]) -> None:
        assert self._connection is not None
        id = secrets.token_hex(16)
        is_first = True
        for number, message in enumerate(group, 1):
            message.headers.update({_BATCH_ID: id, _BATCH_SEQUENCE: str(number)})
            if message.seq:
                self._mark(message)
                if is_first:
                    message.headers[EXPECTED] = str(self._last)
                    is_first = False
        group[-1].headers[_COMMIT] = "1"
        ack = await self._dropping(self._connection.publish_batch, group)
        if ack.error is not None:
            await self._failed(ack.error)
        self._note_stored(group[-1], ack.seq)

    async def _publish_one(self, message: Message) -> None:
        assert self._connection is not None
        if message.seq:
            self._mark(message)
            message.headers[EXPECTED] = str(self._last)
        ack = await self._dropping(self._connection.publish, message)
        if ack.error is not None:
            await self._failed(ack.error)
        self._note_stored(message, ack.seq)

    def _mark(self, message: Message) -> None:
        message.headers[SESSION] = self._session
        if message.seq < (reached := max(self._reached, self._floor)):
            message.headers[REACHED] = str(reached)

    def _note_stored(self, message: Message, stream_seq: int) -> None:
        if message.seq:
            self._last = stream_seq
            self._reached = max(self._reached, self._floor, message.seq)
            self._wrong = 0

    async def _failed(self, error: ApiError) -> NoReturn:
        """Raise what a refusal of the stream means."""
        await self.aclose()
        if error.err_code in _WRONG_SEQUENCE:
            self._wrong += 1
            if self._wrong >= _MAX_WRONG:
                raise NeedsPerson(
                    "another hub sends as %(name)s too: %(why)s",
                    name=self._options.hub,
                    why=error.reason,
                )
        stream = self._messages.stream
        raise TryLater("stream %(stream)s: %(why)s", stream=stream, why=error.reason)

    # -- trying it out

    async def test(self) -> Delivery:
        began, at = trio.current_time(), int(self._now() * 1000)
        reason = None
        try:
            async with self.running():
                reason = await self._try_out()
        except TryLater as failure:
            reason = failure.reason
        took = int((trio.current_time() - began) * 1000)
        return Delivery(f"{self._messages.log_id}-test-{self._session}", at, took, None, reason)

    async def _try_out(self) -> Reason | None:
        """Return why nothing could be sent; None if it could."""
        try:
            await self._connect()
            assert self._connection is not None
            headers = {EXPECTED: _IMPOSSIBLE}
            # It is refused for its sequence, and so only if it was allowed otherwise.
            message = Message(self._messages.record_subject, headers, b"")
            ack = await self._dropping(self._connection.publish, message)
        except TryLater as failure:
            return failure.reason
        if ack.error is not None and ack.error.err_code not in _WRONG_SEQUENCE:
            return ack.error.reason  # type: ignore[no-any-return]
        return None

    async def forget(self) -> None:
        pass

    async def aclose(self) -> None:
        if (connection := self._connection) is not None:
            self._connection = None
            await connection.aclose()


def _range(seqs: Sequence[int]) -> str:
    if not seqs:
        return "other"
    return str(seqs[0]) if len(seqs) == 1 else f"{seqs[0]}-{seqs[-1]}"


def _tls_of(options: TargetOptions, keys: TargetSecrets) -> ssl.SSLContext:
    """Return what checks the server and shows our certificate. Raises TryLater."""
    try:
        context = ssl.create_default_context(cadata=options.ca or None)
        if options.cert:
            load_certificate(context, options.cert, keys.key)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise TryLater("the certificates: %(why)s", why=str(error)) from error
    return context


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0
