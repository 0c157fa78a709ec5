"""One device's connection as the protocol sees it (1.1 to 1.3, D3): what is asked and answered.

Pure: nothing here waits. The link feeds it frames, and is told by callbacks when an answer is in.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from hub.errors import BadParameter, DeviceBusy, HubError
from hub.wire import json_limits
from hub.wire.coercion import LooseText, coerce_text
from hub.wire.envelope import Response, read_tolerantly
from hub.wire.signing import ts_seconds

# Whoever waits for enrolment is kept in memory and shown: what it says of itself is bounded.
MAX_SN_LENGTH = 64
MAX_DID_LENGTH = 20
MAX_IP_LENGTH = 64
MAX_SIGN_LENGTH = 4096


class ConnectParam(Struct, frozen=True):
    """1.1. `ts_text` is the ts as it was sent, which the signature is over; `ts` is in seconds."""

    sn: str
    ts: float
    ts_text: str
    sign: str | None = None
    did: str | None = None
    ip: str | None = None


class KeepaliveParam(Struct, frozen=True):
    """1.2 and 1.3; what is named must be the connection's own."""

    did: str | None = None
    sn: str | None = None
    ip: str | None = None


class ConnectResult(Struct, frozen=True):
    token: str
    expire: int
    interval: int


class TokenResult(Struct, frozen=True):
    token: str
    expire: int


class HeartbeatResult(Struct, frozen=True):
    """`expire`: the seconds that the token still has."""

    expire: int


class InitParam(Struct, frozen=True):
    """The initial parameters of D3, with the protocol's own names."""

    did: str
    otaId: str
    appid: str
    secret: str


def decode_connect(param: Raw) -> ConnectParam:
    """The param of `/connect`. Raises BadParameter that names the field."""
    return read_tolerantly(_read_connect, bytes(param))


def find_sn(param: Raw) -> str | None:
    """The serial number that a connect gives, however wrong the rest of it is."""
    try:
        return read_tolerantly(_read_sn, bytes(param))
    except BadParameter:
        return None


def decode_keepalive(param: Raw) -> KeepaliveParam:
    """The param of `/token/update` and `/heartbeat`. Raises BadParameter that names the field."""
    return read_tolerantly(_read_keepalive, bytes(param))


RequestOutcome = Response | HubError


class PendingRequests:
    """Requests sent to the device and not answered yet, by msgid; at most `limit` of them.

    Each one's `on_done` is called exactly once, from within `resolve`, `fail` or `close`, unless it
    is forgotten before.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, Callable[[RequestOutcome], None]] = {}
        self._closed: HubError | None = None

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit

    def expect(self, msgid: str, on_done: Callable[[RequestOutcome], None]) -> None:
        """Call `on_done` with the response to `msgid`, or with what ended the wait for it.

        Raises DeviceBusy where too many wait already, and the error of `close` after it.
        """
        if self._closed is not None:
            raise self._closed
        if self.full:
            raise DeviceBusy(f"{self._limit} requests to this device are not answered yet")
        if msgid in self._waiting:
            raise ValueError(f"msgid {msgid!r} is in use")
        self._waiting[msgid] = on_done

    def resolve(self, response: Response) -> bool:
        """Give a response to whoever waits for it; False where nobody does (any more)."""
        on_done = self._waiting.pop(response.msgid, None)
        if on_done is None:
            return False
        on_done(response)
        return True

    def fail(self, msgid: str, error: HubError) -> None:
        """End the wait for this response, where anybody waits, with `error`."""
        on_done = self._waiting.pop(msgid, None)
        if on_done is not None:
            on_done(error)

    def forget(self, msgid: str) -> None:
        """Nobody waits for this answer any more: it comes too late, if it comes."""
        self._waiting.pop(msgid, None)

    def close(self, error: HubError) -> None:
        """End every wait with `error`, those to come too."""
        self._closed = error
        while self._waiting:
            _, on_done = self._waiting.popitem()
            on_done(error)


class _Connect(Struct):
    sn: LooseText = None
    ts: Raw = Raw()
    sign: LooseText = None
    did: LooseText = None
    ip: LooseText = None


class _Named(Struct):
    sn: LooseText = None


class _Keepalive(Struct):
    did: LooseText = None
    sn: LooseText = None
    ip: LooseText = None


_CONNECT = msgspec.json.Decoder(_Connect)
_NAMED = msgspec.json.Decoder(_Named)
_KEEPALIVE = msgspec.json.Decoder(_Keepalive)
_TS: msgspec.json.Decoder[str | int | float] = msgspec.json.Decoder(str | int | float)


def _read_connect(param: bytes) -> ConnectParam:
    sent = json_limits.decode(_CONNECT, param, "param", path="data.param")
    sn = _sn(sent.sn)
    if sn is None:
        raise BadParameter("the serial number is required", field="data.param.sn")
    ts_text = _ts_text(bytes(sent.ts))
    return ConnectParam(
        sn=sn,
        ts=ts_seconds(ts_text, "data.param.ts"),
        ts_text=ts_text,
        sign=coerce_text(sent.sign, "data.param.sign", longest=MAX_SIGN_LENGTH),
        did=coerce_text(sent.did, "data.param.did", longest=MAX_DID_LENGTH),
        ip=_ip(sent.ip),
    )


def _read_sn(param: bytes) -> str | None:
    return _sn(json_limits.decode(_NAMED, param, "param", path="data.param").sn)


def _read_keepalive(param: bytes) -> KeepaliveParam:
    sent = json_limits.decode(_KEEPALIVE, param, "param", path="data.param")
    did = coerce_text(sent.did, "data.param.did", longest=MAX_DID_LENGTH)
    return KeepaliveParam(did, _sn(sent.sn), _ip(sent.ip))


def _sn(value: LooseText) -> str | None:
    sn = coerce_text(value, "data.param.sn", longest=MAX_SN_LENGTH)
    if sn is not None and not sn.isprintable():
        raise BadParameter("printable characters alone are allowed", field="data.param.sn")
    return sn


def _ip(value: LooseText) -> str | None:
    """Only shown: one that cannot be an address counts as missing."""
    ip = str(value).strip() if isinstance(value, str) else ""
    return ip if 0 < len(ip) <= MAX_IP_LENGTH and ip.isprintable() else None


def _ts_text(raw: bytes) -> str:
    """The digits as they were sent: a number or a text."""
    if raw in (b"", b"null", b'""'):
        raise BadParameter("UNIX time in seconds is required", field="data.param.ts")
    value = json_limits.decode(_TS, raw, "ts", path="data.param.ts")
    return value if isinstance(value, str) else raw.decode()
