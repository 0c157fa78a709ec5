"""Plates are compared without blanks, dots, hyphens and case, full-width forms reduced (D11)."""

from __future__ import annotations

import time

import pytest

from hub.wire.plates import PlateMatcher, is_wildcard, reduce_pattern, reduce_plate


@pytest.mark.parametrize(
    "sent",
    ["粤B·12345", "粤b 12345", "粤Ｂ－１２３４５", " 粤B.12-345 ", "粤B•12345", "粤\u00a0B12345"],
)
def test_plates_are_reduced(sent: str) -> None:
    assert reduce_plate(sent) == "粤B12345"


def test_a_pattern_is_reduced_like_a_plate_and_keeps_its_wildcards() -> None:
    assert reduce_pattern("粤b·＊**4？") == "粤B*4?"
    assert [is_wildcard(one) for one in ("粤B*", "A?", "AB")] == [True, True, False]


def test_reduced_plates_are_short_whatever_is_sent() -> None:
    assert len(reduce_plate("\ufdfa" * 100_000)) == 32


@pytest.mark.parametrize(
    ("pattern", "plate", "matches"),
    [
        ("粤B12345", "粤B12345", True),
        ("粤B12345", "粤B123456", False),
        ("粤B*", "粤B12345", True),
        ("粤B*", "粤B", True),
        ("粤B*", "京B12345", False),
        ("*345", "粤B12345", True),
        ("*345", "粤B123456", False),
        ("粤?123*5", "粤B12345", True),
        ("粤?123*5", "粤B123465", True),
        ("粤?123*5", "粤123465", False),
        ("*1*2*3*", "A1B2C3D", True),
        ("*1*2*3*", "A3B2C1D", False),
        ("?2345", "12345", True),
        ("A.C", "ABC", False),
        ("*12*12", "A12", False),
    ],
)
def test_patterns(pattern: str, plate: str, matches: bool) -> None:
    matcher = PlateMatcher([(reduce_pattern(pattern) if "." not in pattern else pattern, 7)])
    assert matcher.find(plate) == ([7] if matches else [])


def test_all_that_match_are_found() -> None:
    matcher = PlateMatcher([("AB1", 1), ("AB*", 2), ("*1", 3), ("AC*", 4), ("AB1", 5)])
    assert sorted(matcher.find("AB1")) == [1, 2, 3, 5]
    assert matcher
    assert not PlateMatcher[int]([])


def test_the_worst_patterns_do_not_take_long() -> None:
    matcher = PlateMatcher([("*A" * 15 + "*B", number) for number in range(1000)])
    began = time.thread_time()
    assert matcher.find("A" * 32) == []
    assert time.thread_time() - began < 0.5
