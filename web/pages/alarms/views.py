"""The list of alarms, one alarm with its history, and acknowledging and closing."""

from __future__ import annotations

import re

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.alarms.csv_export import export_csv
from hub.store.alarms.alarm import Alarm, AlarmStep
from hub.store.alarms.listing import ListPlace
from web import auth, language
from web.language import gettext
from web.pages.actors import actor_text
from web.pages.alarms.alarm_filter import NIGHT, AlarmForm, read_form
from web.pages.layout import (
    done_url,
    local_path,
    make_url,
    page,
    redirect_to,
    saved_file,
    wants_part,
)
from web.pages.shown import alarm_labels as labels
from web.pages.shown.alarm_answers import answer_texts
from web.pages.shown.alarm_cards import AlarmCard, make_alarm_card, make_alarm_cards, photo_url
from web.pages.shown.alarm_state import MAX_SHOWN, choose_shown, new_alarms
from web.pages.times import now_here

blueprint = Blueprint("alarms", __name__, url_prefix="/alarms")

_ROWS_PER_PAGE = 50
_MAX_CAMERA_CHOICES = 200
_PLACE = re.compile(r"[0-9]\.[0-9]{1,18}\.[0-9]{1,18}")


class FilterLink(Struct, frozen=True):
    """A link to the alarms in one state, or of one time.

    `count`: 0 where it is not shown. `hint`: what its text means exactly; may be "".
    """

    text: str
    url: str
    chosen: bool
    count: int = 0
    hint: str = ""


class LiveAlarms(Struct, frozen=True):
    """The new alarms of the live page, and how many more there are."""

    alarms: list[AlarmCard]
    more: int
    most: int = MAX_SHOWN


class AlarmListPage(Struct, frozen=True, kw_only=True):
    """One page of the list. `part`, `here`, `first` and `further` are addresses.

    `answers`: who acknowledged alarms and when, and since when they are new again, by their seqs.
    """

    form: AlarmForm
    rows: list[AlarmCard]
    answers: dict[int, str]
    has_open: bool
    part: str
    here: str
    first: str
    further: str


class StepRow(Struct, frozen=True):
    time: str
    text: str
    who: str
    note: str


@blueprint.get("/state", role="viewer")
async def state() -> Response:
    """The part of every page that says how many alarms are new."""
    return await page("alarms/_state.html")


@blueprint.get("/live", role="viewer")
async def live() -> Response:
    """The new alarms of the live page."""
    return await _live_part()


async def _live_part() -> Response:
    return await page("alarms/_live.html", live_alarms=await live_alarms())


async def live_alarms() -> LiveAlarms:
    hub = auth.services()
    found = new_alarms(hub)
    cards = await make_alarm_cards(hub, choose_shown(found))
    return LiveAlarms(cards, max(0, len(found) - MAX_SHOWN))


@blueprint.get("", role="viewer")
async def alarms() -> Response:
    return await _list_page()


async def _list_page(fault: str = "") -> Response:
    devices = sorted(
        auth.services().cameras.devices.list(), key=lambda one: (one.name or one.sn).casefold()
    )
    form = read_form()
    return await page(
        "alarms/alarms.html",
        status=400 if fault else 200,
        fault=fault,
        states=_state_links(form),
        times=_time_links(form),
        severities=_choices(labels.SEVERITIES),
        kinds=_choices(labels.KINDS),
        cameras=devices[:_MAX_CAMERA_CHOICES],
        export_url=make_url("/alarms/export", **form.values),
        table=await _table(form),
    )


@blueprint.get("/table", role="viewer")
async def table() -> Response:
    return await page("alarms/_table.html", table=await _table(read_form()))


async def _table(form: AlarmForm) -> AlarmListPage:
    after = _read_place(request.args.get("after", ""))
    found = await auth.services().alarms.raised.listed(
        form.matching, after=after, limit=_ROWS_PER_PAGE
    )
    position = {} if after is None else {"after": _place_text(after)}
    further = "" if found.next is None else _place_text(found.next)
    return AlarmListPage(
        form=form,
        rows=[make_alarm_card(auth.services(), alarm) for alarm in found.items],
        answers=await answer_texts(auth.services(), list(found.items)),
        has_open=any(alarm.is_active for alarm in found.items),
        part=make_url("/alarms/table", **form.values, **position),
        here=make_url("/alarms", **form.values, **position),
        first="" if after is None else make_url("/alarms", **form.values),
        further=further and make_url("/alarms", **form.values, after=further),
    )


