"""When a nightly backup is due."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub.reasons import Reason
from hub.services.backups.schedule import (
    is_due,
    last_complete,
    last_incomplete,
    last_scheduled,
)
from hub.store.backup.archive import HEAD_NOT_READ
from hub.store.backup.generations import Generation
from hub.store.backup.unread import Part
from tests.support.backups import generation as made_at

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()


def generation(text: str, problem: Reason | None = None) -> Generation:
    return Generation(Path(text), at(text), 1, None, problem)


def test_the_hour_is_in_the_zone_of_the_site() -> None:
    assert last_scheduled(3, SHANGHAI, at("2026-11-25 12:00")) == at("2026-11-25 03:00")
    assert last_scheduled(3, SHANGHAI, at("2026-11-25 02:59")) == at("2026-11-24 03:00")
    assert last_scheduled(0, UTC, 0) == 0


def test_the_hour_is_kept_when_clocks_are_set_for_summer() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 29, 12, tzinfo=berlin).timestamp()
    due = datetime.fromtimestamp(last_scheduled(4, berlin, now), berlin)
    assert (due.day, due.hour) == (29, 4)


@pytest.mark.parametrize("hour", [1, 2, 3])
def test_a_backup_is_due_once_in_the_night_in_which_an_hour_comes_twice(hour: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime(2027, 10, 31, tzinfo=berlin).timestamp()
    found = [made_at(midnight - 60)]
    made: list[Generation] = []
    for minute in range(0, 6 * 60, 10):
        now = midnight + minute * 60
        if is_due([*found, *made], hour, berlin, now):
            made.append(made_at(now))
    assert len(made) == 1
    assert datetime.fromtimestamp(made[0].made_at, berlin).hour == hour


def test_a_backup_is_due_once_a_night() -> None:
    found = [generation("2026-11-24 03:00")]
    assert not is_due(found, 3, SHANGHAI, at("2026-11-25 02:59"))
    assert is_due(found, 3, SHANGHAI, at("2026-11-25 03:00"))
    found.append(generation("2026-11-25 03:00"))
    assert not is_due(found, 3, SHANGHAI, at("2026-11-25 23:00"))


def test_a_night_in_which_the_computer_was_off_is_made_up_for() -> None:
    assert is_due([generation("2026-11-24 03:00")], 3, SHANGHAI, at("2026-11-25 08:30"))
    assert is_due([], 3, SHANGHAI, at("2026-11-25 08:30"))


def test_one_that_is_not_good_does_not_count() -> None:
    found = [generation("2026-11-25 03:00", Reason("it is damaged"))]
    assert is_due(found, 3, SHANGHAI, at("2026-11-25 08:30"))


def test_one_whose_head_was_not_read_is_not_made_again_but_is_no_good_one() -> None:
    now = at("2026-11-25 08:30")
    found = [generation("2026-11-25 03:00", HEAD_NOT_READ)]
    assert not is_due(found, 3, SHANGHAI, now)
    assert last_complete(found, now) is None


def test_one_from_a_future_that_never_came_does_not_count() -> None:
    found = [generation("2026-11-24 03:00"), generation("2027-11-25 03:00")]
    assert last_complete(found, at("2026-11-25 08:30")) == found[0]
    assert is_due(found, 3, SHANGHAI, at("2026-11-25 08:30"))


def test_an_incomplete_backup_is_neither_good_enough_nor_tried_again_the_same_night() -> None:
    now = at("2026-11-25 12:00")
    found = [made_at(now - 3 * 86_400), made_at(now - 60, Part(0, 1))]
    assert last_complete(found, now) == found[0]
    assert last_incomplete(found, now) == found[1]
    assert not is_due(found, 3, SHANGHAI, now)
    assert last_incomplete([*found, made_at(now)], now) is None
