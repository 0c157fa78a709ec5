"""Erasing one person: who is meant, what would go, and the report of what went.

Nothing that says who it was is kept: neither the audit log nor the report has a name or a number.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, HubError, NoSuchResource
from hub.live.feed import Change
from hub.live.frame_trace import FrameTraces
from hub.log import limited
from hub.services.audit import Actor
from hub.services.backups.views import KnownBackup
from hub.store.commit.record_rows import fold
from hub.store.records.erasing import MAX_NAMED, PersonMatch, Preview
from hub.store.tables.erasures import Erasure, ErasureReport, NewErasure, Subject
from hub.wire.person_numbers import canonical_number, canonical_pid, names_nobody

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.services.people.import_export.imports import Imports

log = logging.getLogger(__name__)

#: Records that can be chosen by hand.
MAX_SEQS = 1_000
#: Characters of a number that a target takes.
_MAX_NUMBER = 1_000
#: How many older copies a report names.
_MAX_COPIES = 200
_RETRY_SECONDS = 60
#: Copies in the data directory.
_COPIES = (
    *("hub.sqlite.before-*", "before-*", "media/set-aside/*"),
    *("imports/*.part", "imports/staged/*"),
)


class Erasable(Struct, frozen=True):
    """Records that can be erased together. `match`: None if they were chosen by hand.

    `in_register`: the number is that of a person of the register, who is removed from it too.
    `told`: the names of targets that are told the number, and erase what this hub has no longer.
    """

    match: PersonMatch | None
    subject: Subject
    preview: Preview
    told: tuple[str, ...] = ()

    @property
    def in_register(self) -> bool:
        return bool(self.subject.people)


class Erasures:
    """Finds what belongs to a person, and erases it. run() carries erasures out.

    `copies` returns the names of files that were made before, such as backups: they still hold
    what was erased. Each of `caches` drops what is kept in memory and may name a person.
    """

    def __init__(
        self,
        core: Core,
        traces: FrameTraces,
        copies: Callable[[], Awaitable[Sequence[str]]],
        imports: Imports,
        caches: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._store = core.store
        self._audit = core.audit
        self._traces = traces
        self._record_feed = core.records
        self._change_feed = core.changes
        self._copies = copies
        self._imports = imports
        self._now = core.now
        self._caches = caches
        self._has_work = trio.Event()
        self._working = trio.Lock()
        #: Whether run() runs: else `carry_out` must be called after `begin`.
        self.is_running = False

    async def find(self, *, name: str = "", number: str = "") -> list[PersonMatch]:
        """Return the records of a number, or of exactly this name (case ignored), by number.

        A person of the register is found without any record as well; so is every number if there
        are targets that keep records for ever: they may have some that this hub has no longer.

        Raises BadParameter if neither is given, or for the number of a stranger.
        """
        name, number = name.strip(), number.strip()
        if bool(name) == bool(number):
            raise BadParameter("either a name or a number is expected", field="name")
        if name:
            found = await self._store.eraser.find_name(name)
            pids = {one.uuid for one in found}
            others = [pid for pid in await self._store.people.named(name) if pid not in pids]
            return found + [PersonMatch(name, pid, 0, 0) for pid in others]
        if names_nobody(number):
            raise BadParameter("cameras send this number for every stranger", field="number")
        if (match := await self._store.eraser.find_uuid(number)) is not None:
            return [match]
        people = await self._store.people.names([canonical_pid(number) or ""])
        if people:
            return [PersonMatch(person.name, pid, 0, 0) for pid, person in people.items()]
        unknown = PersonMatch("", canonical_number(number), 0, 0)
        is_told = len(number) <= _MAX_NUMBER and self.told(unknown.subject)
        return [unknown] if is_told else []

    def told(self, subject: Subject) -> tuple[str, ...]:
        """Return the names of the targets that are told the numbers of a subject."""
        return self._names_of_targets("nats") if subject.uuids else ()

    def _names_of_targets(self, *kinds: str) -> tuple[str, ...]:
        return tuple(one.name for one in self._store.targets.all() if one.kind in kinds)

    async def find_erasable(
        self, *, number: str = "", name: str = "", seqs: Sequence[int] = ()
    ) -> list[Erasable]:
        """Return what there is of a number, of a name, which several people may have, or by hand.

        Raises BadParameter, as find() and by_hand().
        """
        if seqs:
            subject = self.by_hand(seqs)
            return [Erasable(None, subject, await self.preview(subject))]
        found = []
        for match in await self.find(name=name, number=number):
            subject = await self._subject(match)
            preview = await self.preview(subject)
            found.append(Erasable(match, subject, preview, self.told(subject)))
        return found

    async def find_subject(
        self, *, number: str = "", name: str = "", seqs: Sequence[int] = ()
    ) -> Subject:
        """Return whose records are meant; by name, those without a number: they are one subject.

        Raises BadParameter, as find() and by_hand(), and NoSuchResource if there are none.
        """
        if seqs:
            return self.by_hand(seqs)
        return await self._subject(await self.find_match(number=number, name=name))

    async def find_match(self, *, number: str = "", name: str = "") -> PersonMatch:
        """Return who is meant: with this number, or with this name and without a number.

        Raises BadParameter, as find(), and NoSuchResource if there are no records.
        """
        for match in await self.find(name=name, number=number):
            if not (name and match.uuid):
                return match
        raise NoSuchResource("there are no such records")

    async def _subject(self, match: PersonMatch) -> Subject:
        """Return whose records these are, with the person of the register, if there is one."""
        pid = canonical_pid(match.uuid) or ""
        return replace(match.subject, people=tuple(await self._store.people.names([pid])))

    def by_hand(self, seqs: Sequence[int]) -> Subject:
        """Return the subject of records that were chosen by hand. Raises BadParameter."""
        if not 0 < len(set(seqs)) <= MAX_SEQS:
            raise BadParameter(f"1 to {MAX_SEQS} records are expected", field="seqs")
        return Subject(seqs=tuple(sorted(set(seqs))))

    async def preview(self, subject: Subject) -> Preview:
        """Return what an erasure would find now, held records included."""
        return await self._store.eraser.preview(subject, self._store.records.last_seq)

    async def copies(self) -> tuple[str, ...]:
        """Return the names of the files that an erasure does not reach."""
        return tuple((await self._copies())[:_MAX_COPIES])

    async def begin(self, subject: Subject, *, with_held: bool, by: Actor) -> Erasure:
        """Note an erasure, which then is carried out, also after a restart.

        Held records stay unless `with_held`, or what holds them is of `subject.of_closed`. Raises
        NoSuchResource if there is nothing to erase, here or where the number is told.
        """
        preview = await self.preview(subject)
        kept = 0 if with_held else preview.of_others.count
        kept_seqs = () if with_held else preview.of_others.seqs
        if not with_held and not subject.of_closed:
            kept, kept_seqs = preview.held, (*preview.of_closed.seqs, *kept_seqs)
        if preview.records - kept == 0 and not subject.people and not self.told(subject):
            raise NoSuchResource("there are no such records, or all of them are held")
        dids = {*preview.dids, *await self._store.holdings.holders(_pids_of(subject))}
        report = ErasureReport(
            preview.first_day,
            preview.last_day,
            kept,
            tuple(sorted(dids)),
            kept_seqs=tuple(sorted(kept_seqs)[:MAX_NAMED]),
        )
        new = NewErasure(
            created_by=by.who,
            created_at=int(self._now() * 1000),
            manner="records" if subject.seqs else "person",
            subject=subject,
            with_held=with_held,
            last_seq=self._store.records.last_seq,
            report=report,
        )
        id = await self._store.erasures.add(new)
        await self._audit.add(by, "erasure.begin", f"{id} {preview.records - kept}")
        self._has_work.set()
        return await self.get(id)

    async def get(self, id: int) -> Erasure:
        """Return an erasure. Raises NoSuchResource."""
        erasure = await self._store.erasures.get(id)
        if erasure is None:
            raise NoSuchResource(f"there is no erasure {id}")
        return erasure

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[Erasure, ...]:
        """Return at most `limit` erasures with ids below `before`, newest first."""
        return await self._store.erasures.newest(before, limit)

    # -- carrying out

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out what was begun, until cancelled."""
        self.is_running = True
        task_status.started()
        while True:
            self._has_work = trio.Event()
            pause = float("inf")
            try:
                await self.carry_out()
            except HubError as error:
                limited(log, logging.WARNING, "erasure", "an erasure goes on later: %s", error)
                pause = _RETRY_SECONDS
            with trio.move_on_after(pause):
                await self._has_work.wait()

    async def carry_out(self) -> None:
        """Carry out every erasure that was begun. Raises CannotStoreNow."""
        async with self._working:
            for erasure, subject in await self._store.erasures.unfinished():
                await self._carry_out(erasure, subject)
            await self._store.erasures.forget_told()

    async def _carry_out(self, erasure: Erasure, subject: Subject) -> None:
        # The cache of pictures on cameras, recordings that were read, the traces, files and refused
        # rows of imports, and hits of searches do not say whose they are: all go.
        await self._store.device_pictures.clear()
        await self._store.jobs.forget(("import", "search", "recording"))
        await self._imports.remove_waiting()
        # While the register and the log still tell the name of a number.
        await self._store.saved_searches.remove_of_person(
            (*subject.uuids, *subject.people), await self._names(subject)
        )
        for pid in _pids_of(subject):
            await self._store.people.erase(pid)
        self._change_feed.publish([Change("person", pid) for pid in subject.people])
        await self._store.eraser.run(erasure, subject)
        await self._store.alarms.reload()
        self._traces.clear()
        for drop in self._caches:
            drop()
        self._record_feed.restart()
        report = replace(
            erasure.report,
            copies=await self.copies(),
            # Those of MQTT keep nothing; webhooks are told of records alone.
            targets=self._names_of_targets("nats", "webhook")
            if (await self.get(erasure.id)).records
            else self.told(subject),
        )
        await self._store.erasures.finish(erasure.id, report, int(self._now() * 1000))
        log.info("erasure %d is finished", erasure.id)
        self._change_feed.publish([Change("erasure", str(erasure.id))])

    async def _names(self, subject: Subject) -> set[str]:
        """Return the folded names of those who are erased, as far as they are known."""
        found = {
            person.name for person in (await self._store.people.names(subject.people)).values()
        }
        for uuid in subject.uuids:
            if (match := await self._store.eraser.find_uuid(uuid)) is not None:
                found.add(match.name)
        return {*subject.names, *map(fold, found)} - {""}


def _pids_of(subject: Subject) -> set[str]:
    """Return whom to erase beside records: from the register, and from the lists of cameras."""
    return {*subject.people, *map(canonical_number, subject.uuids)}


def older_copies(
    data_dir: Path, backups: Callable[[], Sequence[KnownBackup]]
) -> Callable[[], Awaitable[Sequence[str]]]:
    """Return what names the copies that were made before an erasure, each with its date.

    These are the backups, the databases before a migration or a restore, what was set aside, and
    files that are being imported.
    """

    async def copies() -> list[str]:
        found = [_dated(one.name, one.made_at) for one in backups()]
        return found + await trio.to_thread.run_sync(_find_copies, data_dir)

    return copies


def _find_copies(data_dir: Path) -> list[str]:
    found = []
    for path in sorted(path for pattern in _COPIES for path in data_dir.glob(pattern)):
        with suppress(FileNotFoundError):  # an import ended meanwhile
            found.append(_dated(path.relative_to(data_dir).as_posix(), path.stat().st_mtime))
    return found


def _dated(name: str, moment: float) -> str:
    return f"{name} ({datetime.fromtimestamp(moment, UTC):%Y-%m-%d})"
