"""Params and results of connect, token update, heartbeat and provisioning (1.1 to 1.3, D3), and the
table of the hub's pending requests. Nothing here waits: answers are passed on by callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from hub.decoders import json_decoder
from hub.errors import BadParameter, DeviceBusy, HubError
from hub.wire import json_limits
from hub.wire.coercion import LooseText, coerce_text
from hub.wire.envelope import Response, read_tolerantly
from hub.wire.signing import ts_seconds

# Pending devices are kept in memory and shown, so their fields are bounded.
MAX_SN_LENGTH = 64
MAX_DID_LENGTH = 20
MAX_IP_LENGTH = 64
MAX_SIGN_LENGTH = 4096
#: A longer heartbeat is not a usual one.
_MAX_USUAL_LENGTH = 512


class ConnectParam(Struct, frozen=True):
    """The param of a connect (1.1). The signature covers `ts_text`; `ts` is the same in seconds."""

    sn: str
    ts: float
    ts_text: str
    sign: str | None = None
    did: str | None = None
    ip: str | None = None


class KeepaliveParam(Struct, frozen=True):
    """The param of token update (1.2) and heartbeat (1.3).

    `did` and `sn`, if given, must be those of the connection.
    """

    did: str | None = None
    sn: str | None = None
    ip: str | None = None


class _UsualParam(KeepaliveParam, frozen=True, forbid_unknown_fields=True):
    pass


class _UsualData(Struct, frozen=True, forbid_unknown_fields=True):
    uri: Literal["/heartbeat"]
    param: _UsualParam


class UsualHeartbeat(Struct, frozen=True, forbid_unknown_fields=True):
    """A heartbeat exactly as 1.3 documents it, with texts for all values, of any content."""

    msgid: str
    data: _UsualData
    token: str


class ConnectResult(Struct, frozen=True):
    """The result of a connect (1.1). `expire` and `interval` in seconds."""

    token: str
    expire: int
    interval: int


class TokenResult(Struct, frozen=True):
    """The result of a token update (1.2). `expire` in seconds."""

    token: str
    expire: int


class HeartbeatResult(Struct, frozen=True):
    """The result of a heartbeat (1.3). `expire`: seconds that the token remains valid."""

    expire: int


class InitParam(Struct, frozen=True):
    """The param of provisioning (D3), with the protocol's field names."""

    did: str
    otaId: str
    appid: str
    secret: str


def decode_connect(param: Raw) -> ConnectParam:
    """Decode the param of `/connect`. Raises BadParameter, which names the field."""
    return read_tolerantly(_read_connect, bytes(param))


def find_sn(param: Raw) -> str | None:
    """The serial number in a connect's param, even if the rest is invalid; None if it has none."""
    try:
        return read_tolerantly(_read_sn, bytes(param))
    except BadParameter:
        return None


def decode_keepalive(param: Raw) -> KeepaliveParam:
    """Decode the param of `/token/update` or `/heartbeat`.

    Raises BadParameter, which names the field.
    """
    return read_tolerantly(_read_keepalive, bytes(param))


def read_usual_heartbeat(message: str | bytes) -> UsualHeartbeat | None:
    """Return a heartbeat as nearly all cameras send it; None for anything else."""
    if not isinstance(message, str) or len(message) > _MAX_USUAL_LENGTH:
        return None
    if '"/heartbeat"' not in message:
        return None
    try:
        return _USUAL_HEARTBEAT.decode(message)
    except (msgspec.MsgspecError, UnicodeError):
        return None


RequestOutcome = Response | HubError


class PendingRequests:
    """The requests that a device has not answered yet, by msgid; at most `limit` of them.

    The `on_done` of each is called exactly once, by resolve(), fail() or close(), unless forget()
    was called before.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, Callable[[RequestOutcome], None]] = {}
        self._closed: HubError | None = None

    @property
    def is_full(self) -> bool:
        """Whether expect() would raise DeviceBusy."""
        return len(self._waiting) >= self._limit

    def expect(self, msgid: str, on_done: Callable[[RequestOutcome], None]) -> None:
        """Register `on_done` for the response to `msgid`, or the error that ends the wait.

        Raises DeviceBusy if the table is full; after close(), the error that was passed to it.
        """
        if self._closed is not None:
            raise self._closed
        if self.is_full:
            raise DeviceBusy(f"{self._limit} requests to this device are not answered yet")
        if msgid in self._waiting:
            raise ValueError(f"msgid {msgid!r} is in use")
        self._waiting[msgid] = on_done

    def resolve(self, response: Response) -> bool:
        """Pass a response to its request. Returns False if that request is not pending."""
        on_done = self._waiting.pop(response.msgid, None)
        if on_done is None:
            return False
        on_done(response)
        return True

    def fail(self, msgid: str, error: HubError) -> None:
        """End this request, if it is still pending, with `error`."""
        on_done = self._waiting.pop(msgid, None)
        if on_done is not None:
            on_done(error)

    def forget(self, msgid: str) -> None:
        """Remove a request without calling `on_done`; a late answer then finds no request."""
        self._waiting.pop(msgid, None)

    def close(self, error: HubError) -> None:
        """End every request with `error`; expect() raises it from now on."""
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


class _SnOnly(Struct):
    sn: LooseText = None


class _Keepalive(Struct):
    did: LooseText = None
    sn: LooseText = None
    ip: LooseText = None


_CONNECT = json_decoder(_Connect)
_SN_ONLY = json_decoder(_SnOnly)
_KEEPALIVE = json_decoder(_Keepalive)
_USUAL_HEARTBEAT = json_decoder(UsualHeartbeat)
_TS: msgspec.json.Decoder[str | int | float] = json_decoder(str | int | float)


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
        sign=coerce_text(sent.sign, "data.param.sign", max_length=MAX_SIGN_LENGTH),
        did=coerce_text(sent.did, "data.param.did", max_length=MAX_DID_LENGTH),
        ip=_ip(sent.ip),
    )


def _read_sn(param: bytes) -> str | None:
    return _sn(json_limits.decode(_SN_ONLY, param, "param", path="data.param").sn)


def _read_keepalive(param: bytes) -> KeepaliveParam:
    sent = json_limits.decode(_KEEPALIVE, param, "param", path="data.param")
    did = coerce_text(sent.did, "data.param.did", max_length=MAX_DID_LENGTH)
    return KeepaliveParam(did, _sn(sent.sn), _ip(sent.ip))


def _sn(value: LooseText) -> str | None:
    sn = coerce_text(value, "data.param.sn", max_length=MAX_SN_LENGTH)
    if sn is not None and not sn.isprintable():
        raise BadParameter("only printable characters are allowed", field="data.param.sn")
    return sn


def _ip(value: LooseText) -> str | None:
    """The address is only displayed, so an invalid one counts as absent."""
    ip = str(value).strip() if isinstance(value, str) else ""
    return ip if 0 < len(ip) <= MAX_IP_LENGTH and ip.isprintable() else None


def _ts_text(raw: bytes) -> str:
    """The timestamp as it was sent, as a number or a string."""
    if raw in (b"", b"null", b'""'):
        raise BadParameter("UNIX time in seconds is required", field="data.param.ts")
    value = json_limits.decode(_TS, raw, "ts", path="data.param.ts")
    return value if isinstance(value, str) else raw.decode()
