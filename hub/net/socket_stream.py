"""SocketStream: a connected socket as a trio stream, with few system calls and scheduler turns.

It replaces trio.SocketStream, which tries to read before it waits (on a request-response
connection this fails every time) and yields to the scheduler after each send. For a heartbeat these
two steps cost as much as everything else.
"""

from __future__ import annotations

import errno
import socket
from abc import abstractmethod
from typing import Any

import trio

#: trio's own choice.
_RECEIVE_BYTES = 64 * 1024
#: Larger sends yield to the scheduler, even if the socket accepts them at once.
_SMALL_SEND_BYTES = 16 * 1024
_CLOSED_ERRNOS = {errno.EBADF, errno.ENOTSOCK}


class SendNowaitStream(trio.abc.Stream):
    """A stream that can also send without awaiting, and so without a deadline."""

    __slots__ = ()

    @abstractmethod
    def send_nowait(self, data: bytes) -> bool:
        """Send what is possible without waiting, and keep the rest. Returns whether all was sent.

        The rest is sent before any later data; `send_all(b"")` waits for it. Raises the errors of
        send_all(), and trio.BusyResourceError while another task is sending.
        """


class SocketStream(trio.abc.HalfCloseableStream, SendNowaitStream):
    """A stream over `sock`, which it owns and makes non-blocking.

    One task may send and one may receive at a time. receive_some() is always a checkpoint. A small
    send is a checkpoint only if it has to wait, so a task that sends in an endless loop needs
    another one.
    """

    __slots__ = ("_has_sent_eof", "_is_sending", "_unsent", "socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._is_sending = False
        self._has_sent_eof = False
        #: The rest that send_nowait() could not send.
        self._unsent = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        limit = _RECEIVE_BYTES if max_bytes is None else max_bytes
        if limit < 1:
            raise ValueError("max_bytes must be at least 1")
        while True:
            await self._wait_readable()
            try:
                return self.socket.recv(limit)
            except BlockingIOError:  # A spurious wake-up.
                continue
            except OSError as error:
                raise _translated(error) from error

    async def wait_first_byte(self) -> bytes:
        """Wait for the first byte and return it without consuming it; b"" at the end."""
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
        if self._unsent:
            data = self._unsent + data
        self._unsent = data[self._send_now(data) :]
        return not self._unsent

    async def wait_send_all_might_not_block(self) -> None:
        self._check_open()
        await trio.lowlevel.wait_writable(self.socket)

    async def send_eof(self) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        self._has_sent_eof = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # macOS raises this the second time.
                raise _translated(error) from error

    def close(self) -> None:
        """Close at once. Tasks that wait get trio.ClosedResourceError. Idempotent."""
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
        if self._unsent:
            data, self._unsent = self._unsent + bytes(data), b""
        sent = self._send_now(data) if data else 0
        if sent < len(data):
            with memoryview(data) as view:
                while sent < len(view):
                    await trio.lowlevel.wait_writable(self.socket)
                    sent += self._send_now(view[sent:])
        elif sent > _SMALL_SEND_BYTES:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send as much as the socket accepts; return the number of bytes."""
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
        if self._has_sent_eof:
            raise trio.ClosedResourceError("send_eof() was called on this socket")

    def _check_open(self) -> None:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket was closed")


def from_trio_stream(stream: trio.SocketStream) -> SocketStream:
    """Take over the connection of `stream`, which must not be used any more."""
    trio_socket: Any = stream.socket
    family, kind, proto = trio_socket.family, trio_socket.type, trio_socket.proto
    return SocketStream(socket.socket(family, kind, proto, fileno=trio_socket.detach()))


def _translated(error: OSError) -> Exception:
    if error.errno in _CLOSED_ERRNOS:
        return trio.ClosedResourceError("this socket was closed")
    return trio.BrokenResourceError(f"socket connection broken: {error}")
