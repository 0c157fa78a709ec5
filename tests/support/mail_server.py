"""A mail server that a test plays: ESMTP with TLS from the beginning, or by STARTTLS."""

from __future__ import annotations

import base64
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import trio

from tests.support.certificates import server_context

USER, PASSWORD = "hub", "letmein"


class MailServer:
    """`refuses`: recipients that it does not know. `hangs`: says nothing after the greeting.

    `largest`: bytes of a mail that it takes. `kept`: what it took.
    """

    def __init__(self, tls: ssl.SSLContext, *, wrapped: bool) -> None:
        self._tls = tls
        self._wrapped = wrapped
        self.port = 0
        self.password = PASSWORD
        self.refuses: set[str] = set()
        self.largest = 10_000_000
        self.hangs = False
        self.offers_tls = True
        self.connections = 0
        self.kept: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    @property
    def url(self) -> str:
        return f"{'smtps' if self._wrapped else 'smtp'}://localhost:{self.port}"

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        try:
            async with stream:
                await _Session(self, stream, self._tls, wrapped=self._wrapped).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


class _Session:
    def __init__(
        self, server: MailServer, stream: trio.abc.Stream, tls: ssl.SSLContext, *, wrapped: bool
    ) -> None:
        self._server = server
        self._stream = stream
        self._tls = tls
        self._is_encrypted = False
        self._wrapped = wrapped
        self._buffer = b""
        self._is_known = False
        self._to: list[str] = []

    async def run(self) -> None:
        if self._wrapped:
            await self._encrypt()
        await self._say("220 mail.example.org")
        if self._server.hangs:
            await trio.sleep_forever()
        while line := await self._read(b"\r\n"):
            command, _, rest = line.decode().strip().partition(" ")
            if not await self._answer(command.upper(), rest):
                break

    async def _answer(self, command: str, rest: str) -> bool:
        server = self._server
        match command:
            case "EHLO":
                offers = ["AUTH PLAIN"] if self._is_encrypted else []
                if server.offers_tls and not self._is_encrypted:
                    offers = ["STARTTLS"]
                lines = ["mail.example.org", *offers, "8BITMIME"]
                await self._say(*(f"250-{one}" for one in lines[:-1]), f"250 {lines[-1]}")
            case "STARTTLS":
                await self._say("220 go ahead")
                await self._encrypt()
            case "AUTH":
                told = base64.b64decode(rest.split()[1]).decode().split("\0")
                self._is_known = told[1:] == [USER, server.password]
                await self._say("235 yes" if self._is_known else "535 5.7.8 who are you?")
            case "MAIL":
                await self._say("250 ok" if self._is_known else "530 sign in")
            case "RCPT":
                address = rest.partition("<")[2].partition(">")[0]
                if address in server.refuses:
                    await self._say("550 5.1.1 no such user")
                else:
                    self._to.append(address)
                    await self._say("250 ok")
            case "DATA":
                await self._say("354 go on")
                await self._take(await self._read(b"\r\n.\r\n"))
            case "RSET":
                await self._say("250 ok")
            case _:
                await self._say("221 bye")
                return False
        return True

    async def _take(self, data: bytes) -> None:
        if len(data) > self._server.largest:
            await self._say("552 5.3.4 too large")
            return
        found = email.message_from_bytes(data, policy=email.policy.default)
        self._server.kept.append(cast("EmailMessage", found))
        self._server.recipients.append(self._to)
        await self._say("250 taken")

    async def _encrypt(self) -> None:
        stream = trio.SSLStream(self._stream, self._tls, server_side=True)
        self._stream, self._is_encrypted, self._buffer = stream, True, b""

    async def _say(self, *lines: str) -> None:
        await self._stream.send_all("".join(f"{one}\r\n" for one in lines).encode())

    async def _read(self, end: bytes) -> bytes:
        """Return what comes up to an end; b"" if the connection ends."""
        while end not in self._buffer:
            if not (more := await self._stream.receive_some()):
                return b""
            self._buffer += more
        found, _, self._buffer = self._buffer.partition(end)
        return found + end


def certificate(directory: Path) -> tuple[ssl.SSLContext, str]:
    """Return the TLS of a server at localhost, and its certificate as PEM."""
    context = server_context(directory)
    return context, (directory / "localhost.crt").read_text()


@asynccontextmanager
async def running_mail_server(
    tls: ssl.SSLContext, *, wrapped: bool = True
) -> AsyncIterator[MailServer]:
    server = MailServer(tls, wrapped=wrapped)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        yield server
        nursery.cancel_scope.cancel()