def _place_text(place: ListPlace) -> str:
    return f"{place.group}.{-place.moment}.{-place.seq}"


def _read_place(text: str) -> ListPlace | None:
    """The place of the list where a page continues; None if the text is none."""
    if not _PLACE.fullmatch(text):
        return None
    group, moment, seq = map(int, text.split("."))
    return ListPlace(group, -moment, -seq)


@blueprint.get("/export", role="guard")
async def export() -> Response:
    """All alarms that the filter finds, as CSV."""
    hub, form = auth.services(), read_form()
    shown, zone = language.current(), language.zone()

    def describe(alarm: Alarm) -> tuple[str, str]:
        language.use(shown, zone)
        card = make_alarm_card(hub, alarm)
        return card.title or card.kind_text, card.place

    await hub.core.audit.require(auth.actor(), "alarm.export", "")
    name = f"alarms-{now_here().date()}.csv"
    return saved_file(name, export_csv(hub.alarms.raised, form.matching, describe))


def _state_links(form: AlarmForm) -> list[FilterLink]:
    def link(state: str, text: str, count: int = 0) -> FilterLink:
        url = make_url("/alarms", **{**form.values, "state": state})
        return FilterLink(text, url, form.values["state"] == state, count)

    counts = {"new": auth.services().alarms.raised.new_count}
    return [
        link("", gettext("All")),
        *(link(code, text, counts.get(code, 0)) for code, text in _choices(labels.STATES)),
    ]


def _time_links(form: AlarmForm) -> list[FilterLink]:
    entered = form.values["since"] or form.values["until"]

    def link(when: str, text: str, hint: str = "") -> FilterLink:
        url = make_url("/alarms", **{**form.values, "when": when, "since": "", "until": ""})
        return FilterLink(text, url, not entered and form.values["when"] == when, hint=hint)

    evening, morning = NIGHT
    visit = auth.services().records.reviews.last_visit(auth.user().name)
    return [
        link("", gettext("Any time")),
        *([link("visit", gettext("Since your last visit"))] if visit.ended_at else ()),
        link("night", gettext("Last night"), f"{evening:%H:%M}–{morning:%H:%M}"),
        link("today", gettext("Today")),
        link("yesterday", gettext("Yesterday")),
        link("week", gettext("Last 7 days")),
    ]


def _choices(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(code, gettext(text)) for code, text in texts.items()]


@blueprint.get("/<int:seq>", role="viewer")
async def one(seq: int) -> Response:
    return await _one_page("alarms/one.html", seq)


@blueprint.get("/<int:seq>/now", role="viewer")
async def now(seq: int) -> Response:
    return await _one_page("alarms/_now.html", seq)


@blueprint.get("/<int:seq>/history", role="viewer")
async def history(seq: int) -> Response:
    return await _one_page("alarms/_history.html", seq)


async def _one_page(template: str, seq: int) -> Response:
    hub = auth.services()
    found = await hub.alarms.raised.get(seq)
    (card,) = await make_alarm_cards(hub, [found])
    return await page(
        template,
        alarm=card,
        # Viewers may not see photos of the register.
        photo_url=await photo_url(hub, found) if auth.reaches(auth.user(), "guard") else "",
        steps=[_step_row(step) for step in await hub.alarms.raised.history(seq)],
    )


def _step_row(step: AlarmStep) -> StepRow:
    by_itself = gettext("automatically") if step.step == "closed" else ""
    return StepRow(
        time=language.moment(step.at),
        text=gettext(labels.STEPS[step.step]),
        who=actor_text(step.who) if step.who else by_itself,
        note=step.note,
    )


@blueprint.post("/change", role="guard")
async def change() -> Response:
    """Acknowledge or close alarms. A script of the live page gets the alarms that are still new."""
    form = await request.form
    seqs = [int(text) for text in form.getlist("seq") if _is_seq(text)]
    if not seqs:
        return await _list_page(gettext("Select at least one alarm."))
    service, note = auth.services().alarms.raised, form.get("note", "").strip()
    closes = form.get("do") == "close"
    try:
        await (service.close if closes else service.acknowledge)(seqs, note, by=auth.actor())
    except BadParameter:
        return await _list_page(gettext("The note is too long: at most 500 characters."))
    if wants_part():
        return await _live_part()
    path = local_path(form.get("next"))
    if path == "/":  # The card that is gone says it.
        return redirect_to(path)
    return redirect_to(done_url(path, "alarms-closed" if closes else "alarms-acknowledged"))


def _is_seq(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
