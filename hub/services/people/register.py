"""The register of the site's people: the truth of which each managed camera is a copy (D10)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from hub.errors import BadParameter, HubError, Missing, existing
from hub.live.feed import Change, of_kinds
from hub.log import limited
from hub.services.audit import Actor
from hub.services.people.masking import has_numbers
from hub.services.people.validation import checked_change, checked_pid
from hub.services.photos.person_photos import PersonPhotos
from hub.store.people.people import PersonFilter, PersonPage, PersonPut, Stored, raised
from hub.store.people.person_rows import Person, PersonChange, PersonName
from hub.wire.person_numbers import canonical_pid

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: The value of `people.send_id_numbers` by which cameras were given people.
_SENDS_ID_NUMBERS = "people.sends_id_numbers"
_RETRY_SECONDS = 30.0
_NOTED_SECONDS = 3600
_MAX_NOTED = 1_000
#: People of one write.
MAX_PUTS = 500


class PeopleRegister:
    """Reads and changes the register. A change is a `person` of the change feed, by pid.

    Changes are durable on return, and raise CannotStoreNow if they cannot be stored.
    """

    def __init__(self, core: Core, photos: PersonPhotos) -> None:
        self._people = core.store.people
        self._settings = core.store.settings
        self.photos = photos
        self._audit = core.audit
        self._change_feed = core.changes
        self._reading = core.clock.reading
        self._now = core.now
        self._hub = core.settings
        #: When API keys saw the numbers of which people: see `note_numbers_shown`.
        self._noted: dict[tuple[Actor, int], float] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send people again whenever the setting of the numbers has changed, until cancelled.

        Also at a start with another setting than before.
        """
        with self._change_feed.subscribe(wants=of_kinds("settings")) as changes:
            task_status.started()
            while True:
                pause = float("inf")
                try:
                    await self._follow_setting()
                except HubError as error:
                    limited(log, logging.WARNING, "id numbers", "people are sent later: %s", error)
                    pause = _RETRY_SECONDS
                with trio.move_on_after(pause):
                    await changes.next()

    async def _follow_setting(self) -> None:
        wanted = str(self._hub.current.people.send_id_numbers)
        if (self._settings.get(_SENDS_ID_NUMBERS) or str(True)) == wanted:
            return
        await self._people.raise_revisions_of_numbers()
        await self._settings.set(_SENDS_ID_NUMBERS, wanted)
        self._publish([""])

    # -- reading

    def this_year(self) -> int:
        """Return the year that it most probably is, by which ages are told."""
        return datetime.fromtimestamp(self._reading().likely / 1000, UTC).year

    async def get(self, pid: str) -> Person:
        """Return a person. Raises NoSuchResource."""
        canonical = canonical_pid(pid)
        found = None if canonical is None else await self._people.get(canonical)
        return existing(found, "person", pid=pid[:20])

    async def photo(self, pid: str) -> bytes:
        """Return the JPEG that cameras are given. Raises NoSuchResource."""
        canonical = canonical_pid(pid)
        found = None if canonical is None else await self._people.photo(canonical)
        return existing(found, "photo", pid=pid[:20])

    async def page(
        self, matching: PersonFilter | None = None, *, after: str | None = None, limit: int = 100
    ) -> PersonPage:
        """Return at most `limit` people in the order of their pids, those above `after`."""
        return await self._people.page(matching or PersonFilter(), self._reading(), after, limit)

    async def count(self, matching: PersonFilter | None = None) -> int:
        """Return how many people match."""
        return await self._people.count(matching or PersonFilter(), self._reading())

    async def names(self, uuids: Collection[str]) -> dict[str, PersonName]:
        """Return whom cameras mean by these `uuid`s or `pid`s, by what was given.

        What names nobody in the register is left out. One query.
        """
        pids = {uuid: pid for uuid in uuids if (pid := canonical_pid(uuid)) is not None}
        found = await self._people.names(set(pids.values()))
        return {uuid: found[pid] for uuid, pid in pids.items() if pid in found}

    async def pids_of_work_ids(self, work_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return who has these work numbers. Ask for many at a time: it scans the register."""
        return await self._people.pids_of_work_ids(work_ids)

    async def pids_of_names(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return who has exactly these names. Ask for many at a time: it scans the register."""
        return await self._people.pids_of_names(names)

    async def note_numbers_shown(self, people: Sequence[Person], by: Actor) -> None:
        """Note in the audit log that personal numbers of these people are shown in full.

        To be called before they are shown; people without any number do not count. A program that
        asks for the same people again and again leaves one entry in an hour.
        """
        shown = tuple(person.pid for person in people if has_numbers(person))
        if shown and not self._was_noted(shown, by):
            await self._audit.require(
                by, "person.numbers", shown[0] if len(shown) == 1 else f"{len(shown)} people"
            )

    async def note_device_numbers_shown(self, did: str, by: Actor) -> None:
        """Note in the audit log that personal numbers are shown in full as a device tells them.

        To be called before they are shown. For programs as `note_numbers_shown`.
        """
        if not self._was_noted(("on", did), by):
            await self._audit.require(by, "device.person_numbers", did)

    async def note_record_numbers_shown(self, seq: int, by: Actor) -> None:
        """Note in the audit log that personal numbers in a record are shown in full."""
        await self._audit.require(by, "person.record_numbers", str(seq))

    def _was_noted(self, shown: tuple[str, ...], by: Actor) -> bool:
        """Return whether an API key saw the same people within an hour; notes that it does."""
        if not by.who.startswith("key "):
            return False
        key, now = (by, hash(shown)), self._now()
        was_noted = 0 <= now - self._noted.get(key, -_NOTED_SECONDS) < _NOTED_SECONDS
        if not was_noted:
            self._noted.pop(key, None)
            self._noted[key] = now
            if len(self._noted) > _MAX_NOTED:
                del self._noted[next(iter(self._noted))]
        return was_noted

    # -- changing

    async def add(self, change: PersonChange, *, by: Actor, pid: str | None = None) -> Person:
        """Add a person. `photo` may be any picture. Without a `pid` one is assigned.

        Raises AlreadyExists, BadParameter (BadPhoto for the photo).
        """
        given = None if pid is None else checked_pid(pid)
        put = PersonPut(pid=given, change=await self._checked(change), expected="new")
        person = await self._put(put, by)
        await self._audit.add(by, "person.add", person.pid)
        return person

    async def change(self, pid: str, change: PersonChange, *, by: Actor) -> Person:
        """Set some fields of a person. `photo` may be any picture.

        Raises NoSuchResource, BadParameter (BadPhoto for the photo).
        """
        known = (await self.get(pid)).pid
        put = PersonPut(pid=known, change=await self._checked(change), expected="known")
        person = await self._put(put, by)
        await self._audit.add(by, "person.change", person.pid)
        return person

    async def put(self, pid: str, change: PersonChange, *, by: Actor) -> Person:
        """Set some fields of a person, who is added if the register does not have them.

        Raises as add() and change().
        """
        put = PersonPut(pid=checked_pid(pid), change=await self._checked(change))
        person = await self._put(put, by)
        await self._audit.add(by, "person.put", person.pid)
        return person

    async def put_many(self, puts: Sequence[PersonPut], *, by: Actor) -> list[Stored]:
        """Store up to MAX_PUTS people in one write, without an entry in the audit log.

        In place of each that is refused stands the reason. Photos are those of
        `PersonPhotos.prepare`.
        """
        assert len(puts) <= MAX_PUTS
        checked = [self._checked_or_refused(put) for put in puts]
        stored = iter(await self._store([put for put in checked if isinstance(put, PersonPut)], by))
        return [next(stored) if isinstance(put, PersonPut) else put for put in checked]

    async def remove(self, pid: str, *, by: Actor) -> None:
        """Remove a person; cameras delete it as they come. Raises NoSuchResource."""
        await self.remove_many([pid], by=by)

    async def remove_many(self, pids: Sequence[str], *, by: Actor) -> list[str]:
        """Remove up to MAX_PUTS people in one write, as `remove`; return the pids of who was there.

        Raises NoSuchResource if nobody was.
        """
        assert 0 < len(pids) <= MAX_PUTS
        known = {pid: None for one in pids if (pid := canonical_pid(one)) is not None}
        removed = await self._people.remove(known)
        if not removed:
            raise Missing("person", pid=pids[0][:20])
        self._publish(removed)
        await self._audit.add_each(by, "person.remove", removed)
        return removed

    async def _checked(self, change: PersonChange) -> PersonChange:
        checked = checked_change(change, self.this_year())
        if isinstance(checked.photo, bytes):
            return replace(checked, photo=await self.photos.prepare(checked.photo))
        return checked

    async def _put(self, put: PersonPut, by: Actor) -> Person:
        (found,) = await self._store([put], by)
        return raised(found)

    def _checked_or_refused(self, put: PersonPut) -> PersonPut | BadParameter:
        try:
            pid = None if put.pid is None else checked_pid(put.pid)
            return replace(put, pid=pid, change=checked_change(put.change, self.this_year()))
        except BadParameter as error:
            return error

    async def _store(self, puts: Sequence[PersonPut], by: Actor) -> list[Stored]:
        return await self._people.put(puts, by.who, self._ms(), self._publish_stored)

    def _publish_stored(self, stored: Sequence[Stored]) -> None:
        self._publish(person.pid for person in stored if isinstance(person, Person))

    def _publish(self, pids: Iterable[str]) -> None:
        self._change_feed.publish([Change("person", pid) for pid in pids])

    def _ms(self) -> int:
        return int(self._now() * 1000)
