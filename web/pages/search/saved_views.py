"""Saved searches: kept under a name for everybody, renamed and removed."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl

from msgspec import Struct
from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from hub.errors import AlreadyExists, BadParameter, HubError
from hub.services.records.saved_searches import MAX_NAME_LENGTH, may_change
from hub.store.tables.saved_searches import MAX_SEARCHES, SavedSearch
from hub.store.tables.users import User
from web import auth, language
from web.language import gettext
from web.pages.actors import actor_text
from web.pages.layout import page, redirect_to
from web.pages.search.chips import question_text
from web.pages.search.question import Question, read_question, read_sent

blueprint = Blueprint("saved_search", __name__, url_prefix="/search/saved")


_MAX_FIELDS = 1_000


class SavedRow(Struct, frozen=True, kw_only=True):
    """A saved search. `asked`: in words; empty if it cannot be read any more."""

    id: int
    name: str
    url: str
    asked: str
    by: str
    at: str
    may_change: bool


@blueprint.get("", role="guard")
async def saved() -> Response:
    return await _list_page(auth.user())


@blueprint.post("", role="guard")
async def save() -> Response:
    """Save the question of the form; open it again under its name."""
    form = await request.form
    question = _question(form.get("query", ""))
    query = question.query().removeprefix("?")
    try:
        await auth.services().records.saved_searches.add(
            form.get("name", ""), query, by=auth.actor()
        )
    except (AlreadyExists, BadParameter) as error:
        return await _list_page(auth.user(), error, name=form.get("name", ""), query=query)
    return redirect_to(question.url(done="search-saved"))


@blueprint.post("/<int:id>/rename", role="guard")
async def rename(id: int) -> Response:
    me = auth.user()
    name = (await request.form).get("name", "")
    try:
        await auth.services().records.saved_searches.rename(id, name, user=me, by=auth.actor())
    except (AlreadyExists, BadParameter) as error:
        return await _list_page(me, error)
    return redirect_to("/search/saved?done=changed")


@blueprint.post("/<int:id>/remove", role="guard")
async def remove(id: int) -> Response:
    await auth.services().records.saved_searches.remove(id, user=auth.user(), by=auth.actor())
    return redirect_to("/search/saved?done=search-removed")


async def _list_page(
    me: User, error: HubError | None = None, *, name: str = "", query: str = ""
) -> Response:
    """`name`, `query`: those of a search that could not be saved."""
    return await page(
        "search/saved.html",
        status=error.status if error else 200,
        fault=_describe(error) if error else "",
        rows=[await _row(me, one) for one in auth.services().records.saved_searches.list()],
        name=name,
        query=query,
        most=MAX_NAME_LENGTH,
    )


async def _row(me: User, saved: SavedSearch) -> SavedRow:
    asked = ""
    with suppress(BadParameter):  # what was saved is damaged, or older than this version
        asked = await question_text(_question(saved.query)) or gettext("All records")
    return SavedRow(
        id=saved.id,
        name=name_of(saved),
        url=url_of(saved),
        asked=asked,
        by=actor_text(saved.created_by),
        at=language.moment(saved.created_at),
        may_change=may_change(me, saved),
    )


def name_of(saved: SavedSearch) -> str:
    return saved.name or gettext("Search %(id)s") % {"id": saved.id}


def url_of(saved: SavedSearch) -> str:
    return f"/search?{saved.query}"


def _question(query: str) -> Question:
    """The question of a query string. Raises BadParameter."""
    try:
        pairs = parse_qsl(query, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise BadParameter(str(error), field="query") from error
    return read_question(read_sent(MultiDict(pairs)), language.zone())


def _describe(error: HubError) -> str:
    match error:
        case AlreadyExists():
            return gettext("There is a saved search with this name. Choose another one.")
        case BadParameter(field="searches"):
            text = gettext("At most %(n)s searches can be saved. Delete one first.")
            return text % {"n": MAX_SEARCHES}
        case BadParameter(field="name"):
            text = gettext("Enter a name of at most %(n)s characters.")
            return text % {"n": MAX_NAME_LENGTH}
    return gettext("This search cannot be saved. Use fewer filters.")
