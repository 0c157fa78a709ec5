"""Readers of a hub's event streams: programs and browsers that read at once what comes.

Run as `python -m tests.bench.stream_readers` with `Readers` on stdin; prints a line once all have
been answered, and `ReadResult` once each has got as many records as the second line of stdin says.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from tests.bench.attacks.client import request_bytes
from tests.bench.hub_process import HOST, raise_limit_of_open_files

_SECONDS = 120.0
_OF_ONE_ADDRESS = 20
_MARKS = (b"event: record\n", b"event: card\n")


class Readers(msgspec.Struct):
    """So many readers of each stream: its path, and a header that says who reads."""

    port: int
    tls: bool
    count: int
    streams: list[tuple[str, dict[str, str]]]


class ReadResult(msgspec.Struct):
    """The fewest and the most records that a reader got, and the bytes of all."""

    fewest: int
    most: int
    bytes: int


class _Reader:
    def __init__(self, readers: Readers, source: str, path: str, headers: dict[str, str]) -> None:
        address = (HOST, readers.port)
        self.socket: socket.socket = socket.create_connection(address, source_address=(source, 0))
        if readers.tls:
            self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
        self.socket.sendall(request_bytes("GET", path, headers))
        self.socket.setblocking(False)
        self.records = self.bytes = 0
        self._end = b""

    def read(self) -> None:
        try:
            while part := self.socket.recv(65536):
                if not self.bytes and b" 200 " not in part[:20]:
                    raise SystemExit(f"a reader was answered {part[:200]!r}")
                self.bytes += len(part)
                text = self._end + part
                self.records += sum(map(text.count, _MARKS))
                # No mark is counted twice, and none is missed between two parts.
                self._end = text[-min(map(len, _MARKS)) + 1 :]
            raise SystemExit(f"the hub ended a stream after {self.records} records")
        except (BlockingIOError, ssl.SSLWantReadError):
            return


@contextmanager
def reading(readers: Readers) -> Iterator[Callable[[int], ReadResult]]:
    """Let so many read; what is yielded waits until each has got so many records."""
    command = [sys.executable, "-m", "tests.bench.stream_readers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(msgspec.json.encode(readers) + b"\n")
        process.stdin.flush()
        if not process.stdout.readline():
            raise SystemExit("the readers were not answered")

        def wait(records: int) -> ReadResult:
            assert process.stdin
            assert process.stdout
            process.stdin.write(b"%d\n" % records)
            process.stdin.flush()
            return msgspec.json.decode(process.stdout.readline(), type=ReadResult)

        try:
            yield wait
        finally:
            process.kill()


def main() -> None:
    raise_limit_of_open_files()
    # Those who read are on other machines: the hub and the cameras come first on this one.
    if sys.platform != "win32":
        os.nice(19)
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=Readers)
    # No address has more connections than it may.
    readers = [
        _Reader(wanted, f"127.0.3.{number // _OF_ONE_ADDRESS + 1}", *one)
        for one in wanted.streams
        for number in range(wanted.count)
    ]
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    selector.register(sys.stdin, selectors.EVENT_READ)
    _read(selector, lambda: all(one.bytes for one in readers))
    print("{}", flush=True)
    _read(selector, lambda: False)
    records = int(sys.stdin.buffer.readline())
    selector.unregister(sys.stdin)
    _read(selector, lambda: all(one.records >= records for one in readers))
    counts = [one.records for one in readers]
    result = ReadResult(min(counts), max(counts), sum(one.bytes for one in readers))
    print(msgspec.json.encode(result).decode(), flush=True)


def _read(selector: selectors.BaseSelector, is_over: Callable[[], bool]) -> None:
    """Read until it is over, or a line comes from stdin."""
    ends = time.monotonic() + _SECONDS
    while not is_over() and time.monotonic() < ends:
        for key, _ in selector.select(0.2):
            if key.data is None:
                return
            key.data.read()


if __name__ == "__main__":
    main()
