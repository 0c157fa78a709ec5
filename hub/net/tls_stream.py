"""TlsStream: the server's side of TLS over one socket, quick with large bodies, small when idle.

It stands where trio.SSLStream stands. That one gives a record of 16 KB a call and reads the
socket for each; this one reads the socket once, opens all records that came, and gives them
together, which a body of 220 KB feels. The peer may end the connection without TLS' own farewell,
as HTTP clients do: HTTP and WebSocket know by themselves whether something is missing.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from hub.net.socket_stream import QuickStream

#: What receive_some() gives at most unless told otherwise.
RECEIVE_BYTES = 256 * 1024
#: The plaintext of one TLS record, and the least that is worth reading from the socket.
_RECORD_BYTES = 16 * 1024
_LEAST_READ_BYTES = _RECORD_BYTES + 1024
#: OpenSSL's memory buffers never shrink, so they are emptied in portions of this size, and fed with
#: one record at a time. So it is asked only for what it has: to be told no costs an exception.
_PORTION_BYTES = 16 * 1024
#: In front of each record: its type, the version (the first byte is 3), and how much follows.
_HEADER_BYTES = 5
_MOST_RECORD_BYTES = _HEADER_BYTES + _RECORD_BYTES + 2048
#: How long a farewell or an alert waits for a peer that does not read.
_FAREWELL_SECONDS = 2

_NOTHING = memoryview(b"")


class TlsStream(QuickStream):
    """A server's TLS connection over `transport_stream`, which it owns.

    do_handshake() comes first. Then one task may send and one may receive at a time; another one
    gets trio.BusyResourceError. A send or a handshake that was cancelled, and any error of TLS,
    break the stream: every later use raises trio.BrokenResourceError. A receive may be cancelled
    at will: nothing is lost.
    """

    __slots__ = (
        "_broken",
        "_ciphertext",
        "_closed",
        "_ended",
        "_flush_lock",
        "_incoming",
        "_missing",
        "_outgoing",
        "_receiving",
        "_sending",
        "_shaken",
        "_ssl",
        "transport_stream",
    )

    def __init__(self, transport_stream: trio.abc.Stream, context: ssl.SSLContext) -> None:
        self.transport_stream = transport_stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        #: What the socket gave and `_incoming` has not been fed yet.
        self._ciphertext = _NOTHING
        #: Of the record that `_incoming` has been fed in part.
        self._missing = 0
        self._flush_lock = trio.Lock()
        self._shaken = self._ended = self._broken = self._closed = False
        self._sending = self._receiving = False

    def selected_alpn_protocol(self) -> str | None:
        return self._ssl.selected_alpn_protocol()

    async def do_handshake(self) -> None:
        """Shake hands once; later calls do nothing. The caller sets the deadline."""
        self._check_open()
        if self._shaken:
            await trio.lowlevel.checkpoint()
            return
        with self._broken_unless_done():
            await self._next_record()
            while not await self._handshake_step():
                await self._next_record()
            await self._flush()
        self._shaken = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """All that is there, up to `max_bytes`; waits while there is nothing; b"" at the end."""
        limit = RECEIVE_BYTES if max_bytes is None else max_bytes
        if limit < 1:
            raise ValueError("max_bytes must be at least 1")
        self._check_usable()
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this TLS stream")
        self._receiving = True
        try:
            return await self._receive(limit)
        finally:
            self._receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_usable()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this TLS stream")
        self._sending = True
        try:
            with self._broken_unless_done(), memoryview(data).cast("B") as view:
                await self._send(view)
        finally:
            self._sending = False

    def send_nowait(self, data: bytes) -> bool:
        self._check_usable()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this TLS stream")
        with self._broken_unless_done():
            self._encrypt_all(data)
            if self._flush_lock.locked() or not isinstance(self.transport_stream, QuickStream):
                return False
            return self.transport_stream.send_nowait(self._outgoing.read())

    async def wait_send_all_might_not_block(self) -> None:
        self._check_usable()
        await self.transport_stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Say goodbye if that takes no more than a moment, and close the socket in any case."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        say_goodbye = self._shaken and not self._broken and not self._sending
        self._closed = True
        try:
            if say_goodbye:
                # It raises because the peer's own farewell is missing, which nobody waits for.
                with suppress(ssl.SSLError):
                    self._ssl.unwrap()
                await self._flush_for_a_moment()
        finally:
            await self.transport_stream.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this TLS stream was closed")
        if self._broken:
            raise trio.BrokenResourceError("this TLS stream broke earlier")

    def _check_usable(self) -> None:
        self._check_open()
        if not self._shaken:
            raise RuntimeError("do_handshake() comes first")

    @contextmanager
    def _broken_unless_done(self) -> Iterator[None]:
        """What ends the block early, cancellation too, may leave half a record: no way back."""
        try:
            yield
        except BaseException:
            self._broken = True
            raise

    async def _next_record(self) -> None:
        """Feed the SSL object with a record of the handshake, when all that is ours is sent."""
        while not self._feed():
            await self._flush()
            if not await self._fill(_LEAST_READ_BYTES):
                raise trio.BrokenResourceError("the peer left during the TLS handshake")

    async def _handshake_step(self) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            await self._flush_for_a_moment()  # The alert that tells the peer why.
            raise trio.BrokenResourceError(_reason(error)) from error
        return True

    async def _receive(self, limit: int) -> bytes:
        plaintext = self._decrypt(limit)
        if plaintext or self._ended:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not plaintext and not self._ended:
            await self._answer_the_protocol()
            if await self._fill(max(limit, _LEAST_READ_BYTES)):
                plaintext = self._decrypt(limit)
            else:
                self._ended = True
        return plaintext

    async def _fill(self, max_bytes: int) -> bool:
        """Read the socket. False: it has ended."""
        # The socket allocates only once there is something: an idle connection holds no buffer.
        data = await self.transport_stream.receive_some(max_bytes)
        # What is left is a part of a header.
        self._ciphertext = memoryview(bytes(self._ciphertext) + data if self._ciphertext else data)
        return len(data) > 0

    def _feed(self) -> bool:
        """Feed the SSL object with the next record. False: not all of it is there yet."""
        if not self._missing:
            if len(self._ciphertext) < _HEADER_BYTES:
                # A copy: a view would keep everything received before these bytes alive.
                self._ciphertext = memoryview(bytes(self._ciphertext))
                return False
            self._missing = _record_bytes(self._ciphertext)
        portion = self._ciphertext[: self._missing]
        self._missing -= self._incoming.write(portion)
        # An empty view, too, would keep the received bytes alive.
        self._ciphertext = self._ciphertext[len(portion) :] or _NOTHING
        return not self._missing

    def _decrypt(self, limit: int) -> bytes:
        """All plaintext that can be had without the socket, up to `limit`."""
        chunks: list[bytes] = []
        room = limit
        while room and not self._ended and (self._ssl.pending() or self._feed()):
            try:
                chunk = self._ssl.read(min(room, _RECORD_BYTES))
            except ssl.SSLWantReadError:  # The record was the protocol's own.
                continue
            except ssl.SSLError as error:
                self._broken = True
                raise trio.BrokenResourceError(_reason(error)) from error
            if not chunk:
                self._ended = True
            chunks.append(chunk)
            room -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _answer_the_protocol(self) -> None:
        """Send what receiving gave rise to (alerts, renegotiation), unless a sender takes it."""
        if self._outgoing.pending and not self._flush_lock.locked():
            with self._broken_unless_done():
                await self._flush()

    async def _send(self, view: memoryview) -> None:
        sent = 0
        while sent < len(view):
            while sent < len(view) and self._outgoing.pending < _PORTION_BYTES:
                sent += self._encrypt(view[sent : sent + _RECORD_BYTES])
            await self._flush()
        if not view:  # OpenSSL leaves an empty write undefined.
            await trio.lowlevel.checkpoint()
            await self._flush()

    def _encrypt_all(self, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            sent += self._encrypt(memoryview(data)[sent : sent + _RECORD_BYTES])

    def _encrypt(self, data: memoryview) -> int:
        try:
            return self._ssl.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(_reason(error)) from error

    async def _flush(self) -> None:
        try:
            # Nearly always free: acquire() would cost a round of the scheduler for each send.
            self._flush_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._flush_lock.acquire()
        try:
            while True:
                # Be it of nothing: of what was sent before, the socket may have left a rest.
                await self.transport_stream.send_all(self._outgoing.read())
                if not self._outgoing.pending:
                    return
        finally:
            self._flush_lock.release()

    async def _flush_for_a_moment(self) -> None:
        with (
            trio.move_on_after(_FAREWELL_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._flush()


def _record_bytes(start: memoryview) -> int:
    """How long the record is that begins so; of what is none, OpenSSL says so at its header."""
    following = int.from_bytes(start[3:_HEADER_BYTES], "big")
    whole = _HEADER_BYTES + following
    return whole if start[1] == 3 and whole <= _MOST_RECORD_BYTES else _HEADER_BYTES


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's own word for it: "no shared cipher", "wrong version number"."""
    return str(error.reason or error).replace("_", " ").lower()
