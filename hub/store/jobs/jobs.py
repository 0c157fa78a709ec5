"""Long work: its progress, its items, and for a time its outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import existing
from hub.store.rows import Size, TableRows, as_text
from hub.store.sqlite.sql import clamp, secure_deletion
from hub.store.tables.table import Table
from hub.wire.times import Moment

JobKind = Literal[
    "import",
    "compare",
    "take-over",
    "remove-unknown",
    "search",
    "settings",
    "restart",
    "osd-name",
    "recording",
]
JobState = Literal["running", "done", "cancelled", "interrupted", "failed"]
ItemState = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]

#: Of one kind; the oldest make room. A pending setting (see `pending_settings`) outlives its job.
MAX_JOBS = 100
#: Of one job; those beyond are counted only.
MAX_ITEMS = 20_000

_ADD = """
INSERT INTO job (kind, state, subject, created_by, created_at, total, done, failed, failure)
VALUES (?, 'running', ?, ?, ?, ?, 0, 0, '')
"""
_TRIM = """
DELETE FROM job WHERE kind = :kind AND (ended_at IS NOT NULL OR kind = 'settings') AND id NOT IN (
    SELECT id FROM job WHERE kind = :kind ORDER BY id DESC LIMIT :kept
)
"""
_PRUNE = "DELETE FROM job WHERE ended_at < :before AND (:kind IS NULL OR kind = :kind)"
_FORGET_KIND = "DELETE FROM job WHERE kind = ? AND ended_at IS NOT NULL"
_COUNT = "UPDATE job SET total = ?, done = ?, failed = ? WHERE id = ?"
_PUT_ITEM = """
INSERT INTO job_item (job, position, state, detail) VALUES (?, ?, ?, ?)
ON CONFLICT (job, position) DO UPDATE SET
    state = excluded.state, detail = iif(excluded.detail = 'null', detail, excluded.detail)
"""
_ATTACHMENT = "SELECT detail FROM job_item WHERE job = ? AND position = -1"
_END = "UPDATE job SET state = ?, failure = ?, ended_at = ? WHERE id = ?"
_END_ITEMS = """
UPDATE job_item SET state = iif(state = 'running', 'interrupted', ?)
WHERE job = ? AND state IN ('waiting', 'running')
"""
#: The work of "settings" is done by `pending_settings`, which outlive a restart.
_UNFINISHED = "SELECT id FROM job WHERE state = 'running' AND kind <> 'settings'"
_COUNT_FROM_ITEMS = """
UPDATE job SET
    done = (SELECT count(*) FROM job_item WHERE job = id AND state = 'done' AND position >= 0),
    failed = (SELECT count(*) FROM job_item WHERE job = id
        AND state IN ('failed', 'interrupted', 'cancelled') AND position >= 0)
