"""A report: tables and charts of raw values, which pages, files and the API show in their ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import sleep
from typing import Literal, get_args

from msgspec import Struct

from hub.services.reports.periods import Period
from hub.wire.uploads.records import HubDetail

ReportKind = Literal["captures", "attendance", "plates", "alarms", "availability"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

#: What the cells of a column are. text: as it is; code: a code that pages translate; count: a whole
#: number; camera: a did; person: a pid, or "" if the register has none; day: YYYY-MM-DD; clock and
#: moment: UNIX milliseconds; length: seconds; percent: a number. None: there is none. In a text
#: column, HubDetail: what the hub itself noticed.
CellKind = Literal[
    "text", "code", "count", "camera", "person", "day", "clock", "moment", "length", "percent"
]
PlainCell = str | int | float | None
Cell = PlainCell | HubDetail

#: Rows of one table; what is beyond is counted only.
MAX_ROWS = 100_000

_PAUSE_SECONDS = 0.0005

#: Told how far the report is, from 0 to 1.
Progress = Callable[[float], None]


class Column(Struct, frozen=True):
    """`name`: a code, which pages translate and the API shows."""

    name: str
    kind: CellKind


class ReportTable(Struct, frozen=True):
    """`left_out`: how many rows there were beyond MAX_ROWS."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0


class Series(Struct, frozen=True):
    """The bars of one colour. `values`: one for each label of the chart."""

    name: str
    values: tuple[float, ...]


class Chart(Struct, frozen=True):
    """Stacked bars. `labels`: hours of the day (0 to 23), days, or dids, as `label_kind` says.

    `unit`: what the values are.
    """

    name: str
    label_kind: Literal["hour", "day", "camera"]
    labels: tuple[Cell, ...]
    series: tuple[Series, ...]
    unit: Literal["count", "length", "percent"] = "count"


class Report(Struct, frozen=True):
    """`made_at`: UNIX milliseconds. `is_exact`: False if hours are those of UTC, as in zones whose
    offset is no whole number of hours.
    """

    kind: ReportKind
    period: Period
    made_at: int
    tables: tuple[ReportTable, ...]
    charts: tuple[Chart, ...]
    is_exact: bool = True


def table(
    name: str, columns: Sequence[tuple[str, CellKind]], rows: Sequence[tuple[Cell, ...]]
) -> ReportTable:
    """Return a table with at most MAX_ROWS of these rows."""
    return ReportTable(
        name,
        tuple(Column(*one) for one in columns),
        tuple(rows[:MAX_ROWS]),
        max(0, len(rows) - MAX_ROWS),
    )


def yield_processor() -> None:
    """Let other threads work. To be called in a thread after some milliseconds of work.

    They would wait for longer until the interpreter takes its lock away.
    """
    sleep(_PAUSE_SECONDS)
