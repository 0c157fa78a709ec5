"""Text that comes from outside: normalised at a bounded cost, or without control characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

#: Sorting combining marks takes time that grows with the square of their number: 30,000 take a
#: second, these a millisecond. No name, plate or note that people write is longer.
MAX_NORMALISED = 1_000
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def normalise(form: Literal["NFC", "NFKC"], text: str, most: int = MAX_NORMALISED) -> str:
    """Return the first `most` characters, which must not be more than MAX_NORMALISED, normalised.

    The result can be longer: a character may become up to 18. The only use of
    unicodedata.normalize.
    """
    return unicodedata.normalize(form, text[: min(most, MAX_NORMALISED)])


def visible(text: str) -> str:
    """Return `text` as one line without control characters, which a terminal would obey."""
    return _UNPRINTABLE.sub(lambda found: repr(found.group())[1:-1], text)
