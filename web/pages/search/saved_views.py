"""Saved searches: kept under a name for everybody, renamed and removed."""

from __future__ import annotations

from urllib.parse import parse_qsl

from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from hub.errors import AlreadyExists, BadParameter, HubError
from hub.services.records.saved_searches import MAX_NAME_LENGTH
from hub.store.tables.saved_searches import MAX_SEARCHES
from web import auth, language
from web.language import gettext
from web.pages.layout import redirect_to
from web.pages.search.question import Question, read_question, read_sent
from web.pages.search.results import read_place
from web.pages.search.saved import url_of
from web.pages.search.views import answer

blueprint = Blueprint("saved_search", __name__, url_prefix="/search/saved")


_MAX_FIELDS = 1_000


@blueprint.post("", role="guard")
async def save() -> Response:
    """Save the question of the form; open it again under its name."""
    form = await request.form
    question, name = _question(form.get("query", "")), form.get("name", "")
    query = question.query().removeprefix("?")
    try:
        await auth.services().records.saved_searches.add(name, query, by=auth.actor())
    except (AlreadyExists, BadParameter) as error:
        return await _answer_again(question, error, name)
    return redirect_to(question.url(done="search-saved"))


@blueprint.post("/<int:id>/rename", role="guard")
async def rename(id: int) -> Response:
    searches = auth.services().records.saved_searches
    saved, name = searches.get(id), (await request.form).get("name", "")
    try:
        await searches.rename(id, name, user=auth.user(), by=auth.actor())
    except (AlreadyExists, BadParameter) as error:
        return await _answer_again(_question(saved.query), error, name)
    return redirect_to(f"{url_of(saved)}&done=changed")


@blueprint.post("/<int:id>/remove", role="guard")
async def remove(id: int) -> Response:
    await auth.services().records.saved_searches.remove(id, user=auth.user(), by=auth.actor())
    return redirect_to("/search?done=search-removed")


async def _answer_again(question: Question, error: HubError, name: str) -> Response:
    """The page of the question, on which the name is asked for again."""
    place = read_place(MultiDict[str, str]())
    return await answer(question, place, saved_fault=_describe(error), saved_name=name)


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
