"""What the devices' own clocks say about the hub's."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.services.clock.plausibility import Agreement, agreement_of
from hub.store.records.record_samples import RecordTimes

HOUR = 3600
DAY = 86_400
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp()


def times(*differences: float, did: str = "1") -> list[RecordTimes]:
    return [RecordTimes(did, int((START - one) * 1000), int(START * 1000)) for one in differences]


def test_devices_are_asked_each_for_its_median() -> None:
    now = int(START * 1000)
    assert agreement_of([], now) == Agreement()
    # One with a wrong time zone, one that replays old captures among new ones, one that is wrong.
    found = agreement_of(
        [
            *times(8 * HOUR),
            *times(0, 0, 90 * DAY, did="2"),
            *times(40 * DAY, 40 * DAY, did="3"),
        ],
        now,
    )
    assert found == Agreement(devices=3, off=1, hours=960)
    assert not found.contradicts


def test_devices_without_a_time_and_old_records_say_nothing() -> None:
    now = int(START * 1000)
    assert agreement_of(times(START - 1000), now) == Agreement()
    assert agreement_of(times(0), now + 2 * DAY * 1000) == Agreement()
