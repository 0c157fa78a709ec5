"""Jobs and their items in words."""

from __future__ import annotations

from msgspec import Struct

from hub.services.commands.recordings import RecordingSubject
from hub.services.jobs.jobs import decoded
from hub.store.jobs.jobs import ItemState, Job, JobKind, JobState
from web import language
from web.language import N_, gettext
from web.pages.actors import actor_text

KINDS: dict[JobKind, str] = {
    "import": N_("Import of people"),
    "compare": N_("Comparison of people on a camera"),
    "take-over": N_("People added from a camera to the register"),
    "remove-unknown": N_("Removal of unknown people from a camera"),
    "search": N_("Search by photo"),
    "settings": N_("Settings for many cameras"),
    "restart": N_("Restart of many cameras"),
    "osd-name": N_("Names in the pictures of many cameras"),
    "recording": N_("Recording from a camera"),
}
STATES: dict[JobState, str] = {
    "running": N_("Running"),
    "done": N_("Completed"),
    "cancelled": N_("Cancelled"),
    "interrupted": N_("Interrupted by a restart of the hub"),
    "failed": N_("Failed"),
}
#: The icons of `states` in the templates.
LOOKS: dict[JobState, str] = {
    "running": "waiting",
    "done": "online",
    "cancelled": "disabled",
    "interrupted": "offline",
    "failed": "offline",
}
ITEM_STATES: dict[ItemState, str] = {
    "waiting": N_("Waiting"),
    "running": N_("In progress"),
    "done": N_("Done"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
    "interrupted": N_("Interrupted"),
}
ITEM_ICONS: dict[ItemState, str] = {
    "waiting": "clock",
    "running": "pulse",
    "done": "check",
    "failed": "alert",
    "cancelled": "close",
    "interrupted": "alert",
}
#: The states of items as colours: see .sync-state.
ITEM_LOOKS: dict[ItemState, str] = {
    "waiting": "pending",
    "running": "pending",
    "done": "done",
    "failed": "failed",
    "cancelled": "pending",
    "interrupted": "failed",
}


class JobRow(Struct, frozen=True, kw_only=True):
    """A job in words. `total` is None while it is not known."""

    id: int
    kind: JobKind
    url: str
    title: str
    look: str
    state: str
    is_running: bool
    total: int | None
    finished: int
    failed: int
    by: str
    started: str
    ended: str
    failure: str


def job_url(job: Job) -> str:
    """The page of a job; a search and a recording have their own."""
    if job.kind == "search":
        return f"/search/photo/{job.id}"
    if job.kind == "recording" and (subject := decoded(job.subject, RecordingSubject)):
        return f"/cameras/{subject.did}/recordings/play/{job.id}"
    return f"/jobs/{job.id}"


def job_row(job: Job) -> JobRow:
    return JobRow(
        id=job.id,
        kind=job.kind,
        url=job_url(job),
        title=gettext(KINDS[job.kind]),
        look=LOOKS[job.state],
        state=gettext(STATES[job.state]),
        is_running=job.state == "running",
        total=job.total,
        finished=job.done + job.failed,
        failed=job.failed,
        by=actor_text(job.created_by),
        started=language.moment(job.created_at),
        ended="" if job.ended_at is None else language.moment(job.ended_at),
        failure=job.failure,
    )
