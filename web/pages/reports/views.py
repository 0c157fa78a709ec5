"""Reports: as pages, files and on paper; and the gates of "Vehicles in and out"."""

from __future__ import annotations

from functools import partial
from typing import Literal

import trio
from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services import Services
from hub.services.reports.periods import PERIOD_KINDS, period_of
from hub.services.reports.report import (
    REPORT_KINDS,
    Cell,
    Column,
    Report,
    ReportKind,
    ReportTable,
)
from hub.services.reports.reports import Gates
from hub.services.reports.schedules import MAX_SCHEDULES
from hub.store.tables.users import User
from web import auth, language
from web.language import gettext
from web.pages.faults import NotHere
from web.pages.layout import page, redirect_to, saved_file
from web.pages.reports import labels
from web.pages.reports.cells import Cells
from web.pages.reports.charts import make_chart
from web.pages.reports.files import csv_of, file_name, table_name, xlsx_of
from web.pages.reports.form import (
    ReportForm,
    period_title,
    read_form,
    read_groups,
    report_name,
)
from web.pages.reports.schedules import (
    ScheduleRow,
    describe_fault,
    read_rows,
    read_schedules,
    schedule_rows,
)
from web.pages.shown.camera_names import camera_name

blueprint = Blueprint("reports", __name__, url_prefix="/reports")

#: How long a page waits for its report, and a file.
_PAGE_SECONDS, _FILE_SECONDS = 2.0, 60.0
_REFRESH_SECONDS = 2
#: Rows of a table on a page; all of them are in the files.
_ROWS_PER_PAGE = 200

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_writing = trio.CapacityLimiter(1)


class ReportLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


class ReportGroup(Struct, frozen=True):
    id: int
    name: str
    chosen: bool
    is_exit: bool = False


class TableView(Struct, frozen=True, kw_only=True):
    """`numbers`, `moments`: which columns are that. `total`: rows of the whole table.

    `rows`: the text of each cell, and where it leads or "". `wraps`: its text is long, and its
    columns are many.
    """

    name: str
    title: str
    columns: list[str]
    numbers: list[bool]
    moments: list[bool]
    rows: list[list[tuple[str, str]]]
    total: int
    left_out: int
    is_wide: bool
    wraps: bool
    older: str
    newer: str


@blueprint.get("", role="register")
async def index() -> Response:
    return redirect_to(f"/reports/{reports_for(auth.user())[0]}")


@blueprint.get("/<kind>", role="register")
async def one(kind: str) -> Response:
    return await _page(kind, schedule_rows(auth.services().reports.maker.schedules()))


async def _page(kind: str, schedules: list[ScheduleRow], fault: str = "") -> Response:
    form, hub = _form(kind), auth.services()
    query, cells = form.query, _cells(hub, pages=True)
    period = period_of(query.period, query.day, cells.zone)
    needs_gates = query.kind == "plates" and not (query.gates.entrances or query.gates.exits)
    found: Report | float = (
        1.0 if needs_gates else await hub.reports.maker.get(query, seconds=_PAGE_SECONDS)
    )
    report = found if isinstance(found, Report) else None
    now = int(hub.core.clock.likely_time() * 1000)
    response = await page(
        "reports/report.html",
        status=400 if fault else 200,
        schedules=schedules,
        schedule_fault=fault,
        weekdays=list(enumerate(language.current().weekdays(), 1)),
        most_schedules=MAX_SCHEDULES,
        form=form,
        title=report_name(query.kind),
        period_title=period_title(query, period.first, period.days[-1].date),
        reports=[
            ReportLink(form.url(kind=one), report_name(one), one == query.kind)
            for one in reports_for(auth.user())
        ],
        periods=[
            ReportLink(form.url(period=one), gettext(labels.PERIODS[one]), one == query.period)
            for one in PERIOD_KINDS
        ],
        earlier=form.url(day=period.before),
        later=form.url(day=period.after) if period.until <= now else "",
        lasts=period.since <= now < period.until,
        groups=_groups(query.groups) if query.kind == "attendance" else [],
        entrances=_groups(query.gates.entrances) if query.kind == "plates" else [],
        exits=_groups(query.gates.exits) if query.kind == "plates" else [],
        needs_gates=needs_gates,
        has_cameras=hub.cameras.devices.overview.count > 0,
        progress=None if isinstance(found, Report) or needs_gates else int(found * 100),
        report=report,
        made_at="" if report is None else language.current().moment(report.made_at, cells.zone),
        charts=[view for one in report.charts if (view := make_chart(one, cells))]
        if report
        else [],
        tables=[_table_view(one, cells, form) for one in report.tables] if report else [],
        csv_url=form.url(f"/reports/{query.kind}.csv"),
        xlsx_url=form.url(f"/reports/{query.kind}.xlsx"),
        printed_by=auth.user().name,
    )
    if report is None and not needs_gates:
        # Also without scripts.
        response.headers["Refresh"] = str(_REFRESH_SECONDS)
    return response


