"""Storage: what is kept and for how long, days that wait for a person, the hub's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter
from hub.services.disk_space import GB
from hub.services.retention.view import (
    ClockView,
    ForecastView,
    KeptDay,
    RetentionView,
    StepView,
    read_retention,
)
from web import auth, language
from web.language import N_, gettext, ngettext
from web.pages.labels import KINDS, duration, size_text
from web.pages.layout import redirect_to
from web.pages.site.sections import Section, make_section, sections_page

blueprint = Blueprint("retention", __name__, url_prefix="/site/retention")

#: The newest days that the page lists; there may be thousands.
_SHOWN_DAYS = 100

_REASONS = {
    "share": N_(
        "There are more of them than usual, and they contain more than a tenth of all records. "
        "This happens when the retention period was shortened, when the hub was off for a long "
        "time, or when this computer's clock is wrong."
    ),
    "last": N_("No other day contains records: none would be left."),
}
_TRUST = {
    "doubted": N_(
        "It does not fit the time at which the hub last ran. No records are deleted by age, and "
        "cameras get no time from the hub."
    ),
    "contradicted": N_(
        "The clocks of most cameras show a different date. No records are deleted by age until "
        "they agree."
    ),
    "settling": N_(
        "The clock is being observed for a day. Until then, no records are deleted by age."
    ),
    "trusted": N_("Stable, and consistent with the cameras."),
}
_LIMITS = {
    "age": N_("the retention period"),
    "size": N_("the limit for pictures"),
    "disk": N_("the size of the disk"),
}
_DATED = {
    "step": N_("date corrected: %(date)s"),
    "neighbour": N_("counted as %(date)s"),
}


class DayRow(Struct, frozen=True):
    """A day as the page shows it. `dated`: its date, if that is not its name."""

    day: str
    dated: str
    records: str
    size: str


class StepRow(Struct, frozen=True):
    """A step of the clock: when, by how much, and whether between two runs."""

    before: str
    after: str
    by: str
    at_start: bool


@blueprint.post("/confirm", role="admin")
async def confirm() -> Response:
    """Let exactly the listed days go."""
    form = await request.form
    if form.get("sure") != "yes":
        return await _retention_page(fault=gettext("Check the date, and select the box."))
    try:
        await auth.services().records.retention.confirm(
            form.get("days", "").split(), by=auth.actor()
        )
    except AlreadyExists:
        return await _retention_page(
            fault=gettext("The days waiting have changed. Check the list again.")
        )
    except BadParameter:
        return await _retention_page(fault=gettext("No days are waiting any longer."))
    return redirect_to("/site?done=days-confirmed#storage")


@blueprint.post("/clock", role="admin")
async def confirm_clock() -> Response:
    """Note that the hub's clock is right."""
    await auth.services().core.clock.confirm(by=auth.actor())
    return redirect_to("/site?done=clock-confirmed#storage")


async def _retention_page(*, fault: str) -> Response:
    return await sections_page(await section(fault), status=400)


async def section(fault: str = "") -> Section:
    """Open while days wait for a decision, or the clock is in doubt."""
    found = await read_retention(auth.services())
    days = found.days[::-1]
    is_asking = bool(found.waiting) or found.clock.trust in ("doubted", "contradicted")
    return await make_section(
        "storage",
        gettext("Storage"),
        gettext("What is stored, for how long, and how the hub's clock affects it."),
        "site/_storage.html",
        is_open=is_asking or bool(fault),
        fault=fault,
        found=found,
        limits=_limits(found),
        free_space=_free_space(found.min_free_gb),
        stored=_stored(found),
        waiting=[_row(day) for day in found.waiting],
        waiting_days=" ".join(day.day for day in found.waiting),
        waiting_size=size_text(sum(day.bytes for day in found.waiting)),
        waiting_records=_number(sum(day.records for day in found.waiting)),
        reason=gettext(_REASONS[found.reason]) if found.reason else "",
        facts=_forecast_facts(found.forecast),
        days=[_row(day) for day in days[:_SHOWN_DAYS]],
        older=max(0, len(days) - _SHOWN_DAYS),
        trust=gettext(_TRUST[found.clock.trust]),
        agreement=_agreement(found.clock),
        shows=_moment(found.clock.shows),
        expected=_moment(found.clock.expected),
        steady=_steady(found.clock),
        steps=[_step(step) for step in found.clock.steps[::-1]],
    )


