"""Looks whether a device holds what it should: by its total, or by its whole list (D10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from hub.services.commands.calls import Commands
from hub.services.people.sync.frames import Frames
from hub.store.people.device_people import MAX_UNKNOWN, DevicePeople
from hub.store.people.holdings import ABSENT
from hub.wire.commands.answers import Person
from hub.wire.commands.dialect import PERSON_LIST
from hub.wire.commands.param_structs import PersonList
from hub.wire.person_numbers import canonical_pid

if TYPE_CHECKING:
    from hub.services.core import Core

_PIDS_PER_WRITE = 500
#: Limits of one list; a device that lists more, or longer, is not read whole.
MAX_LISTED = 2 * MAX_UNKNOWN
COMPARE_SECONDS = 1800.0
#: Pages in a row that list nobody who was not listed before.
_MAX_IDLE_PAGES = 3
#: Characters of a pid, and of a text in the row of an unknown person.
_MAX_PID = 64
_MAX_TEXT = 256


class CheckProgress(Protocol):
    """How far long work is; `hub.services.jobs.jobs.JobProgress` is one."""

    def expect(self, total: int) -> None: ...

    async def advance(self, done: int = 1, failed: int = 0) -> None: ...


class Comparison(Struct, frozen=True):
    """What a comparison found.

    `is_whole`: the list was read to its end and understood; or else nothing is known to be missing.
    """

    total: int
    missing: int
    differing: int
    unknown: int
    is_whole: bool


class DeviceCheck:
    """Checks devices; what differs is noted, and is then repaired as any other difference.

    Callers hold the device's lock. `versions` returns those that a device reported. Everything
    raises what Commands.call() raises.
    """

    def __init__(
        self, core: Core, commands: Commands, frames: Frames, versions: Callable[[str], str]
    ) -> None:
        self._store = core.store
        self._commands = commands
        self._frames = frames
        self._versions = versions
        self._read_clock = core.clock.reading
        self._now = core.now
        #: The lists that are read now, and how many people wait for their end, by did.
        self._reading: dict[str, trio.CancelScope] = {}
        self._waiting: Counter[str] = Counter()

    async def if_due(self, did: str, sn: str) -> bool:
        """Check the device if a check of it is due; return whether one was."""
        row = await self._with_versions(self._store.device_people.get(did), sn)
        if not await self._is_due(row):
            return False
        await self._check(row, sn)
        return True

    async def _is_due(self, row: DevicePeople) -> bool:
        match row.state:
            case "alone":
                return False
            case "new":
                return True
            # Nobody is unknown on it any more, unless its list could not be read whole.
            case "undecided" if row.total is not None and not row.must_check:
                return not await self._store.device_people.has_unknown(row.did)
            case _:
                return row.must_check

    async def compare(self, did: str, sn: str, progress: CheckProgress | None = None) -> Comparison:
        """Compare the whole list of a device (1.13) with the register.

        Ends within COMPARE_SECONDS, and with MAX_LISTED people.
        """
        listed = _Listed()
        with self._may_be_cut_short(did):
            await self._compare_pages(did, sn, listed, progress)
        is_whole = listed.is_whole
        missing = await self._note_missing(did, sn, listed.seen) if is_whole else 0
        await self._forget_known(did, listed.unknown, is_whole=is_whole)
        await self._note_compared(did, sn, listed)
        found = len(listed.unknown)
        return Comparison(listed.count, missing, listed.differing, found, is_whole)

    @contextmanager
    def cutting_short(self, did: str) -> Iterator[None]:
        """Within this context no list of the device is read on: it is then not read whole."""
        self._waiting[did] += 1
        if (reading := self._reading.get(did)) is not None:
            reading.cancel()
        try:
            yield
        finally:
            self._waiting -= Counter([did])

    @contextmanager
    def _may_be_cut_short(self, did: str) -> Iterator[None]:
        with trio.move_on_after(COMPARE_SECONDS) as reading:
            self._reading[did] = reading
            if self._waiting[did]:
                reading.cancel()
            try:
                yield
            finally:
                del self._reading[did]

    async def _compare_pages(
        self, did: str, sn: str, listed: _Listed, progress: CheckProgress | None
    ) -> None:
        walk = self._commands.people(did, PersonList())
        idle = 0
        while len(listed.seen) < MAX_LISTED and idle < _MAX_IDLE_PAGES:
            rows = await walk.next()
            listed.note_total(walk.total)
            listed.unreadable = walk.unreadable + listed.strange
            if rows is None:
                listed.is_at_end = True
                return
            by_pid = listed.take(rows)
            if progress is not None:
                progress.expect(min(walk.total or 0, MAX_LISTED) or len(listed.seen))
                await progress.advance(len(by_pid))
            idle = 0 if by_pid else idle + 1
            differs, unknown = await self._compare_page(did, sn, by_pid)
            listed.differing += differs
            listed.unknown.update(unknown)

    async def _with_versions(self, row: DevicePeople, sn: str) -> DevicePeople:
        """Note new versions: another firmware may take what was refused, or lose its people."""
        versions = self._versions(row.did)
        if versions == row.versions or not versions.strip():
            return row
        is_first = not row.versions
        changed = replace(
            row,
            versions=versions,
            must_check=row.must_check or not is_first,
            deletes_first=row.deletes_first if is_first else None,
        )
        if not is_first:
            await self._store.holdings.retry(row.did, None)
        await self._store.device_people.save(changed, sn)
        return changed

    async def _check(self, row: DevicePeople, sn: str) -> None:
        """Compare the total, and the whole list if it is another one."""
        page = await self._commands.exchange(row.did, PERSON_LIST, PersonList(page_size=1))
        total = page.total
        numbers = await self._store.holdings.numbers(row.did, self._read_clock())
        unknown = await self._store.device_people.count_unknown(row.did)
        least = numbers.held + unknown
        fits = total is not None and least <= total <= least + numbers.unsure
        if not fits or (total == 0 and page.rows) or (row.state != "managed" and total):
            await self.compare(row.did, sn)
        else:
            await self._save(replace(row, total=total), sn, has_unknown=False)

    async def _compare_page(
        self, did: str, sn: str, rows: dict[str, Person]
    ) -> tuple[int, list[str]]:
        """Note what differs; return how many, and the pids that are unknown."""
        known = await self._store.holdings.listed(did, list(rows), self._read_clock())
        other = []
        for pid, found in known.items():
            # Where nothing was known, the photo is not known either: it is asked and sent.
            is_held = found.known not in (None, ABSENT)
            is_same = self._frames.is_same(found.person, rows[pid])
            if not found.is_wanted or (is_held and not is_same) or found.known == ABSENT:
                other.append(pid)
        if other:
            await self._store.holdings.found_other(did, sn, other)
        others = {pid: row for pid, row in rows.items() if pid not in known}
        if not others:
            return len(other), []
        people = {pid: msgspec.json.encode(_bounded(row)).decode() for pid, row in others.items()}
        return len(other), await self._store.device_people.put_unknown(did, sn, people)

    async def _note_missing(self, did: str, sn: str, seen: set[str]) -> int:
        missing = [pid for pid in await self._store.holdings.held(did) if pid not in seen]
        for chunk in _chunks(missing):
            await self._store.holdings.lost(did, sn, chunk)
        return len(missing)

    async def _forget_known(self, did: str, unknown: set[str], *, is_whole: bool) -> None:
        """Forget unknown people that are on the device no more, or known now."""
        if not is_whole:
            return
        stored = await self._store.device_people.unknown_pids(did)
        for chunk in _chunks([pid for pid in stored if pid not in unknown]):
            await self._store.device_people.drop_unknown(did, chunk)

    async def _note_compared(self, did: str, sn: str, listed: _Listed) -> None:
        row = self._store.device_people.get(did)
        total = listed.count if listed.is_whole else None
        row = replace(row, total=total, compared_at=self._ms())
        # Whoever is on what was not read may be unknown.
        await self._save(row, sn, has_unknown=bool(listed.unknown) or not listed.is_whole)

    async def _save(self, row: DevicePeople, sn: str, *, has_unknown: bool) -> None:
        if row.state in ("new", "undecided"):
            row = replace(row, state="undecided" if has_unknown else "managed")
        await self._store.device_people.save(replace(row, must_check=False), sn)

    def _ms(self) -> int:
        return int(self._now() * 1000)


class _Listed(Struct):
    """What a device has listed so far. `total`: the highest that it told, None if it told none.

    `unreadable` counts rows that were not understood, `strange` those of them whose pid is none.
    """

    seen: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    differing: int = 0
    unreadable: int = 0
    strange: int = 0
    total: int | None = None
    is_at_end: bool = False

    @property
    def count(self) -> int:
        return len(self.seen) + self.unreadable

    @property
    def is_whole(self) -> bool:
        """Whether the list was read to its end, and may be believed.

        An empty answer without a total may be nonsense as well.
        """
        least = self.total if self.total is not None else 1
        return self.is_at_end and not self.unreadable and len(self.seen) >= least

    def note_total(self, total: int | None) -> None:
        if total is not None:
            self.total = max(total, self.total or 0)

    def take(self, rows: Sequence[Person]) -> dict[str, Person]:
        """Return the rows of those who were not listed before, by pid."""
        new: dict[str, Person] = {}
        for row in rows:
            pid = canonical_pid(row.pid) or row.pid
            if not pid or len(pid) > _MAX_PID:
                self.strange += 1
                self.unreadable += 1
            elif pid not in self.seen:
                new[pid] = row
        self.seen.update(new)
        return new


def _bounded(row: Person) -> Person:
    """The row with long texts cut, except the path of the photo."""
    texts = {
        name: value[:_MAX_TEXT]
        for name, value in asdict(row).items()
        if isinstance(value, str) and name != "photo"
    }
    return replace(row, **texts)


def _chunks(pids: Sequence[str]) -> list[Sequence[str]]:
    return [pids[at : at + _PIDS_PER_WRITE] for at in range(0, len(pids), _PIDS_PER_WRITE)]
