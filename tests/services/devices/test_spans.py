"""Arithmetic of time spans."""

from __future__ import annotations

from hub.services.devices.spans import overlap, total, union, without


def test_spans_that_touch_or_overlap_become_one() -> None:
    assert union([(5, 7), (0, 2), (2, 4), (6, 9), (3, 3)]) == [(0, 4), (5, 9)]


def test_an_overlap_is_in_both() -> None:
    assert overlap([(0, 10), (20, 30)], [(5, 25), (28, 40)]) == [(5, 10), (20, 25), (28, 30)]
    assert overlap([(0, 10)], []) == []


def test_removed_times_may_lie_anywhere() -> None:
    removed = [(-5, -1), (0, 2), (5, 6), (29, 40), (50, 60)]
    assert without([(1, 10), (20, 30)], removed) == [(2, 5), (6, 10), (20, 29)]
    assert without([(1, 10)], []) == [(1, 10)]
    assert without([], removed) == []


def test_a_total_is_the_sum_of_lengths() -> None:
    assert total([(0, 4), (5, 9)]) == 8
