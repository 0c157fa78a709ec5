"""The parts of a question in words, each with the address of the question without it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import CannotStoreNow, NoSuchResource, TooManyRequests
from hub.wire import code_tables
from hub.wire.uploads.searchable import SEARCHABLE
from web import auth, language
from web.language import N_, gettext
from web.pages.labels import KINDS
from web.pages.search.attribute_fields import attribute_text
from web.pages.search.period import SearchPeriod, When
from web.pages.search.question import Question
from web.pages.shown.camera_names import camera_name
from web.pages.shown.record_cards import table_text
from web.pages.times import to_ms

WHEN: dict[When, str] = {
    "": N_("Any time"),
    "hour": N_("Last hour"),
    "today": N_("Today"),
    "yesterday": N_("Yesterday"),
    "week": N_("Last 7 days"),
    "month": N_("This month"),
}
PICTURES = {"yes": N_("With pictures"), "no": N_("Without pictures")}


class Chip(Struct, frozen=True):
    """A part of a question. `url`: the question without it."""

    text: str
    icon: str
    url: str


async def question_chips(question: Question) -> list[Chip]:
    """What is asked, part by part; none for everything."""
    person = await _person_text(question.uuid) if question.uuid else ""
    return [
        Chip(text, icon, rest.url())
        for text, icon, rest in [*_place_and_time(question), *_matter(question, person)]
    ]


async def question_text(question: Question) -> str:
    """The whole question in one line; "" for everything."""
    return " · ".join(chip.text for chip in await question_chips(question))


def _place_and_time(question: Question) -> Iterator[tuple[str, str, Question]]:
    if text := period_text(question.period):
        yield text, "clock", replace(question, period=SearchPeriod())
    for did in question.dids:
        others = tuple(one for one in question.dids if one != did)
        kept = gettext("Camera %(did)s") % {"did": did}  # removed since the address was saved
        yield camera_name(auth.services(), did, kept).name, "camera", replace(question, dids=others)
    for id in question.groups:
        rest = tuple(one for one in question.groups if one != id)
        yield _group_name(id), "camera", replace(question, groups=rest)


def _matter(question: Question, person: str) -> Iterator[tuple[str, str, Question]]:
    _ = gettext
    if question.kind is not None:
        yield _(KINDS[question.kind]), question.kind, replace(question, kind=None)
    if question.type is not None:
        name = code_tables.event_name(question.type, language.current().code)
        yield name, "event", replace(question, type=None)
    if question.name:
        text = _("Name: %(text)s") % {"text": question.name}
        yield text, "person", replace(question, name="")
    if question.plate:
        text = _("Plate: %(text)s") % {"text": question.plate}
        yield text, "vehicle", replace(question, plate="")
    if question.uuid:
        yield person, "person", replace(question, uuid="")
    for category in question.categories:
        others = tuple(one for one in question.categories if one != category)
        text = table_text(category, code_tables.category_name)
        yield text, "people", replace(question, categories=others)
    for key, words in question.attributes:
        icon = "vehicle" if SEARCHABLE[key].of == "vehicle" else "person"
        for word in words:
            yield attribute_text(key, word), icon, question.without(key, word)
    if question.pictures:
        yield _(PICTURES[question.pictures]), "live", replace(question, pictures="")


def period_text(period: SearchPeriod) -> str:
    """A time in words, "" for any time."""
    words, zone = language.current(), language.zone()
    if period.since is not None or period.until is not None:
        since, until = (
            "" if at is None else words.moment(to_ms(at), zone)
            for at in (period.since, period.until)
        )
        if since and until:
            return f"{since} – {until}"
        template = gettext("from %(time)s") if since else gettext("until %(time)s")
        return template % {"time": since or until}
    day = gettext(WHEN[period.when]) if period.when else ""
    if period.day is not None:
        noon = datetime.combine(period.day, time(12), UTC)
        day = words.date(to_ms(noon), UTC)
    if period.around is None:
        return day
    if period.day is None and period.when != "yesterday":
        today = WHEN["today"]
        day = gettext(today)
    values = {"day": day, "time": f"{period.around:%H:%M}"}
    return gettext("%(day)s, about %(time)s") % values


def _group_name(id: int) -> str:
    try:
        return auth.services().people.groups.get(id).name
    except NoSuchResource:
        return gettext("Group %(id)s") % {"id": id}


async def _person_text(uuid: str) -> str:
    """The name that the register has for a number, or the number.

    Viewers do not see the register: they could read it number by number.
    """
    if not auth.reaches(auth.user(), "guard"):
        return gettext("Person %(uuid)s") % {"uuid": uuid}
    try:
        known = await auth.services().people.register.names({uuid})
    except (CannotStoreNow, TooManyRequests):
        known = {}
    name = next((person.name for person in known.values()), "")
    return name or gettext("Person %(uuid)s") % {"uuid": uuid}
