"""Changes of bytes, texts and JSON, by a seeded generator of random numbers."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

#: Bytes that mean something to one of the parsers.
_TOKENS = (
    b"\x00", b"\xff", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"%00",
    b"%", b"%ff", b"..", b"//", b"/", b"?", b"&", b"=", b"[", b"]", b"{", b"}", b'"', b"\\", b"\\u",
    b"\\ud800", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc0\x80", b"\xf4\x90\x80\x80", b"null",
    b"NaN", b"-0", b"1e999", b"9" * 40, b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n", b"\xe2\x80\xa8", b"\x1b[2J", b"'", b"<script>",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "\ud800", "é", "中文", "\u202e", "\u2028", "\r\nSet-Cookie: a=b", "a" * 300,
    "a" * 5000, "0", "-1", "1e3", "1.5", "9" * 25, "18446744073709551616", "9223372036854775808",
    "../../../etc/passwd", "..\\..\\", "%00", "%s%n", "{0}", "{{7*7}}", "<script>alert(1)</script>",
    "'; DROP TABLE device;--", '"', "=1+1", "\ufeff", "true", "null", "data:image/jpeg;base64,",
    "data:image/jpeg;base64,////", "data:image/png;base64,iVBORw0KGgo=", "2026-02-30T25:61:00Z",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+23:59", "NaN", "inf",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "/person/add", "\U0001f4a9", "٣",
)  # fmt: skip
_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 14, 15, 255, 65536, 2**31, -(2**31), 2**53 + 1, 2**63, 2**64, -(2**63) - 1,
    10**30, 0.5, -0.0, 1e308, 1e-320, 1.7976931348623157e308,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"a": {}}, [None], [1, "a", {}])


def flip(rng: Random, data: bytes, most: int = 4) -> bytes:
    """Change, remove, repeat or insert some bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(7):
            case 0 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case 1 if place < len(changed):
                changed[place] = rng.randrange(256)
            case 2:
                del changed[place : place + rng.randint(1, 8)]
            case 3:
                piece = changed[place : place + rng.randint(1, 24)]
                changed[place:place] = piece * rng.choice((1, 1, 2, 30))
            case 4:
                changed[place:place] = rng.randbytes(rng.randint(1, 6))
            case 5:
                del changed[place:]
            case _:
                changed[place:place] = rng.choice(_TOKENS)
    return bytes(changed)


def text(rng: Random) -> str:
    chosen = rng.choice(TEXTS)
    return chosen if rng.random() < 0.8 else chosen + rng.choice(TEXTS)


def value(rng: Random) -> Any:
    kind = rng.random()
    if kind < 0.5:
        return text(rng)
    return deepcopy(rng.choice(_NUMBERS if kind < 0.8 else _VALUES))


def document(rng: Random, sent: Any) -> Any:
    """Change one place or several of a JSON document."""
    changed = json.loads(json.dumps(sent))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        changed = _change(rng, changed)
    return changed


def _change(rng: Random, sent: Any) -> Any:
    if isinstance(sent, dict) and sent and rng.random() < 0.85:
        key = rng.choice(list(sent))
        match rng.randrange(8):
            case 0:
                del sent[key]
            case 1:
                sent[text(rng)] = value(rng)
            case 2:
                sent[key + rng.choice((" ", "\u0000", "x"))] = sent.pop(key)
            case 3:
                sent[key.upper()] = sent[key]
            case 4 | 5:
                sent[key] = value(rng)
            case _:
                sent[key] = _change(rng, sent[key])
        return sent
    if isinstance(sent, list) and sent and rng.random() < 0.85:
        place = rng.randrange(len(sent))
        match rng.randrange(4):
            case 0:
                sent.pop(place)
            case 1:
                sent.extend([sent[place]] * rng.choice((1, 3, 200)))
            case _:
                sent[place] = _change(rng, sent[place])
        return sent
    return value(rng)


def encoded(rng: Random, sent: Any) -> bytes:
    """A JSON document as bytes: usual, with other spellings, or broken."""
    data = json.dumps(sent, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    kind = rng.random()
    if kind < 0.7:
        return data
    if kind < 0.85:
        return flip(rng, data)
    match rng.randrange(8):
        case 0:
            return b"\xef\xbb\xbf" + data
        case 1:
            depth = rng.choice((30, 70, 2000))
            return b"[" * depth + data + b"]" * rng.choice((depth, depth - 1))
        case 2:
            # The same keys twice.
            return data[:-1] + b"," + data[1:] if data[:1] == b"{" else data
        case 3:
            return data + rng.choice((b" ", b"\x00", data, b","))
        case 4:
            return data.replace(b'"', b"'")
        case 5:
            return data.replace(b":", b":" + b" " * 500, 1)
        case 6:
            return data.decode("utf-8", "replace").encode("utf-16")
        case _:
            return b'{"a":"' + b"\\u0041" * rng.choice((10, 5000)) + b'",' + data[1:]
