"""Whole numbers of a summary as bytes: few to keep, and read without making a list of them."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

#: Bytes of a number, and the type code of arrays.
_CODES = {array(code).itemsize: code for code in "BHIQ"}
_IS_SWAPPED = sys.byteorder == "big"


def packed(numbers: Sequence[int]) -> bytes:
    """Return whole numbers from 0 to 2^64 - 1 as bytes.

    The first byte tells how many bytes each has, little-endian: as many as the largest needs.
    """
    bits = max(numbers, default=0).bit_length()
    width = next(width for width in sorted(_CODES) if bits <= 8 * width)
    found = array(_CODES[width], numbers)
    if _IS_SWAPPED:
        found.byteswap()
    return bytes([width]) + found.tobytes()


def unpacked(data: bytes) -> array[int]:
    """Return the numbers. Raises ValueError."""
    if not data or data[0] not in _CODES:
        raise ValueError("width of numbers")
    found = array(_CODES[data[0]])
    found.frombytes(memoryview(data)[1:])
    if _IS_SWAPPED:
        found.byteswap()
    return found
