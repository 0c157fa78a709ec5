"""Takes messages from the streams, as many as there is room for, and acknowledges what is stored.

All centres pull from one durable consumer of each stream, so each message goes to one of them. A
message that is not acknowledged in time, as of a centre that was killed, goes to another one.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import trio
import trio_asyncio
from msgspec import Struct
from msgspec.structs import replace
from nats.aio.msg import Msg

from hub.central.messages import KV_OPERATION, TRIAL
from hub.central.received import Received, read_message
from hub.decoders import decode_json
from hub.errors import StartFault
from hub.folding import visible
from hub.services.forwarding.nats.address import is_encrypted, servers_of, stream_of
from hub.services.forwarding.nats.asked import ASKED, ASKED_CONFIG, asked_subject
from hub.services.forwarding.nats.connection import ApiError, Login, NatsConnection, run_loop
from hub.services.forwarding.nats.headers import DESCRIPTION, STATUS
from hub.services.forwarding.nats.identity import load_certificate
from hub.services.forwarding.nats.messages import Message
from hub.services.forwarding.nats.stream import find_stream
from hub.services.forwarding.sender import TryLater
from hub.services.forwarding.site_state import BUCKET_CONFIG, STATES, state_subject

#: The durable consumer of each stream.
CONSUMER = "sitehub-central"
#: No hub may be called so: its inbox would be ours.
_INBOX_NAME = "sitehub_central"
_ACK_WAIT_SECONDS = 30
_PULL_MESSAGES, _PULL_BYTES = 500, 4 * 1024 * 1024
#: What comes with a message beside what the server counts against its limit.
_MESSAGE_ROOM = 16 * 1024
#: Before a stream is asked again that had nothing to give.
_PAUSE_SECONDS = 1.0
#: Only what a stream holds is acknowledged: all else is what the server says of a request.
_ACK = "$JS.ACK."
_PULL_SECONDS = 20
#: At the end of a request: how many of its messages were not sent.
_UNSENT = "Nats-Pending-Messages"
#: The server says so often that it is there while it has nothing.
_HEARTBEAT_SECONDS = 5
_SILENT_SECONDS = 3 * _HEARTBEAT_SECONDS
#: All centres together may hold so many messages of a stream.
_MAX_ACK_PENDING = 20_000
_NS = 1_000_000_000
_NO_STREAM, _NO_CONSUMER = 10059, 10014
_CONFIG = {
    "durable_name": CONSUMER,
    "ack_policy": "explicit",
    "ack_wait": _ACK_WAIT_SECONDS * _NS,
    "max_ack_pending": _MAX_ACK_PENDING,
    "deliver_policy": "all",
}
#: Of who reads the states: each for itself.
_STATES_CONFIG: dict[str, object] = {
    "ack_policy": "none",
    "deliver_policy": "last_per_subject",
    "filter_subject": state_subject("*"),
    "inactive_threshold": 60 * _NS,
    "mem_storage": True,
    "num_replicas": 1,
}

Take = Callable[[Received], None]
_Answer = TypeVar("_Answer", bound=Struct)
WaitRoom = Callable[[], Awaitable[None]]


class StreamGone(Exception):
    """The stream or its consumer is not there any more."""


class Servers(Struct, frozen=True):
    """Where the streams are, and who we are to the servers. `ca`, `cert`, `key`: PEM."""

    url: str
    user: str = ""
    password: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""


class Floor(Struct, frozen=True):
    """Everything up to this message of the stream is stored."""

    stream_seq: int = 0


class Consumed(Struct, frozen=True):
    """How far the consumer of a stream is, and when it was made.

    `num_pending`: messages that nobody has taken; `num_ack_pending`: taken and not stored yet.
    `oldest`: the first message that the stream has, or would have; 0: it had none yet.
    """

    num_pending: int = 0
    num_ack_pending: int = 0
    ack_floor: Floor = Floor()
    created: datetime | None = None
    oldest: int = 0
    error: ApiError | None = None


class _State(Struct, frozen=True):
    first_seq: int = 0


class _Stream(Struct, frozen=True):
    state: _State = _State()


class Reader(NatsConnection):
    """An open connection that takes messages. Use `open_reader`."""

    async def consume(
        self, stream: str, wait_room: WaitRoom, put: Take, consumer: str = CONSUMER
    ) -> None:
        """Give what comes in a stream to `put`; ask for more once there is room.

        Raises TryLater, StreamGone.
        """
        pull = Pull(stream, put)
        # Of its own: centres have one name, and would get what another one has asked for.
        inbox = f"_INBOX.{_INBOX_NAME}.{secrets.token_hex(8)}"
        await self._run(self._subscribe, (inbox, pull), 10)
        while True:
            await wait_room()
            pull.begin()
            await self._run(self._ask_next, (stream, consumer, inbox), 10)
            await self._until_over(pull)
            if pull.is_gone:
                raise StreamGone
            if pull.refusal:
                if pull.is_too_large:
                    # The servers may take more than when the connection was opened.
                    raise TryLater(f"stream {stream}: {pull.refusal}")
                await trio.sleep(_PAUSE_SECONDS)

    async def follow_states(self, put: Take) -> None:
        """Give what each hub has told last to `put`, and what they tell from now on.

        Returns when the bucket is gone. Raises TryLater.
        """
        name, _ = await self._states()
        with suppress(StreamGone):
            await self.consume(STATES, trio.lowlevel.checkpoint, put, name)

    async def read_states(self, put: Take) -> None:
        """Give what each hub has told last to `put`. Raises TryLater."""
        name, left = await self._states()
        with trio.CancelScope() as scope:

            def count(message: Received) -> None:
                nonlocal left
                put(message)
                left -= 1
                if left <= 0:
                    scope.cancel()

            if left:
                await self.consume(STATES, trio.lowlevel.checkpoint, count, name)

    async def _states(self) -> tuple[str, int]:
        """Make a consumer for the states of hubs; return its name and how many there are."""
        await find_stream(self, STATES, state_subject("*"), BUCKET_CONFIG)
        config = {**_STATES_CONFIG, "name": f"sitehub-{secrets.token_hex(8)}"}
        body = msgspec.json.encode({"stream_name": STATES, "config": config})
        found = await self._ask(f"CONSUMER.CREATE.{STATES}.{config['name']}", body)
        if found.error is not None:
            raise TryLater(f"{STATES}: {found.error.reason}")
        return str(config["name"]), found.num_pending

    async def forget_state(self, hub: str) -> None:
        """Let the servers keep nothing of what a hub has told, or is asked. Raises TryLater."""
        for bucket, subject_of, own in (
            (STATES, state_subject, BUCKET_CONFIG),
            (ASKED, asked_subject, ASKED_CONFIG),
        ):
            await find_stream(self, bucket, subject_of("*"), own)
            ack = await self.publish(Message(subject_of(hub), {KV_OPERATION: "DEL"}, b""))
            if ack.error is not None:
                raise TryLater(f"{bucket}: {ack.error.reason}")

    async def prepare(self, stream: str) -> Consumed | None:
        """Return how far the consumer of a stream is; make it if it is missing.

        None: there is no such stream. Raises TryLater.
        """
        found = await self.consumed(stream)
        if found.error is not None and found.error.err_code == _NO_CONSUMER:
            body = msgspec.json.encode({"stream_name": stream, "config": _CONFIG})
            found = await self._ask(f"CONSUMER.CREATE.{stream}.{CONSUMER}", body)
        if found.error is not None and found.error.err_code == _NO_STREAM:
            return None
        if found.error is not None:
            raise TryLater(f"stream {stream}: {found.error.reason}")
        return found

    async def begin_again(self, stream: str, since: datetime | None) -> None:
        """Let the consumer of a stream give everything again, or what came since then.

        Raises TryLater.
        """
        config: dict[str, object] = dict(_CONFIG)
        if since is not None:
            config |= {"deliver_policy": "by_start_time", "opt_start_time": since.isoformat()}
        body = msgspec.json.encode({"stream_name": stream, "config": config})
        await self._ask(f"CONSUMER.DELETE.{stream}.{CONSUMER}")
        found = await self._ask(f"CONSUMER.CREATE.{stream}.{CONSUMER}", body)
        if found.error is not None:
            raise TryLater(f"stream {stream}: {found.error.reason}")

    async def try_out(self, partition: int) -> str:
        """Store something that says nothing in a stream; return why it is refused, "" if it is not.

        Raises TryLater.
        """
        ack = await self.publish(Message(f"sitehub.{partition}.{TRIAL}", {}, b"{}"))
        return (
            "" if ack.error is None else f"{stream_of(partition)} takes nothing: {ack.error.reason}"
        )

    async def consumed(self, stream: str) -> Consumed:
        """Return how far the consumer of a stream is. Raises TryLater."""
        found = await self._ask(f"CONSUMER.INFO.{stream}.{CONSUMER}")
        if found.error is not None:
            return found
        info = await self._ask_for(_Stream, f"STREAM.INFO.{stream}")
        return replace(found, oldest=info.state.first_seq)

    async def _ask(self, what: str, body: bytes = b"") -> Consumed:
        return await self._ask_for(Consumed, what, body)

    async def _ask_for(self, kind: type[_Answer], what: str, body: bytes = b"") -> _Answer:
        reply = await self.request(f"$JS.API.{what}", body)
        try:
            return decode_json(reply.data, kind)
        except msgspec.MsgspecError as error:
            raise TryLater("its answer could not be understood") from error

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """Tell the streams that messages are stored. Raises TryLater."""
        await self._run(self._acknowledge, messages, 30)

    async def _until_over(self, pull: Pull) -> None:
        """Return when a pull has ended. Raises TryLater if the server says nothing any more."""
        while not pull.is_over:
            with trio.move_on_after(_SILENT_SECONDS) as scope:
                await pull.wait_sign()
            if scope.cancelled_caught:
                raise TryLater("the server says nothing")
            if self.is_broken:
                raise TryLater(await self.wait_broken())

    # -- in asyncio

    async def _subscribe(self, what: Any, seconds: float) -> None:
        inbox, pull = what
        await self._client.subscribe(inbox, cb=pull.receive)

    async def _ask_next(self, what: Any, seconds: float) -> None:
        stream, consumer, inbox = what
        body = msgspec.json.encode(
            {
                "batch": _PULL_MESSAGES,
                # A message that is larger would stay there for ever, with all that come after it.
                "max_bytes": max(_PULL_BYTES, self.max_payload + _MESSAGE_ROOM),
                "expires": _PULL_SECONDS * _NS,
                "idle_heartbeat": _HEARTBEAT_SECONDS * _NS,
            }
        )
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        await self._client.publish(subject, body, reply=inbox)

    async def _acknowledge(self, messages: Sequence[Received], seconds: float) -> None:
        for message in messages:
            await self._client.publish(message.reply, b"+ACK")
        await self._client.flush(int(seconds))


@asynccontextmanager
async def open_reader(servers: Servers) -> AsyncIterator[Reader]:
    """Connect to one of the servers. Raises TryLater, also in an exception group."""
    login = Login(servers.user, servers.password, _tls_of(servers))
    async with trio.open_nursery() as nursery:
        loop, loop_scope = await nursery.start(run_loop)
        reader = Reader(loop, wants_tls=is_encrypted(servers.url))
        connect = trio_asyncio.aio_as_trio(reader.open, loop=loop)
        try:
            await connect(servers_of(servers.url), login, _INBOX_NAME)
            yield reader
        finally:
            try:
                await reader.aclose()
            finally:
                loop_scope.cancel()


def _tls_of(servers: Servers) -> ssl.SSLContext | None:
    """Return what checks the servers and shows our certificate. Raises StartFault."""
    if not is_encrypted(servers.url):
        return None
    try:
        context = ssl.create_default_context(cadata=servers.ca or None)
        if servers.cert:
            load_certificate(context, servers.cert, servers.key)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise StartFault(f"the certificates cannot be used: {error}") from error
    return context


class Pull:
    """What comes of the requests for a stream's next messages, of which one runs at a time."""

    def __init__(self, stream: str, put: Take) -> None:
        self.is_gone = False
        #: Why the server has ended it without sending anything; "" if it was for the time.
        self.refusal = ""
        self._stream = stream
        self._put = put
        #: How many of those that were asked for have not come, and how many will not.
        self._left = self._unsent = 0
        self._sign = trio.Event()

    @property
    def is_over(self) -> bool:
        """Whether all has come that the server has sent."""
        return self._left <= self._unsent

    @property
    def is_too_large(self) -> bool:
        """Whether the next message was larger than what was asked for."""
        return "MaxBytes" in self.refusal

    def begin(self) -> None:
        self.refusal = ""
        self._left, self._unsent = _PULL_MESSAGES, 0

    async def wait_sign(self) -> None:
        """Return when anything has come."""
        await self._sign.wait()
        self._sign = trio.Event()

    async def receive(self, message: Msg) -> None:
        """Take a message, or what the server says of the request."""
        headers = dict(message.headers or {})
        if message.reply.startswith(_ACK):
            self._put(
                read_message(self._stream, message.subject, headers, message.data, message.reply)
            )
            self._left -= 1
        # 100: it is still there. All else ends the request: no more time, or no more bytes.
        elif (status := headers.get(STATUS, "")) != "100":
            said = headers.get(DESCRIPTION, "")
            self.is_gone = status == "503" or "Deleted" in said
            # With replicas a message waits until the others have it, and comes after its end.
            self._unsent = _number(headers.get(_UNSENT, "")) or self._left
            if status != "408" and self._unsent >= _PULL_MESSAGES:
                self.refusal = visible(f"{status} {said}")
        self._sign.set()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
