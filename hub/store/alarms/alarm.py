"""An alarm and its life (D11). All times are UNIX milliseconds.

new → acknowledged → closed. An alarm that is *over* tells of something that has passed; it is
closed by itself as soon as somebody has acknowledged it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.clock_reading import is_past
from hub.reasons import Value, texts
from hub.store.rows import Size
from hub.wire.times import Moment

AlarmKind = Literal["blacklist", "plate", "event", "offline", "hub"]
Severity = Literal["critical", "major", "minor"]
AlarmState = Literal["new", "acknowledged", "closed"]
StepKind = Literal["raised", "again", "acknowledged", "escalated", "over", "closed"]
#: What happened to an alarm, as readers are told.
ChangeKind = Literal["raised", "repeated", "acknowledged", "escalated", "over", "closed"]

#: The most severe first.
SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor")
#: Cameras of one alarm that are listed.
MAX_DIDS = 100
#: A repeat after this time makes an acknowledged alarm new again, if its sighting renews.
RENEW_MS = 60_000
#: A device's clock that is off by more than this does not tell when something occurred.
STRAY_MS = 86_400_000
#: The type of event (2.4) that is about a person of a list.
LISTED_PERSON = 12


class AlarmDetail(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an alarm tells beside its records, by kind.

    blacklist: `name`, `uuid` and `category` of the person; `pid` if the register has it. plate:
    `plate` as it was sent, `list` and `entry_note` of the watch list. event: `type`, and the person
    if it names one. offline and hub: `cause`, and `text` with the values `args`. `device_name`: of
    the first record.
    """

    name: str = ""
    uuid: str = ""
    pid: str = ""
    category: int | None = None
    plate: str = ""
    list: str = ""
    entry_note: str = ""
    type: int | None = None
    cause: str = ""
    text: str = ""
    args: Mapping[str, Value] = {}
    device_name: str = ""

    def told(self) -> AlarmDetail:
        """Return it as programs are told it: `args` are texts."""
        return replace(self, args=texts(self.args))


class Alarm(Struct, frozen=True, kw_only=True):
    """One alarm. `seq`: of the record that raised it.

    `first_at`, `last_at`: when that and the latest record occurred; `last_seq`: of the last
    record. `heard_at`: when that arrived. `new_since`: since when nobody has acknowledged it.
    `over_at`: when what it tells of had passed. `dids`: the cameras that saw it, the latest last.
    `note`: the last.
    """

    seq: int
    kind: AlarmKind
    subject: str
    severity: Severity
    state: AlarmState
    count: Size
    first_at: Moment
    last_at: Moment
    last_seq: int
    heard_at: Moment
    new_since: Moment
    escalated_at: Moment | None = None
    over_at: Moment | None = None
    dids: tuple[str, ...] = ()
    detail: AlarmDetail = AlarmDetail()
    note: str = ""

    @property
    def is_active(self) -> bool:
        return self.state != "closed"

    @property
    def names_blacklisted(self) -> bool:
        """Whether it is about a person of the blacklist, also if it is about an event."""
        return self.kind == "blacklist" or bool(self.detail.pid) or self.detail.category == 2

    @property
    def event_person(self) -> str:
        """The person of a list whom an event names; "" if it names none."""
        if self.kind != "event":
            return ""
        if self.names_blacklisted:
            return self.detail.name or self.detail.pid or self.detail.uuid
        return self.detail.name if self.detail.type == LISTED_PERSON else ""


class AlarmStep(Struct, frozen=True):
    """One step in the history of an alarm. `who` is "" if it happened by itself."""

    at: Moment
    step: StepKind
    who: str = ""
    note: str = ""


class AlarmChange(Struct, frozen=True):
    """An alarm as it is after a change."""

    alarm: Alarm
    change: ChangeKind


class Sighting(Struct, frozen=True, kw_only=True):
    """What a record says that should raise an alarm. `at`: when it occurred.

    `renews`: after a quiet time, it makes an acknowledged alarm new again.
    """

    kind: AlarmKind
    subject: str
    severity: Severity
    detail: AlarmDetail
    seq: int
    at: int
    did: str
    renews: bool = False

    @property
    def key(self) -> tuple[AlarmKind, str]:
        """At most one alarm of a key is active."""
        return self.kind, self.subject


def combined(sightings: Sequence[Sighting]) -> Sighting:
    """Return one sighting for all that a record tells: that of the first, with the person."""
    first, *others = sightings
    for other in others:
        detail = replace(first.detail, name=other.detail.name, pid=other.detail.pid)
        severity = min(first.severity, other.severity, key=SEVERITIES.index)
        first = replace(first, severity=severity, detail=detail)
    return first


