"""What is wrong with a form."""

from __future__ import annotations

from msgspec import Struct


class Fault(Struct, frozen=True):
    """What is wrong with a field, as a sentence, and the status of the page that says so."""

    field: str
    sentence: str
    status: int = 400


NO_FAULT = Fault("", "", 200)
