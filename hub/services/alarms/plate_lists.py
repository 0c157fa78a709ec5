"""Watch lists of plates (D11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from hub.errors import BadParameter, existing
from hub.live.feed import Change
from hub.services.alarms.rules import AlarmRules
from hub.services.audit import Actor
from hub.store.tables.plate_lists import MAX_ENTRIES, NewPlateList, PlateEntry, PlateList
from hub.wire.plates import reduce_pattern

if TYPE_CHECKING:
    from hub.services.core import Core

MAX_NAME_LENGTH = 100
MAX_NOTE_LENGTH = 200


class PlateLists:
    """The watch lists. Changes apply to the next upload."""

    def __init__(self, core: Core, rules: AlarmRules) -> None:
        self._lists = core.store.plate_lists
        self._rules = rules
        self._audit = core.audit
        self._change_feed = core.changes

    def list(self) -> tuple[PlateList, ...]:
        """Return all lists, by id."""
        return self._lists.all()

    def get(self, id: int) -> PlateList:
        """Return a list. Raises NoSuchResource."""
        return existing(self._lists.get(id), "plate list", id=id)

    async def add(self, new: NewPlateList, by: Actor) -> PlateList:
        """Add a list. Raises BadParameter, AlreadyExists for its name."""
        added = await self._lists.add(_checked(new))
        await self._changed(by, "plates.add", added)
        return added

    async def change(self, id: int, new: NewPlateList, by: Actor) -> PlateList:
        """Replace a list. Raises NoSuchResource, BadParameter, AlreadyExists for its name."""
        changed = await self._lists.change(id, _checked(new))
        await self._changed(by, "plates.change", changed)
        return changed

    async def remove(self, id: int, by: Actor) -> None:
        """Remove a list. Its alarms stay. Raises NoSuchResource."""
        gone = self.get(id)
        await self._lists.remove(id)
        await self._changed(by, "plates.remove", gone)

    async def _changed(self, by: Actor, action: str, about: PlateList) -> None:
        await self._rules.apply_plates()
        await self._audit.add(by, action, f"{about.id} {about.name}")
        self._change_feed.publish([Change("alarm-rules")])


def _checked(new: NewPlateList) -> NewPlateList:
    """Return a list with its patterns reduced; of the same pattern the last counts."""
    name = " ".join(new.name.split())
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} printable characters", field="name")
    if len(new.entries) > MAX_ENTRIES:
        raise BadParameter(f"at most {MAX_ENTRIES} plates are expected", field="entries")
    entries = {
        checked.pattern: checked
        for number, entry in enumerate(new.entries)
        for checked in [_checked_entry(entry, f"entries[{number}]")]
    }
    return NewPlateList(name=name, severity=new.severity, entries=tuple(entries.values()))


def _checked_entry(entry: PlateEntry, field: str) -> PlateEntry:
    pattern = reduce_pattern(entry.pattern)
    if not pattern:
        raise BadParameter("a plate or a pattern is expected", field=f"{field}.pattern")
    if not pattern.strip("*?"):
        raise BadParameter("would match every plate", field=f"{field}.pattern")
    if len(entry.note) > MAX_NOTE_LENGTH:
        raise BadParameter(f"at most {MAX_NOTE_LENGTH} characters", field=f"{field}.note")
    return replace(entry, pattern=pattern, note=" ".join(entry.note.split()))
