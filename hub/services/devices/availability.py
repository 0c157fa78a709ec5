"""When cameras were without a connection: their outages, and how available they were.

An outage begins when the camera was last heard from, and is noted once it has lasted for a minute:
a camera that reconnects, or restarts, is not out. After a start of the hub, and after the computer
slept, cameras have three minutes to come back; one that does not is out since the start, because
what was before is not known. While the hub was off, nobody watched: that time is kept apart, as the
gaps between the *runs* of the hub.

Durations are counted by a clock that cannot be set. If the wall clock is set while an outage lasts,
its beginning moves with it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import HubError
from hub.live.presence import Presence
from hub.log import limited
from hub.services.devices.spans import Span, overlap, total, union, without
from hub.store.tables.devices import Device
from hub.store.tables.outages import HubRun, Outage, OutageCause, OutagePage

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: A camera that is back within this time has only reconnected.
GRACE_SECONDS = 60.0
#: Likewise, after a start of the hub.
START_GRACE_SECONDS = 180.0
#: What is kept, by age.
KEEP_DAYS = 400

_CHECK_SECONDS = 5.0
_SAVE_SECONDS = 60.0
_LAST_SAVE_SECONDS = 2.0
_PRUNE_SECONDS = 3600.0
#: Nobody watched for so long: the computer slept, or the hub hung.
_GAP_SECONDS = 60.0
#: A smaller difference is drift, or a busy computer.
_STEP_SECONDS = 5.0
#: Outages in memory that could not be stored yet; the oldest are lost beyond this.
_MAX_UNSAVED = 20_000
_DAY_MS = 86_400_000
#: The causes that count as an outage.
FAILURES: tuple[OutageCause, ...] = ("lost", "refused")


class _Absence(Struct, frozen=True):
    """A camera has no connection, perhaps for a moment only. `steady`: since when."""

    steady: float
    began_at: int


class Availability(Struct, frozen=True):
    """How available a camera was in a range. Milliseconds.

    `watched`: how long the hub ran and expected it to be online; `out`: how long of that it was
    not; `outages`: how often, those included that had begun before.
    """

    watched: int
    out: int
    outages: int

    @property
    def percent(self) -> float | None:
        """None if it was not watched at all."""
        return 100.0 * (self.watched - self.out) / self.watched if self.watched else None


class OutageHistory(Struct, frozen=True):
    """A page of a camera's outages, and its availability in the whole range.

    `hub_off`: for how long of each outage of the page the hub was off, in milliseconds.
    """

    page: OutagePage
    hub_off: tuple[int, ...]
    availability: Availability


class DeviceAvailability:
    """Notes outages of devices, and answers about them."""

    def __init__(self, core: Core, presence: Presence) -> None:
        """`steady_now`: seconds that pass evenly."""
        self._store = core.store
        self._registry = presence.registry
        self._pending = presence.pending
        self._clock = core.clock
        self._now = core.now
        self._steady_now = core.outside.steady_now
        known = core.store.outages.known
        self._lasting = {outage.did: outage for outage in known.lasting}
        self._last_id = known.last_id
        self._absent: dict[str, _Absence] = {}
        self._unsaved: dict[int, Outage] = {}
        #: What began while this clock was watched.
        self._of_this_run: set[int] = set()
        self._run = HubRun(known.last_run, 0, 0)
        self._steady, self._wall = core.outside.steady_now(), core.now()
        self._run_steady, self._saved_steady = self._steady, -_SAVE_SECONDS
        self._begin_run()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled, and note at the end that the hub ran until then."""
        await self._try(self.save)
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                # A disk that hangs must not look like a time when nobody watched.
                nursery.start_soon(self._keep_saving)
                while True:
                    self.look()
                    await trio.sleep(_CHECK_SECONDS)
        finally:
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True):
                self._watch_clock()
                await self._try(self.save)

    async def _keep_saving(self) -> None:
        prune_at = trio.current_time()
        while True:
            await self._try(self.save_changes)
            if trio.current_time() >= prune_at:
                prune_at = trio.current_time() + _PRUNE_SECONDS
                await self._try(self.prune)
            await trio.sleep(_CHECK_SECONDS)

    async def _try(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except HubError as error:
            limited(log, logging.WARNING, "outages", "outages are stored later: %s", error)

    # Watching

    async def check(self) -> None:
        """Do the work of run() once. Raises CannotStoreNow."""
        self.look()
        await self.save_changes()

    def look(self) -> None:
        """Look at all devices, and note what has changed."""
        was_set = self._watch_clock()
        devices = {device.did: device for device in self._store.devices.all()}
        for did in (self._lasting.keys() | self._absent.keys()) - devices.keys():
            self._absent.pop(did, None)
            self._lasting.pop(did, None)
        for device in devices.values():
            self._look_at(device, was_set)

    def _watch_clock(self) -> bool:
        """Note how time has passed since the last look; return whether the clock was set."""
        steady, wall = self._steady_now(), self._now()
        elapsed = max(0.0, steady - self._steady)
        step = wall - (self._wall + elapsed)
        self._steady, self._wall = steady, wall
        if elapsed > _GAP_SECONDS:
            self._begin_run()
            return True
        was_set: bool = abs(step) >= _STEP_SECONDS
        if was_set:
            self._move_by(int(step * 1000))
        self._run = replace(self._run, seen_at=self._wall_ms)
        return was_set

    def _begin_run(self) -> None:
        """What was before is not known."""
        self._steady, self._wall = self._steady_now(), self._now()
        self._run_steady, self._saved_steady = self._steady, -_SAVE_SECONDS
        self._run = HubRun(self._run.id + 1, self._wall_ms, self._wall_ms)
        self._absent.clear()
        self._of_this_run.clear()

    def _move_by(self, step: int) -> None:
        """Move what has begun in this run by a step of the clock."""
        self._run = replace(self._run, began_at=max(0, self._run.began_at + step))
        for did, absence in self._absent.items():
            self._absent[did] = replace(absence, began_at=max(0, absence.began_at + step))
        for did, outage in self._lasting.items():
            if outage.id in self._of_this_run:
                moved = replace(outage, began_at=max(0, outage.began_at + step))
                self._lasting[did] = self._unsaved[outage.id] = moved

    def _look_at(self, device: Device, was_set: bool) -> None:
        cause, noted = self._cause(device), self._lasting.get(device.did)
        if cause is None:
            self._absent.pop(device.did, None)
            if noted is not None:
                link = self._registry.get(device.did)
                self._end(noted, self._wall_ms if was_set or link is None else link.since)
        elif noted is None:
            self._note_absence(device, cause, was_set)
        elif cause != noted.cause and ("disabled" in (cause, noted.cause) or noted.cause == "new"):
            self._end(noted, self._wall_ms)
            self._begin(device.did, cause, self._wall_ms)
        elif cause == "refused" and noted.cause == "lost":
            self._lasting[device.did] = self._unsaved[noted.id] = replace(noted, cause=cause)

    def _cause(self, device: Device) -> OutageCause | None:
        """Why a device is not online; None if it is."""
        if not device.enabled:
            return "disabled"
        if self._registry.get(device.did) is not None:
            return None
        if device.last_seen is None and self._registry.last_seen(device.did) is None:
            return "new"
        return "lost" if self._pending.failure(device.did) is None else "refused"

    def _note_absence(self, device: Device, cause: OutageCause, was_set: bool) -> None:
        absence = self._absent.get(device.did)
        if absence is None:
            absence = _Absence(self._steady, self._beginning(device, cause, was_set))
            self._absent[device.did] = absence
        due = max(absence.steady + GRACE_SECONDS, self._run_steady + START_GRACE_SECONDS)
        if cause == "disabled" or self._steady >= due:
            del self._absent[device.did]
            self._begin(device.did, cause, absence.began_at)

    def _beginning(self, device: Device, cause: OutageCause, was_set: bool) -> int:
        """Return when an absence began: when the device was last heard from, if that is known."""
        now = self._wall_ms
        if was_set or cause == "disabled":
            return now
        heard = self._registry.heard_before_it_left(device.did)
        if heard is None:
            heard = device.created_at if cause == "new" else self._run.began_at
        return min(now, max(heard, self._run.began_at))

    def _begin(self, did: str, cause: OutageCause, at: int) -> None:
        self._last_id += 1
        outage = Outage(id=self._last_id, did=did, began_at=at, ended_at=None, cause=cause)
        self._lasting[did] = outage
        self._of_this_run.add(outage.id)
        self._keep(outage)

    def _end(self, outage: Outage, at: int) -> None:
        del self._lasting[outage.did]
        self._of_this_run.discard(outage.id)
        ended_at = max(outage.began_at, min(at, self._wall_ms))
        self._keep(replace(outage, ended_at=ended_at))

    def _keep(self, outage: Outage) -> None:
        self._unsaved[outage.id] = outage
        while len(self._unsaved) > _MAX_UNSAVED:
            del self._unsaved[next(iter(self._unsaved))]

    async def save_changes(self) -> None:
        """Store what has changed; once a minute, that the hub runs. Raises CannotStoreNow."""
        if self._unsaved or self._steady - self._saved_steady >= _SAVE_SECONDS:
            await self.save()

    async def save(self) -> None:
        """Store what has changed, and that the hub runs. Raises CannotStoreNow."""
        saved, run = dict(self._unsaved), self._run
        self._saved_steady = self._steady
        await self._store.outages.save(saved.values(), run)
        for id, outage in saved.items():
            if self._unsaved.get(id) is outage:
                del self._unsaved[id]

    async def prune(self) -> None:
        """Remove what is too old, or too much. Raises CannotStoreNow, TooManyRequests."""
        # A clock that is wrong must not remove it.
        if self._clock.is_trusted:
            await self._store.outages.prune(self._wall_ms - KEEP_DAYS * _DAY_MS)

    @property
    def _wall_ms(self) -> int:
        return max(0, int(self._wall * 1000))

    # Asking

    def offline_since(self, did: str) -> int | None:
        """Since when a device has had no connection (UNIX milliseconds), as far as it is known.

        None if it is online, disabled, or has never been here.
        """
        device = self._store.devices.by_did(did)
        if device is None or self._cause(device) in (None, "disabled", "new"):
            return None
        if (lasting := self._lasting.get(did)) is not None:
            return lasting.began_at
        if (absence := self._absent.get(did)) is not None:
            return absence.began_at
        return self._registry.heard_before_it_left(did)

    async def history(
        self,
        did: str,
        *,
        since: int,
        until: int,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> OutageHistory:
        """Return the outages of a device that touch a range, by id, and its availability in it.

        `since`, `until`: UNIX milliseconds. Periods in which the device was disabled, or not
        connected for the first time yet, are among the outages, and count as not watched.
        Raises CannotStoreNow, TooManyRequests.
        """
        outages = self._store.outages
        page = await outages.of_device(
            did,
            since=since,
            until=until,
            after=after,
            before=before,
            newest_first=newest_first,
            limit=limit,
        )
        of_range = page.items
        if page.next is not None or after is not None or before is not None:
            whole = await outages.of_device(did, since=since, until=until, limit=_MAX_UNSAVED)
            of_range = whole.items
        watched = await self.watched(since, until)
        device = self._store.devices.by_did(did)
        begin = device.created_at if device is not None else 0
        return OutageHistory(
            page,
            await self._hub_off(page.items),
            availability(of_range, watched, begin, self._now_ms),
        )

    async def _hub_off(self, outages: Sequence[Outage]) -> tuple[int, ...]:
        if not outages:
            return ()
        now = self._now_ms
        ran = await self.watched(min(one.began_at for one in outages), now)
        found = []
        for one in outages:
            span = (one.began_at, max(one.began_at, one.ended_at or now))
            found.append(total([span]) - total(overlap(ran, [span])))
        return tuple(found)

    async def of_all(
        self, since: int, until: int, by_did: Mapping[str, Sequence[Outage]] | None = None
    ) -> dict[str, Availability]:
        """Return the availability of every device in a range. Raises like `history`.

        `by_did`: the outages that touch the range, if the caller has them.
        """
        if by_did is None:
            by_did = await self._store.outages.of_all(since, until)
        watched, found = await self.watched(since, until), {}
        for device in self._store.devices.all():
            outages = by_did.get(device.did, ())
            found[device.did] = availability(outages, watched, device.created_at, self._now_ms)
            await trio.lowlevel.checkpoint()
        return found

    @property
    def _now_ms(self) -> int:
        return max(0, int(self._now() * 1000))

    async def watched(self, since: int, until: int) -> list[Span]:
        """Return when the hub ran within a range, up to now. Raises like `history`."""
        runs = {run.id: run for run in await self._store.outages.runs()}
        runs[self._run.id] = replace(self._run, seen_at=max(self._run.began_at, self._now_ms))
        ran = union((run.began_at, run.seen_at) for run in runs.values())
        return overlap(ran, [(since, until)])


def availability(
    outages: Sequence[Outage], watched: Sequence[Span], created_at: int, now: int
) -> Availability:
    """Return what outages of one device and the times when the hub ran add up to.

    `created_at`: when the device was enrolled; `now`: until when what lasts has lasted.
    """
    expected = overlap(watched, [(created_at, max(created_at, now))])
    expected = without(expected, union(_spans(outages, ("disabled", "new"), now)))
    out = overlap(expected, union(_spans(outages, FAILURES, now)))
    count = sum(1 for one in outages if one.cause in FAILURES)
    return Availability(total(expected), total(out), count)


def _spans(outages: Iterable[Outage], causes: Sequence[OutageCause], now: int) -> Iterable[Span]:
    for one in outages:
        if one.cause in causes:
            ended = max(one.began_at, now) if one.ended_at is None else one.ended_at
            yield one.began_at, ended
