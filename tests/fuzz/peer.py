"""Sockets that send what is fuzzed, and strict readers of what the hub answers."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress

import msgspec
from msgspec import Struct

HOST = "127.0.0.1"
#: So long may an answer take that must come. A camera has 30 s for a command with a photo.
ANSWER_SECONDS = 45.0
_MAX_ANSWER_BYTES = 64 << 20
_MAX_HEAD_BYTES = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\t]*)")


class Gone(Exception):
    """The hub closed the connection."""


class Silent(Exception):
    """Nothing came in time."""


class Broken(Exception):
    """What the hub sent breaks the protocol: a finding."""


class Answer(Struct):
    status: int
    headers: dict[str, str]
    body: bytes = b""
    #: It has no end: an event stream.
    is_stream: bool = False


_context = ssl.create_default_context()
_context.check_hostname = False
_context.verify_mode = ssl.CERT_NONE


class Peer:
    """One connection from `address`, which is one of the loopback's."""

    def __init__(self, address: str, port: int, *, tls: bool) -> None:
        plain = socket.socket()
        try:
            plain.settimeout(ANSWER_SECONDS)
            plain.bind((address, 0))
            plain.connect((HOST, port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = _context.wrap_socket(plain) if tls else plain
        except BaseException:
            plain.close()
            raise
        self._tls = tls
        self.received = b""

    def send(self, data: bytes) -> None:
        """Send as much as the hub takes. Raises Gone."""
        try:
            self._socket.sendall(data)
        except OSError:
            raise Gone from None

    def end_sending(self) -> None:
        # With TLS there is no half-close that Python offers; the TCP one ends the stream as well.
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def receive(self, deadline: float) -> None:
        """Wait for more. Raises Gone, Silent."""
        pending = self._tls and self._socket.pending()  # type: ignore[attr-defined]
        left = deadline - time.monotonic()
        if not pending and (left <= 0 or not select.select([self._socket], [], [], left)[0]):
            raise Silent
        try:
            self._socket.settimeout(max(left, 0.05))
            data = self._socket.recv(65536)
        except TimeoutError:
            raise Silent from None
        except OSError:
            raise Gone from None
        finally:
            self._socket.settimeout(ANSWER_SECONDS)
        if not data:
            raise Gone
        self.received += data

    def is_open(self) -> bool:
        """Whether the hub has neither closed the connection nor sent something."""
        if self.received:
            return False
        try:
            return not select.select([self._socket], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        self._socket.close()

    # HTTP

    def read_answer(self, deadline: float, *, is_head: bool = False) -> Answer:
        """Read one answer. Raises Gone before its first byte, Silent, Broken."""
        while True:
            answer = self._read_head(deadline)
            if answer.status >= 200:
                break
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.is_stream = True
            return answer
        if is_head or answer.status in (204, 304):
            return answer
        try:
            answer.body = self._read_body(answer, deadline)
        except Gone:
            raise Broken(f"{answer.status}: the body ended before it was complete") from None
        return answer

    def _read_head(self, deadline: float) -> Answer:
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if len(self.received) > _MAX_HEAD_BYTES:
                raise Broken("an endless head")
            try:
                self.receive(deadline)
            except Gone:
                if self.received:
                    raise Broken(f"half a head: {self.received[:80]!r}") from None
                raise
        head, self.received = self.received[:end], self.received[end + 4 :]
        line, *fields = head.split(b"\r\n")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise Broken(f"not a status line: {line[:80]!r}")
        headers: dict[str, str] = {}
        for field in fields:
            parts = _FIELD.fullmatch(field)
            if parts is None:
                raise Broken(f"not a header: {field[:80]!r}")
            name = parts[1].decode().lower()
            if name in headers and name in ("content-length", "transfer-encoding", "location"):
                raise Broken(f"{name} twice")
            headers[name] = parts[2].decode()
        return Answer(int(found[1]), headers)

    def _read_body(self, answer: Answer, deadline: float) -> bytes:
        if answer.headers.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks(deadline))
        if (length := answer.headers.get("content-length")) is not None:
            if not length.isdecimal() or int(length) > _MAX_ANSWER_BYTES:
                raise Broken(f"content-length: {length}")
            return self._take(int(length), deadline)
        body = b""
        with suppress(Gone):
            while True:
                body, self.received = body + self.received, b""
                self.receive(deadline)
        return body

    def _chunks(self, deadline: float) -> Iterable[bytes]:
        while True:
            while b"\r\n" not in self.received:
                self.receive(deadline)
            line, _, self.received = self.received.partition(b"\r\n")
            try:
                size = int(line, 16)
            except ValueError:
                raise Broken(f"not the size of a chunk: {line[:40]!r}") from None
            data = self._take(size + 2, deadline)
            if data[size:] != b"\r\n":
                raise Broken("a chunk without its end")
            if not size:
                return
            yield data[:size]

    def _take(self, size: int, deadline: float) -> bytes:
        pieces, left = [], size
        while True:
            piece, self.received = self.received[:left], self.received[left:]
            pieces.append(piece)
            left -= len(piece)
            if not left:
                return b"".join(pieces)
            self.receive(deadline)

    # WebSocket

    def upgrade(self, deadline: float) -> None:
        """Open a WebSocket. Raises Gone, Silent, Broken."""
        self.send(
            b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while b"\r\n\r\n" not in self.received:
            self.receive(deadline)
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Broken(f"the upgrade was answered {head[:40]!r}")

    def read_frame(self, deadline: float) -> tuple[int, bytes]:
        """Read one frame of the hub: its opcode and payload. Raises Gone, Silent, Broken."""
        head = self._peek(2, deadline)
        length, start = head[1] & 0x7F, 2
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(self._peek(start, deadline)[2:], "big")
        op = head[0] & 0xF
        if head[0] & 0x70 or head[1] & 0x80 or op not in (0, 1, 2, 8, 9, 10):
            raise Broken(f"not a frame of a server: {head!r}")
        if length > _MAX_ANSWER_BYTES:
            raise Broken(f"a frame of {length} bytes")
        self._take(start, deadline)
        return op, self._take(length, deadline)

    def _peek(self, size: int, deadline: float) -> bytes:
        while len(self.received) < size:
            self.receive(deadline)
        return self.received[:size]


def strict_json(data: bytes) -> object:
    """Decode JSON. Raises Broken if it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Broken(f"not JSON ({error}): {data[:120]!r}") from None
