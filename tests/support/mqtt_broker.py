"""A broker of MQTT 5 for tests: it keeps messages, has wills, and refuses what a test says.

It knows only what a hub sends: QoS 1, no shared subscriptions, no sessions that outlive it.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.lowlevel

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
BAD_LOGIN, NOT_AUTHORISED, TAKEN_OVER = 0x86, 0x87, 0x8E


@dataclass
class Published:
    """A message that the broker has taken. `at`: its place among all."""

    topic: str
    payload: bytes
    retain: bool
    content_type: str = ""


@dataclass
class _Client:
    stream: trio.abc.Stream
    id: str = ""
    user: str = ""
    password: str = ""
    will: Published | None = None
    filters: list[str] = field(default_factory=list)
    lock: trio.Lock = field(default_factory=trio.Lock)


class FakeBroker:
    """What was published, what is kept, and how it behaves."""

    def __init__(self) -> None:
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.published: list[Published] = []
        self.kept: dict[str, bytes] = {}
        self.logins: list[_Client] = []
        self.clients: dict[str, _Client] = {}
        #: The reason code with which it answers who connects; 0 lets it in.
        self.connect_code = 0
        #: The reason code for each message; the ones it refuses are not in `published`.
        self.publish_code: Callable[[Published], int] = lambda message: 0
        #: Whether it acknowledges.
        self.answers = True
        #: Properties of its CONNACK: identifier and value as they are encoded.
        self.told = b""
        #: The most messages that were on their way at once.
        self.most_unanswered = 0
        self._unanswered: list[tuple[_Client, int]] = []

    # -- what a test looks at, and does

    @property
    def url(self) -> str:
        return f"{'mqtt' if self.tls is None else 'mqtts'}://127.0.0.1:{self.port}"

    def payloads(self, topic: str) -> list[bytes]:
        return [one.payload for one in self.published if one.topic == topic]

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish as another client does."""
        await self._deliver(Published(topic, payload, retain), None)

    async def cut(self) -> None:
        """Break all connections, as a crash does."""
        for client in list(self.clients.values()):
            await trio.aclose_forcefully(client.stream)

    async def end(self, code: int) -> None:
        """End all connections with a reason."""
        for client in list(self.clients.values()):
            await self._send(client, DISCONNECT, bytes([code, 0]))
            await client.stream.aclose()

    # -- the protocol

    async def serve(self, stream: trio.abc.Stream) -> None:
        client = _Client(stream)
        is_clean = False
        try:
            while True:
                kind, flags, body = await _read_packet(stream)
                if kind == DISCONNECT:
                    is_clean = True
                    break
                await self._handle(client, kind, flags, body)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass
        finally:
            if self.clients.get(client.id) is client:
                del self.clients[client.id]
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
                if not is_clean and client.will is not None:
                    await self._deliver(client.will, client)

    async def _handle(self, client: _Client, kind: int, flags: int, body: bytes) -> None:
        match kind:
            case 1:
                await self._connect(client, body)
            case 3:
                await self._take(client, flags, body)
            case 8:
                await self._subscribe(client, body)
            case 12:
                await self._send(client, PINGRESP, b"")

    async def _connect(self, client: _Client, body: bytes) -> None:
        protocol, rest = _text(body)
        assert (protocol, rest[0]) == ("MQTT", 5)
        flags, rest = rest[1], rest[4:]
        rest = _skip_properties(rest)
        client.id, rest = _text(rest)
        if flags & 0x04:
            rest = _skip_properties(rest)
            topic, rest = _text(rest)
            payload, rest = _bytes(rest)
            client.will = Published(topic, payload, bool(flags & 0x20))
        if flags & 0x80:
            client.user, rest = _text(rest)
        if flags & 0x40:
            client.password, rest = _text(rest)
        self.logins.append(client)
        if self.connect_code:
            client.will = None
            await self._send(client, CONNACK, bytes([0, self.connect_code, 0]))
            await client.stream.aclose()
            return
        self.clients[client.id] = client
        await self._send(client, CONNACK, bytes([0, 0, len(self.told)]) + self.told)

    async def _take(self, client: _Client, flags: int, body: bytes) -> None:
        topic, rest = _text(body)
        mid, rest = struct.unpack("!H", rest[:2])[0], rest[2:]
        assert flags & 0x06 == 2, "QoS 1"
        length, start = _number(rest, 0)
        properties, payload = rest[start : start + length], rest[start + length :]
        content_type = _text(properties[1:])[0] if properties[:1] == b"\x03" else ""
        message = Published(topic, payload, bool(flags & 1), content_type)
        code = self.publish_code(message)
        if not code:
            await self._deliver(message, client)
        self._unanswered.append((client, mid))
        self.most_unanswered = max(self.most_unanswered, len(self._unanswered))
        if self.answers:
            # Those that are read already count as on their way.
            await trio.lowlevel.checkpoint()
            await self._acknowledge(client, mid, code)

    async def _acknowledge(self, client: _Client, mid: int, code: int) -> None:
        self._unanswered.remove((client, mid))
        await self._send(client, PUBACK, struct.pack("!HBB", mid, code, 0))

    async def _subscribe(self, client: _Client, body: bytes) -> None:
        mid, rest = body[:2], _skip_properties(body[2:])
        filters = []
        while rest:
            one, rest = _text(rest)
            filters.append(one)
            rest = rest[1:]
        client.filters += filters
        await self._send(client, SUBACK, mid + b"\0" + bytes([1] * len(filters)))
        for topic, payload in list(self.kept.items()):
            if any(_matches(one, topic) for one in filters):
                await self._forward(client, Published(topic, payload, True))

    async def _deliver(self, message: Published, source: _Client | None) -> None:
        self.published.append(message)
        if message.retain:
            self.kept.pop(message.topic, None)
            if message.payload:
                self.kept[message.topic] = message.payload
        passed_on = Published(message.topic, message.payload, False)
        for client in list(self.clients.values()):
            if client is not source and any(_matches(one, message.topic) for one in client.filters):
                await self._forward(client, passed_on)

    async def _forward(self, client: _Client, message: Published) -> None:
        topic = message.topic.encode()
        body = struct.pack("!H", len(topic)) + topic + b"\0" + message.payload
        await self._send(client, PUBLISH, body, int(message.retain))

    async def _send(self, client: _Client, kind: int, body: bytes, flags: int = 0) -> None:
        try:
            async with client.lock:
                await client.stream.send_all(bytes([kind << 4 | flags]) + _length(body) + body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


@asynccontextmanager
async def running_broker(
    broker: FakeBroker | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FakeBroker]:
    """Run a broker on the loopback address; on the same port if it has run before."""
    broker = broker or FakeBroker()
    broker.tls = tls
    async with trio.open_nursery() as nursery:

        async def serve(stream: trio.SocketStream) -> None:
            if tls is None:
                await broker.serve(stream)
                return
            secure = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            try:
                await secure.do_handshake()
            except trio.BrokenResourceError:
                return
            await broker.serve(secure)

        listeners = await trio.open_tcp_listeners(broker.port, host="127.0.0.1")
        broker.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        try:
            yield broker
        finally:
            nursery.cancel_scope.cancel()


async def _read_packet(stream: trio.abc.Stream) -> tuple[int, int, bytes]:
    first = (await _read(stream, 1))[0]
    length, shift = 0, 0
    while True:
        byte = (await _read(stream, 1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            break
    return first >> 4, first & 15, await _read(stream, length)


async def _read(stream: trio.abc.Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _length(body: bytes) -> bytes:
    size, found = len(body), bytearray()
    while True:
        size, byte = divmod(size, 128)
        found.append(byte | (128 if size else 0))
        if not size:
            return bytes(found)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable byte integer, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value, at


def _skip_properties(data: bytes) -> bytes:
    length, start = _number(data, 0)
    return data[start + length :]


def _bytes(data: bytes) -> tuple[bytes, bytes]:
    (size,) = struct.unpack("!H", data[:2])
    return data[2 : 2 + size], data[2 + size :]


def _text(data: bytes) -> tuple[str, bytes]:
    text, rest = _bytes(data)
    return text.decode(), rest


def _matches(filter: str, topic: str) -> bool:
    wanted, given = filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        return given[: len(wanted) - 1] == wanted[:-1]
    return len(wanted) == len(given) and all(
        one in ("+", other) for one, other in zip(wanted, given, strict=True)
    )
