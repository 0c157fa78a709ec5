"""Records as a caller of the API may see them."""

from __future__ import annotations

from collections.abc import Callable

from hub.services.access.api_keys import ApiKey
from hub.services.people.masking import masked_record
from hub.wire.uploads.records import Record, render
from web import auth

#: Encodes a record as one line of JSON.
Render = Callable[[Record], bytes]


def renderer(caller: auth.Caller) -> Render:
    """Keys get records as devices sent them; signed-in users, with personal numbers masked.

    Administrators see the numbers on the record's page, which the audit log notes.
    """
    return render if isinstance(caller.who, ApiKey) else _render_masked


def _render_masked(record: Record) -> bytes:
    return render(masked_record(record))
