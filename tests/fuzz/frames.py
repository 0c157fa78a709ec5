"""Frames of devices (1.1 to 1.4), enrolled and not: JSON, fragments, and other bytes."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import Any

from tests.fuzz import mutation
from tests.fuzz.case import Case, Frame, Port

_WHO = {"sn": "@{sn}", "did": "@{did}"}
#: What devices send, by its name.
_SENT: dict[str, dict[str, Any]] = {
    "heartbeat": {
        "msgid": "1",
        "token": "@{token}",
        "data": {"uri": "/heartbeat", "param": {**_WHO, "ip": "10.0.0.7"}},
    },
    "token": {
        "msgid": "2",
        "token": "@{token}",
        "data": {"uri": "/token/update", "param": _WHO},
    },
    "connect": {
        "msgid": "3",
        "data": {
            "uri": "/connect",
            "param": {
                # Not the device that sends it: attempts that fail slow down the next one.
                "sn": "@{other_sn}",
                "did": "@{other_did}",
                "ip": "10.0.0.7",
                "ts": 1764160000,
                "sign": "QUJD" * 43,
            },
        },
    },
    "answer": {
        "msgid": "00000000-1",
        "data": {
            "uri": "/person/list",
            "code": 0,
            "msg": "OK",
            "result": {"total": 1, "list": [{"pid": "1", "name": "Li Lei", "photo": ""}]},
        },
    },
    "unknown": {
        "msgid": "4",
        "token": "@{token}",
        "data": {"uri": "/storage/record_set", "param": {"a": [1, 2, {"b": None}]}},
    },
}
#: Payloads of close frames: a code, and a reason that may be no UTF-8.
_CLOSES = (b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"\x0b\xb8x", b"\x03\xe8\xff")


def make(rng: Random) -> Case:
    name = rng.choice(list(_SENT))
    role = "device" if rng.random() < 0.6 else ""
    port: Port = rng.choice(("plain_ws", "plain_ws", "plain_ws", "device"))
    case = Case("frames", port, f"frame {name} {role or 'stranger'}", role=role)
    kind = rng.random()
    if kind < 0.7:
        # A connect may be answered late, on purpose.
        case.settled = name != "connect"
        payload = mutation.encoded(rng, mutation.document(rng, _SENT[name]))
        case.frames = _split(rng, payload) if rng.random() < 0.3 else [_frame(payload)]
        if rng.random() < 0.15:
            case.frames[0].op = 2
        if rng.random() < 0.1:
            case.frames.insert(rng.randrange(len(case.frames) + 1), _control(rng))
    elif kind < 0.85:
        case.label = f"broken frames {role or 'stranger'}"
        case.frames = [_broken(rng, name) for _ in range(rng.randint(1, 4))]
    else:
        case.label = f"bytes instead of frames {role or 'stranger'}"
        sent = _frame(json.dumps(_SENT[name]).encode()).encode({})
        pieces = [mutation.flip(rng, sent) for _ in range(rng.randint(1, 3))]
        case.frames = [Frame(raw=piece.decode("latin-1")) for piece in pieces if piece]
    return case


def _frame(payload: bytes, **fields: Any) -> Frame:
    return Frame(payload.decode("latin-1"), **fields)


def _split(rng: Random, payload: bytes) -> list[Frame]:
    """Fragments of one message, maybe with empty ones."""
    cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.choice((1, 2, 5, 30))))
    places = [0, *cuts, len(payload)]
    frames = [_frame(payload[a:b], op=0, fin=False) for a, b in pairwise(places)]
    frames[0].op, frames[-1].fin = 1, True
    return frames


def _control(rng: Random) -> Frame:
    return _frame(rng.randbytes(rng.choice((0, 4, 125))), op=rng.choice((9, 10)))


def _broken(rng: Random, name: str) -> Frame:
    payload = json.dumps(_SENT[name]).encode()
    match rng.randrange(9):
        case 0:
            return _frame(payload, op=rng.randrange(16))
        case 1:
            return _frame(payload, rsv=rng.randint(1, 7))
        case 2:
            return _frame(payload, masked=False)
        case 3:
            return _frame(
                payload, length=rng.choice((0, 1, 125, 126, 65536, 2**31, 2**63, 2**64 - 1))
            )
        case 4:
            return _frame(payload, fin=False)
        case 5:
            return _frame(b"", op=0, fin=rng.random() < 0.5)
        case 6:
            return _frame(rng.choice(_CLOSES), op=8)
        case 7:
            return _frame(rng.randbytes(200), op=rng.choice((8, 9, 10)))
        case _:
            return _frame(payload, long=True)
