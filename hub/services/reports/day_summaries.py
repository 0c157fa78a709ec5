"""Summarises the days that are over, so that a report of a month need not read its records.

Each day is read once, soon after it has ended, in parts with pauses between them, where only
searches and reports wait. After an upgrade the older days follow, the newest first. A day whose
summary was lost, because a record of it was dropped or erased, is made again. Until then reports
read that day from the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

import trio

from hub.clock_reading import LikelyTime
from hub.errors import HubError
from hub.log import limited
from hub.services.reports.periods import Day, day_of
from hub.services.reports.report import give_way
from hub.services.site.site import Site
from hub.store.media.packs import day_bounds
from hub.store.records.time_spans import SeqRange
from hub.store.reports.day_parts import FORM, DaySummary, Part, part_of
from hub.store.reports.day_summaries import late_parts
from hub.store.reports.people_parts import encode_people, encode_people_by_camera
from hub.store.reports.sightings import (
    PersonKey,
    PersonSeen,
    PlateSeen,
    join,
    parts_of,
    people_in,
    vehicles_in,
)
from hub.store.reports.unsorted_faces import FaceCount, encode_faces, unsorted_faces_in
from hub.store.reports.vehicle_parts import as_vehicles, encode_vehicles

if TYPE_CHECKING:
    import sqlite3

    from hub.store.db import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_SECONDS, _LOOK_SECONDS = 60.0, 300.0
#: A day is summarised so long after its end: what came late until then is in the summary.
_AFTER_MS = 900_000
_MAX_DAYS = 400
#: A summary is made again if so many seqs have to be read for what came later.
_MANY_LATE = 16_384
#: Read in some ms each, and so many times as long is left to others after each.
_PART_SEQS = 8_192
_PAUSES = 3.0
_MAX_PAUSE_SECONDS = 1.0
#: What all cameras saw of so many people is encoded in some milliseconds.
_PEOPLE = 256


class DaySummaries:
    """Keeps the summaries of the days. run() does so in the background."""

    def __init__(self, store: Store, site: Site, now: Callable[[], LikelyTime]) -> None:
        """`now`: the hub's clock, in seconds."""
        self._store = store
        self._site = site
        self._now = now
        #: When it was looked for late records of a day, in UNIX milliseconds, by its `since`.
        self._looked_at: dict[int, int] = {}

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Summarise days until cancelled, beginning a minute after the start."""
        task_status.started()
        await trio.sleep(_FIRST_SECONDS)
        while True:
            try:
                await self.update()
            except HubError as error:
                limited(log, logging.WARNING, "summaries", "days are summarised later: %s", error)
            await trio.sleep(_LOOK_SECONDS)

    async def update(self) -> None:
        """Summarise the days that are over, and forget what is of no day of the site.

        Raises CannotStoreNow, TooManyRequests.
        """
        days = self._days()
        wanted = {day.since: day for day in days}
        known: dict[int, DaySummary] = {}
        summaries = self._store.day_summaries
        for summary in await summaries.all():
            day = wanted.get(summary.since)
            if day is None or day.until != summary.until:
                await summaries.forget(summary.since)
                continue
            is_whole = summary.parts is not None and not summaries.is_damaged(summary.since)
            if is_whole and summary.form == FORM:
                known[summary.since] = summary
        self._looked_at = {since: at for since, at in self._looked_at.items() if since in known}
        for day in days:
            summarised = known.get(day.since)
            if summarised is None or await self._has_many_late(summarised):
                await self._make(day)

    def _days(self) -> list[Day]:
        """Return the days of the site that can have a summary, the newest first.

        One that overlaps a UTC day whose records are being removed would lose it again and again.
        """
        retention = self._store.retention
        stored = [day.day for day in retention.days()]
        if not stored:
            return []
        zone, now = self._site.zone(), self._now_ms
        first, _ = day_bounds(min(stored))
        at, days = datetime.fromtimestamp(now / 1000, zone).date(), list[Day]()
        for _ in range(_MAX_DAYS):
            day = day_of(at, zone)
            if day.until <= first or (day.since < first and retention.is_dropping):
                break
            if day.until + _AFTER_MS <= now:
                days.append(day)
            at -= timedelta(days=1)
        return days

    async def _has_many_late(self, summary: DaySummary) -> bool:
        """Return whether a summary should be made again because of what came after it.

        Looked at after twice the time since the end of the day, again and again: a camera whose
        clock is hours off costs a few summaries rather than one every five minutes.
        """
        last, now = self._looked_at.get(summary.since, summary.made_at), self._now_ms
        if now - summary.until < 2 * (last - summary.until):
            return False
        self._looked_at[summary.since] = now
        parts = await self._store.read_part(partial(late_parts, summary))
        return sum(last - first + 1 for first, last in parts) > _MANY_LATE

    async def _make(self, day: Day) -> None:
        summary = await self._store.day_summaries.begin(day.since, day.until, self._now_ms)
        reading = _Reading(summary)
        parts = await self._store.read_part(reading.parts)
        for part in parts:
            began = trio.current_time()
            await self._store.read_part(partial(reading.add, part))
            await trio.sleep(min(_PAUSES * (trio.current_time() - began), _MAX_PAUSE_SECONDS))
        await self._store.day_summaries.complete(
            summary, await trio.to_thread.run_sync(reading.encoded)
        )

    @property
    def _now_ms(self) -> int:
        return int(self._now() * 1000)


class _Reading:
    """What the log says of a day."""

    def __init__(self, summary: DaySummary) -> None:
        self._summary = summary
        #: Of each person, what each camera saw.
        self._people: dict[PersonKey, dict[str, PersonSeen]] = {}
        self._vehicles: list[PlateSeen] = []
        #: Of each hour and camera: all without a category, and strangers among them.
        self._faces: dict[tuple[int, str], tuple[int, int]] = {}

    def parts(self, connection: sqlite3.Connection) -> list[SeqRange]:
        """Return the parts of the log that are to be read."""
        one = self._summary
        return parts_of(connection, one.since, one.until, (0, one.through), _PART_SEQS)

    def add(self, part: SeqRange, connection: sqlite3.Connection) -> None:
        """Take what a part says."""
        since, until = self._summary.since, self._summary.until
        for seen in people_in(connection, part, since, until, None):
            known = self._people.setdefault(seen.key, {}).setdefault(seen.first_did, seen)
            if known is not seen:
                join(known, seen)
        self._vehicles += vehicles_in(connection, part, since, until, None)
        for faces in unsorted_faces_in(part, since, until, connection):
            key = faces.hour, faces.did
            count, strangers = self._faces.get(key, (0, 0))
            self._faces[key] = count + faces.faces, strangers + faces.strangers

    def encoded(self) -> list[Part]:
        """Return the parts of the summary, in some hundred milliseconds with pauses."""
        found: list[Part] = []
        for kind, contents in self._contents():
            for number, content in enumerate(contents):
                found.append(part_of(self._summary, kind, number, content))
                give_way()
        return found

    def _contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        since, until = self._summary.since, self._summary.until
        # In an order of their own: which record came first is nobody's business here.
        keys = sorted(self._people, key=lambda key: (key[0] or "", key[1] or 0))
        people = [list(self._people[key].values()) for key in keys]
        yield "people", encode_people(people)
        yield "people_by_camera", encode_people_by_camera(_with_pauses(people), since)
        vehicles, repeats = as_vehicles(self._vehicles, since, until, give_way)
        yield "vehicles", map(encode_vehicles, vehicles)
        yield "repeats", map(encode_vehicles, repeats)
        faces = (FaceCount(*key, *counts) for key, counts in self._faces.items())
        yield "faces", encode_faces(faces)


def _with_pauses(people: Sequence[T]) -> Iterator[T]:
    for start in range(0, len(people), _PEOPLE):
        give_way()
        yield from people[start : start + _PEOPLE]
