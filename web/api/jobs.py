"""/jobs: long work, its progress and its outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from quart import Response

from hub.errors import NotAllowed
from hub.services import Services
from hub.services.commands.photo_search import CameraSearch, SearchHit
from hub.store.jobs.jobs import ItemState, Job, JobItem, JobKind, JobState
from hub.store.people.person_rows import PersonName
from hub.wire.times import format_rfc3339
from web.api.answers import Did, KnownAs, Time, known_as_fields
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.routes import Call, Routes, id_of

TAG = "Jobs"
_JOBS = f"{PREFIX}/jobs"
_ONE = f"{_JOBS}/{{job}}"


class JobFields(Struct, frozen=True, kw_only=True):
    """Long work. It is kept for a week after its end, a search by photo for a day."""

    id: int
    kind: JobKind
    state: Annotated[
        JobState,
        Meta(
            description=(
                "`interrupted`: the hub ended meanwhile, and what was in flight may or may not be "
                "done; `failed`: it ended early, see `failure`"
            )
        ),
    ]
    total: Annotated[int | None, Meta(description="steps; null: not known yet")]
    done: int
    failed: Annotated[int, Meta(description="steps that failed, beside those that are done")]
    failure: str
    created_by: str
    created_at: Time
    ended_at: Time | None


class JobItemFields(Struct, frozen=True, kw_only=True):
    """A step: a row that was refused (import), a camera (settings, restart, compare)."""

    position: int
    state: ItemState
    detail: Raw


class HitFields(Struct, frozen=True, kw_only=True):
    """A capture on a camera that resembles the photo. `score` in percent.

    `at` in UTC, `time` as the camera tells it.
    `name`, `uuid`, `category`: whom the camera takes the person for, as far as it says so.
    """

    did: str
    at: str | None
    time: str
    score: int | None
    picture: str | None
    name: str | None
    uuid: str | None
    category: int | None
    known_as: KnownAs | None


class CameraFields(Struct, frozen=True, kw_only=True):
    """How a search by photo went on one camera."""

    did: Did
    state: ItemState
    total: Annotated[int, Meta(description="its hits; the best of them are items")]
    code: Annotated[int | None, Meta(description="its answer, if it refused")]
    msg: Annotated[str, Meta(description="why it did not answer, or its words")]


class JobDetail(JobFields, frozen=True, kw_only=True):
    """A job with a page of its items."""

    items: Annotated[
        list[Raw],
        Meta(
            description=(
                "steps: `{position, state, detail}`, `detail` by kind: of an import the refused "
                "rows (`line`, `cells`, `refusal`), of settings and restarts cameras (`did`, and "
                "`code` and `msg` as they answered). Of a search, its hits, the best first: `{did, "
                "at, time, score, picture, name, uuid, category, known_as}`, `at` in UTC, null if "
                "it cannot be read from `time`, which is as the camera tells it in the site's "
                "zone, `picture` the address at which the hub reads it from the camera, "
                "`name`, `uuid` and `category` whom the camera takes the person for, `known_as` "
                "what the register says of who has that `uuid`: `{pid, name, category}`"
            )
        ),
    ]
    next: int | None
    devices: Annotated[
        list[CameraFields] | UnsetType, Meta(description="of a search: its cameras")
    ] = UNSET


class JobList(Struct, frozen=True):
    """Newest first. `next` is the `after` of the next call; null: this is the last page."""

    items: list[JobFields]
    next: int | None


class JobsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[JobKind | None, Meta(description="of this kind only")] = None
    after: Annotated[
        Seq | None, Meta(description="jobs that follow this id: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class JobQuery(Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[ItemState | None, Meta(description="items in this state only")] = None
    after: Annotated[
        Seq | None, Meta(description="items that follow: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


JOB_EXAMPLE = JobFields(
    id=7,
    kind="import",
    state="running",
    total=50,
    done=20,
    failed=1,
    failure="",
    created_by="user mei",
    created_at="2026-11-25T08:00:00.000Z",
    ended_at=None,
)
_REFUSED = Raw(
    b'{"position":1,"state":"failed","detail":{"line":3,"cells":["","200"],"refusal":{"code":'
    b'"wrong","message":"age: an integer from 0 to 150 is expected","field":"age"}}}'
)

LIST = Endpoint(
    method="GET",
    path=_JOBS,
    tag=TAG,
    summary="Jobs, newest first",
    query=JobsQuery,
    query_example="kind=import",
    answer_example=JobList([JOB_EXAMPLE], None),
    role="guard",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="A job, and a page of its items",
    description=(
        "Counts are those of now, items at most a second old. Items of an import, which have "
        "personal numbers, are for administrators, the role `people` and API keys that "
        "may write. The role `people` sees imports only."
    ),
    query=JobQuery,
    query_example="state=failed",
    answer_example=JobDetail(
        **msgspec.structs.asdict(JOB_EXAMPLE),
        items=[_REFUSED],
        next=None,
    ),
    role="register",
)
CANCEL = Endpoint(
    method="POST",
    path=f"{_ONE}/cancel",
    tag=TAG,
    summary="Cancel a job",
    description=(
        "What is done stays done. A job that has ended is answered as it is. Who "
        "started a job cancels it, administrators all."
    ),
    answer_example=JOB_EXAMPLE,
    role="register",
)
REFUSED = Endpoint(
    method="GET",
    path=f"{_ONE}/refused",
    tag=TAG,
    summary="The refused rows of an import as CSV, to correct and import again",
    description="The columns of the imported file, and `reason`.",
    media_type="text/csv",
    role="people",
)


def add(routes: Routes, services: Services) -> None:
    jobs = services.jobs

    async def list_jobs(call: Call[JobsQuery, Nothing]) -> JobList:
        query = call.query
        found = await jobs.list(query.kind, query.after, query.limit + 1)
        items = [job_fields(job) for job in found[: query.limit]]
        return JobList(items, items[-1].id if len(found) > query.limit else None)

    async def job_of(call: Call[Any, Any]) -> Job:
        """The job of the path. Who is no guard has imports only. Raises NoSuchResource."""
        job = await jobs.get(id_of(call, "job"))
        if job.kind != "import" and not call.caller.may("guard"):
            raise NotAllowed("this job needs the role guard")
        return job

    async def get_job(call: Call[JobQuery, Nothing]) -> JobDetail:
        job, query = await job_of(call), call.query
        if job.kind == "search":
            return await _search_detail(services, job.id, query)
        states = () if query.state is None else (query.state,)
        after = -1 if query.after is None else query.after
        found = await jobs.items(job.id, after, query.limit + 1, states)
        if job.kind == "import" and not call.caller.may("people"):
            found = ()
        if job.kind == "import" and found:
            await services.people.imports.note_refused_shown(job.id, call.caller.actor)
        items = found[: query.limit]
        last = items[-1].position if len(found) > query.limit else None
        return JobDetail(**_fields(job), items=[_item(item) for item in items], next=last)

    async def cancel_job(call: Call[Nothing, Nothing]) -> JobFields:
        job, by = await job_of(call), call.caller.actor
        if job.created_by != by.who and not call.caller.may("admin"):
            raise NotAllowed("only administrators cancel a job of someone else")
        return job_fields(await jobs.cancel(job.id, by))

    async def get_refused(call: Call[Nothing, Nothing]) -> Response:
        if not call.caller.may("people"):
            raise NotAllowed("a read-only key does not see personal numbers")
        job = await jobs.get(id_of(call, "job"))
        parts = services.people.imports.refused_csv(job.id, by=call.caller.actor)
        first = await anext(parts)

        async def body() -> AsyncIterator[bytes]:
            yield first
            async for part in parts:
                yield part

        return Response(body(), content_type="text/csv; charset=utf-8")

    routes.add(LIST, list_jobs)
    routes.add(ONE, get_job)
    routes.add(CANCEL, cancel_job)
    routes.add(REFUSED, get_refused)


def job_fields(job: Job) -> JobFields:
    """A job as the API shows it."""
    return JobFields(**_fields(job))


def _fields(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "failure": job.failure,
        "created_by": job.created_by,
        "created_at": format_rfc3339(job.created_at),
        "ended_at": None if job.ended_at is None else format_rfc3339(job.ended_at),
    }


def _item(item: JobItem) -> Raw:
    shown = JobItemFields(
        position=item.position, state=item.state, detail=Raw(item.detail.encode())
    )
    return Raw(msgspec.json.encode(shown))


async def _search_detail(services: Services, id: int, query: JobQuery) -> JobDetail:
    result = await services.people.photo_searches.result(id)
    start = 0 if query.after is None else query.after
    end = start + query.limit
    hits = result.hits[start:end]
    people = await services.people.register.names({hit.person for hit in hits if hit.person})
    return JobDetail(
        **_fields(result.job),
        items=[_hit(hit, people.get(hit.person)) for hit in hits],
        next=end if end < len(result.hits) else None,
        devices=[_camera(camera) for camera in result.cameras],
    )


def _hit(hit: SearchHit, person: PersonName | None) -> Raw:
    picture = f"/media/device/{hit.did}?path={quote(hit.picture, safe='')}" if hit.picture else None
    shown = HitFields(
        did=hit.did,
        at=None if hit.at is None else format_rfc3339(hit.at),
        time=hit.time,
        score=hit.score,
        picture=picture,
        name=hit.name or None,
        uuid=hit.person or None,
        category=hit.category,
        known_as=None if person is None else known_as_fields(person),
    )
    return Raw(msgspec.json.encode(shown))


def _camera(camera: CameraSearch) -> CameraFields:
    return CameraFields(
        did=camera.did,
        state=camera.state,
        total=camera.total,
        code=camera.code,
        msg=camera.msg,
    )
