"""The stream that a hub sends to: what it says of itself, and how it is made if it is missing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.folding import visible
from hub.reasons import Reason
from hub.services.forwarding.nats.connection import ApiError, NatsConnection
from hub.services.forwarding.nats.headers import headers_of
from hub.services.forwarding.sender import TryLater

Answer = TypeVar("Answer", bound=Struct)

_NS = 1_000_000_000
MAX_AGE_SECONDS = 14 * 86_400
#: The first version with atomic batches.
_BATCH_VERSION = (2, 12)
_MAX_TEXT = 300
_NOT_FOUND, _NO_MESSAGE = 10059, 10037


class StreamConfig(Struct, frozen=True):
    allow_atomic: bool = False
    allow_direct: bool = False
    max_age: int = 0
    max_msg_size: int = -1
    num_replicas: int = 1


class NatsStream(Struct, frozen=True):
    """A stream as the server describes it. `now`: its time then; servers before 2.10 tell none."""

    config: StreamConfig
    created: datetime
    now: datetime | None = None

    def max_bytes(self, max_payload: int) -> int:
        """Return how large a message with its headers may be, given the limit of the server."""
        size = self.config.max_msg_size
        return min(max_payload, size) if size > 0 else max_payload

    def expired_before(self, our_now: float) -> int | None:
        """Return before which UNIX ms all messages have gone because of their age.

        By the clock of the server, which made them go, or else by ours. None: the stream is not so
        old that any can have.
        """
        now = our_now if self.now is None else self.now.timestamp()
        max_age = self.config.max_age / _NS
        if not 0 < max_age < now - self.created.timestamp():
            return None
        return int((now - max_age) * 1000)


class LastMessage(Struct, frozen=True):
    """The last message of a subject. `stream_seq`: its number in the stream."""

    stream_seq: int
    headers: dict[str, str]
    payload: bytes


class _Info(Struct, frozen=True):
    config: StreamConfig = StreamConfig()
    created: datetime = datetime.fromtimestamp(0, UTC)
    ts: datetime | None = None
    error: ApiError | None = None


class _Stored(Struct, frozen=True):
    """A message as the API that is not direct gives it; `data` and `hdrs` in base64."""

    seq: int = 0
    hdrs: str = ""
    data: str = ""


class _Got(Struct, frozen=True):
    message: _Stored = _Stored()
    error: ApiError | None = None


def has_batches(connection: NatsConnection, stream: NatsStream) -> bool:
    """Whether many messages can be published at once, all or none."""
    return _version(connection) >= _BATCH_VERSION and stream.config.allow_atomic


async def find_stream(
    connection: NatsConnection, name: str, subjects: str, own: Mapping[str, object] = {}
) -> NatsStream:
    """Return a stream; make it if it is missing and this hub is allowed to. Raises TryLater.

    `own`: how it differs from a stream of records.
    """
    info = await _ask(connection, f"STREAM.INFO.{name}", b"", _Info)
    if info.error is not None and info.error.err_code == _NOT_FOUND:
        try:
            info = await _make(connection, name, subjects, own)
        except TryLater as failure:
            raise TryLater(
                "stream %(stream)s is missing and cannot be made: %(why)s",
                stream=name,
                why=failure.reason,
            ) from failure
    if info.error is not None:
        raise TryLater("stream %(stream)s: %(why)s", stream=name, why=info.error.reason)
    return NatsStream(info.config, info.created, info.ts)


async def last_message(
    connection: NatsConnection, name: str, stream: NatsStream, subject: str
) -> LastMessage | None:
    """Return the last message of a subject, None if there is none. Raises TryLater."""
    if not stream.config.allow_direct:
        return await _last_of_leader(connection, name, subject)
    return await last_of_any(connection, name, subject)


async def last_of_any(
    connection: NatsConnection, name: str, subject: str, *, is_optional: bool = False
) -> LastMessage | None:
    """Return the last message of a subject, as any server that has the stream knows it.

    `is_optional`: it may not be permitted. Raises TryLater.
    """
    asked = f"$JS.API.DIRECT.GET.{name}.{subject}"
    reply = await connection.request(asked, is_optional=is_optional)
    if reply.status == "404":
        return None
    if reply.status:
        said = reply.headers.get("Description", reply.status)[:_MAX_TEXT]
        raise TryLater("stream %(stream)s: %(why)s", stream=name, why=Reason(visible(said)))
    if reply.headers.get("Nats-Subject") != subject:
        raise TryLater("its answer could not be understood")
    return LastMessage(_number(reply.headers.get("Nats-Sequence", "")), reply.headers, reply.data)


async def _last_of_leader(
    connection: NatsConnection, name: str, subject: str
) -> LastMessage | None:
    asked = msgspec.json.encode({"last_by_subj": subject})
    got = await _ask(connection, f"STREAM.MSG.GET.{name}", asked, _Got)
    if got.error is not None:
        if got.error.err_code == _NO_MESSAGE:
            return None
        raise TryLater("stream %(stream)s: %(why)s", stream=name, why=got.error.reason)
    try:
        headers = headers_of(base64.b64decode(got.message.hdrs))
        return LastMessage(got.message.seq, headers, base64.b64decode(got.message.data))
    except ValueError as error:
        raise TryLater("its answer could not be understood") from error


async def _make(
    connection: NatsConnection, name: str, subjects: str, own: Mapping[str, object]
) -> _Info:
    """Make a stream, on three servers if there are so many."""
    info = _Info()
    for replicas in (3, 1):
        config = {**_config(connection, name, subjects, replicas), **own}
        info = await _ask(connection, f"STREAM.CREATE.{name}", msgspec.json.encode(config), _Info)
        if info.error is None:
            break
    return info


def _config(connection: NatsConnection, name: str, subjects: str, replicas: int) -> dict[str, Any]:
    config = {
        "name": name,
        "subjects": [subjects],
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "max_age": MAX_AGE_SECONDS * _NS,
        "discard": "new",
        "allow_direct": True,
    }
    if _version(connection) >= _BATCH_VERSION:
        config["allow_atomic"] = True
    return config


async def _ask(connection: NatsConnection, what: str, payload: bytes, type: type[Answer]) -> Answer:
    reply = await connection.request(f"$JS.API.{what}", payload)
    try:
        return decode_json(reply.data, type)
    except msgspec.MsgspecError as error:
        raise TryLater("its answer could not be understood") from error


def _version(connection: NatsConnection) -> tuple[int, ...]:
    return tuple(_number(part) for part in connection.version.split(".")[:2])


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0
