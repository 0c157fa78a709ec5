"""TlsStream: the server side of TLS, fast with large bodies and small when idle.

It replaces trio.SSLStream, which reads the socket for each record of 16 KB and returns one record
per call. This one reads the socket once, decrypts all records that arrived, and returns them
together, which makes a body of 220 KB noticeably faster. The peer may close the connection without
close_notify, as HTTP clients do: HTTP and WebSocket detect missing data themselves.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from hub.net.socket_stream import SendNowaitStream

#: The default of receive_some(max_bytes).
_RECEIVE_BYTES = 256 * 1024
#: Maximum plaintext of one TLS record, and minimum size of a read from the socket.
_RECORD_BYTES = 16 * 1024
_MIN_READ_BYTES = _RECORD_BYTES + 1024
#: OpenSSL's memory buffers never shrink: they are emptied in portions of this size, and fed one
#: record at a time. That also avoids calling OpenSSL without data, which costs an exception.
_PORTION_BYTES = 16 * 1024
#: Before each record: its type, the version (whose first byte is 3), and the length that follows.
_HEADER_BYTES = 5
_MAX_RECORD_BYTES = _HEADER_BYTES + _RECORD_BYTES + 2048
#: How long to try to send close_notify or an alert to a peer that does not read.
_CLOSE_SECONDS = 2

_NOTHING = memoryview(b"")


class TlsStream(SendNowaitStream):
    """A server's TLS connection over `transport_stream`, which it owns.

    Call do_handshake() first. Then one task may send and one may receive at a time; a second one
    gets trio.BusyResourceError. A cancelled send or handshake, and any TLS error, break the
    stream: every later use raises trio.BrokenResourceError. A cancelled receive loses nothing.
    """

    __slots__ = (
        "_ciphertext",
        "_flush_lock",
        "_has_ended",
        "_has_handshake",
        "_incoming",
        "_is_broken",
        "_is_closed",
        "_is_receiving",
        "_is_sending",
        "_missing",
        "_outgoing",
        "_ssl",
        "portion_bytes",
        "transport_stream",
    )

    def __init__(self, transport_stream: trio.abc.Stream, context: ssl.SSLContext) -> None:
        self.transport_stream = transport_stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        #: Received from the socket, but not yet fed to `_incoming`.
        self._ciphertext = _NOTHING
        #: How many bytes are missing from the record that was partly fed to `_incoming`.
        self._missing = 0
        #: OpenSSL is fed so much at a time, and keeps a buffer of this size. A long record that is
        #: fed in portions costs an exception for each.
        self.portion_bytes = _MAX_RECORD_BYTES
        self._flush_lock = trio.Lock()
        self._has_handshake = self._has_ended = self._is_broken = self._is_closed = False
        self._is_sending = self._is_receiving = False

    def selected_alpn_protocol(self) -> str | None:
        return self._ssl.selected_alpn_protocol()

    def cipher_suite(self) -> str:
        """Return OpenSSL's name of the cipher suite; "" before the handshake."""
        found = self._ssl.cipher()
        return found[0] if found else ""

    async def do_handshake(self) -> None:
        """Do the handshake; later calls do nothing. The caller sets the deadline.

        Raises trio.BrokenResourceError with OpenSSL's reason.
        """
        self._check_open()
        if self._has_handshake:
            await trio.lowlevel.checkpoint()
            return
        with self._broken_unless_done():
            await self._next_record()
            while not await self._handshake_step():
                await self._next_record()
            await self._flush()
        self._has_handshake = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for data, and return all that has arrived, up to `max_bytes`; b"" at the end."""
        limit = _RECEIVE_BYTES if max_bytes is None else max_bytes
        if limit < 1:
            raise ValueError("max_bytes must be at least 1")
        self._check_usable()
        if self._is_receiving:
            raise trio.BusyResourceError("another task is receiving from this TLS stream")
        self._is_receiving = True
        try:
            return await self._receive(limit)
        finally:
            self._is_receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_usable()
        if self._is_sending:
            raise trio.BusyResourceError("another task is sending on this TLS stream")
        self._is_sending = True
        try:
            with self._broken_unless_done(), memoryview(data).cast("B") as view:
                await self._send(view)
        finally:
            self._is_sending = False

    def send_nowait(self, data: bytes) -> bool:
        self._check_usable()
        if self._is_sending:
            raise trio.BusyResourceError("another task is sending on this TLS stream")
        with self._broken_unless_done():
            self._encrypt_all(data)
            if self._flush_lock.locked() or not isinstance(self.transport_stream, SendNowaitStream):
                return False
            return self.transport_stream.send_nowait(self._outgoing.read())

    async def wait_send_all_might_not_block(self) -> None:
        self._check_usable()
        await self.transport_stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Send close_notify, unless that takes too long, and close the socket in any case."""
        if self._is_closed:
            await trio.lowlevel.checkpoint()
            return
        send_close_notify = self._has_handshake and not self._is_broken and not self._is_sending
        self._is_closed = True
        try:
            if send_close_notify:
                # It raises because the peer's close_notify is missing; do not wait for that.
                with suppress(ssl.SSLError):
                    self._ssl.unwrap()
                await self._try_to_flush()
        finally:
            await self.transport_stream.aclose()

    def _check_open(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("this TLS stream was closed")
        if self._is_broken:
            raise trio.BrokenResourceError("this TLS stream broke earlier")

    def _check_usable(self) -> None:
        self._check_open()
        if not self._has_handshake:
            raise RuntimeError("call do_handshake() first")

    @contextmanager
    def _broken_unless_done(self) -> Iterator[None]:
        """Break the stream if the block does not complete: it may have sent half a record."""
        try:
            yield
        except BaseException:
            self._is_broken = True
            raise

    async def _next_record(self) -> None:
        """Send what is pending, then feed one record of the handshake to the SSL object."""
        while not self._feed():
            await self._flush()
            if not await self._fill(_MIN_READ_BYTES):
                raise trio.BrokenResourceError(
                    "the peer closed the connection during the TLS handshake"
                )

    async def _handshake_step(self) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            await self._try_to_flush()  # Sends the alert with the reason.
            raise trio.BrokenResourceError(_reason(error)) from error
        return True

    async def _receive(self, limit: int) -> bytes:
        plaintext = self._decrypt(limit)
        if plaintext or self._has_ended:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not plaintext and not self._has_ended:
            await self._flush_protocol_messages()
            if await self._fill(max(limit, _MIN_READ_BYTES)):
                plaintext = self._decrypt(limit)
            else:
                self._has_ended = True
        return plaintext

    async def _fill(self, max_bytes: int) -> bool:
        """Read the socket; return False at its end."""
        # The socket allocates a buffer only when data has arrived: idle connections hold none.
        data = await self.transport_stream.receive_some(max_bytes)
        # The rest, if any, is a part of a header.
        self._ciphertext = memoryview(bytes(self._ciphertext) + data if self._ciphertext else data)
        return len(data) > 0

    def _feed(self) -> bool:
        """Feed the next record, or portion of one, to the SSL object; return False without one."""
        if not self._missing:
            if len(self._ciphertext) < _HEADER_BYTES:
                # Copy them: a view would keep alive everything that was received before.
                self._ciphertext = memoryview(bytes(self._ciphertext))
                return False
            self._missing = _record_bytes(self._ciphertext)
        portion = self._ciphertext[: min(self._missing, self.portion_bytes)]
        self._missing -= self._incoming.write(portion)
        # Even an empty view would keep the received bytes alive.
        self._ciphertext = self._ciphertext[len(portion) :] or _NOTHING
        return not self._missing or len(portion) == self.portion_bytes

    def _decrypt(self, limit: int) -> bytes:
        """Return the plaintext of the records that have arrived, up to `limit` bytes."""
        chunks: list[bytes] = []
        room = limit
        while room and not self._has_ended and (self._ssl.pending() or self._feed()):
            try:
                chunk = self._ssl.read(min(room, _RECORD_BYTES))
            except ssl.SSLWantReadError:  # A record without application data, or a part of one.
                continue
            except ssl.SSLError as error:
                self._is_broken = True
                raise trio.BrokenResourceError(_reason(error)) from error
            if not chunk:
                self._has_ended = True
            chunks.append(chunk)
            room -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _flush_protocol_messages(self) -> None:
        """Send messages that receiving caused (alerts, key updates), unless a sender will do so."""
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
            # Nearly always free; acquire() would cost a scheduler turn for each send.
            self._flush_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._flush_lock.acquire()
        try:
            while True:
                # Send even when empty: the transport may hold an unsent remainder.
                await self.transport_stream.send_all(self._outgoing.read())
                if not self._outgoing.pending:
                    return
        finally:
            self._flush_lock.release()

    async def _try_to_flush(self) -> None:
        with (
            trio.move_on_after(_CLOSE_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._flush()


def _record_bytes(start: memoryview) -> int:
    """Return the length of the record that begins with `start`.

    If it is not a TLS record, return the length of a header: OpenSSL then reports the error.
    """
    content = int.from_bytes(start[3:_HEADER_BYTES], "big")
    whole = _HEADER_BYTES + content
    return whole if start[1] == 3 and whole <= _MAX_RECORD_BYTES else _HEADER_BYTES


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason, such as "no shared cipher" or "wrong version number"."""
    return str(error.reason or error).replace("_", " ").lower()
