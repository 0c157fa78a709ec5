"""Reads the messages of hubs: one of NATS becomes a row, or a picture. Pure.

Which hub it is says the subject alone, since the servers let a hub send to its own only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.services.forwarding.erasures import MAX_RECORDS
from hub.services.forwarding.nats.address import HUB_NAME, PARTITIONS
from hub.services.forwarding.nats.messages import DIGEST, LOG, PICTURE, SEQ, digest_of
from hub.services.forwarding.site_state import SiteState, state_subject
from hub.store.targets.erased import MAX_EARLIER_LOGS, EarlierLog

#: The centre's own trials of whether a stream takes anything, after the partition.
TRIAL = "sitehub-central.try"
_SUBJECT = re.compile(
    rf"sitehub\.(?P<partition>\d{{1,2}})\.(?P<hub>{HUB_NAME})\.(?P<kind>[a-z]+)",
    re.ASCII,
)
_STATES = state_subject("")
#: Of what deletes the value of a key.
KV_OPERATION = "KV-Operation"
_LOG_ID = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_PICTURE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
#: A header that only servers write, into what they read from a stream.
ANSWERED = "Nats-Stream"
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_MAX_SEQ = 2**63 - 1
_MAX_NUMBERS, _MAX_NUMBER = 100, 1_000
#: Ranges that stay of a person who is erased.
_MAX_KEPT = 10_000

Ranges = tuple[tuple[int, int], ...]


#: Of a message of which it is not known when the servers got it.
EPOCH = datetime.fromtimestamp(0, UTC)


class Unreadable(Exception):
    """A message that no hub sends. It is kept as it is, for a person to look at."""


class Sender(Struct, frozen=True):
    """Who sent a message: the hub, and the log of it that the message is about."""

    hub: str
    partition: int
    log: str


class RecordRow(Struct, frozen=True):
    """A record. `body`: all of it, as JSON that PostgreSQL takes."""

    sender: Sender
    seq: int
    received_at: datetime
    occurred_at: datetime | None
    kind: str
    did: str
    erased: bool
    body: str


class AlarmRow(Struct, frozen=True):
    """An alarm as it is after the change `number`."""

    sender: Sender
    seq: int
    number: int
    kind: str
    severity: str
    state: str
    last_at: datetime
    body: str


class GapRow(Struct, frozen=True):
    """Records of a log that will never come."""

    sender: Sender
    first_seq: int
    last_seq: int
    reason: str


class ErasureRow(Struct, frozen=True):
    """Records that a hub has erased. `seqs`: first and last of each range.

    `uuids`: numbers of a person, of whom nothing stays, but what came in this log after `last_seq`,
    and `kept`. `number`: of the erasure. `sent_at`: by the clock of the servers.
    """

    sender: Sender
    seqs: Ranges
    uuids: tuple[str, ...] = ()
    last_seq: int = 0
    kept: Ranges = ()
    number: int = 0
    sent_at: datetime = EPOCH


class LogRow(Struct, frozen=True):
    """Which log a hub has. `earlier`: those that it continues, each up to a seq.

    `sent_at`: by the clock of the servers.
    """

    sender: Sender
    earlier: tuple[tuple[str, int], ...]
    sent_at: datetime


class PictureFile(Struct, frozen=True):
    """A picture of a record."""

    sender: Sender
    seq: int
    name: str
    mime: str
    data: bytes


class Trial(Struct, frozen=True):
    """What a centre has sent to see whether the stream takes anything."""


class StateRow(Struct, frozen=True):
    """How a hub is. `state`: None once it is forgotten. `at`: by the clock of the servers."""

    hub: str
    state: SiteState | None
    at: datetime


#: What is stored nowhere.
Passing = Trial | StateRow
Row = RecordRow | AlarmRow | GapRow | ErasureRow | LogRow | PictureFile


class _Record(Struct, frozen=True):
    seq: int
    received_at: datetime
    occurred_at: datetime | None = None
    kind: str = ""
    did: str | None = None
    erased: bool = False


class _Alarm(Struct, frozen=True):
    seq: int
    number: int
    last_at: datetime
    kind: str = ""
    severity: str = ""
    state: str = ""


class _Gap(Struct, frozen=True, rename={"first": "from", "last": "to"}):
    first: int
    last: int
    reason: str = ""


class _Erasure(Struct, frozen=True):
    seqs: Ranges
    uuids: tuple[str, ...] = ()
    last_seq: int = 0
    kept: Ranges = ()
    number: int = 0


class _Log(Struct, frozen=True):
    earlier: tuple[EarlierLog, ...] = ()


def row_of(
    subject: str, headers: Mapping[str, str], payload: bytes, sent_at: datetime = EPOCH
) -> Row | Passing:
    """Return what a message says. `sent_at`: when the servers got it. Raises Unreadable."""
    if subject.startswith(_STATES):
        return _state(subject.removeprefix(_STATES), headers, payload, sent_at)
    found = _SUBJECT.fullmatch(subject)
    if found is None or int(found["partition"]) >= PARTITIONS:
        raise Unreadable("a subject that no hub has")
    if ANSWERED in headers:
        # Whoever asks can name the subject of another hub for the answer.
        raise Unreadable("an answer of a server, which no hub sends")
    if subject.endswith(f".{TRIAL}"):
        return Trial()
    log = headers.get(LOG, "")
    if not _LOG_ID.fullmatch(log):
        raise Unreadable(f"{LOG} is missing or wrong")
    sender = Sender(found["hub"], int(found["partition"]), log)
    try:
        match found["kind"]:
            case "rec":
                return _record(sender, payload)
            case "pic":
                return _picture(sender, headers, payload)
            case "alarm":
                return _alarm(sender, payload)
            case "gap":
                return _gap(sender, payload)
            case "erasure":
                return _erasure(sender, payload, sent_at)
            case "log":
                return _log(sender, payload, sent_at)
    # ArithmeticError: a time that is in no year, once it is in UTC.
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    raise Unreadable("a kind of message that this version does not know")


def _state(hub: str, headers: Mapping[str, str], payload: bytes, sent_at: datetime) -> StateRow:
    if ANSWERED in headers or not re.fullmatch(HUB_NAME, hub, re.ASCII):
        raise Unreadable("a state that no hub has told")
    if headers.get(KV_OPERATION):
        return StateRow(hub, None, sent_at)
    try:
        state = decode_json(payload, SiteState)
        times = (state.at, state.last_backup, state.certificate_ends, state.identity_ends)
        for time in filter(None, times):
            _utc(time)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    return StateRow(hub, state, sent_at)


def _record(sender: Sender, payload: bytes) -> RecordRow:
    body = _json(payload)
    record = decode_json(body, _Record)
    return RecordRow(
        sender,
        _seq(record.seq),
        _utc(record.received_at),
        None if record.occurred_at is None else _utc(record.occurred_at),
        _text(record.kind),
        _text(record.did or ""),
        record.erased,
        body,
    )


def _alarm(sender: Sender, payload: bytes) -> AlarmRow:
    body = _json(payload)
    alarm = decode_json(body, _Alarm)
    return AlarmRow(
        sender,
        _seq(alarm.seq),
        _seq(alarm.number),
        _text(alarm.kind),
        _text(alarm.severity),
        _text(alarm.state),
        _utc(alarm.last_at),
        body,
    )


def _gap(sender: Sender, payload: bytes) -> GapRow:
    gap = decode_json(payload, _Gap)
    return GapRow(sender, _seq(gap.first), _seq(gap.last), _text(gap.reason))


def _erasure(sender: Sender, payload: bytes, sent_at: datetime) -> ErasureRow:
    erasure = decode_json(payload, _Erasure)
    if len(erasure.uuids) > _MAX_NUMBERS or any(len(one) > _MAX_NUMBER for one in erasure.uuids):
        raise ValueError("too many numbers, or too long ones")
    return ErasureRow(
        sender,
        _ranges(erasure.seqs, MAX_RECORDS),
        tuple(map(_text, erasure.uuids)),
        _seq(erasure.last_seq),
        _ranges(erasure.kept, _MAX_KEPT, 2**62),
        _seq(erasure.number),
        sent_at,
    )


def _log(sender: Sender, payload: bytes, sent_at: datetime) -> LogRow:
    logs = decode_json(payload, _Log).earlier
    if len(logs) > MAX_EARLIER_LOGS or not all(_LOG_ID.fullmatch(one.log) for one in logs):
        raise ValueError("too many logs, or wrong ones")
    return LogRow(sender, tuple((one.log, _seq(one.last_seq)) for one in logs), sent_at)


def _ranges(ranges: Ranges, most: int, highest: int = _MAX_SEQ) -> Ranges:
    if len(ranges) > most or any(last > highest for _, last in ranges):
        raise ValueError(f"more than {most} ranges, or too high ones")
    if any(first > last for first, last in ranges):
        raise ValueError("a range ends before it begins")
    return tuple((_seq(first), _seq(last)) for first, last in ranges)


def _picture(sender: Sender, headers: Mapping[str, str], payload: bytes) -> PictureFile:
    seq, name = headers.get(SEQ, ""), headers.get(PICTURE, "")
    if not seq.isdecimal() or not _PICTURE_NAME.fullmatch(name):
        raise Unreadable(f"{SEQ} or {PICTURE} is missing or wrong")
    if headers.get(DIGEST) != digest_of(payload):
        raise Unreadable(f"{DIGEST} is missing or wrong")
    return PictureFile(sender, _seq(int(seq)), name, headers.get("Content-Type", ""), payload)


def _seq(seq: int) -> int:
    if not 0 <= seq <= _MAX_SEQ:
        raise ValueError("a number is out of range")
    return seq


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return moment.astimezone(UTC)


def _json(payload: bytes) -> str:
    """Return JSON that jsonb takes: without NUL and lone surrogates, which can only be escaped."""
    text = payload.decode()
    if "\\u" not in text:
        return text
    return json.dumps(_cleaned(json.loads(text)), ensure_ascii=False)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case list():
            return [_cleaned(one) for one in value]
        case dict():
            return {_text(name): _cleaned(one) for name, one in value.items()}
    return value


def _text(text: str) -> str:
    """Return text that PostgreSQL takes."""
    return _SURROGATE.sub(_REPLACEMENT, text.replace("\0", _REPLACEMENT))