def raised(sighting: Sighting, received_at: int) -> Alarm:
    """Return the new alarm of a sighting."""
    return Alarm(
        seq=sighting.seq,
        kind=sighting.kind,
        subject=sighting.subject,
        severity=sighting.severity,
        state="new",
        count=1,
        first_at=sighting.at,
        last_at=sighting.at,
        last_seq=sighting.seq,
        heard_at=received_at,
        new_since=received_at,
        dids=(sighting.did,) if sighting.did else (),
        detail=sighting.detail,
    )


def repeated(alarm: Alarm, sighting: Sighting, received_at: int) -> Alarm:
    """Return an active alarm after one more sighting of its subject."""
    if alarm.last_at > received_at + STRAY_MS:
        # The hub's clock was ahead then.
        alarm = replace(alarm, last_at=sighting.at)
    again = replace(
        alarm,
        severity=min(alarm.severity, sighting.severity, key=SEVERITIES.index),
        count=alarm.count + 1,
        last_at=max(alarm.last_at, sighting.at),
        last_seq=sighting.seq,
        heard_at=received_at,
        over_at=None,
        dids=_with_did(alarm, sighting),
    )
    if alarm.state == "acknowledged" and _is_renewed(alarm, sighting, received_at):
        # The note was about the time before; it stays in the history.
        return replace(again, state="new", new_since=received_at, escalated_at=None, note="")
    return again


def _is_renewed(alarm: Alarm, sighting: Sighting, received_at: int) -> bool:
    """Whether somebody has to acknowledge a repeat again.

    Cameras' clocks differ, and some send late: it is enough that one of the two times has passed.
    """
    return sighting.renews and (
        sighting.at - alarm.last_at > RENEW_MS or is_past(alarm.heard_at, received_at, RENEW_MS + 1)
    )


def _with_did(alarm: Alarm, sighting: Sighting) -> tuple[str, ...]:
    """Return the cameras after one more sighting: a record that is sent late goes not last."""
    did, others = sighting.did, tuple(one for one in alarm.dids if one != sighting.did)
    if not did:
        return alarm.dids
    if sighting.at >= alarm.last_at:
        return (*others, did)[-MAX_DIDS:]
    return alarm.dids if did in alarm.dids else (did, *alarm.dids)[-MAX_DIDS:]


class Move(Struct, frozen=True):
    """What somebody, or nobody (""), does to alarms."""

    step: StepKind
    at: int
    who: str = ""
    note: str = ""


#: An alarm after a move, and the steps for its history.
Moved = tuple[Alarm, tuple[AlarmStep, ...]]


def moved(alarm: Alarm, move: Move) -> Moved | None:
    """Return an alarm after a move; None if the move does not apply to it any more."""
    if not alarm.is_active:
        return None
    match move.step:
        case "acknowledged":
            return _acknowledged(alarm, move)
        case "escalated":
            if alarm.state != "new" or alarm.escalated_at is not None:
                return None
            return replace(alarm, escalated_at=move.at), (_step(move),)
        case "over":
            return _over(alarm, move)
        case "closed":
            return _closed(alarm, move)
    return None


def _acknowledged(alarm: Alarm, move: Move) -> Moved | None:
    if alarm.state == "acknowledged" and not move.note:
        return None
    alarm = replace(alarm, state="acknowledged", note=move.note or alarm.note)
    if alarm.over_at is None:
        return alarm, (_step(move),)
    return replace(alarm, state="closed"), (_step(move), AlarmStep(move.at, "closed"))


def _over(alarm: Alarm, move: Move) -> Moved | None:
    if alarm.over_at is not None:
        return None
    alarm = replace(alarm, over_at=move.at)
    if alarm.state == "new":
        return alarm, (_step(move),)
    return replace(alarm, state="closed"), (_step(move), AlarmStep(move.at, "closed", move.who))


def _closed(alarm: Alarm, move: Move) -> Moved:
    steps = [_step(move)]
    if alarm.state == "new" and move.who:
        steps.insert(0, AlarmStep(move.at, "acknowledged", move.who))
    return replace(alarm, state="closed", note=move.note or alarm.note), tuple(steps)


def _step(move: Move) -> AlarmStep:
    return AlarmStep(move.at, move.step, move.who, move.note)


def encode_dids(dids: tuple[str, ...]) -> str:
    return msgspec.json.encode(dids).decode()


def encode_detail(detail: AlarmDetail) -> str:
    return msgspec.json.encode(detail).decode()
