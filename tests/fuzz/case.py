"""One thing to send to a hub, as data: what is fuzzed, and what is kept in the corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from tests.fuzz import signed

CORPUS = Path(__file__).parent / "corpus"

Kind = Literal["frames", "uploads", "requests", "heads", "edges"]
KINDS: tuple[Kind, ...] = ("frames", "uploads", "requests", "heads", "edges")
Port = Literal["web", "plain_http", "device", "plain_ws", "sntp", "control"]

_PLACEHOLDER = re.compile(rb"@\{(\w+)\}")
#: The length of what follows the head.
_LENGTH = b"@{length}"


class Frame(Struct, omit_defaults=True):
    """A WebSocket frame of a client. `payload`: latin-1. With `raw`, these bytes and no frame."""

    payload: str = ""
    op: int = 1
    fin: bool = True
    rsv: int = 0
    masked: bool = True
    #: The length in the head, if it is not that of the payload.
    length: int | None = None
    #: Use the longest form of the length, whatever it is.
    long: bool = False
    raw: str = ""

    def encode(self, values: Mapping[str, str]) -> bytes:
        if self.raw:
            return self.raw.encode("latin-1")
        payload = fill(self.payload.encode("latin-1"), values)
        length = len(payload) if self.length is None else self.length
        mask = 0x80 if self.masked else 0
        head = bytes([(0x80 if self.fin else 0) | self.rsv << 4 | self.op])
        if self.long or length > 0xFFFF:
            head += bytes([mask | 127]) + (length & 2**64 - 1).to_bytes(8, "big")
        elif length >= 126:
            head += bytes([mask | 126]) + length.to_bytes(2, "big")
        else:
            head += bytes([mask | length])
        # A mask of zeros is valid.
        return head + (bytes(4) if self.masked else b"") + payload


class Case(Struct, omit_defaults=True):
    """`data` is latin-1; `@{name}` in it, and in payloads, stands for a value of the hub.

    `label` groups findings. `answers`: how many HTTP answers must come; None if it is not known.
    `settled`: each WebSocket message is complete, so that one more must be answered.
    """

    kind: Kind
    port: Port
    label: str
    data: str = ""
    frames: list[Frame] = []
    #: Who sends it: a role of a user, "key", "reader" (a read-only key), "signer" (who signs with
    #: the key), "device", or nobody.
    role: str = ""
    #: Where the data is cut into several sends.
    cuts: list[int] = []
    answers: int | None = None
    settled: bool = False
    #: Send the bytes without TLS, also to a port with TLS.
    is_plain: bool = False
    #: What an answer contains if a part of a body was taken for a request.
    canary: str = ""
    #: Only in the corpus: what was found with it.
    note: str = ""

    def pieces(self, values: Mapping[str, str]) -> Iterator[bytes]:
        data = fill(self.data.encode("latin-1"), values)
        if signed.MARK in data:
            data = signed.sign(data, values)
        if _LENGTH in data:
            body = data.partition(b"\r\n\r\n")[2]
            data = data.replace(_LENGTH, b"%d" % len(body))
        places = sorted({min(cut, len(data)) for cut in self.cuts} | {0, len(data)})
        for start, end in pairwise(places):
            yield data[start:end]


def fill(data: bytes, values: Mapping[str, str]) -> bytes:
    """Replace the placeholders that have a value."""
    if b"@{" not in data:
        return data

    def value(found: re.Match[bytes]) -> bytes:
        known = values.get(found[1].decode())
        return found[0] if known is None else known.encode("latin-1")

    return _PLACEHOLDER.sub(value, data)


def read_corpus(directory: Path = CORPUS) -> dict[str, Case]:
    """The cases by the names of their files."""
    return {path.stem: read_case(path) for path in sorted(directory.glob("*.json"))}


def read_case(path: Path) -> Case:
    return msgspec.json.decode(path.read_bytes(), type=Case)


def write_case(case: Case, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(case), indent=1) + b"\n")
