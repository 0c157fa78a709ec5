"""The page of search: a question in the address, and its answer."""

from __future__ import annotations

import trio
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter, TooManyRequests
from hub.services.records.saved_searches import MAX_NAME_LENGTH
from hub.store.people.person_rows import PersonName
from web import auth, language
from web.language import gettext
from web.pages.layout import page, redirect_to
from web.pages.search.chart import TimeChart, make_chart, wider_url
from web.pages.search.chips import question_chips
from web.pages.search.form import apply_where, people_with, search_form
from web.pages.search.matches import FoundMatches, find_matches
from web.pages.search.period import SearchPeriod
from web.pages.search.question import Question, Sent, read_question, read_sent, sent_of
from web.pages.search.record_place import OPENED_IN
from web.pages.search.results import Place, ResultPage, read_place, result_page
from web.pages.search.saved import saved_links

blueprint = Blueprint("search", __name__, url_prefix="/search")


@blueprint.get("", role="viewer")
async def search() -> Response:
    args, sent = request.args, read_sent(request.args)
    try:
        sent = apply_where(sent, args.get("where", ""))
        question = read_question(sent, language.zone())
        place = read_place(args)
    except BadParameter as error:
        return await _page(Question(), sent, fault=describe(error), field=error.field)
    word = args.get("person", "").strip() if auth.reaches(auth.user(), "guard") else ""
    if word:
        return await _choose_person(question, word)
    if place.is_first and (sent.pairs() != question.pairs() or args.keys() & {"where", "person"}):
        # One question has one address, without the fields that were left empty.
        return redirect_to(question.url())
    return await answer(question, place)


async def answer(
    question: Question, place: Place, *, saved_fault: str = "", saved_name: str = ""
) -> Response:
    """`saved_fault`: what is wrong with the name under which the question was to be saved."""
    try:
        found, chart, matches = await _find(question, place)
    except TooManyRequests:
        fault = gettext("Too many searches are running. Try again in a moment.")
        return await _page(question, fault=fault)
    newest, oldest = (replace(question, order=order).url() for order in ("newest", "oldest"))
    return await _page(
        question,
        chips=await question_chips(question),
        found=found,
        chart=chart,
        matches=matches,
        is_first=place.is_first,
        newest_url=newest,
        oldest_url=oldest,
        wider_url="" if chart else wider_url(question),
        any_time_url=replace(question, period=SearchPeriod()).url()
        if question.period.pairs()
        else "",
        saved_fault=saved_fault,
        saved_name=saved_name,
    )


async def _find(
    question: Question, place: Place
) -> tuple[ResultPage, TimeChart | None, FoundMatches | None]:
    """Read and count at the same time: each takes 2 s at most. Raises TooManyRequests."""
    chart: TimeChart | None = None
    matches: FoundMatches | None = None

    async def count() -> None:
        nonlocal chart
        chart = await make_chart(question)

    async def match() -> None:
        nonlocal matches
        matches = await find_matches(question)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            if place.is_first:
                nursery.start_soon(match)
            found = await result_page(question, place)
    except* TooManyRequests as several:
        raise TooManyRequests("too many searches") from several
    return found, chart, matches


async def _choose_person(question: Question, word: str) -> Response:
    """Go on with the person who is meant; ask if it could be several."""
    people = await people_with(word)
    if len(people) == 1:
        return redirect_to(_of_person(question, people[0]))
    if not people:
        fault = gettext("No one in the register has this name or number.")
        return await _page(question, fault=fault, field="person", word=word)
    links = [(one.name or one.pid, _of_person(question, one)) for one in people]
    return await _page(question, candidates=links, word=word)


def _of_person(question: Question, person: PersonName) -> str:
    return replace(question, uuid=person.pid).url()


async def _page(
    question: Question,
    sent: Sent | None = None,
    *,
    fault: str = "",
    saved_fault: str = "",
    **values: object,
) -> Response:
    return await page(
        "search/search.html",
        status=400 if fault or saved_fault else 200,
        question=question,
        query=question.query(**OPENED_IN),
        form=search_form(sent or sent_of(question)),
        fault=fault,
        has_cameras=auth.services().cameras.devices.overview.count > 0,
        saved=saved_links({question.query()[1:], request.query_string.decode()}),
        saved_fault=saved_fault,
        most_in_name=MAX_NAME_LENGTH,
        **values,
    )


def describe(error: BadParameter) -> str:
    """What is wrong with a question, as a sentence."""
    texts = {
        "when": gettext("Choose one of the times."),
        "day": gettext("Enter a day."),
        "around": gettext("Enter a time of day, such as 15:00."),
        "since": gettext("Enter the times as date and time."),
        "until": gettext("Enter two times, the earlier one first."),
        "name": gettext("A name has at most 100 characters."),
        "plate": gettext("A plate has at most 100 characters."),
        "did": gettext("Choose at most 200 cameras; use groups for more."),
    }
    if text := texts.get(error.field or ""):
        return text
    return gettext("The address contains an invalid filter: %(name)s") % {"name": error.field}
