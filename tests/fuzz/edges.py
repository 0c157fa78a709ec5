"""What is no HTTP and no frame: TLS records, SNTP datagrams, the control port, event streams."""

from __future__ import annotations

import json
from random import Random

from tests.fuzz import mutation
from tests.fuzz.case import Case

#: An answered request, as 48 bytes of a client.
_SNTP = bytes([0x23]) + bytes(47)
_CONTROL = {"secret": "@{secret}", "operation": {"operation": "status"}}
_STREAMS = ("/api/hub/v1/stream", "/stream", "/api/hub/v1/stream?after=0&kind=face")


def make(rng: Random) -> Case:
    return rng.choice((_tls, _sntp, _control, _stream))(rng)


def _tls(rng: Random) -> Case:
    port = rng.choice(("web", "device"))
    case = Case("edges", port, "TLS records", is_plain=True)
    data = _client_hello(rng)
    if rng.random() < 0.2:
        data = bytes((rng.choice((20, 21, 22, 23, 24, 255)), 3, rng.randrange(5)))
        data += rng.choice((0, 5, 16384, 65535)).to_bytes(2, "big") + rng.randbytes(40)
    elif rng.random() < 0.9:
        data = mutation.flip(rng, data, most=8)
    case.data = data.decode("latin-1")
    return case


def _client_hello(rng: Random) -> bytes:
    """A hello for TLS 1.2 and 1.3 (RFC 8446, 4.1.2), with a key share that nobody has."""
    extensions = {
        0: _sized(b"\0" + _sized(b"hub")),  # server_name
        10: _sized(b"\0\x1d\0\x17"),  # supported_groups: x25519, secp256r1
        11: b"\1\0",  # ec_point_formats
        13: _sized(b"\4\3\x08\4\4\1"),  # signature_algorithms
        16: _sized(b"\x08http/1.1"),  # application_layer_protocol_negotiation
        43: b"\4\3\4\3\3",  # supported_versions
        51: _sized(b"\0\x1d" + _sized(rng.randbytes(32))),  # key_share
    }
    told = b"".join(code.to_bytes(2, "big") + _sized(one) for code, one in extensions.items())
    suites = b"\x13\1\x13\2\xc0\x2b\xc0\x2f\0\x9c\0\x2f"
    hello = b"\3\3" + rng.randbytes(32) + b"\x20" + rng.randbytes(32)
    hello += _sized(suites) + b"\1\0" + _sized(told)
    return b"\x16\3\1" + _sized(b"\1" + len(hello).to_bytes(3, "big") + hello)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _sntp(rng: Random) -> Case:
    data = rng.choice((_SNTP, _SNTP, b"", rng.randbytes(48), _SNTP * rng.choice((2, 30))))
    if rng.random() < 0.7:
        data = mutation.flip(rng, data)
    return Case("edges", "sntp", "SNTP datagram", data[:1400].decode("latin-1"))


def _control(rng: Random) -> Case:
    case = Case("edges", "control", "control port")
    document = mutation.document(rng, _CONTROL)
    data = mutation.encoded(rng, document) + b"\n"
    case.data = data.decode("latin-1")
    return case


def _stream(rng: Random) -> Case:
    case = Case("edges", "web", "event stream", answers=1)
    case.role = rng.choice(("key", "reader", "viewer", ""))
    credentials = {"key": "Authorization: @{bearer}", "viewer": "Cookie: @{cookie}"}
    credentials["reader"] = credentials["key"]
    lines = [f"GET {rng.choice(_STREAMS)} HTTP/1.1", "Host: hub", "Accept: text/event-stream"]
    if case.role:
        lines.append(credentials[case.role])
    if rng.random() < 0.8:
        value = json.dumps(mutation.text(rng)).strip('"')[:300]
        lines.append(f"Last-Event-ID: {rng.choice((value, '1', '0', '-1', '9' * 18))}")
    case.data = "\r\n".join(lines) + "\r\n\r\n"
    return case
