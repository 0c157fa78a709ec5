"""What is answered about targets."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services.forwarding.forwarder import TargetState
from hub.services.forwarding.sender import Delivery
from hub.services.forwarding.views import TargetView
from hub.store.targets.target import (
    DeadLetter,
    DeadLetterKind,
    Gap,
    MailOptions,
    PictureChoice,
    TargetKind,
)
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import RecordKind
from web.api.answers import Did, Time


class CursorAnswer(Struct, frozen=True):
    """How far it is: it needs nothing more of the log up to this seq."""

    log: str
    seq: int


class GapAnswer(Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """Records that were deleted before it had them."""

    log: str
    first: int
    last: int
    reason: str
    at: Time
    told: Annotated[bool, Meta(description="whether it was told of them")]
    confirmed: Annotated[bool, Meta(description="whether a person said that it is known")]


class TargetAnswer(Struct, frozen=True, kw_only=True):
    """A target as it is now."""

    id: int
    kind: TargetKind
    name: str
    url: str
    hub: str
    partition: Annotated[int | None, Meta(description="NATS: the stream; else null")]
    user: str
    home_assistant: Annotated[bool | None, Meta(description="MQTT; else null")]
    commands: Annotated[bool | None, Meta(description="MQTT, NATS; else null")]
    mail: Annotated[MailOptions | None, Meta(description="mail; else null")]
    about: Annotated[str, Meta(description="what the other side is, as far as it said so")]
    kinds: list[RecordKind]
    dids: list[Did]
    types: list[int]
    alarms: bool
    pictures: PictureChoice
    state: Annotated[
        TargetState, Meta(description="waiting: it is tried again; held: a person must look")
    ]
    behind: Annotated[int, Meta(description="how many records of the log it has not had")]
    behind_since: Annotated[Time | None, Meta(description="when the first of them arrived")]
    reason: Annotated[str, Meta(description="why it waits or is held; else empty")]
    next_try: Time | None
    cursor: CursorAnswer
    parked: Annotated[int, Meta(description="records, alarms and gaps that it refused for ever")]
    gaps: list[GapAnswer]
    created_at: Time


class AddedTarget(TargetAnswer, frozen=True, kw_only=True):
    """A new target. `secret` signs the messages of a webhook, and is not shown again."""

    secret: str | UnsetType = UNSET


class Targets(Struct, frozen=True):
    items: list[TargetAnswer]
    next: None = None


class DeliveryAnswer(Struct, frozen=True):
    """One attempt. `status`: of HTTP; null: there was no answer."""

    id: str
    at: Time
    took_ms: int
    status: int | None
    reason: str


class Deliveries(Struct, frozen=True):
    items: list[DeliveryAnswer]
    next: None = None


class ParkedAnswer(Struct, frozen=True):
    log: str
    seq: Annotated[int, Meta(description="of the record or the alarm, or the first of the gap")]
    reason: str
    at: Time
    kind: DeadLetterKind = "record"


class Parked(Struct, frozen=True):
    items: list[ParkedAnswer]
    next: None = None


class Secret(Struct, frozen=True):
    secret: str


def target_answer(view: TargetView) -> TargetAnswer:
    target, options = view.target, view.target.options
    chosen = options.selection
    return TargetAnswer(
        id=target.id,
        kind=target.kind,
        name=target.name,
        url=options.url,
        hub=options.hub,
        partition=options.partition if target.kind == "nats" else None,
        user=options.user,
        home_assistant=options.home_assistant if target.kind == "mqtt" else None,
        commands=options.commands if target.kind in ("mqtt", "nats") else None,
        mail=options.mail,
        about=str(view.about or ""),
        kinds=list(chosen.kinds),
        dids=list(chosen.dids),
        types=list(chosen.types),
        alarms=chosen.alarms,
        pictures=chosen.pictures,
        state=view.state,
        behind=view.behind,
        behind_since=_time(view.behind_since),
        reason=str(view.reason or ""),
        next_try=_time(view.next_try),
        cursor=CursorAnswer(view.cursor.log, view.cursor.seq),
        parked=view.dead_letters,
        gaps=[_gap(gap) for gap in view.gaps],
        created_at=format_rfc3339(target.created_at),
    )


def _gap(gap: Gap) -> GapAnswer:
    return GapAnswer(
        gap.log,
        gap.first_seq,
        gap.last_seq,
        gap.reason,
        format_rfc3339(gap.made_at),
        gap.told_at is not None,
        gap.seen_at is not None,
    )


def delivery_answer(one: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        one.id, format_rfc3339(one.at), one.took_ms, one.status, str(one.reason or "")
    )


def parked_answer(one: DeadLetter) -> ParkedAnswer:
    return ParkedAnswer(one.log, one.seq, str(one.reason), format_rfc3339(one.refused_at), one.kind)


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)