WHERE id = ?
"""
_HAS_ENDED = """
SELECT NOT EXISTS (SELECT 1 FROM job_item WHERE job = ? AND state IN ('waiting', 'running'))
"""


class Job(Struct, frozen=True, kw_only=True):
    """Long work. Times are UNIX milliseconds; `ended_at` is None while it runs.

    `subject`: JSON by kind, what it was asked to do. `total`: None if not known yet. `failed` does
    not count for `done`. `failure`: why it ended early, for people.
    """

    id: int
    kind: JobKind
    state: JobState
    subject: str
    created_by: str
    created_at: Moment
    ended_at: Moment | None
    total: Size | None
    done: Size
    failed: Size
    failure: str


class JobItem(Struct, frozen=True):
    """One step of a job. `detail`: JSON by kind; "null" if there is nothing to say."""

    position: int
    state: ItemState
    detail: str = "null"


def _as_json(value: object) -> str:
    text = as_text(value)
    msgspec.json.decode(text)
    return text


_rows = TableRows("job", Job, decoders={"subject": _as_json})
_item_rows = TableRows("job_item", JobItem, key=("position",), decoders={"detail": _as_json})
_ONE = f"{_rows.select} WHERE id = ?"
_LIST = f"{_rows.select} WHERE id < ? ORDER BY id DESC"
_LIST_KIND = f"{_rows.select} WHERE id < ? AND kind = ? ORDER BY id DESC"
_ITEMS = f"{_item_rows.select} WHERE job = ? AND position > ?"


class JobTable(Table[None]):
    """Jobs by id, and their items by position. Changes are durable on return."""

    queries = ((_rows, _rows.select), (_item_rows, _item_rows.select))

    async def add(
        self,
        kind: JobKind,
        subject: str,
        created_by: str,
        created_at: int,
        total: int | None,
        items: Sequence[str] = (),
        attachment: str | None = None,
    ) -> Job:
        """Note a job that runs now, with `items` that wait. The oldest of its kind may go.

        `attachment`: JSON that is kept with it, too large for lists of jobs.
        """

        def job(connection: sqlite3.Connection) -> int:
            row = (kind, subject, created_by, created_at, total)
            id = connection.execute(_ADD, row).lastrowid or 0
            waiting = ((id, place, "waiting", text) for place, text in enumerate(items))
            connection.executemany(_PUT_ITEM, waiting)
            if attachment is not None:
                connection.execute(_PUT_ITEM, (id, -1, "done", attachment))
            with secure_deletion(connection):
                connection.execute(_TRIM, {"kind": kind, "kept": MAX_JOBS})
            return id

        return await self.get(await self._writer.write(job))

    async def save(self, job: Job, items: Sequence[JobItem]) -> None:
        """Save the counts of a job, and items that changed. A detail of "null" is left alone."""

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(_COUNT, (job.total, job.done, job.failed, job.id))
            _put_items(connection, job.id, items)

        await self._writer.write(save)

    async def end(self, job: Job, items: Sequence[JobItem]) -> None:
        """Save how a job ended; items that are not finished end with it."""

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(_COUNT, (job.total, job.done, job.failed, job.id))
            _put_items(connection, job.id, items)
            _end(connection, job.id, job.state, job.failure, job.ended_at or 0)

        await self._writer.write(save)

    async def interrupt_all(self, at: int) -> int:
        """End the jobs that the last process left unfinished; return how many."""

        def job(connection: sqlite3.Connection) -> int:
            unfinished = connection.execute(_UNFINISHED).fetchall()
            for (id,) in unfinished:
                _end(connection, id, "interrupted", "", at)
            return len(unfinished)

        return await self._writer.write(job)

    async def prune(self, before: int, kind: JobKind | None = None) -> None:
        """Remove the jobs (of a kind) that ended before this time (UNIX milliseconds).

        Nothing of them can be read then.
        """

        def job(connection: sqlite3.Connection) -> None:
            with secure_deletion(connection):
                connection.execute(_PRUNE, {"before": before, "kind": kind})

        await self._writer.write(job)

    async def forget(self, kinds: Sequence[JobKind]) -> None:
        """Remove the jobs of these kinds that have ended, so that nothing of them can be read."""

        def job(connection: sqlite3.Connection) -> None:
            with secure_deletion(connection):
                connection.executemany(_FORGET_KIND, [(kind,) for kind in kinds])

        await self._writer.write(job)

    async def get(self, id: int) -> Job:
        """Return a job. Raises NoSuchResource."""
        row = await self._readers.read(lambda c: c.execute(_ONE, (clamp(id),)).fetchone())
        return existing(None if row is None else _rows.read(row, self._damaged), "job", id=id)

    async def newest(
        self, kind: JobKind | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[Job, ...]:
        """Return at most `limit` jobs (of a kind) with ids below `before`, the newest first."""
        bound = 2**63 - 1 if before is None else clamp(before)
        sql = _LIST if kind is None else _LIST_KIND
        values = (bound,) if kind is None else (bound, kind)
        return await self._readers.read(
            lambda c: tuple(_rows.take(c.execute(sql, values), limit, self._damaged))
        )

    async def attachment(self, id: int) -> str | None:
        """Return the attachment of a job; None without one that can be read."""
        row = await self._readers.read(lambda c: c.execute(_ATTACHMENT, (clamp(id),)).fetchone())
        item = None if row is None else _item_rows.read((-1, "done", *row), self._damaged)
        return None if item is None else item.detail

    async def items(
        self, id: int, after: int = -1, limit: int = 100, states: Sequence[ItemState] = ()
    ) -> tuple[JobItem, ...]:
        """Return at most `limit` items of a job, in these states, that follow position `after`."""
        after = max(after, -1)
        wanted = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
        sql = f"{_ITEMS}{wanted} ORDER BY position"
        values = (clamp(id), clamp(after), *states)
        return await self._readers.read(
            lambda c: tuple(_item_rows.take(c.execute(sql, values), limit, self._damaged))
        )


def note_item(connection: sqlite3.Connection, id: int, item: JobItem, at: int) -> None:
    """In a transaction: note an item of a job that no task carries out.

    The job counts it, and is done when its last item is. A job that is gone is left alone.
    """
    if connection.execute(_ONE, (id,)).fetchone() is None:
        return
    _put_items(connection, id, [item])
    connection.execute(_COUNT_FROM_ITEMS, (id,))
    if connection.execute(_HAS_ENDED, (id,)).fetchone()[0]:
        connection.execute(f"{_END} AND state = 'running'", ("done", "", at, id))


def _put_items(connection: sqlite3.Connection, id: int, items: Sequence[JobItem]) -> None:
    rows = ((id, item.position, item.state, item.detail) for item in items)
    connection.executemany(_PUT_ITEM, rows)


def _end(connection: sqlite3.Connection, id: int, state: JobState, failure: str, at: int) -> None:
    connection.execute(_END, (state, failure, at, id))
    rest: ItemState = "cancelled" if state == "cancelled" else "interrupted"
    connection.execute(_END_ITEMS, (rest, id))
