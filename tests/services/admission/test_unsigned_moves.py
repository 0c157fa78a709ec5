"""A camera that was sent an address is expected there, for three minutes and once (D12)."""

from __future__ import annotations

import pytest

from hub.services.admission.unsigned.moves import EXPECTED_SECONDS, ExpectedMoves

NEW, OTHER = "10.0.0.20", "10.0.0.21"


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def moves(clock: list[float]) -> ExpectedMoves:
    found = ExpectedMoves(lambda: clock[0])
    found.expect("1", "SN1", NEW)
    return found


def test_it_is_expected_at_this_address_only(moves: ExpectedMoves) -> None:
    assert moves.is_expected("1", "SN1", NEW)
    assert not moves.is_expected("1", "SN1", OTHER)
    assert not moves.is_expected("2", "SN1", NEW)


def test_a_camera_that_takes_its_place_is_not_expected(moves: ExpectedMoves) -> None:
    assert not moves.is_expected("1", "SN2", NEW)


def test_after_three_minutes_it_is_not_expected_any_more(
    moves: ExpectedMoves, clock: list[float]
) -> None:
    clock[0] += EXPECTED_SECONDS - 1
    assert moves.is_expected("1", "SN1", NEW)
    clock[0] += 1
    assert not moves.is_expected("1", "SN1", NEW)


def test_the_last_address_counts_until_it_is_forgotten(moves: ExpectedMoves) -> None:
    moves.expect("1", "SN1", OTHER)
    assert not moves.is_expected("1", "SN1", NEW)
    assert moves.is_expected("1", "SN1", OTHER)
    moves.forget("1")
    assert not moves.is_expected("1", "SN1", OTHER)