def _row(day: KeptDay) -> DayRow:
    dated = ""
    if day.date != day.day and day.dated_by in _DATED:
        dated = gettext(_DATED[day.dated_by]) % {"date": _date(day.date)}
    return DayRow(_date(day.day), dated, _number(day.records), size_text(day.bytes))


def _limits(found: RetentionView) -> list[str]:
    limits = [
        ngettext(
            "Records are kept for %(n)s day.", "Records are kept for %(n)s days.", found.keep_days
        )
        % {"n": found.keep_days}
    ]
    if found.max_gb:
        limits.append(gettext("Pictures take up at most %(n)s GB.") % {"n": f"{found.max_gb:g}"})
    return limits


def _free_space(wanted: float) -> list[str]:
    """What the hub keeps free and what is free; what follows if that is less."""
    free = auth.services().upkeep.figures.disk().free
    if free is None:
        return [gettext("The hub is set to keep %(n)s GB free.") % {"n": f"{wanted:g}"}]
    values = {"n": f"{wanted:g}", "free": f"{free / GB:.1f}"}
    found = [gettext("The hub is set to keep %(n)s GB free; %(free)s GB is free now.") % values]
    if free < wanted * GB:
        found.append(
            gettext(
                "New records are stored as long as there is space; the oldest days are deleted "
                "to make room."
            )
        )
    return found


def _stored(found: RetentionView) -> str:
    values = {
        "n": len(found.days),
        "records": _number(found.records),
        "size": size_text(found.bytes),
    }
    return (
        ngettext(
            "%(n)s day with %(records)s records, %(size)s of pictures",
            "%(n)s days with %(records)s records, %(size)s of pictures",
            len(found.days),
        )
        % values
    )


def _forecast_facts(found: ForecastView) -> list[tuple[str, str]]:
    """The facts of the forecast, each with its name; none before the first day is over."""
    if not found.measured_days or found.kept_days is None:
        return []
    kinds = [
        (gettext("Pictures: %(kind)s") % {"kind": gettext(KINDS[kind])}, _per_day(size))
        for kind, size in found.kinds.items()
        if size
    ]
    kept = gettext("%(n)s, limited by %(limit)s") % {
        "n": found.kept_days,
        "limit": gettext(_LIMITS[found.limited_by]),
    }
    return [
        *kinds,
        (gettext("Database"), _per_day(found.database)),
        (gettext("Days that can be stored"), kept),
        (gettext("Disk full"), _full(found.full_in_days)),
    ]


def _per_day(size: float) -> str:
    return gettext("%(size)s a day") % {"size": size_text(size)}


def _full(days: float | None) -> str:
    if days is None:
        return gettext("never at this rate")
    whole = int(days)
    if whole < 1:
        return gettext("now: the oldest days are being deleted")
    return ngettext(
        "in %(n)s day; then the oldest days are deleted",
        "in %(n)s days; then the oldest days are deleted",
        whole,
    ) % {"n": whole}


def _agreement(clock: ClockView) -> str:
    """How many cameras show another day; "" while none is known."""
    if not clock.cameras:
        return ""
    all_of_them, off = clock.cameras, clock.cameras_off
    if not off:
        return ngettext("%(n)s camera agrees", "All %(n)s agree", all_of_them) % {"n": all_of_them}
    return ngettext(
        "%(off)s of %(n)s shows a different date", "%(off)s of %(n)s show a different date", off
    ) % {"n": all_of_them, "off": off}


def _steady(clock: ClockView) -> str:
    return duration(clock.steady_seconds) if clock.trust == "settling" else ""


def _step(step: StepView) -> StepRow:
    length = duration(abs(step.seconds))
    text = gettext("%(length)s forward") if step.seconds > 0 else gettext("%(length)s back")
    return StepRow(
        _moment(step.before), _moment(step.after), text % {"length": length}, step.at_start
    )


def _moment(text: str) -> str:
    """A time of the view in the site's zone; "" if no calendar has it."""
    if not text:
        return ""
    ms = int(datetime.fromisoformat(text).timestamp() * 1000)
    return language.moment(ms)


def _date(day: str) -> str:
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return language.current().date(int(midnight.timestamp() * 1000), UTC)


def _number(count: int) -> str:
    return f"{count:,}"
