"""The file in a device's answer (D3), taken out of the message as it arrives.

A recording is far larger than a message may be. Its Base64 goes to a sink in portions and is never
in memory as a whole; what is left of the message is an answer like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hub.live.registry import FileSink

#: Of one message, in Base64. Beyond it the connection ends: nothing else stops the device.
MAX_FILE_BYTES = 256 << 20
#: How much is passed on at a time.
_PORTION_BYTES = 256 * 1024
#: The file begins within so many bytes of its message, or else the message is read as usual.
_SEARCH_BYTES = 16 * 1024
_BEGIN = re.compile(rb'"base64 ?"\s*:\s*"')


class LargeAnswer:
    """Takes the file out of the answer to one request; every other message stays as it is."""

    __slots__ = ("_begun", "_file", "_head", "_is_in_file", "_msgid", "_on_part", "_sink", "_size")

    def __init__(self, msgid: str, sink: FileSink, on_part: Callable[[], None]) -> None:
        """`on_part` is called for each part of the file, until drop()."""
        self._msgid = f'"{msgid}"'.encode()
        self._sink: FileSink | None = sink
        self._on_part = on_part
        self._head = b""
        self._begun = self._is_in_file = False
        self._file = bytearray()
        self._size = 0

    @property
    def is_too_large(self) -> bool:
        """Whether the file has more than MAX_FILE_BYTES."""
        return self._size > MAX_FILE_BYTES

    def drop(self) -> None:
        """Nobody waits for the file any longer: what still arrives of it is thrown away."""
        self._sink = None
        self._file.clear()

    async def take(self, data: bytes, *, finished: bool) -> bytes:
        """Take a part of a message; return what is to be read as usual, and pass on the rest.

        `finished`: it is the last part of its message.
        """
        before = b""
        if not self._begun:
            before, data = self._split(data, finished=finished)
        if self._is_in_file:
            data = await self._without_file(data)
        if finished:
            self._begun = self._is_in_file = False
        return before + data

    def _split(self, data: bytes, *, finished: bool) -> tuple[bytes, bytes]:
        """Return what comes before the file, and the rest.

        The head of a message is held back until it is clear whether it has the file.
        """
        self._head += data
        begin = _BEGIN.search(self._head)
        if begin is None and not finished and len(self._head) < _SEARCH_BYTES:
            return b"", b""
        self._begun = True
        head, self._head = self._head, b""
        if begin is None or self._msgid not in head[: begin.start()]:
            return head, b""
        self._is_in_file = True
        return head[: begin.end()], head[begin.end() :]

    async def _without_file(self, data: bytes) -> bytes:
        part, quote, rest = data.partition(b'"')
        self._is_in_file = not quote
        self._size += len(part)
        if self._sink is None:
            return quote + rest
        self._on_part()
        self._file += part
        if quote or len(self._file) >= _PORTION_BYTES:
            portion = bytes(self._file)
            self._file.clear()
            await self._sink.write(portion)
        return quote + rest
