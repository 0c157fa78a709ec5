"""The schedules of attendance, below its report: a form of all of them, and one more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.decoders import convert
from hub.errors import BadParameter
from hub.services.reports.schedules import MAX_SCHEDULES, Schedule
from web import language
from web.language import gettext

_COMMA = re.compile("[,，、;；\n]")


class ScheduleRow(Struct, frozen=True, kw_only=True):
    """A schedule as it is in the form; `text`: in words."""

    departments: str = ""
    days: tuple[int, ...] = ()
    start: str = ""
    end: str = ""
    grace: str = "0"
    text: str = ""


def schedule_rows(schedules: Sequence[Schedule]) -> list[ScheduleRow]:
    comma, names = gettext(", "), [short for short, _ in language.current().weekdays()]
    return [
        ScheduleRow(
            departments=comma.join(one.departments),
            days=one.days,
            start=one.start,
            end=one.end,
            grace=str(one.grace_minutes),
            text=" · ".join(
                (
                    comma.join(one.departments) or gettext("Everyone else"),
                    comma.join(names[day - 1] for day in one.days),
                    f"{one.start}–{one.end}",
                )
            ),
        )
        for one in schedules
    ]


def read_rows(form: Any) -> list[ScheduleRow]:
    """The schedules of a form, but for those without days, start and end."""
    rows = [
        ScheduleRow(
            departments=form.get(f"departments-{n}", ""),
            days=tuple(int(day) for day in form.getlist(f"day-{n}") if re.fullmatch("[1-7]", day)),
            start=form.get(f"start-{n}", ""),
            end=form.get(f"end-{n}", ""),
            grace=form.get(f"grace-{n}", "").strip() or "0",
        )
        for n in range(MAX_SCHEDULES)
    ]
    return [row for row in rows if row.days or row.start or row.end]


def read_schedules(rows: Sequence[ScheduleRow]) -> list[Schedule]:
    """The schedules that the rows describe. Raises BadParameter."""
    return [_schedule(row, number) for number, row in enumerate(rows)]


def _schedule(row: ScheduleRow, number: int) -> Schedule:
    names = (name.strip() for name in _COMMA.split(row.departments))
    fields: Mapping[str, object] = {
        "departments": list(dict.fromkeys(name for name in names if name)),
        "days": sorted(set(row.days)),
        "start": row.start,
        "end": row.end,
        "grace_minutes": int(row.grace) if re.fullmatch("[0-9]{1,4}", row.grace) else -1,
    }
    try:
        return convert(fields, Schedule)
    except msgspec.ValidationError as error:
        field = re.search(r"\$\.(\w+)", str(error))
        raise BadParameter(
            str(error), field=f"items[{number}].{field[1] if field else ''}"
        ) from error


def describe_fault(error: BadParameter) -> str:
    """What is wrong with which schedule."""
    place, _, field = (error.field or "").partition(".")
    number = re.sub(r"\D", "", place)
    texts = {
        "departments": gettext(
            "Each department can be in one schedule only, and only one schedule can be for "
            "everyone else. At most 50 departments, each of 128 characters."
        ),
        "days": gettext("Select at least one day."),
        "start": gettext("Enter when it starts and ends."),
        "end": gettext("Enter when it starts and ends, at different times."),
        "grace_minutes": gettext("The grace can be 0 to 240 minutes."),
    }
    text = texts.get(field, str(error))
    if not number:
        return text
    return gettext("Schedule %(n)s: %(text)s") % {"n": int(number) + 1, "text": text}
