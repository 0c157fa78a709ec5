"""Which plates or names a part was found in, each with the address of the question for it alone."""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import CannotStoreNow, TooManyRequests
from hub.services.records.matches import TextMatch
from hub.wire.plates import reduce_plate
from web import auth
from web.pages.search.question import MAX_TEXT, Question


class MatchLink(Struct, frozen=True):
    """A plate or name. `url`: the question for it alone."""

    text: str
    records: int
    url: str


class FoundMatches(Struct, frozen=True):
    """`more`: how many others there are."""

    is_plate: bool
    links: list[MatchLink]
    more: int
    is_exact: bool


async def find_matches(question: Question) -> FoundMatches | None:
    """What the part of a name or plate was found in.

    None if no part is asked, it is all of the only one found, or that cannot be told now.
    """
    services = auth.services()
    with suppress(CannotStoreNow, TooManyRequests):
        found = await services.records.part_matching.find(question.filter(services))
        if found is None or not found.found:
            return None
        links = [_link(question, one) for one in found.found]
        if len(links) == 1 and _is_all_of(question, links[0].text):
            return None
        return FoundMatches(found.field == "plate", links, found.more, found.is_exact)
    return None


def _is_all_of(question: Question, text: str) -> bool:
    if question.plate:
        return reduce_plate(question.plate) == reduce_plate(text)
    return question.name.casefold() == text.casefold()


def _link(question: Question, match: TextMatch) -> MatchLink:
    # In quotes, it is no part: "Ann" is not "Anna". The longest ones do not fit.
    text = match.text[:MAX_TEXT]
    asked = f'"{text}"' if len(text) <= MAX_TEXT - 2 else text
    narrowed = replace(question, plate=asked) if question.plate else replace(question, name=asked)
    # Plates are shown in capitals, however a camera sends them.
    shown = match.text.upper() if question.plate else match.text
    return MatchLink(shown, match.records, narrowed.url() + "#answer")
