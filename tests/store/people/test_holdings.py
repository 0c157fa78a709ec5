"""What a device must get next, page by page."""

from __future__ import annotations

import pytest
import trio

from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from tests.support.clock import FrozenClock
from tests.support.gate import Gate
from tests.support.memory_store import MemoryStore


@pytest.fixture
async def store(clock: FrozenClock) -> MemoryStore:
    """Nine people with photos, and device 1, which holds nobody."""
    store = MemoryStore(clock)
    await Gate(store, clock).enrol()
    puts = [
        PersonPut(pid=str(pid), change=PersonChange(name=f"Person {pid}", photo=b"jpeg"))
        for pid in range(1, 10)
    ]
    await store.people.put(puts, "ada", clock.ms)
    return store


async def test_of_changed_people_none_is_left_out_unnoticed(
    store: MemoryStore, clock: FrozenClock
) -> None:
    changed = ["3", "5", "7"]
    for limit in range(1, 6):
        batch = await store.holdings.next(
            "1", now=clock.reading, due=clock.ms, after=9, changed=changed, limit=limit
        )
        found = [item.pid for item in batch.items]
        assert found == changed[:limit]
        assert not batch.is_complete or found == changed


async def test_everybody_is_found_page_by_page(store: MemoryStore, clock: FrozenClock) -> None:
    found, after = [], 0
    with trio.fail_after(30):
        while True:
            batch = await store.holdings.next(
                "1", now=clock.reading, due=clock.ms, after=after, changed=[], limit=2
            )
            if not batch.items:
                break
            found += [item.pid for item in batch.items]
            after = batch.after
    assert found == [str(pid) for pid in range(1, 10)]
