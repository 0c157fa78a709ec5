"""Which report a request asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date

from msgspec import Struct
from quart import request

from hub.errors import BadParameter
from hub.services.reports.periods import PERIOD_KINDS, PeriodKind, read_day
from hub.services.reports.report import REPORT_KINDS, ReportKind
from hub.services.reports.reports import Gates, ReportQuery
from web import auth, language
from web.pages.layout import make_url
from web.pages.reports import labels
from web.pages.times import now_here

MAX_GROUPS = 20


class ReportForm(Struct, frozen=True):
    """What was asked for. What is not valid counts as not given."""

    query: ReportQuery

    def url(
        self,
        path: str = "",
        *,
        kind: ReportKind | None = None,
        period: PeriodKind | None = None,
        day: date | None = None,
        more: Mapping[str, str] = {},
    ) -> str:
        """Return the address of this report, or of one that differs in these respects.

        `more`: further parameters.
        """
        query = self.query
        url = make_url(
            path or f"/reports/{kind or query.kind}",
            period=period or query.period,
            date=(day or query.day).isoformat(),
            **more,
        )
        groups = "".join(f"&group={id}" for id in query.groups)
        return url + (groups if (kind or query.kind) == "attendance" else "")


def read_form(kind: str) -> ReportForm | None:
    """Return what this request asks for; None if there is no such report."""
    found = next((one for one in REPORT_KINDS if one == kind), None)
    if found is None:
        return None
    hub = auth.services()
    asked = request.args.get("period")
    period: PeriodKind = next((one for one in PERIOD_KINDS if one == asked), "day")
    day = now_here().date()
    with suppress(BadParameter):
        day = read_day(request.args.get("date", ""))
    known = {group.id for group in hub.people.groups.list()}
    groups = read_groups(request.args.getlist("group"), known) if found == "attendance" else ()
    gates = hub.reports.maker.gates() if found == "plates" else Gates()
    return ReportForm(ReportQuery(found, period, day, groups, gates))


def read_groups(texts: Iterable[str], known: Iterable[int]) -> tuple[int, ...]:
    """Return the known groups of a form, each once, in the order of their ids."""
    ids = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19}
    return tuple(sorted(ids & set(known)))[:MAX_GROUPS]


def period_title(query: ReportQuery, first: date, last: date) -> str:
    """Return the period in words."""
    lang = language.current()
    if query.period == "day":
        return lang.long_day(first)
    if query.period == "month":
        return lang.month(first.year, first.month)
    return f"{lang.long_day(first)} – {lang.long_day(last)}"


def report_name(kind: ReportKind) -> str:
    return language.gettext(labels.REPORTS[kind])
