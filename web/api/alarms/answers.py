"""Answers about alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hub.services import Services
from hub.services.alarms.rendering import alarm_fields
from hub.store.alarms.alarm import Alarm as StoredAlarm
from hub.store.alarms.alarm import (
    AlarmChange,
    AlarmKind,
    AlarmState,
    ChangeKind,
    Severity,
    StepKind,
)
from hub.store.alarms.alarm import AlarmDetail as StoredDetail
from hub.store.alarms.alarm import AlarmStep as StoredStep
from hub.wire.times import format_rfc3339
from web.api.answers import Did, Time
from web.api.records.answers import FaceRecord, Record
from web.api.records.shown import Render

#: Who did what happened by itself.
BY_ITSELF = "by itself"


class AlarmDetail(StoredDetail, frozen=True, omit_defaults=True, kw_only=True):
    __doc__ = StoredDetail.__doc__

    args: dict[str, str] = msgspec.field(default_factory=dict)


class Alarm(Struct, frozen=True, kw_only=True):
    """One alarm. At most one of a `kind` and `subject` is not closed."""

    seq: Annotated[int, Meta(description="of the record that raised it first")]
    kind: AlarmKind
    subject: Annotated[
        str,
        Meta(
            description=(
                "by kind: the person's pid or number, the plate, did and type of the event, the "
                "did, the cause"
            )
        ),
    ]
    severity: Severity
    state: AlarmState
    count: Annotated[int, Meta(description="how many records raised it")]
    first_at: Time
    last_at: Time
    last_seq: Annotated[int, Meta(description="of the last record")]
    new_since: Annotated[Time, Meta(description="since when it has been new, or was")]
    escalated_at: Annotated[Time | None, Meta(description="null: it was not, since it is new")]
    over_at: Annotated[Time | None, Meta(description="when what it tells of had passed")]
    dids: Annotated[list[Did], Meta(description="its cameras, at most 100, the latest last")]
    detail: AlarmDetail
    note: Annotated[str, Meta(description="the last one")]
    record: Annotated[
        Record | None, Meta(description="the record that raised it; null once that is gone")
    ]


class AlarmStep(Struct, frozen=True):
    """One step of an alarm's history."""

    at: Time
    step: StepKind
    who: Annotated[str, Meta(description="`user NAME`, `key APPID`, `command line` or `by itself`")]
    note: str


class AlarmWithHistory(Alarm, frozen=True, kw_only=True):
    """An alarm with its history, and the records that are kept with it."""

    history: list[AlarmStep]
    evidence: Annotated[
        list[int],
        Meta(description="seqs of the records that are kept with it: the first ones and the last"),
    ]


class AlarmEvent(Alarm, frozen=True, kw_only=True):
    """An alarm as an event of GET /stream."""

    change: ChangeKind


class AlarmList(Struct, frozen=True):
    """`next` is the `after` (or `before`) of the next call; null: this is the last page."""

    items: list[Alarm]
    next: int | None


EXAMPLE_RECORD = FaceRecord(
    seq=4711,
    did="12",
    sn="Y3CA12348912345",
    device_name="North gate",
    occurred_at="2026-11-25T08:00:00.000Z",
    received_at="2026-11-25T08:00:00.210Z",
    images={"face": "/media/4711/face.jpg"},
    extra={},
    name="Zhang San",
    uuid="1001",
    category=2,
)
_FIELDS: dict[str, Any] = {
    "seq": 4711,
    "kind": "blacklist",
    "subject": "1001",
    "severity": "critical",
    "state": "new",
    "count": 1,
    "first_at": "2026-11-25T08:00:00.000Z",
    "last_at": "2026-11-25T08:00:00.000Z",
    "last_seq": 4711,
    "new_since": "2026-11-25T08:00:00.210Z",
    "escalated_at": None,
    "over_at": None,
    "dids": ["12"],
    "detail": AlarmDetail(
        name="Zhang San", uuid="1001", pid="1001", category=2, device_name="North gate"
    ),
    "note": "",
    "record": EXAMPLE_RECORD,
}
EXAMPLE = Alarm(**_FIELDS)
EXAMPLE_WITH_HISTORY = AlarmWithHistory(
    **_FIELDS,
    history=[AlarmStep("2026-11-25T08:00:00.210Z", "raised", BY_ITSELF, "")],
    evidence=[4711],
)


async def alarm_list(
    services: Services, alarms: Sequence[StoredAlarm], render: Render
) -> list[Alarm]:
    """Return alarms as the API shows them, with the records that raised them."""
    records = await services.records.log.some([alarm.seq for alarm in alarms])
    rendered = {seq: msgspec.Raw(render(record)) for seq, record in records.items()}
    return [Alarm(**alarm_fields(alarm, rendered.get(alarm.seq))) for alarm in alarms]


async def alarm_with_history(
    services: Services, alarm: StoredAlarm, render: Render
) -> AlarmWithHistory:
    history = await services.alarms.raised.history(alarm.seq)
    return AlarmWithHistory(
        **alarm_fields(alarm, await _rendered(services, alarm.seq, render)),
        history=[_step(step) for step in history],
        evidence=list(await services.alarms.raised.evidence(alarm.seq)),
    )


async def one_alarm(services: Services, alarm: StoredAlarm, render: Render) -> Alarm:
    return Alarm(**alarm_fields(alarm, await _rendered(services, alarm.seq, render)))


async def alarm_event(services: Services, change: AlarmChange, render: Render) -> AlarmEvent:
    record = await _rendered(services, change.alarm.seq, render)
    return AlarmEvent(**alarm_fields(change.alarm, record), change=change.change)


async def _rendered(services: Services, seq: int, render: Render) -> msgspec.Raw | None:
    record = (await services.records.log.some([seq])).get(seq)
    return None if record is None else msgspec.Raw(render(record))


def _step(step: StoredStep) -> AlarmStep:
    return AlarmStep(format_rfc3339(step.at), step.step, step.who or BY_ITSELF, step.note)
