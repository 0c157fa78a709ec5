"""Numbers of a summary come back as they were."""

from __future__ import annotations

import pytest

from hub.store.reports.packed_numbers import packed, unpacked


@pytest.mark.parametrize(
    ("largest", "width"),
    [(0, 1), (255, 1), (256, 2), (2**16, 4), (2**32 - 1, 4), (2**32, 8), (2**64 - 1, 8)],
)
def test_numbers_take_what_the_largest_needs(largest: int, width: int) -> None:
    data = packed([0, largest, 1])
    assert len(data) == 1 + 3 * width
    assert list(unpacked(data)) == [0, largest, 1]


def test_the_lowest_byte_comes_first() -> None:
    assert packed([1, 256]) == b"\x02\x01\x00\x00\x01"


def test_no_numbers_are_none() -> None:
    assert list(unpacked(packed([]))) == []


@pytest.mark.parametrize("data", [b"", b"\x03abc", b"\x02abc"])
def test_what_is_no_numbers_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpacked(data)
