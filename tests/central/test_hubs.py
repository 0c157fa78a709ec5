"""A hub is current, behind, silent, or was never heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from hub.central.hubs import Hub, Limits, Order, count_states, in_order
from hub.services.forwarding.site_state import SiteState

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


def hub(seen: float | None, lag: float | None = 0.2) -> Hub:
    """A hub that was seen so many seconds ago; its last record was then so old."""
    seen_at = None if seen is None else NOW - timedelta(seconds=seen)
    received_at = None if seen_at is None or lag is None else seen_at - timedelta(seconds=lag)
    record_at = None if received_at is None else seen_at
    return Hub("site-1", 3, None, seen_at, "", 0, received_at, record_at)


@pytest.mark.parametrize(
    ("seen", "lag", "state"),
    [
        (None, None, "never"),
        (10, 0.2, "current"),
        (10, None, "current"),
        (10, 301, "behind"),
        (3_601, 0.2, "silent"),
        (3_601, 301, "silent"),
    ],
)
def test_a_hub_is_in_the_state_that_its_times_say(
    seen: float | None, lag: float | None, state: str
) -> None:
    assert hub(seen, lag).state(NOW, Limits()) == state


def test_what_counts_as_silent_and_behind_can_be_chosen() -> None:
    limits = Limits(silent=timedelta(minutes=1), behind=timedelta(seconds=1))
    assert hub(61).state(NOW, limits) == "silent"
    assert hub(1, lag=2).state(NOW, limits) == "behind"


def test_hubs_are_counted_by_state() -> None:
    hubs = [hub(None), hub(10), hub(20), hub(10, lag=600)]
    found = count_states(hubs, NOW, Limits())
    assert found == {"never": 1, "silent": 0, "unwell": 0, "behind": 1, "current": 2}


def test_a_clock_that_was_ahead_is_told_for_a_week() -> None:
    ahead = replace(hub(10), ahead_at=NOW, ahead_by=timedelta(days=3, seconds=1.4))
    assert ahead.note(NOW) == "clock was ahead by 3 days, 0:00:01 on 2026-11-25"
    assert ahead.note(NOW + timedelta(days=8)) == hub(10).note(NOW) == ""


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("name", "a b c d"),
        ("told", "d b a c"),
        ("version", "b a c d"),
        ("backup", "c a b d"),
        ("disk", "c a b d"),
    ],
)
def test_hubs_that_want_to_be_looked_at_come_first(order: Order, names: str) -> None:
    def told(name: str, ago: int, version: str, days: float | None, backup: int | None) -> Hub:
        made = None if backup is None else NOW - timedelta(days=backup)
        state = SiteState(at=NOW, version=version, days_left=days, last_backup=made, disk_free=9)
        return replace(hub(1), name=name, told_at=NOW - timedelta(seconds=ago), told=state)

    hubs = [
        told("c", 5, "1.12", 2.5, None),
        replace(hub(1), name="d"),
        told("b", 90, "1.9.1", None, 1),
        told("a", 10, "1.10.3", 40.0, 3),
    ]
    assert " ".join(one.name for one in in_order(hubs, order)) == names
