"""The list of jobs; one job with its progress, its steps and its outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quart import Blueprint, Response, request

from hub.errors import NotAllowed
from hub.store.jobs.jobs import Job
from hub.store.tables.users import User
from web import auth
from web.pages.jobs.items import describe_subject, item_rows, job_links
from web.pages.jobs.rows import job_row, job_url
from web.pages.layout import make_url, page, redirect_to, saved_file, wants_part
from web.pages.people.import_texts import describe_refusal

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")

_PER_PAGE = 50
_MAX_ID = 2**63 - 1


@blueprint.get("", role="guard")
async def jobs() -> Response:
    return await page("jobs/jobs.html", **await _list())


@blueprint.get("/table", role="guard")
async def table() -> Response:
    return await page("jobs/_jobs.html", **await _list())


async def _list() -> dict[str, Any]:
    before = request.args.get("before", type=int)
    before = None if before is None else max(0, min(before, _MAX_ID))
    found = await auth.services().jobs.list(before=before, limit=_PER_PAGE + 1)
    shown, more = found[:_PER_PAGE], len(found) > _PER_PAGE
    here = "" if before is None else str(before)
    return {
        "rows": [job_row(job) for job in shown],
        "is_first": before is None,
        "older": make_url("/jobs", before=str(shown[-1].id)) if more else "",
        "part": make_url("/jobs/table", before=here),
    }


@blueprint.get("/<int:id>", role="register")
async def job(id: int) -> Response:
    found = await _get(id)
    if job_url(found) != f"/jobs/{id}":
        return redirect_to(job_url(found))
    return await page("jobs/job.html", **await _job(found, auth.user()))


@blueprint.get("/<int:id>/state", role="register")
async def state(id: int) -> Response:
    """The part of a job's page that follows its progress."""
    found = await _get(id)
    return await page("jobs/_job.html", **await _job(found, auth.user()))


@blueprint.post("/<int:id>/cancel", role="register")
async def cancel(id: int) -> Response:
    found = await _get(id)
    if not may_cancel(found, auth.user()):
        raise NotAllowed
    await auth.services().jobs.cancel(id, auth.actor())
    return redirect_to(job_url(found))


@blueprint.get("/<int:id>/refused.csv", role="people")
async def refused(id: int) -> Response:
    """The refused lines of an import, to mend and send again. They have personal numbers."""
    by = auth.actor()
    lines = auth.services().people.imports.refused_csv(id, by=by, reason=describe_refusal)
    first = await anext(lines)

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    return saved_file(f"refused-{id}.csv", body())


async def _get(id: int) -> Job:
    """The job. Who is no guard has imports only. Raises NoSuchResource, RoleMissing."""
    found = await auth.services().jobs.get(id)
    if found.kind != "import":
        auth.check_role(auth.user(), "guard")
    return found


def may_cancel(job: Job, me: User) -> bool:
    """Whether this user may end the job: an administrator, or whoever started it."""
    return auth.reaches(me, "admin") or job.created_by == auth.actor().who


async def _job(found: Job, me: User) -> dict[str, Any]:
    after, only = request.args.get("after", -1, type=int), request.args.get("only", "")
    is_filtered = only == "failed"
    # The refused lines of an import may have personal numbers.
    may_see = found.kind != "import" or auth.reaches(me, "people")
    rows = await auth.services().jobs.items(
        found.id,
        after=max(-1, min(after, _MAX_ID)),
        limit=_PER_PAGE + 1 if may_see else 0,
        states=("failed", "interrupted", "cancelled") if is_filtered else (),
    )
    shown, more = rows[:_PER_PAGE], len(rows) > _PER_PAGE
    if shown and found.kind == "import" and not wants_part():
        await auth.services().people.imports.note_refused_shown(found.id, auth.actor())
    here, wanted = f"/jobs/{found.id}", "failed" if is_filtered else ""
    return {
        "job": job_row(found),
        "subject": describe_subject(found),
        "links": job_links(found, me),
        "items": item_rows(found, shown),
        "is_filtered": is_filtered,
        "is_first": after < 0,
        "next": make_url(here, only=wanted, after=str(shown[-1].position)) if more else "",
        "part": make_url(f"{here}/state", only=wanted, after="" if after < 0 else str(after)),
        "may_cancel": may_cancel(found, me),
    }