@blueprint.get("/<kind>.csv", role="register")
async def as_csv(kind: str) -> Response:
    return await _file(kind, "csv")


@blueprint.get("/<kind>.xlsx", role="register")
async def as_xlsx(kind: str) -> Response:
    return await _file(kind, "xlsx")


def _cells(hub: Services, *, pages: bool = False) -> Cells:
    return Cells(hub.core.site.zone(), hub.cameras.devices.names(), pages=pages)


async def _file(kind: str, form_of_file: Literal["csv", "xlsx"]) -> Response:
    form, hub = _form(kind), auth.services()
    report = await hub.reports.maker.make(form.query, seconds=_FILE_SECONDS)
    write = partial(csv_of if form_of_file == "csv" else xlsx_of, report, _cells(hub))
    data = await trio.to_thread.run_sync(write, limiter=_writing)
    await hub.reports.maker.note_export(form.query, form_of_file, by=auth.actor())
    return saved_file(file_name(report, form_of_file), data, _TYPES[form_of_file])


@blueprint.post("/plates/gates", role="guard")
async def gates() -> Response:
    """Choose the groups at the entrances and the exits, for everybody and from now on."""
    form, hub = await request.form, auth.services()
    known = {group.id for group in hub.people.groups.list()}
    chosen = Gates(read_groups(form.getlist("in"), known), read_groups(form.getlist("out"), known))
    await hub.reports.maker.choose_gates(chosen, by=auth.actor())
    return redirect_to(_form("plates").url())


@blueprint.post("/attendance/schedules", role="people")
async def save_schedules() -> Response:
    """Replace the schedules of attendance."""
    rows = read_rows(await request.form)
    try:
        schedules = read_schedules(rows)
        await auth.services().reports.maker.put_schedules(schedules, by=auth.actor())
    except BadParameter as error:
        return await _page("attendance", rows, describe_fault(error))
    return redirect_to(_form("attendance").url())


def _form(kind: str) -> ReportForm:
    form = read_form(kind)
    if form is None:
        raise NotHere(gettext("There is no such report."))
    if form.query.kind != "attendance":
        auth.check_role(auth.user(), "guard")
    return form


def reports_for(me: User) -> tuple[ReportKind, ...]:
    """The reports that the user may see: without a guard's rights, attendance."""
    return REPORT_KINDS if auth.reaches(me, "guard") else ("attendance",)


def _groups(chosen: tuple[int, ...]) -> list[ReportGroup]:
    return [
        ReportGroup(group.id, group.name, group.id in chosen)
        for group in auth.services().people.groups.list()
    ]


def _cell(cells: Cells, column: Column, cell: Cell) -> tuple[str, str]:
    is_camera = column.kind == "camera" and cell is not None and auth.reaches(auth.user(), "viewer")
    url = camera_name(auth.services(), str(cell)).url if is_camera else ""
    return cells.text(column, cell), url


def _table_view(table: ReportTable, cells: Cells, form: ReportForm) -> TableView:
    """One page of a table: the report is kept, so its rows have numbers."""
    asked = request.args.get(f"from_{table.name}", default=0, type=int)
    begin = max(0, min(asked, max(0, len(table.rows) - 1)))
    end = begin + _ROWS_PER_PAGE
    # The title of a daily report tells its day.
    is_daily = form.query.period == "day"
    places = [n for n, one in enumerate(table.columns) if not (is_daily and one.kind == "day")]
    columns = [table.columns[n] for n in places]

    def at(row: int) -> str:
        return form.url(more={f"from_{table.name}": str(row)}) + f"#table-{table.name}"

    return TableView(
        name=table.name,
        title=table_name(table),
        columns=[cells.heading(column) for column in columns],
        numbers=[column.kind in ("count", "length", "percent") for column in columns],
        moments=[column.kind == "moment" for column in columns],
        rows=[
            [_cell(cells, column, row[n]) for n, column in zip(places, columns, strict=True)]
            for row in table.rows[begin:end]
        ],
        total=len(table.rows),
        left_out=table.left_out,
        is_wide=len(table.columns) > 10,
        wraps=len(table.columns) > 8 and any(one.kind == "text" for one in table.columns),
        older=at(end) if end < len(table.rows) else "",
        newer=at(max(0, begin - _ROWS_PER_PAGE)) if begin else "",
    )
