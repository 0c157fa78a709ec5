"""SocketStream: a connected socket as a trio stream, with few system calls and turns a message.

It stands where trio.SocketStream stands. That one tries to read before it waits, which on a
connection that asks and answers fails each time, and gives the turn away after each send. For a
heartbeat those two cost as much as everything else that is done with it.
"""

from __future__ import annotations

import errno
import socket
from abc import abstractmethod
from typing import Any

import trio

#: trio's own choice.
_RECEIVE_BYTES = 64 * 1024
#: A send of more gives the others a turn, even where the socket takes it at once.
_SMALL_BYTES = 16 * 1024
_CLOSED = {errno.EBADF, errno.ENOTSOCK}


class QuickStream(trio.abc.Stream):
    """A stream that can send without a turn of the scheduler, and without a deadline around it."""

    __slots__ = ()

    @abstractmethod
    def send_nowait(self, data: bytes) -> bool:
        """Take all of `data`, and send of it what can be sent at once.

        False: a rest is kept. It goes out in front of whatever is sent next: whoever has nothing
        more to send waits for that in `send_all(b"")`. Raises as send_all() does, and
        trio.BusyResourceError while another task is sending.
        """


class SocketStream(trio.abc.HalfCloseableStream, QuickStream):
    """A stream over `sock`, which it owns and makes non-blocking.

    One task may send and one may receive at a time. receive_some() always waits first, and so is
    always a checkpoint; a small send is one only where it has to wait: whoever sends for ever
    without receiving waits for something else in between.
    """

    __slots__ = ("_has_ended", "_is_sending", "_rest", "socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._is_sending = False
        self._has_ended = False
        #: What send_nowait() took and could not send.
        self._rest = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        limit = _RECEIVE_BYTES if max_bytes is None else max_bytes
        if limit < 1:
            raise ValueError("max_bytes must be at least 1")
        while True:
            await self._wait_readable()
            try:
                return self.socket.recv(limit)
            except BlockingIOError:  # It was woken for nothing, which a kernel may do.
                continue
            except OSError as error:
                raise _translated(error) from error

    async def wait_first_byte(self) -> bytes:
        """The first byte, left where it is; b"" if the peer has gone."""
        while True:
            await self._wait_readable()
            try:
                return self.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            except OSError:
                return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_not_sending()
        self._is_sending = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            await self._send(data)
        finally:
            self._is_sending = False

    def send_nowait(self, data: bytes) -> bool:
        self._check_not_sending()
        self._check_can_send()
        if self._rest:
            data = self._rest + data
        self._rest = data[self._send_now(data) :]
        return not self._rest

    async def wait_send_all_might_not_block(self) -> None:
        self._check_open()
        await trio.lowlevel.wait_writable(self.socket)

    async def send_eof(self) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        self._has_ended = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # macOS says so of a second one.
                raise _translated(error) from error

    def close(self) -> None:
        """Close at once; who waits on it gets trio.ClosedResourceError. Again does nothing."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    async def _wait_readable(self) -> None:
        self._check_open()
        await trio.lowlevel.wait_readable(self.socket)

    async def _send(self, data: bytes | bytearray | memoryview) -> None:
        self._check_can_send()
        if self._rest:
            data, self._rest = self._rest + bytes(data), b""
        sent = self._send_now(data) if data else 0
        if sent < len(data):
            with memoryview(data) as view:
                while sent < len(view):
                    await trio.lowlevel.wait_writable(self.socket)
                    sent += self._send_now(view[sent:])
        elif sent > _SMALL_BYTES:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        """As much as the socket takes."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _translated(error) from error

    def _check_not_sending(self) -> None:
        if self._is_sending:
            raise trio.BusyResourceError("another task is sending on this socket")

    def _check_can_send(self) -> None:
        self._check_open()
        if self._has_ended:
            raise trio.ClosedResourceError("this side of the socket was ended")

    def _check_open(self) -> None:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket was closed")


def from_trio_stream(stream: trio.SocketStream) -> SocketStream:
    """The same connection without trio's socket, which is not to be used any more."""
    theirs: Any = stream.socket
    family, kind, proto = theirs.family, theirs.type, theirs.proto
    return SocketStream(socket.socket(family, kind, proto, fileno=theirs.detach()))


def _translated(error: OSError) -> Exception:
    if error.errno in _CLOSED:
        return trio.ClosedResourceError("this socket was closed")
    return trio.BrokenResourceError(f"socket connection broken: {error}")
