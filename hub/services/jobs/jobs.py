"""Long work that has an address: started, watched, cancelled, and found again for a week.

A search is found again for a day.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.errors import CannotStoreNow, HubError, TooManyRequests, hub_error_in
from hub.live.feed import Change
from hub.log import limited
from hub.services.audit import Actor
from hub.store.jobs.jobs import MAX_ITEMS, ItemState, Job, JobItem, JobKind, JobState

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

T = TypeVar("T")

_KEEP_SECONDS = 7 * 86_400
#: A search has the photo of a person.
_KEEP_SEARCH_SECONDS = 86_400
_SAVE_SECONDS = 1.0
#: Items that wait to be saved; more are saved at once.
_MAX_UNSAVED = 256
_RETRY_SECONDS = 5
#: Of one kind, at the same time.
_MAX_RUNNING = 8

#: Does the work of a job. It may be cancelled at every checkpoint.
Work = Callable[["JobProgress"], Awaitable[None]]


class JobProgress:
    """What the work of one job tells of itself. Used by one job's tasks."""

    def __init__(self, job: Job, save: Callable[[Job, Sequence[JobItem]], Awaitable[None]]) -> None:
        #: The job with its counts of now.
        self.job = job
        self._save = save
        self._saved_at = trio.current_time()
        self._unsaved: dict[int, JobItem] = {}

    @property
    def id(self) -> int:
        return self.job.id

    def expect(self, total: int) -> None:
        """Say how many steps there are."""
        self.job = replace(self.job, total=total)

    async def note(self, position: int, state: ItemState, detail: object = None) -> None:
        """Note the state of an item, which is counted once it is done or failed.

        `detail` is encoded as JSON; None leaves it as it was. Saved within a second. Items beyond
        `MAX_ITEMS` are counted only. Raises CannotStoreNow.
        """
        if position < MAX_ITEMS:
            text = "null" if detail is None else msgspec.json.encode(detail).decode()
            if text == "null" and position in self._unsaved:
                text = self._unsaved[position].detail
            self._unsaved[position] = JobItem(position, state, text)
        await self.advance(done=state == "done", failed=state == "failed")

    async def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count steps that need no item. Saved within a second. Raises CannotStoreNow."""
        self.job = replace(self.job, done=self.job.done + done, failed=self.job.failed + failed)
        is_late = trio.current_time() - self._saved_at >= _SAVE_SECONDS
        if is_late or len(self._unsaved) >= _MAX_UNSAVED:
            await self.save()
        else:
            await trio.lowlevel.checkpoint()

    async def save(self) -> None:
        """Save what was noted so far. Raises CannotStoreNow."""
        self._saved_at = trio.current_time()
        await self._save(self.job, self.take_unsaved())

    def take_unsaved(self) -> list[JobItem]:
        """Return the items that were not saved yet, and take them for saved."""
        unsaved, self._unsaved = self._unsaved, {}
        return list(unsaved.values())


def decoded(text: str, kind: type[T]) -> T | None:
    """Return the subject of a job, or the detail of an item; None if it is not of this type."""
    try:
        return decode_json(text, kind)
    except msgspec.MsgspecError:
        return None


class _RunningJob(Struct):
    progress: JobProgress
    scope: trio.CancelScope
    ended: trio.Event


class Jobs:
    """Runs long work and keeps its outcome. run() must run for jobs to start."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._audit = core.audit
        self._change_feed = core.changes
        self._now = core.now
        self._running: dict[int, _RunningJob] = {}
        self._nursery: trio.Nursery | None = None
        self._cancels: dict[JobKind, Callable[[int], Awaitable[None]]] = {}

    def on_cancel(self, kind: JobKind, cancel: Callable[[int], Awaitable[None]]) -> None:
        """Have `cancel` called with the id of a job of this kind, which no task carries out."""
        self._cancels[kind] = cancel

    @property
    def is_running(self) -> bool:
        """Whether run() runs: jobs can be started."""
        return self._nursery is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out jobs until cancelled. What the last process left unfinished is interrupted."""
        try:
            await self._store.jobs.interrupt_all(self._ms())
        except CannotStoreNow as error:
            log.warning("jobs of the last run are still shown as running: %s", error)
        async with trio.open_nursery() as self._nursery:
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def start(
        self,
        kind: JobKind,
        subject: object,
        by: Actor,
        work: Work,
        *,
        items: Sequence[object] = (),
        total: int | None = None,
        attachment: object = None,
    ) -> Job:
        """Start a job; return it when it has an address.

        `subject`, `items` (the details of items that wait) and `attachment` (what lists of jobs
        need not have) are encoded as JSON. `work` fails
        the job by raising HubError, whose message is kept. Raises TooManyRequests if too many of
        its kind run, CannotStoreNow.
        """
        nursery = self._nursery
        if nursery is None:
            raise CannotStoreNow("the hub is starting or stopping")
        if len(self.running(kind)) >= _MAX_RUNNING:
            raise TooManyRequests("too many jobs of this kind are running; wait for one to end")
        job = await self.add(kind, subject, by, items=items, total=total, attachment=attachment)
        running = _RunningJob(JobProgress(job, self._save), trio.CancelScope(), trio.Event())
        self._running[job.id] = running
        nursery.start_soon(self._carry_out, running, work)
        return job

    async def add(
        self,
        kind: JobKind,
        subject: object,
        by: Actor,
        *,
        items: Sequence[object] = (),
        total: int | None = None,
        attachment: object = None,
    ) -> Job:
        """Note a job without carrying it out: see `start`."""
        texts = [msgspec.json.encode(item).decode() for item in items]
        job = await self._store.jobs.add(
            kind,
            msgspec.json.encode(subject).decode(),
            by.who,
            self._ms(),
            len(texts) if total is None and texts else total,
            texts,
            None if attachment is None else msgspec.json.encode(attachment).decode(),
        )
        self.changed(job.id)
        return job

    def running(self, kind: JobKind | None = None) -> tuple[Job, ...]:
        """Return the jobs (of a kind) that a task carries out now, with their counts of now."""
        jobs = (running.progress.job for running in self._running.values())
        return tuple(job for job in jobs if kind in (None, job.kind) and job.state == "running")

    async def get(self, id: int) -> Job:
        """Return a job. Raises NoSuchResource."""
        running = self._running.get(id)
        return await self._store.jobs.get(id) if running is None else running.progress.job

    async def list(
        self, kind: JobKind | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[Job, ...]:
        """Return at most `limit` jobs (of a kind) with ids below `before`, the newest first."""
        jobs = await self._store.jobs.newest(kind, before, limit)
        running = {job.id: job for job in self.running()}
        return tuple(running.get(job.id, job) for job in jobs)

    async def items(
        self, id: int, after: int = -1, limit: int = 100, states: Sequence[ItemState] = ()
    ) -> tuple[JobItem, ...]:
        """Return at most `limit` items of a job, in these states, that follow position `after`.

        Of a running job, as they were at most a second ago. Raises NoSuchResource.
        """
        await self.get(id)
        return await self._store.jobs.items(id, after, limit, states)

    async def attachment(self, id: int, kind: type[T]) -> T | None:
        """Return what is kept with a job; None if there is nothing that can be read.

        Raises NoSuchResource.
        """
        await self.get(id)
        text = await self._store.jobs.attachment(id)
        return None if text is None else decoded(text, kind)

    async def cancel(self, id: int, by: Actor) -> Job:
        """Cancel a job, and wait until its work has ended; one that has ended stays as it is.

        Raises NoSuchResource.
        """
        job = await self.get(id)
        if job.state != "running":
            return job
        await self._audit.add(by, "job.cancel", f"{id} {job.kind}")
        if (running := self._running.get(id)) is not None:
            running.scope.cancel()
            await running.ended.wait()
        elif (cancel := self._cancels.get(job.kind)) is not None:
            await cancel(id)
            self.changed(id)
        return await self.get(id)

    async def wait(self, id: int) -> Job:
        """Wait until a job is not running any more, and return it. Raises NoSuchResource."""
        if (running := self._running.get(id)) is not None:
            await running.ended.wait()
        return await self.get(id)

    async def prune(self) -> None:
        """Remove the searches that ended more than a day ago, and other jobs after a week."""
        now = self._ms()
        await self._store.jobs.prune(now - _KEEP_SEARCH_SECONDS * 1000, "search")
        await self._store.jobs.prune(now - _KEEP_SECONDS * 1000)

    def changed(self, id: int) -> None:
        """Tell that a job, or an item of it, changed."""
        self._change_feed.publish([Change("job", str(id))])

    async def _carry_out(self, running: _RunningJob, work: Work) -> None:
        progress = running.progress
        state: JobState = "done"
        failure = ""
        try:
            with running.scope:
                await work(progress)
        except Exception as error:
            state, failure = "failed", _failure(progress.job, error)
        except BaseExceptionGroup as errors:
            # The hub ends: what failed beside that has nobody to be told, and is interrupted.
            ending, _ = errors.split(trio.Cancelled)
            raise errors if ending is None else ending from None
        if running.scope.cancelled_caught:
            state = "cancelled"
        ended = replace(progress.job, state=state, failure=failure, ended_at=self._ms())
        items = progress.take_unsaved()
        # It has not ended for who asks before its items can be read, unless the disk is at fault.
        while not await self._is_end_saved(ended, items):
            progress.job = ended
            running.ended.set()
            await trio.sleep(_RETRY_SECONDS)
        del self._running[progress.id]
        running.ended.set()
        self.changed(progress.id)

    async def _is_end_saved(self, job: Job, items: Sequence[JobItem]) -> bool:
        try:
            await self._store.jobs.end(job, items)
        except HubError as error:
            limited(log, logging.WARNING, "job end", "a job's end is saved later: %s", error)
            return False
        return True

    async def _save(self, job: Job, items: Sequence[JobItem]) -> None:
        await self._store.jobs.save(job, items)
        self.changed(job.id)

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _failure(job: Job, error: Exception) -> str:
    """Return why a job failed, for people; an error that nobody expected is logged."""
    if (expected := hub_error_in(error)) is not None:
        return expected.message
    log.error("the job %d (%s) failed", job.id, job.kind, exc_info=error)
    return "an internal error: see the log of the hub (sitehub logs)"
