"""What is wrong with a form or an address, as pages say it."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import BadParameter, NoSuchResource, NotAllowed


class Fault(Struct, frozen=True):
    """What is wrong with a field, as a sentence, and the status of the page that says so."""

    field: str
    sentence: str
    status: int = 400


NO_FAULT = Fault("", "", 200)


class NotHere(NoSuchResource):
    """Its message is a sentence in the language of the page."""


class Forbidden(NotAllowed):
    """Its message is a sentence in the language of the page."""


class NotASeq(BadParameter):
    """The field is not the number of a record."""


def seq_of(text: str, field: str) -> int:
    """The number of a record. Raises NotASeq."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotASeq("must be the number of a record", field=field)
    return int(text)
