"""How far each device is, computed when somebody asks and something changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio
from msgspec import Struct

from hub.clock_reading import Reading
from hub.store.db import Store
from hub.store.people.device_people import PeopleState


class DevicePeople(Struct, frozen=True, rename={"is_": "is"}):
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
        self._known: dict[str, DevicePeople] = {}
        self._changes: Counter[str] = Counter()
        self._counting = trio.Lock()

    def forget(self, did: str) -> None:
        """The numbers of a device are others now."""
        self._known.pop(did, None)
        self._changes[did] += 1

    async def of_device(self, did: str) -> DevicePeople:
        if (known := self._known.get(did)) is not None:
            return known
        async with self._counting:
            if (known := self._known.get(did)) is None:
                known = await self._counted(did)
            return known

    async def _counted(self, did: str) -> DevicePeople:
        changes = self._changes[did]
        numbers = await self._store.holdings.numbers(did, self._reading())
        unknown = await self._store.device_people.count_unknown(did)
        row = self._store.device_people.get(did)
        counted = DevicePeople(
            did=did,
            state=row.state,
            should=numbers.should,
            is_=numbers.held,
            pending=numbers.pending,
            failed=numbers.failed,
            unknown=unknown,
            compared_at=row.compared_at,
        )
        if changes == self._changes[did]:
            self._known[did] = counted
        return counted
