"""Records as a caller of the API may see them."""

from __future__ import annotations

from collections.abc import Callable

from hub.services.people.masking import masked_record
from hub.store.tables.users import User
from hub.wire.uploads.records import Record, render
from web import auth

#: Encodes a record as one line of JSON.
Render = Callable[[Record], bytes]


def renderer(caller: auth.Caller) -> Render:
    """Keys and the owner get records as devices sent them; users, with personal numbers masked.

    Administrators see the numbers on the record's page, which the audit log notes.
    """
    return _render_masked if isinstance(caller.who, User) else render


def _render_masked(record: Record) -> bytes:
    return render(masked_record(record))
