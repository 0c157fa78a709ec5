"""Where people are on cameras: /people/{pid}/sync and /devices/{did}/people."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hub.errors import DeviceOffline
from hub.services import Services
from hub.services.people.sync.decisions import LongDecision
from hub.services.people.sync.numbers import DeviceNumbers
from hub.store.people.holdings import PersonRow
from web.api.answers import Pid
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing
from web.api.jobs import JOB_EXAMPLE, JobFields, job_fields
from web.api.people import answers
from web.api.people.answers import DeviceState
from web.api.people.people import TAG
from web.api.routes import Call, Routes, View

State = Annotated[
    Literal["pending", "done", "failed"],
    Meta(description="failed: the camera refused it, until the person changes or `retry`"),
]
Code = Annotated[int | None, Meta(description="of the camera's last answer that was no success")]
Message = Annotated[str, Meta(description="the words of that answer")]


class PersonOnDevice(Struct, frozen=True):
    """Where a person stands on one camera."""

    did: str
    state: State
    code: Code
    msg: Message


class PersonSync(Struct, frozen=True):
    """The cameras that should hold the person, or must lose it."""

    items: list[PersonOnDevice]
    next: None = None


class PersonOfDevice(Struct, frozen=True):
    """One person on the camera. `unknown`: the register does not have the person."""

    pid: Pid
    name: str
    category: Annotated[int, Meta(description="as in 1.12; 0 if it is not known")]
    state: Literal["pending", "done", "failed", "unknown"]
    wanted: Annotated[bool, Meta(description="false: the person is to be removed, or unknown")]
    code: Code = None
    msg: Message = ""


class DevicePeople(answers.DeviceSync, frozen=True, kw_only=True):
    """The people of a camera: how many, and one page of them by pid, as a number."""

    items: list[PersonOfDevice]
    next: Annotated[Pid | None, Meta(description="`after` of the next page; null: the last one")]


class DevicePeopleQuery(Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["pending", "done", "failed", "unknown"] | None = None
    after: Annotated[Did | None, Meta(description="`next` of the previous page")] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class RetryBody(Struct, frozen=True, forbid_unknown_fields=True):
    pid: Annotated[Did | None, Meta(description="only this person")] = None


class Decision(Struct, frozen=True):
    """What the camera is now."""

    did: str
    state: DeviceState


_DEVICE = f"{PREFIX}/devices/{{did}}/people"


def _job_example(kind: LongDecision) -> JobFields:
    return msgspec.structs.replace(JOB_EXAMPLE, kind=kind)


_EXAMPLE = DevicePeople(
    did="12",
    state="managed",
    should=200,
    is_=199,
    pending=0,
    failed=1,
    unknown=0,
    compared_at="2026-11-25T20:00:00.000Z",
    items=[PersonOfDevice("1000001", "王芳", 1, "failed", True, 420, "no face was found")],
    next=None,
)
PERSON = Endpoint(
    method="GET",
    path=f"{PREFIX}/people/{{pid}}/sync",
    tag=TAG,
    summary="Where a person is on the cameras",
    description=(
        "A camera that did not take a person is tried again after 5 s, 15 s, 1 min, 5 min, then "
        "every 15 min, and when it connects. What it refused is `failed` until the person or the "
        "camera's firmware changes, or someone calls `retry`. Cameras that are not synced are left "
        "out."
    ),
    answer_example=PersonSync([PersonOnDevice("12", "failed", 420, "no face was found")]),
    role="register",
)
DEVICE = Endpoint(
    method="GET",
    path=_DEVICE,
    tag=TAG,
    summary="The people on a camera, and how far it is",
    description="`state` selects rows; those that the register does not have with `unknown` only.",
    query=DevicePeopleQuery,
    query_example="state=failed",
    answer_example=_EXAMPLE,
    role="guard",
)
RETRY = Endpoint(
    method="POST",
    path=f"{_DEVICE}/retry",
    tag=TAG,
    summary="Try again what a camera refused",
    body_example=RetryBody("1000001"),
    answer_example=Decision("12", "managed"),
    role="guard",
)
COMPARE = Endpoint(
    method="POST",
    path=f"{_DEVICE}/compare",
    tag=TAG,
    summary="Compare the people on a camera with the register",
    description=(
        "Answers with a job, whose item tells what was found. What is missing or differs is "
        "repaired automatically; photos cannot be compared. Each camera is compared once a night."
    ),
    answer_example=_job_example("compare"),
    refusals=(DeviceOffline,),
    role="guard",
)
TAKE_OVER = Endpoint(
    method="POST",
    path=f"{_DEVICE}/take-over",
    tag=TAG,
    summary="Take the unknown people on a camera into the register",
    description=(
        "Answers with a job. Their photos are read from the camera; whoever has none that can be "
        "read stays unknown and counts as failed. Afterwards they are on the cameras of its "
        "groups; if it is in none, on all cameras."
    ),
    answer_example=_job_example("take-over"),
    refusals=(DeviceOffline,),
)
REMOVE_UNKNOWN = Endpoint(
    method="POST",
    path=f"{_DEVICE}/remove-unknown",
    tag=TAG,
    summary="Delete the people on a camera that the register does not have",
    description="Answers with a job. Afterwards the hub keeps the camera in sync.",
    answer_example=_job_example("remove-unknown"),
    refusals=(DeviceOffline,),
)
LEAVE_ALONE = Endpoint(
    method="POST",
    path=f"{_DEVICE}/leave-alone",
    tag=TAG,
    summary="Stop syncing the people on a camera",
    description="The hub then neither adds nor removes people there, until `manage` is called.",
    answer_example=Decision("12", "alone"),
)
MANAGE = Endpoint(
    method="POST",
    path=f"{_DEVICE}/manage",
    tag=TAG,
    summary="Resume syncing the people on a camera",
    description="It is treated as a new one: with unknown people on it, it becomes undecided.",
    answer_example=Decision("12", "new"),
)


def add(routes: Routes, services: Services) -> None:
    sync = services.people.sync

    async def person_sync(call: Call[Nothing, Nothing]) -> PersonSync:
        found = await sync.of_person(call.path["pid"])
        return PersonSync([PersonOnDevice(o.did, o.state, o.code, o.msg) for o in found])

    async def device_people(call: Call[DevicePeopleQuery, Nothing]) -> DevicePeople:
        did, query = call.path["did"], call.query
        numbers = await sync.of_device(did)
        if query.state == "unknown":
            rows = await _unknown_rows(did, query)
        else:
            found = await sync.rows(
                did, query.state, after=query.after or "", limit=query.limit + 1
            )
            rows = [_row(row) for row in found]
        return _device_people(numbers, rows, query.limit)

    async def _unknown_rows(did: str, query: DevicePeopleQuery) -> list[PersonOfDevice]:
        found = await sync.decisions.unknown(did, after=query.after or "", limit=query.limit + 1)
        return [
            PersonOfDevice(one.pid, one.row.name or "", one.row.category or 0, "unknown", False)
            for one in found
        ]

    async def retry_device_people(call: Call[Nothing, RetryBody]) -> Decision:
        await sync.retry(call.path["did"], call.body.pid, by=call.caller.actor)
        return decided(call.path["did"])

    async def leave_device_alone(call: Call[Nothing, Nothing]) -> Decision:
        await sync.decisions.leave_alone(call.path["did"], by=call.caller.actor)
        return decided(call.path["did"])

    async def manage_device_people(call: Call[Nothing, Nothing]) -> Decision:
        await sync.decisions.manage(call.path["did"], by=call.caller.actor)
        return decided(call.path["did"])

    def starting(kind: LongDecision) -> View:
        async def start(call: Call[Nothing, Nothing]) -> JobFields:
            job = await sync.decisions.start(kind, call.path["did"], by=call.caller.actor)
            return job_fields(job)

        return start

    def decided(did: str) -> Decision:
        return Decision(did, sync.state_of(did))

    routes.add(PERSON, person_sync)
    routes.add(DEVICE, device_people)
    routes.add(RETRY, retry_device_people)
    routes.add(COMPARE, starting("compare"))
    routes.add(TAKE_OVER, starting("take-over"))
    routes.add(REMOVE_UNKNOWN, starting("remove-unknown"))
    routes.add(LEAVE_ALONE, leave_device_alone)
    routes.add(MANAGE, manage_device_people)


def _row(row: PersonRow) -> PersonOfDevice:
    return PersonOfDevice(
        row.pid, row.name, row.category, row.state, row.is_wanted, row.code, row.msg
    )


def _device_people(numbers: DeviceNumbers, rows: list[PersonOfDevice], limit: int) -> DevicePeople:
    return DevicePeople(
        **msgspec.structs.asdict(answers.sync_fields(numbers)),
        items=rows[:limit],
        next=rows[limit - 1].pid if len(rows) > limit else None,
    )
