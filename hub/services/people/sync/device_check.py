"""Looks whether a device holds what it should: by its total, or by its whole list (D10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.services.commands.calls import Commands
from hub.services.people.sync.frames import Frames
from hub.store.db import Store
from hub.store.people.device_people import DevicePeople
from hub.store.people.holdings import ABSENT
from hub.store.people.person_rows import canonical_pid
from hub.wire.commands.answers import Person
from hub.wire.commands.dialect import PERSON_LIST
from hub.wire.commands.param_structs import PersonList

_PIDS_PER_WRITE = 500


class Progress(Protocol):
    """How far long work is; `hub.services.jobs.jobs.JobProgress` is one."""

    def expect(self, total: int) -> None: ...

    async def advance(self, done: int = 1, failed: int = 0) -> None: ...


class Comparison(Struct, frozen=True):
    """What a comparison found. `is_whole`: or else nothing is known to be missing."""

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
        self,
        store: Store,
        commands: Commands,
        frames: Frames,
        versions: Callable[[str], str],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._commands = commands
        self._frames = frames
        self._versions = versions
        self._now = now

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

    async def compare(self, did: str, sn: str, progress: Progress | None = None) -> Comparison:
        """Compare the whole list of a device (1.13) with the register."""
        walk = self._commands.people(did, PersonList())
        seen: set[str] = set()
        unknown: set[str] = set()
        differing = 0
        while (rows := await walk.next()) is not None:
            if progress is not None:
                progress.expect(walk.total or walk.read)
                await progress.advance(len(rows))
            by_pid = {canonical_pid(row.pid) or row.pid: row for row in rows}
            seen.update(by_pid)
            differs, strange = await self._compare_page(did, sn, by_pid)
            differing += differs
            unknown.update(strange)
        is_whole = not walk.unreadable and walk.read >= (walk.total or 0)
        missing = await self._note_missing(did, sn, seen) if is_whole else 0
        await self._forget_known(did, unknown, is_whole=is_whole)
        total = len(seen) + walk.unreadable
        await self._note_compared(did, sn, total, has_unknown=bool(unknown or walk.unreadable))
        return Comparison(total, missing, differing, len(unknown), is_whole)

    async def _with_versions(self, row: DevicePeople, sn: str) -> DevicePeople:
        """Note new versions: another firmware may take what was refused, or lose its people."""
        versions = self._versions(row.did)
        if versions == row.versions or not versions.strip():
            return row
        is_first = not row.versions
        changed = replace(
            row,
            versions=versions,
            must_check=True,
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
        numbers = await self._store.holdings.numbers(row.did, self._ms())
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
        known = await self._store.holdings.listed(did, list(rows), self._ms())
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
        people = {pid: msgspec.json.encode(row).decode() for pid, row in others.items()}
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

    async def _note_compared(self, did: str, sn: str, total: int, *, has_unknown: bool) -> None:
        row = self._store.device_people.get(did)
        row = replace(row, total=total, compared_at=self._ms())
        await self._save(row, sn, has_unknown=has_unknown)

    async def _save(self, row: DevicePeople, sn: str, *, has_unknown: bool) -> None:
        if row.state in ("new", "undecided"):
            row = replace(row, state="undecided" if has_unknown else "managed")
        await self._store.device_people.save(replace(row, must_check=False), sn)

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _chunks(pids: Sequence[str]) -> list[Sequence[str]]:
    return [pids[at : at + _PIDS_PER_WRITE] for at in range(0, len(pids), _PIDS_PER_WRITE)]
