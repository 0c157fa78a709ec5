"""Saved searches as the page of search shows them."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from hub.services.records.saved_searches import may_change
from hub.store.tables.saved_searches import SavedSearch
from web import auth, language
from web.language import gettext
from web.pages.actors import actor_text


class SavedLink(Struct, frozen=True, kw_only=True):
    """A saved search. `chosen`: it is what the page shows."""

    id: int
    name: str
    url: str
    by: str
    at: str
    chosen: bool
    may_change: bool


def saved_links(asked: Collection[str]) -> list[SavedLink]:
    """Return the saved searches. `asked`: the query strings of the page."""
    me = auth.user()
    return [
        SavedLink(
            id=one.id,
            name=one.name or gettext("Search %(id)s") % {"id": one.id},
            url=url_of(one),
            by=actor_text(one.created_by),
            at=language.moment(one.created_at),
            chosen=one.query in asked,
            may_change=may_change(me, one),
        )
        for one in auth.services().records.saved_searches.list()
    ]


def url_of(saved: SavedSearch) -> str:
    return f"/search?{saved.query}"
