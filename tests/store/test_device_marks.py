"""Every commit that changes what is stored of a device's people gives it another version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hub.store.db import Store
from hub.store.device_marks import DeviceMarks
from hub.store.people.device_people import DevicePeople
from hub.store.people.holdings import ItemResult, SyncItem
from tests.support.clock import FrozenClock
from tests.support.gate import Gate
from tests.support.memory_store import MemoryStore

_ITEM = SyncItem(pid="1", revision=1, known=0, sent=None, attempts=0)
_WRITES: dict[str, Callable[[Store, str], Awaitable[object]]] = {
    "mark_sent": lambda store, sn: store.holdings.mark_sent("1", sn, [_ITEM]),
    "note": lambda store, sn: store.holdings.note("1", sn, [ItemResult(pid="1", revision=1)]),
    "disturb": lambda store, sn: store.holdings.disturb("1", "1", is_added=False),
    "retry": lambda store, sn: store.holdings.retry("1", None),
    "retry of all": lambda store, sn: store.holdings.retry(None, "1"),
    "resume": lambda store, sn: store.holdings.resume("1"),
    "found_other": lambda store, sn: store.holdings.found_other("1", sn, ["1"]),
    "lost": lambda store, sn: store.holdings.lost("1", sn, ["1"]),
    "save": lambda store, sn: store.device_people.save(DevicePeople(did="1"), sn),
    "put_unknown": lambda store, sn: store.device_people.put_unknown("1", sn, {"7": "{}"}),
    "drop_unknown": lambda store, sn: store.device_people.drop_unknown("1", ["7"]),
    "the device was removed": lambda store, sn: store.devices.remove("1"),
}


@pytest.mark.parametrize("name", _WRITES)
async def test_each_write_gives_another_version_once_it_is_committed(
    name: str, clock: FrozenClock
) -> None:
    store = MemoryStore(clock)
    device = await Gate(store, clock).enrol()
    marks, seen = store.device_marks, []
    store.before_write = lambda: seen.append(marks.version("1"))
    before = marks.version("1")
    await _WRITES[name](store, device.sn)
    assert seen == [before]
    assert marks.version("1") != before


async def test_the_follower_gets_who_changed_since_it_asked_last() -> None:
    marks = DeviceMarks()
    marks.note("1")
    marks.note("2")
    assert await marks.next() == {"1", "2"}
    marks.note("1")
    marks.note()
    marks.note("2")
    assert await marks.next() is None
    marks.note("3")
    assert await marks.next() == {"3"}
