"""The list in which a record was opened: what its arrows walk through, and where it closes to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hub.errors import BadParameter
from hub.store.records.record_filter import RecordFilter
from web import auth
from web.pages.search.question import read_question, read_sent

#: The parameter that says that a record was opened in the answer to a question.
OPENED_IN = {"in": "search"}


class RecordPlace(Struct, frozen=True):
    """`query`: the query string of the records beside this one."""

    filter: RecordFilter
    query: str
    close_url: str


def searched_place(args: Any) -> RecordPlace | None:
    """The question in whose answer a record was opened; None if it was opened elsewhere."""
    if args.get("in") != OPENED_IN["in"]:
        return None
    services = auth.services()
    try:
        question = read_question(read_sent(args), services.core.site.zone())
    except BadParameter:  # A record is shown all the same.
        return None
    return RecordPlace(question.filter(services), question.query(**OPENED_IN), question.url())
