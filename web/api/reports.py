"""GET /reports/{kind}: reports of a day, a week or a month."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import BadParameter, NoSuchResource, NotAllowed
from hub.services import Services
from hub.services.reports.periods import PeriodKind, read_day
from hub.services.reports.report import (
    REPORT_KINDS,
    Cell,
    CellKind,
    Chart,
    PlainCell,
    Report,
    ReportKind,
    ReportTable,
)
from hub.services.reports.reports import Gates, ReportQuery
from hub.services.reports.schedules import MAX_SCHEDULES, Schedule
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import HubDetail
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.routes import Call, Routes

#: A report of very many records takes so long; ask again then.
_WAIT_SECONDS = 60.0
Groups = Annotated[tuple[Seq, ...], Meta(max_length=20)]


class ReportParameters(Struct, frozen=True, forbid_unknown_fields=True):
    period: Annotated[PeriodKind, Meta(description="how long it is")] = "day"
    date: Annotated[
        Annotated[str, Meta(max_length=10)] | None,
        Meta(description="any day of the period, as YYYY-MM-DD; today if left out"),
    ] = None
    group: Annotated[
        Groups | None,
        Meta(description="attendance: the groups of cameras that count; all cameras if left out"),
    ] = None
    entrance: Annotated[
        Groups | None,
        Meta(description="plates: the groups of cameras at the entrances; as chosen on the page"),
    ] = None
    exit: Annotated[
        Groups | None, Meta(description="plates: those at the exits; as chosen on the page")
    ] = None


class ReportColumn(Struct, frozen=True):
    """`kind`: what the cells are. camera: a did; person: a pid; length: seconds; clock, moment: a
    time, in RFC 3339; day: YYYY-MM-DD; code: a code of the API. A cell is null if there is none."""

    name: str
    kind: CellKind


class ReportTableAnswer(Struct, frozen=True):
    name: str
    columns: list[ReportColumn]
    rows: list[list[str | int | float | None]]
    left_out: Annotated[int, Meta(description="how many further rows there are: 100,000 are told")]


class ReportSeries(Struct, frozen=True):
    name: str
    values: list[float]


class ReportChart(Struct, frozen=True):
    """`series` have a value for each of the `labels`: hours of the day, days, or dids."""

    name: str
    label_kind: Literal["hour", "day", "camera"]
    unit: Literal["count", "length", "percent"]
    labels: list[str | int | float | None]
    series: list[ReportSeries]


class ReportAnswer(Struct, frozen=True):
    """`since` ≤ t < `until` are those of the period in the time zone of the site."""

    kind: ReportKind
    period: PeriodKind
    first_day: str
    since: Time
    until: Time
    made_at: Time
    is_exact: Annotated[
        bool,
        Meta(
            description=(
                "false: captures are counted by the hours of UTC, which are not those of this zone"
            )
        ),
    ]
    tables: list[ReportTableAnswer]
    charts: list[ReportChart]


_EXAMPLE = ReportAnswer(
    "attendance",
    "day",
    "2026-11-25",
    "2026-11-24T16:00:00.000Z",
    "2026-11-25T16:00:00.000Z",
    "2026-11-26T01:00:00.000Z",
    True,
    [
        ReportTableAnswer(
            "attendance",
            [ReportColumn("name", "text"), ReportColumn("first_seen", "clock")],
            [["Li Lei", "2026-11-25T00:02:11.000Z"]],
            0,
        )
    ],
    [ReportChart("people", "day", "count", ["2026-11-25"], [ReportSeries("people", [1.0])])],
)

REPORT = Endpoint(
    method="GET",
    path=f"{PREFIX}/reports/{{report}}",
    tag="Reports",
    summary="A report of a day, a week or a month",
    description=(
        "`captures`: by camera and hour, known faces and strangers; `attendance`: when each person "
        "was first and last seen on each day, and with schedules who was late or absent; "
        "`plates`: in and out, and how long they stayed; "
        "`alarms`: by type, with the time to acknowledgement, and who acknowledged them; "
        "`availability`: of the cameras, and their outages. Days are those of the site's time "
        "zone; a week begins on Monday. If a report takes longer than a minute, the answer is 503; "
        "it is still being created, so ask again. The role "
        "`people` sees `attendance` only."
    ),
    query=ReportParameters,
    query_example="period=month&date=2026-11-25",
    answer_example=_EXAMPLE,
    role="register",
)


class AttendanceSchedules(Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[Schedule], Meta(max_length=MAX_SCHEDULES)]


_SCHEDULES = AttendanceSchedules(
    [
        Schedule(
            departments=("Sales",),
            days=(1, 2, 3, 4, 5),
            start="08:00",
            end="17:00",
            grace_minutes=5,
        ),
        Schedule(days=(1, 2, 3, 4, 5, 6, 7), start="22:00", end="06:00"),
    ]
)
GET_SCHEDULES = Endpoint(
    method="GET",
    path=f"{PREFIX}/attendance-schedules",
    tag="Reports",
    summary="The schedules of attendance",
    answer_example=_SCHEDULES,
    role="register",
)
PUT_SCHEDULES = Endpoint(
    method="PUT",
    path=f"{PREFIX}/attendance-schedules",
    tag="Reports",
    summary="Replace the schedules of attendance",
    description=(
        "With any, the report `attendance` has the table `shifts`: who came late, left early or "
        "was absent, and for how long they stayed; and for a week or a month the table `totals`."
    ),
    body_example=_SCHEDULES,
    answer_example=_SCHEDULES,
    role="people",
)


def add(routes: Routes, services: Services) -> None:
    maker = services.reports.maker

    async def get_attendance_schedules(call: Call[Nothing, Nothing]) -> AttendanceSchedules:
        return AttendanceSchedules(list(maker.schedules()))

    async def put_attendance_schedules(
        call: Call[Nothing, AttendanceSchedules],
    ) -> AttendanceSchedules:
        await maker.put_schedules(call.body.items, by=call.caller.actor)
        return AttendanceSchedules(list(maker.schedules()))

    async def report(call: Call[ReportParameters, Nothing]) -> ReportAnswer:
        query = _query(call.path["report"], call.query, services)
        if query.kind != "attendance" and not call.caller.may("guard"):
            raise NotAllowed("this report needs the role guard")
        try:
            return _answer(await maker.make(query, seconds=_WAIT_SECONDS))
        except NoSuchResource as error:
            raise BadParameter(str(error), field="group") from error

    routes.add(REPORT, report)
    routes.add(GET_SCHEDULES, get_attendance_schedules)
    routes.add(PUT_SCHEDULES, put_attendance_schedules)


def _query(name: str, asked: ReportParameters, services: Services) -> ReportQuery:
    kind = next((one for one in REPORT_KINDS if one == name), None)
    if kind is None:
        raise NoSuchResource(f"there is no report {name}: there are {', '.join(REPORT_KINDS)}")
    for field, of_kind in (("group", "attendance"), ("entrance", "plates"), ("exit", "plates")):
        if getattr(asked, field) is not None and kind != of_kind:
            raise BadParameter(f"only the report {of_kind} has it", field=field)
    today = datetime.fromtimestamp(
        services.core.clock.likely_time(), services.core.site.zone()
    ).date()
    gates = services.reports.maker.gates() if kind == "plates" else Gates()
    if asked.entrance is not None or asked.exit is not None:
        gates = Gates(_ids(asked.entrance), _ids(asked.exit))
    return ReportQuery(
        kind,
        asked.period,
        today if asked.date is None else read_day(asked.date),
        _ids(asked.group),
        gates,
    )


def _ids(asked: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(sorted(set(asked or ())))


def _answer(report: Report) -> ReportAnswer:
    period = report.period
    return ReportAnswer(
        report.kind,
        period.kind,
        period.first.isoformat(),
        format_rfc3339(period.since),
        format_rfc3339(period.until),
        format_rfc3339(report.made_at),
        report.is_exact,
        [_table(one) for one in report.tables],
        [_chart(one) for one in report.charts],
    )


def _table(table: ReportTable) -> ReportTableAnswer:
    kinds = [column.kind for column in table.columns]
    return ReportTableAnswer(
        table.name,
        [ReportColumn(column.name, column.kind) for column in table.columns],
        [[_cell(kind, cell) for kind, cell in zip(kinds, row, strict=True)] for row in table.rows],
        table.left_out,
    )


def _cell(kind: CellKind, cell: Cell) -> PlainCell:
    if isinstance(cell, HubDetail):
        return cell.text
    if kind in ("clock", "moment") and isinstance(cell, int):
        return format_rfc3339(cell)
    return cell


def _chart(chart: Chart) -> ReportChart:
    return ReportChart(
        chart.name,
        chart.label_kind,
        chart.unit,
        [_cell("text", label) for label in chart.labels],
        [ReportSeries(one.name, [float(value) for value in one.values]) for one in chart.series],
    )
