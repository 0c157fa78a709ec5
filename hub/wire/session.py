"""One device's connection as the protocol sees it (1.1 to 1.3, D3): what is asked and answered.

Pure: nothing here waits. The link feeds it frames, and is told by callbacks when an answer is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Raw, Struct

from hub.errors import BadParameter, DeviceBusy, HubError
from hub.wire import jsontext
from hub.wire.envelope import Response, read_tolerantly
from hub.wire.signing import ts_seconds
from hub.wire.values import Text, text

#: Longer ones are no device's; whoever waits for enrolment is kept in memory.
LONGEST_NAME = 128


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


def decode_keepalive(param: Raw) -> KeepaliveParam:
    """The param of `/token/update` and `/heartbeat`. Raises BadParameter that names the field."""
    return read_tolerantly(_read_keepalive, bytes(param))


class Answer:
    """The place of one answer that is waited for."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._outcome: Response | HubError | None = None

    @property
    def arrived(self) -> bool:
        return self._outcome is not None

    def get(self) -> Response:
        """The response. Raises the error that ended the wait for it; call it once woken."""
        if self._outcome is None:
            raise LookupError("there is no answer yet")
        if isinstance(self._outcome, HubError):
            raise self._outcome
        return self._outcome

    def _put(self, outcome: Response | HubError) -> None:
        self._outcome = outcome
        self._wake()


class Pending:
    """Requests sent to the device and not answered yet, by msgid; at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, Answer] = {}
        self._closed: HubError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def expect(self, msgid: str, wake: Callable[[], None]) -> Iterator[Answer]:
        """Wait for the answer to `msgid` while the context lasts; `wake` is called once it is in.

        Raises DeviceBusy where too many wait already, and the error of `close` after it.
        """
        if self._closed is not None:
            raise self._closed
        if len(self._waiting) >= self._limit:
            raise DeviceBusy(f"{self._limit} requests to this device are not answered yet")
        if msgid in self._waiting:
            raise ValueError(f"msgid {msgid!r} is in use")
        answer = self._waiting[msgid] = Answer(wake)
        try:
            yield answer
        finally:
            self._waiting.pop(msgid, None)

    def resolve(self, response: Response) -> bool:
        """Give a response to whoever waits for it; False where nobody does (any more)."""
        answer = self._waiting.pop(response.msgid, None)
        if answer is None:
            return False
        answer._put(response)
        return True

    def close(self, error: HubError) -> None:
        """End every wait with `error`, those to come too."""
        self._closed = error
        waiting = list(self._waiting.values())
        self._waiting.clear()
        for answer in waiting:
            answer._put(error)


class _Connect(Struct):
    sn: Text = None
    ts: Raw = Raw()
    sign: Text = None
    did: Text = None
    ip: Text = None


class _Keepalive(Struct):
    did: Text = None
    sn: Text = None
    ip: Text = None


_CONNECT = msgspec.json.Decoder(_Connect)
_KEEPALIVE = msgspec.json.Decoder(_Keepalive)
_TS: msgspec.json.Decoder[str | int | float] = msgspec.json.Decoder(str | int | float)


def _read_connect(param: bytes) -> ConnectParam:
    sent = jsontext.decode(_CONNECT, param, "param", path="data.param")
    sn = _name(sent.sn, "sn")
    if sn is None:
        raise BadParameter("the serial number is required", field="data.param.sn")
    ts_text = _ts_text(bytes(sent.ts))
    return ConnectParam(
        sn=sn,
        ts=ts_seconds(ts_text, "data.param.ts"),
        ts_text=ts_text,
        sign=text(sent.sign, "data.param.sign", longest=4096),
        did=_name(sent.did, "did"),
        ip=_name(sent.ip, "ip"),
    )


def _read_keepalive(param: bytes) -> KeepaliveParam:
    sent = jsontext.decode(_KEEPALIVE, param, "param", path="data.param")
    return KeepaliveParam(_name(sent.did, "did"), _name(sent.sn, "sn"), _name(sent.ip, "ip"))


def _name(value: Text, key: str) -> str | None:
    return text(value, f"data.param.{key}", longest=LONGEST_NAME)


def _ts_text(raw: bytes) -> str:
    """The digits as they were sent: a number or a text."""
    if raw in (b"", b"null", b'""'):
        raise BadParameter("UNIX time in seconds is required", field="data.param.ts")
    value = jsontext.decode(_TS, raw, "ts", path="data.param.ts")
    return value if isinstance(value, str) else raw.decode()
