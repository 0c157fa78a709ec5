"""/targets: other systems that get the site's records, alarms and gaps."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from hub.services import Services
from hub.services.forwarding.targets import (
    MAX_CA_LENGTH,
    MAX_NAME_LENGTH,
    Delivery,
    Gap,
    Identity,
    ParkedRecord,
    PictureChoice,
    Selection,
    TargetChange,
    TargetKind,
    TargetState,
    TargetView,
)
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import RecordKind
from web.api.answers import Damaged, Did, Time, damaged_flag
from web.api.endpoint import PREFIX, Endpoint, Integer, Nothing, Text
from web.api.endpoint import Did as DidParameter
from web.api.routes import Call, Routes, id_of, seq_of

TAG = "Targets"
_ALL = f"{PREFIX}/targets"
_ONE = f"{_ALL}/{{target}}"

_Name = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
_Url = Annotated[
    str,
    Meta(
        max_length=500,
        description="https:// or http://; of NATS tls:// or nats://, servers separated by commas; "
        "not this hub",
    ),
]
_Ca = Annotated[
    str,
    Meta(
        max_length=MAX_CA_LENGTH,
        description="PEM of the authority of its certificate; empty: one that this computer knows",
    ),
]
_User = Annotated[str, Meta(max_length=200, description="NATS: what this hub is to it")]
_Password = Annotated[str, Meta(max_length=200)]
_Cert = Annotated[
    str, Meta(max_length=MAX_CA_LENGTH, description="NATS: PEM of the hub's certificate")
]
_Key = Annotated[str, Meta(max_length=MAX_CA_LENGTH, description="PEM of its key")]
_Kinds = Annotated[tuple[RecordKind, ...], Meta(max_length=5, description="empty: all")]
_Dids = Annotated[tuple[DidParameter, ...], Meta(max_length=500, description="cameras; empty: all")]
_Types = Annotated[
    tuple[Integer, ...], Meta(max_length=500, description="types of events (2.4); empty: all")
]
_Alarms = Annotated[bool, Meta(description="whether it also hears of each change of an alarm")]
_Pictures = Annotated[
    PictureChoice, Meta(description="alarms: of records that raised one, or are kept with one")
]


class TargetBody(Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """Body of ADD. `from`: with the next record, or with the first one of the log."""

    kind: TargetKind
    url: _Url
    name: _Name = ""
    ca: _Ca = ""
    kinds: _Kinds = ()
    dids: _Dids = ()
    types: _Types = ()
    alarms: _Alarms = True
    pictures: _Pictures = "none"
    hub: Annotated[
        Text, Meta(description="what it calls this hub; empty: made of the site's name")
    ] = ""
    partition: Annotated[
        Integer | None,
        Meta(description="NATS: 0 to 15, the stream; null: the name of the hub decides"),
    ] = None
    user: _User = ""
    password: _Password = ""
    cert: _Cert = ""
    key: _Key = ""
    begin: Literal["now", "beginning"] = "now"

    @property
    def identity(self) -> Identity:
        return Identity(self.user, self.password, self.cert, self.key)

    @property
    def selection(self) -> Selection:
        return Selection(
            kinds=self.kinds,
            dids=self.dids,
            types=self.types,
            alarms=self.alarms,
            pictures=self.pictures,
        )


class TargetPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of CHANGE. What is left out stays as it is; of user and certificate, all or nothing."""

    name: _Name | UnsetType = UNSET
    url: _Url | UnsetType = UNSET
    ca: _Ca | UnsetType = UNSET
    kinds: _Kinds | UnsetType = UNSET
    dids: _Dids | UnsetType = UNSET
    types: _Types | UnsetType = UNSET
    alarms: _Alarms | UnsetType = UNSET
    pictures: _Pictures | UnsetType = UNSET
    user: _User | UnsetType = UNSET
    password: _Password | UnsetType = UNSET
    cert: _Cert | UnsetType = UNSET
    key: _Key | UnsetType = UNSET

    def change_of(self, selection: Selection) -> TargetChange:
        """Return what changes of a target with this selection."""
        chosen = {
            name: value
            for name in Selection.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return TargetChange(
            name=self.name or None,
            url=self.url or None,
            ca=None if self.ca is UNSET else self.ca,
            identity=self._identity(),
            selection=replace(selection, **chosen),
        )

    def _identity(self) -> Identity | None:
        given = {
            name: value
            for name in Identity.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return Identity(**given) if given else None


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
    parked: Annotated[int, Meta(description="records that it refused for ever")]
    gaps: list[GapAnswer]
    created_at: Time
    damaged: Damaged = UNSET


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
    seq: int
    reason: str
    at: Time


class Parked(Struct, frozen=True):
    items: list[ParkedAnswer]
    next: None = None


class Secret(Struct, frozen=True):
    secret: str


_EXAMPLE = TargetAnswer(
    id=1,
    kind="webhook",
    name="VMS",
    url="https://192.168.1.20/in",
    hub="north-school-1f9a0c",
    partition=None,
    user="",
    about="",
    kinds=["face", "event"],
    dids=[],
    types=[],
    alarms=True,
    pictures="alarms",
    state="waiting",
    behind=12,
    behind_since="2026-11-25T08:00:00.210Z",
    reason="it answered 503",
    next_try="2026-11-25T08:05:00.210Z",
    cursor=CursorAnswer("6b1f0e7d5a2c4b3e9d8f7a6b5c4d3e2f", 4699),
    parked=0,
    gaps=[],
    created_at="2026-11-20T08:00:00.000Z",
)
_SECRET = "whsec_" + "AAAA" * 8
_ADDED = AddedTarget(
    **{name: getattr(_EXAMPLE, name) for name in TargetAnswer.__struct_fields__}, secret=_SECRET
)
_DELIVERY = DeliveryAnswer("6b1f0e7d-4700", "2026-11-25T08:00:00.250Z", 41, 503, "it answered 503")
_PATH = {"target": "1"}

LIST = Endpoint(
    method="GET",
    path=_ALL,
    tag=TAG,
    summary="The targets",
    answer=Targets,
    answer_example=Targets([_EXAMPLE]),
    role="admin",
)
ADD = Endpoint(
    method="POST",
    path=_ALL,
    tag=TAG,
    summary="Add a target",
    description=(
        "Webhooks follow Standard Webhooks 1.0.0: signed, one at a time, in the order of `seq`, "
        "tried again for as long as the records are kept. The body is "
        '`{"type": "record" | "alarm" | "gap" | "test", "timestamp", "log", "hub", "data"}` with '
        "at most 20 KB; pictures are links that are good for a day without a key. A message that "
        "is sent again has the same `webhook-id`. Answer 2xx within 30 s; 410 holds the target, "
        "400 and 422 park the record. NATS gets each record exactly once: docs/many-sites.md says "
        "under which subjects and with which headers."
    ),
    body=TargetBody,
    body_example=TargetBody("webhook", "https://192.168.1.20/in", "VMS", kinds=("face", "event")),
    max_body_bytes=4 * MAX_CA_LENGTH,
    answer=AddedTarget,
    answer_example=_ADDED,
    role="admin",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="A target",
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example=_PATH,
)
CHANGE = Endpoint(
    method="PATCH",
    path=_ONE,
    tag=TAG,
    summary="Change a target",
    body=TargetPatch,
    body_example=TargetPatch(pictures="all"),
    max_body_bytes=4 * MAX_CA_LENGTH,
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example=_PATH,
)
REMOVE = Endpoint(
    method="DELETE",
    path=_ONE,
    tag=TAG,
    summary="Remove a target",
    description="Answers with the target as it was.",
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example=_PATH,
)
TEST = Endpoint(
    method="POST",
    path=f"{_ONE}/test",
    tag=TAG,
    summary="Send a message that says nothing",
    answer=DeliveryAnswer,
    answer_example=_DELIVERY,
    role="admin",
    path_example=_PATH,
)
RETRY = Endpoint(
    method="POST",
    path=f"{_ONE}/retry",
    tag=TAG,
    summary="Try at once what waits, is held, or was parked",
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example=_PATH,
)
SECRET = Endpoint(
    method="POST",
    path=f"{_ONE}/secret",
    tag=TAG,
    summary="Give a webhook another secret",
    description="For a day, messages carry the signatures of both.",
    answer=Secret,
    answer_example=Secret(_SECRET),
    role="admin",
    path_example=_PATH,
)
DELIVERIES = Endpoint(
    method="GET",
    path=f"{_ONE}/deliveries",
    tag=TAG,
    summary="The last 100 attempts since the hub started, the newest first",
    answer=Deliveries,
    answer_example=Deliveries([_DELIVERY]),
    role="admin",
    path_example=_PATH,
)
PARKED = Endpoint(
    method="GET",
    path=f"{_ONE}/parked",
    tag=TAG,
    summary="Records that a target refused for ever",
    answer=Parked,
    answer_example=Parked(
        [ParkedAnswer(_EXAMPLE.cursor.log, 4698, "it answered 422", "2026-11-25T08:00:00.000Z")]
    ),
    role="admin",
    path_example=_PATH,
)
SEND_AGAIN = Endpoint(
    method="POST",
    path=f"{_ONE}/records/{{seq}}/send",
    tag=TAG,
    summary="Send a record again",
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example={"target": "1", "seq": "4698"},
)
CONFIRM_GAPS = Endpoint(
    method="POST",
    path=f"{_ONE}/gaps/confirm",
    tag=TAG,
    summary="Note that the gaps of a target are known",
    answer=TargetAnswer,
    answer_example=_EXAMPLE,
    role="admin",
    path_example=_PATH,
)


def add_targets(routes: Routes, services: Services) -> None:
    targets = services.targets

    async def list_targets(call: Call[Nothing, Nothing]) -> Targets:
        return Targets([_fields(view) for view in targets.list()])

    async def add_target(call: Call[Nothing, TargetBody]) -> AddedTarget:
        body = call.body
        view, secret = await targets.add(
            body.kind,
            body.url,
            name=body.name,
            ca=body.ca,
            selection=body.selection,
            hub=body.hub,
            begin=body.begin,
            identity=body.identity,
            partition=body.partition,
            by=call.caller.actor,
        )
        fields = _fields(view)
        return AddedTarget(
            **{name: getattr(fields, name) for name in TargetAnswer.__struct_fields__},
            secret=secret or UNSET,
        )

    async def get_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        return _fields(targets.get(id_of(call, "target")))

    async def change_target(call: Call[Nothing, TargetPatch]) -> TargetAnswer:
        id = id_of(call, "target")
        change = call.body.change_of(targets.get(id).target.options.selection)
        return _fields(await targets.change(id, change, by=call.caller.actor))

    async def remove_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        gone = _fields(targets.get(id_of(call, "target")))
        await targets.remove(gone.id, by=call.caller.actor)
        return gone

    async def test_target(call: Call[Nothing, Nothing]) -> DeliveryAnswer:
        return _delivery(await targets.test(id_of(call, "target"), by=call.caller.actor))

    async def retry_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        return _fields(await targets.retry(id_of(call, "target"), by=call.caller.actor))

    async def change_secret(call: Call[Nothing, Nothing]) -> Secret:
        return Secret(await targets.change_secret(id_of(call, "target"), by=call.caller.actor))

    async def list_deliveries(call: Call[Nothing, Nothing]) -> Deliveries:
        found = targets.deliveries(id_of(call, "target"))
        return Deliveries([_delivery(one) for one in found])

    async def list_parked(call: Call[Nothing, Nothing]) -> Parked:
        found = await targets.parked(id_of(call, "target"))
        return Parked([_parked(one) for one in found])

    async def send_again(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        targets.send_again(id, seq_of(call.path["seq"]))
        return _fields(targets.get(id))

    async def confirm_gaps(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        await targets.confirm_gaps(id, by=call.caller.actor)
        return _fields(targets.get(id))

    routes.add(LIST, list_targets)
    routes.add(ADD, add_target)
    routes.add(ONE, get_target)
    routes.add(CHANGE, change_target)
    routes.add(REMOVE, remove_target)
    routes.add(TEST, test_target)
    routes.add(RETRY, retry_target)
    routes.add(SECRET, change_secret)
    routes.add(DELIVERIES, list_deliveries)
    routes.add(PARKED, list_parked)
    routes.add(SEND_AGAIN, send_again)
    routes.add(CONFIRM_GAPS, confirm_gaps)


def _fields(view: TargetView) -> TargetAnswer:
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
        about=view.about,
        kinds=list(chosen.kinds),
        dids=list(chosen.dids),
        types=list(chosen.types),
        alarms=chosen.alarms,
        pictures=chosen.pictures,
        state=view.state,
        behind=view.behind,
        behind_since=_time(view.behind_since),
        reason=view.reason,
        next_try=_time(view.next_try),
        cursor=CursorAnswer(view.cursor.log, view.cursor.seq),
        parked=view.parked,
        gaps=[_gap(gap) for gap in view.gaps],
        created_at=format_rfc3339(target.created_at),
        damaged=damaged_flag(target.damaged),
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


def _delivery(one: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(one.id, format_rfc3339(one.at), one.took_ms, one.status, one.reason)


def _parked(one: ParkedRecord) -> ParkedAnswer:
    return ParkedAnswer(one.log, one.seq, one.reason, format_rfc3339(one.parked_at))


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)
