"""Unicode normalisation at a bounded cost, for all text that comes from outside."""

from __future__ import annotations

import unicodedata
from typing import Literal

#: Sorting combining marks takes time that grows with the square of their number: 30,000 take a
#: second, these a millisecond. No name, plate or note that people write is longer.
MAX_NORMALISED = 1_000


def normalise(form: Literal["NFC", "NFKC"], text: str, most: int = MAX_NORMALISED) -> str:
    """Return the first `most` characters, which must not be more than MAX_NORMALISED, normalised.

    The result can be longer: a character may become up to 18. The only use of
    unicodedata.normalize.
    """
    return unicodedata.normalize(form, text[: min(most, MAX_NORMALISED)])
