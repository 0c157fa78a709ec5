"""Watch lists of plates: each plate on them raises an alarm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter, HubError
from hub.services.alarms.plate_lists import MAX_NAME_LENGTH, MAX_NOTE_LENGTH
from hub.store.alarms.alarm import Severity
from hub.store.tables.plate_lists import MAX_ENTRIES, MAX_LISTS, NewPlateList, PlateEntry, PlateList
from hub.wire.plates import reduce_pattern
from web import auth, language
from web.language import gettext
from web.pages.layout import make_url, page, redirect_to
from web.pages.shown.alarm_labels import SEVERITIES
from web.pages.times import end_of, valid_day

blueprint = Blueprint("site_plate_lists", __name__, url_prefix="/alarms/plates")

_ROWS_PER_PAGE = 200
#: What somebody means as a day, valid or not.
_DAY = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}", re.ASCII)


class ListRow(Struct, frozen=True):
    """A list as the overview shows it."""

    id: int
    name: str
    severity: str
    severity_text: str
    plates: int


class EntryRow(Struct, frozen=True):
    """A plate of a list. `until`: its last day, "" without an end."""

    pattern: str
    note: str
    until: str
    is_over: bool


class BadLine(Exception):
    """A line of the field for plates that cannot be used. `fault`: what to do about it."""

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line = line
        self.fault = fault


@blueprint.get("", role="admin")
async def plate_lists() -> Response:
    return await _lists_page()


async def _lists_page(
    shown: PlateList | None = None,
    values: Mapping[str, str] = {},
    fault: str = "",
    *,
    is_new: bool = False,
) -> Response:
    """All lists, and the plates of `shown`, or else of the first. `values` and `fault` are of its
    forms; `is_new`: of the form that adds a list.
    """
    found = auth.services().alarms.plate_lists.list()
    shown = shown or next(iter(found), None)
    return await page(
        "alarms/plate_lists.html",
        status=400 if fault else 200,
        new_values=values if is_new else {},
        new_fault=fault if is_new else "",
        values={} if is_new else values,
        fault="" if is_new else fault,
        severities=_severities(),
        rows=[_row(one) for one in found],
        is_full=len(found) >= MAX_LISTS,
        **(_plates_of(shown) if shown else {}),
    )


def _severities() -> list[tuple[str, str]]:
    return [(code, gettext(text)) for code, text in SEVERITIES.items()]


def _row(one: PlateList) -> ListRow:
    return ListRow(
        id=one.id,
        name=one.name or gettext("List %(id)s") % {"id": one.id},
        severity=one.severity,
        severity_text=gettext(SEVERITIES[one.severity]),
        plates=len(one.entries),
    )


@blueprint.post("/add", role="admin")
async def add() -> Response:
    form = await request.form
    try:
        new = NewPlateList(
            name=form.get("name", ""),
            severity=_read_severity(form),
            entries=tuple(_read_lines(form.get("plates", ""))),
        )
        added = await auth.services().alarms.plate_lists.add(new, by=auth.actor())
    except (BadLine, BadParameter, AlreadyExists) as error:
        return await _lists_page(None, form, _describe(error), is_new=True)
    return redirect_to(f"/alarms/plates/{added.id}?done=plate-list-added")


def _read_severity(form: Mapping[str, str]) -> Severity:
    return next((one for one in get_args(Severity) if one == form.get("severity")), "critical")


@blueprint.get("/<int:id>", role="admin")
async def one(id: int) -> Response:
    return await _lists_page(auth.services().alarms.plate_lists.get(id))


def _plates_of(shown: PlateList) -> dict[str, object]:
    word, after = request.args.get("plate", "").strip()[:100], request.args.get("after", "")
    wanted = reduce_pattern(word)
    found = sorted(
        (one for one in shown.entries if one.pattern > after and _has(one, wanted, word)),
        key=lambda one: one.pattern,
    )
    entries, more = found[:_ROWS_PER_PAGE], len(found) > _ROWS_PER_PAGE
    url = f"/alarms/plates/{shown.id}"
    return {
        "shown": _row(shown),
        "word": word,
        "entries": [_entry_row(one) for one in entries],
        "first": make_url(url, plate=word) if after else "",
        "next": make_url(url, plate=word, after=entries[-1].pattern) if more else "",
    }


def _has(entry: PlateEntry, wanted: str, word: str) -> bool:
    """Whether a part of the plate, or of its note, is looked for."""
    return wanted in entry.pattern or word.casefold() in entry.note.casefold()


def _entry_row(entry: PlateEntry) -> EntryRow:
    hub = auth.services()
    until = "" if entry.until is None else language.current().date(entry.until - 1, language.zone())
    is_over = entry.until is not None and entry.until <= hub.core.clock.likely_time() * 1000
    return EntryRow(entry.pattern, entry.note, until, is_over)


@blueprint.post("/<int:id>/change", role="admin")
async def change(id: int) -> Response:
    """Change name and severity."""
    form, shown = await request.form, auth.services().alarms.plate_lists.get(id)
    changed = replace(_as_new(shown), name=form.get("name", ""), severity=_read_severity(form))
    return await _save(shown, changed, form)


@blueprint.post("/<int:id>/plates", role="admin")
async def add_plates(id: int) -> Response:
    """Add plates; those that are on the list already get the new note and end."""
    form, shown = await request.form, auth.services().alarms.plate_lists.get(id)
    try:
        added = _read_lines(form.get("plates", ""))
    except BadLine as error:
        return await _lists_page(shown, form, _describe(error))
    if not added:
        return await _lists_page(shown, form, gettext("Enter at least one plate."))
    return await _save(shown, replace(_as_new(shown), entries=(*shown.entries, *added)), form)


@blueprint.post("/<int:id>/plates/remove", role="admin")
async def remove_plates(id: int) -> Response:
    form, shown = await request.form, auth.services().alarms.plate_lists.get(id)
    gone = set(form.getlist("pattern"))
    if not gone:
        return await _lists_page(shown, {}, gettext("Select at least one plate."))
    kept = tuple(one for one in shown.entries if one.pattern not in gone)
    return await _save(shown, replace(_as_new(shown), entries=kept), form)


def _as_new(shown: PlateList) -> NewPlateList:
    return NewPlateList(name=shown.name, severity=shown.severity, entries=shown.entries)


async def _save(shown: PlateList, changed: NewPlateList, form: Mapping[str, str]) -> Response:
    try:
        await auth.services().alarms.plate_lists.change(shown.id, changed, by=auth.actor())
    except (BadParameter, AlreadyExists) as error:
        return await _lists_page(shown, form, _describe(error))
    return redirect_to(f"/alarms/plates/{shown.id}?done=plate-list-changed")


async def _ask_to_remove(id: int) -> Response:
    row = _row(auth.services().alarms.plate_lists.get(id))
    return await page("alarms/plate_list_remove.html", row=row)


@blueprint.post("/<int:id>/remove", role="admin", confirm=_ask_to_remove)
async def remove(id: int) -> Response:
    await auth.services().alarms.plate_lists.remove(id, by=auth.actor())
    return redirect_to("/alarms/plates?done=plate-list-removed")


def _read_lines(text: str) -> list[PlateEntry]:
    """The plates of a field: `PLATE, note, last day` in each line. Raises BadLine."""
    lines = enumerate(text.replace("，", ",").splitlines(), 1)
    return [_read_line(number, line) for number, line in lines if line.strip()]


def _read_line(number: int, line: str) -> PlateEntry:
    pattern, *rest = (part.strip() for part in line.split(","))
    last_day = valid_day(rest[-1]) if rest else None
    if last_day is not None:
        rest = rest[:-1]
    elif rest and _DAY.fullmatch(rest[-1]):
        raise BadLine(number, gettext("the last day is not a date"))
    note = ", ".join(filter(None, rest))
    if not reduce_pattern(pattern):
        raise BadLine(number, gettext("a plate is missing"))
    if not reduce_pattern(pattern).strip("*?"):
        raise BadLine(number, gettext("this would match every plate"))
    if len(note) > MAX_NOTE_LENGTH:
        text = gettext("the note is longer than %(n)s characters")
        raise BadLine(number, text % {"n": MAX_NOTE_LENGTH})
    until = None if last_day is None else end_of(last_day)
    return PlateEntry(pattern, note, until)


def _describe(error: BadLine | HubError) -> str:
    if isinstance(error, BadLine):
        text = gettext("Line %(line)s: %(fault)s. Nothing was changed.")
        return text % {"line": error.line, "fault": error.fault}
    if isinstance(error, AlreadyExists):
        return gettext("There is already a list with this name.")
    if isinstance(error, BadParameter) and error.field == "name":
        return gettext("Enter a name of at most %(n)s characters.") % {"n": MAX_NAME_LENGTH}
    return gettext(
        "Too many plates: at most %(n)s on all lists together, of which 1000 with * or ?."
    ) % {"n": MAX_ENTRIES}
