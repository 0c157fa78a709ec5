"""How far each device is, computed when somebody asks and something changed since."""

from __future__ import annotations

from collections.abc import Callable

import trio
from msgspec import Struct

from hub.clock_reading import Reading
from hub.store.db import Store
from hub.store.people.device_people import PeopleState


class DeviceNumbers(Struct, frozen=True, rename={"is_": "is"}):
    """How far a device is. `should`: how many people it should hold; `is_`: is known to hold.

    `state`: "new" = not looked at yet; "undecided" = it holds unknown people, and waits for a
    decision; "alone" = left alone. `compared_at`: UNIX milliseconds.
    """

    did: str
    state: PeopleState
    should: int
    is_: int
    pending: int
    failed: int
    unknown: int
    compared_at: int | None


class Numbers:
    """The numbers of all devices that somebody asked for. One is counted at a time.

    To count takes 1 ms for 1,000 people: so it is done for those who ask, not for each change.
    """

    def __init__(self, store: Store, reading: Callable[[], Reading]) -> None:
        self._store = store
        self._reading = reading
        #: did -> the version that was counted (see `DeviceMarks`), and the numbers.
        self._known: dict[str, tuple[tuple[int, int], DeviceNumbers]] = {}
        self._counting = trio.Lock()

    async def of_device(self, did: str) -> DeviceNumbers:
        if (known := self._current(did)) is not None:
            return known
        async with self._counting:
            return self._current(did) or await self._counted(did)

    def _current(self, did: str) -> DeviceNumbers | None:
        version, counted = self._known.get(did, (None, None))
        return counted if version == self._store.device_marks.version(did) else None

    async def _counted(self, did: str) -> DeviceNumbers:
        version = self._store.device_marks.version(did)
        numbers = await self._store.holdings.numbers(did, self._reading())
        unknown = await self._store.device_people.count_unknown(did)
        row = self._store.device_people.get(did)
        counted = DeviceNumbers(
            did=did,
            state=row.state,
            should=numbers.should,
            is_=numbers.held,
            pending=numbers.pending,
            failed=numbers.failed,
            unknown=unknown,
            compared_at=row.compared_at,
        )
        self._known[did] = (version, counted)
        return counted
