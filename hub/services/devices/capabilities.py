"""What each camera can do, as far as it is known or an administrator has set it (D12).

hub/wire/commands/capabilities.py says what follows from what a camera does; here it is kept, with
its source. It is written only when something is new.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, existing
from hub.store.tables.device_capabilities import CapabilityRow, CapabilitySource
from hub.store.tables.table import Saving
from hub.wire.commands.capabilities import (
    COMMAND_GROUPS,
    MAX_FIRMWARE_LENGTH,
    UNKNOWN,
    Capabilities,
    Edition,
)

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_GROUP = "group:"
_YES_OR_NO: Mapping[str, Any] = {"yes": True, "no": False}
_EDITIONS: Mapping[str, Any] = {"1": 1, "2": 2, "3": 3}
#: The parts in the order in which they are shown, and the values of each, by their text.
PARTS: Mapping[str, Mapping[str, Any]] = {
    "connect": {shape: shape for shape in ("did", "signed", "unsigned")},
    "face": _EDITIONS,
    "recording": _EDITIONS,
    "uploads": _EDITIONS,
    "people_update": _YES_OR_NO,
    "firmware_steps": {"1": 1, "2": 2},
    "recording_list": _YES_OR_NO,
    "recording_files": _YES_OR_NO,
    **{f"{_GROUP}{group}": _YES_OR_NO for group in COMMAND_GROUPS},
}
#: How a camera connects is seen at each connect: it cannot be otherwise because somebody says so.
FIXED = frozenset({"connect"})

Part = str
Learn = Callable[[Capabilities], Capabilities]


class CapabilityView(Struct, frozen=True):
    """One part for a page. `learnt`, `override`: one of `choices`, None if there is none.

    `learnt_at`: UNIX milliseconds.
    """

    part: Part
    learnt: str | None
    source: CapabilitySource | None
    firmware: str
    learnt_at: int | None
    override: str | None
    choices: tuple[str, ...]

    @property
    def is_fixed(self) -> bool:
        return self.part in FIXED


class CameraCapabilities:
    """What is known of all cameras. Reading is synchronous and from memory."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._now = core.now
        #: By did. A device's parts are written together: who changes one must have read the others.
        self._locks: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    def of(self, did: str) -> Capabilities:
        """Return what counts: what an administrator has set, else what was learnt."""
        return _decoded(self._store.capabilities.of(did), is_learnt=False)

    def learnt(self, did: str) -> Capabilities:
        """Return what was learnt from the camera itself."""
        return _decoded(self._store.capabilities.of(did), is_learnt=True)

    def upload_editions(self) -> frozenset[Edition]:
        """Return the editions of the shapes that the cameras upload, as far as they are known."""
        rows = self._store.capabilities.of_part("uploads")
        known = (_decoded((row,), is_learnt=False).uploads for row in rows)
        return frozenset(one for one in known if one is not None)

    def views(self, did: str) -> list[CapabilityView]:
        """Return all parts, known or not, in the order in which they are shown."""
        rows = {row.part: row for row in self._store.capabilities.of(did)}
        return [_view(part, rows.get(part)) for part in PARTS]

    async def learn(self, did: str, learn: Learn, source: CapabilitySource) -> None:
        """Keep what follows from what the camera did: `learn` returns what is known then.

        Where nothing can be stored, or the camera is gone, nothing is learnt.
        """
        async with self.learning(did, learn, source) as saving:
            if saving is not None:
                try:
                    await self._store.capabilities.carry_out(saving)
                except (CannotStoreNow, NoSuchResource) as error:
                    log.info("cannot store what device %s can do: %s", did, error)

    @asynccontextmanager
    async def learning(
        self, did: str, learn: Learn, source: CapabilitySource
    ) -> AsyncIterator[Saving | None]:
        """What is to be stored within this context to keep what `learn` does; None: nothing."""
        device = self._store.devices.by_did(did)
        known = self.learnt(did)
        if device is None or learn(known) == known:
            yield None
            return
        async with self._lock(did):
            rows = self._rows(did, learn(self.learnt(did)), source)
            yield self._store.capabilities.saving(did, device.sn, rows)

    async def override(self, did: str, part: Part, value: str | None) -> None:
        """Set a part for an administrator; None: what was learnt counts again.

        Raises NoSuchResource, CannotStoreNow, and BadParameter for a part or a value that there is
        not.
        """
        if part not in PARTS or part in FIXED:
            raise BadParameter("no such part", field="part")
        if value is not None and value not in PARTS[part]:
            raise BadParameter(f"one of {', '.join(PARTS[part])}", field="value")
        device = existing(self._store.devices.by_did(did), "device", did=did)
        async with self._lock(did):
            rows = {row.part: row for row in self._store.capabilities.of(did)}
            rows[part] = replace(rows.get(part, CapabilityRow(part=part)), override=value)
            kept = [one for one in rows.values() if (one.learnt, one.override) != (None, None)]
            await self._store.capabilities.save(did, device.sn, kept)

    def _lock(self, did: str) -> trio.Lock:
        """Return the lock that is held while what is known of a device is changed."""
        lock = self._locks.get(did)
        if lock is None:
            lock = self._locks[did] = trio.Lock()
        return lock

    def _rows(self, did: str, found: Capabilities, source: CapabilitySource) -> list[CapabilityRow]:
        """The rows for what is known now; a part that is as before keeps its source."""
        before = {row.part: row for row in self._store.capabilities.of(did)}
        firmware, now = found.firmware[:MAX_FIRMWARE_LENGTH], int(self._now() * 1000)
        rows = []
        for part in PARTS:
            row = before.get(part, CapabilityRow(part=part))
            text = _text_of(found, part)
            if text is None:
                row = CapabilityRow(part=part, override=row.override)
            elif text != row.learnt:
                row = replace(row, learnt=text, source=source, firmware=firmware, learnt_at=now)
            else:
                row = replace(row, firmware=firmware)
            if row.learnt is not None or row.override is not None:
                rows.append(row)
        return rows


def _view(part: Part, row: CapabilityRow | None) -> CapabilityView:
    row = row or CapabilityRow(part=part)
    return CapabilityView(
        part=part,
        learnt=row.learnt if row.learnt in PARTS[part] else None,
        source=row.source,
        firmware=row.firmware,
        learnt_at=row.learnt_at,
        override=row.override if row.override in PARTS[part] else None,
        choices=tuple(PARTS[part]),
    )


def _decoded(rows: tuple[CapabilityRow, ...], *, is_learnt: bool) -> Capabilities:
    """The capabilities that the rows say. What is damaged, or of another version, is not known."""
    found: dict[str, Any] = {}
    groups: dict[Any, bool] = {}
    firmware = ""
    for row in rows:
        firmware = row.firmware or firmware
        text = row.learnt if is_learnt or row.override is None else row.override
        value = PARTS.get(row.part, {}).get(text or "")
        if value is None:
            continue
        if row.part.startswith(_GROUP):
            groups[row.part.removeprefix(_GROUP)] = value
        else:
            found[row.part] = value
    return replace(UNKNOWN, **found, groups=groups, firmware=firmware)


def _text_of(known: Capabilities, part: Part) -> str | None:
    if part.startswith(_GROUP):
        group: Any = part.removeprefix(_GROUP)
        value = known.groups.get(group)
    else:
        value = getattr(known, part)
    return next((text for text, one in PARTS[part].items() if one is value or one == value), None)
