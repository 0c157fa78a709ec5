"""A connection to a NATS server that sends whatever a test wants, as no client would."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

_SECONDS = 20.0


class RawNats:
    """Blocks. What is sent is not checked. `file` reads the connection."""

    def __init__(self, connection: socket.socket, file: BinaryIO) -> None:
        self._connection = connection
        self._file = file

    def login(self, **fields: object) -> None:
        asked = {"verbose": False, "headers": True, "no_responders": True, **fields}
        self._connection.sendall(b"CONNECT " + json.dumps(asked).encode() + b"\r\n")

    def publish(
        self, subject: bytes, block: bytes, payload: bytes = b"", reply: bytes = b""
    ) -> None:
        """Send a message whose headers are `block`, as it is."""
        where = b" ".join(part for part in (subject, reply) if part)
        sizes = f"{len(block)} {len(block) + len(payload)}".encode()
        self._connection.sendall(
            b"HPUB " + where + b" " + sizes + b"\r\n" + block + payload + b"\r\n"
        )

    def subscribe(self, subject: bytes) -> None:
        self._connection.sendall(b"SUB " + subject + b" 1\r\n")

    def read_until(self, text: bytes) -> bytes:
        """Return what the server says, up to a line with some text."""
        said = b""
        while text not in said:
            line = self._file.readline()
            assert line, said
            said += line
        return said

    def flush(self) -> list[bytes]:
        """Return what the server has said until it has read everything."""
        self._connection.sendall(b"PING\r\n")
        said = []
        while not (line := self._file.readline()).startswith(b"PONG"):
            assert line, said
            said.append(line.strip())
        return said


@contextmanager
def raw_nats(port: int, tls: ssl.SSLContext | None = None, **login: object) -> Iterator[RawNats]:
    """Connect to a server on the loopback address. `tls`: after its greeting, as it wants."""
    with ExitStack() as opened:
        connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), _SECONDS))
        _read_greeting(connection)
        if tls is not None:
            encrypted = tls.wrap_socket(connection, server_hostname="127.0.0.1")
            connection = opened.enter_context(encrypted)
        # It keeps the connection open until it is closed itself.
        client = RawNats(connection, opened.enter_context(connection.makefile("rb")))
        client.login(**login)
        yield client


def _read_greeting(connection: socket.socket) -> None:
    """Read INFO, and nothing after it."""
    while connection.recv(1) != b"\n":
        pass
