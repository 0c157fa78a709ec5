"""How jobs go, as events of one stream."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import trio

from hub.errors import CannotStoreNow, NoSuchResource, TooManyRequests
from hub.live.feed import Change
from hub.services.jobs.jobs import Jobs
from hub.store.jobs.jobs import Job

#: Between two events of a job: one with thousands of steps must not crowd out the records.
_PAUSE_SECONDS = 1.0
#: Jobs that a reader who missed changes is told of: the newest.
_MAX_CAUGHT_UP = 100


class JobEvents:
    """Which jobs one reader has to be told of, and when: each at most once a second.

    The last state of a job is never left out.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        #: When to tell of the jobs that have changed (monotonic seconds).
        self._due: dict[int, float] = {}
        #: Until when a job has to wait that the reader was told of.
        self._free_at: dict[int, float] = {}
        #: The jobs that the reader takes for running.
        self._running: set[int] = set()
        #: When to look which jobs have changed, because changes were missed.
        self._look_at = inf

    @property
    def next_at(self) -> float:
        """When take() has something to return, if no change comes first."""
        return min((self._look_at, *self._due.values()))

    def note(self, changes: Sequence[Change]) -> None:
        """Note which jobs have changed."""
        now = trio.current_time()
        for change in changes:
            if change == Change("job"):
                self._look_at = now
            elif change.kind == "job":
                self._due.setdefault(int(change.key), self._free_at.get(int(change.key), now))

    async def take(self) -> list[Job]:
        """Return the jobs to tell of now, as they are now."""
        now = trio.current_time()
        if self._look_at <= now:
            await self._look(now)
        due = [id for id, at in self._due.items() if at <= now]
        self._free_at = {id: at for id, at in self._free_at.items() if at > now}
        return [job for id in due if (job := await self._take(id, now)) is not None]

    async def _look(self, now: float) -> None:
        """Note the jobs that run, or did when the reader was told of them."""
        try:
            newest = await self._jobs.list(limit=_MAX_CAUGHT_UP)
        except (CannotStoreNow, TooManyRequests):
            self._look_at = now + _PAUSE_SECONDS
            return
        self._look_at = inf
        running = {job.id for job in newest if job.state == "running"}
        self.note([Change("job", str(id)) for id in self._running | running])

    async def _take(self, id: int, now: float) -> Job | None:
        """Return a job; None if it is gone, or cannot be read until later."""
        del self._due[id]
        self._running.discard(id)
        try:
            job = await self._jobs.get(id)
        except NoSuchResource:
            return None
        except (CannotStoreNow, TooManyRequests):
            self._due[id] = now + _PAUSE_SECONDS
            return None
        self._free_at[id] = now + _PAUSE_SECONDS
        if job.state == "running":
            self._running.add(id)
        return job
