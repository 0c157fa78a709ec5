"""The order of the list of alarms, page by page."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.store.alarms.alarm import Alarm, AlarmDetail, Sighting, raised
from hub.store.alarms.listing import CLOSED, ListPlace, place_of
from hub.store.alarms.rows import save_alarms
from hub.store.db import Store
from hub.store.tables.alarms import AlarmFilter, _closed_query
from tests.support.clock import FrozenClock
from tests.support.stores import opened


def _some_alarms() -> list[Alarm]:
    """Of all states and severities, many of one time."""
    rng = random.Random(3)
    return [
        replace(
            raised(
                Sighting(
                    kind=rng.choice(("event", "plate")),
                    subject=str(seq),
                    severity=rng.choice(("critical", "major", "minor")),
                    detail=AlarmDetail(),
                    seq=seq,
                    at=rng.randrange(5),
                    did=rng.choice("12"),
                ),
                received_at=rng.randrange(5),
            ),
            state=rng.choice(("new", "acknowledged", "closed", "closed")),
        )
        for seq in range(1, 100)
    ]


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        await store.write(lambda connection: save_alarms(connection, _some_alarms()))
        await store.alarms.reload()
        yield store


@pytest.mark.parametrize(
    "matching",
    [
        AlarmFilter(),
        AlarmFilter(state="new"),
        AlarmFilter(state="closed"),
        AlarmFilter(severity="major", kind="plate"),
        AlarmFilter(did="2", since=1, until=4),
        AlarmFilter(last_since=3),
    ],
)
async def test_the_pages_of_the_list_have_each_alarm_once_in_order(
    store: Store, matching: AlarmFilter
) -> None:
    listed: list[int] = []
    after = None
    while True:
        page = await store.alarms.listed(matching, after=after, limit=3)
        listed += [alarm.seq for alarm in page.items]
        after = page.next
        if after is None:
            break
    stored = {alarm.seq: alarm for alarm in (await store.alarms.page(matching)).items}
    assert listed == sorted(stored, key=lambda seq: place_of(stored[seq]))


def test_closed_alarms_are_read_in_the_order_of_their_index() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE alarm (seq INTEGER PRIMARY KEY, kind, subject, severity, state, count, "
            "first_at, last_at, last_seq, heard_at, new_since, escalated_at, over_at, dids, "
            "detail, note)"
        )
        connection.execute("CREATE INDEX alarm_heard ON alarm (heard_at) WHERE state = 'closed'")
        sql, values = _closed_query(AlarmFilter(kind="plate"), ListPlace(CLOSED, -7, -7))
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    assert [step[3] for step in plan] == ["SEARCH alarm USING INDEX alarm_heard (heard_at<?)"]
