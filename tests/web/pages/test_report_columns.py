"""Columns of report files say what single cells say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.services.reports.report import CellKind, Column
from hub.wire.uploads.records import HubDetail
from web.pages.reports.cells import Cells
from web.pages.reports.columns import LocalTimes, csv_column, sheet_column, text_column

#: Around both changes of Berlin's clocks in 2026, leap days, and far away.
MOMENTS = [
    *(1_774_746_000_000 + offset for offset in (-3_600_000, -1, 0, 1, 899_999, 3_600_000)),
    *(1_792_890_000_000 + offset for offset in (-3_600_000, -1, 0, 1, 899_999, 3_600_000)),
    *(0, -1, 1_709_164_799_999, 951_782_400_000, 4_102_444_800_000),
]


def cells_in(zone: str) -> Cells:
    return Cells(ZoneInfo(zone), {"1": "=Gate"})


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("kind", ["moment", "clock"])
def test_times_are_those_of_the_site(zone: str, kind: CellKind) -> None:
    cells, column = cells_in(zone), Column("at", kind)
    text = csv_column(column, cells, LocalTimes(cells))
    number = sheet_column(column, LocalTimes(cells))
    assert number is not None
    for moment in MOMENTS:
        assert text(moment) == cells.text(column, moment)
        local = cells.local(moment).replace(tzinfo=None)
        since = local - (datetime(1899, 12, 30) if kind == "moment" else _midnight(local))
        assert number(moment) == pytest.approx(since / timedelta(days=1), abs=1e-9)


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("kind", ["moment", "clock"])
def test_what_excel_cannot_show_is_text(kind: CellKind) -> None:
    number = sheet_column(Column("at", kind), LocalTimes(cells_in("UTC")))
    assert number is not None
    for at, is_number in ((datetime(1900, 2, 28), False), (datetime(1900, 3, 1), True)):
        ms = int(at.replace(tzinfo=UTC).timestamp() * 1000)
        assert (number(ms) is not None) == is_number


@pytest.mark.parametrize(
    ("kind", "cell", "in_csv", "in_sheet"),
    [
        ("count", 12, "12", 12),
        ("percent", 99.5, "99.50", 99.5),
        ("length", 93_784, "26:03:04", pytest.approx(1.0854629)),
        ("day", "2026-11-25", "2026-11-25", 46351),
        ("camera", "1", "'=Gate", None),
        ("camera", "9", "9", None),
        ("text", "=1+1", "'=1+1", None),
        ("text", None, "", None),
    ],
)
def test_other_cells_are_text_or_numbers(
    kind: CellKind, cell: Any, in_csv: str, in_sheet: object
) -> None:
    cells, column = cells_in("UTC"), Column("value", kind)
    text = csv_column(column, cells, LocalTimes(cells))
    assert (text(cell), text(cell)) == (in_csv, in_csv)
    number = sheet_column(column, LocalTimes(cells))
    assert (None if number is None else number(cell)) == in_sheet


def test_what_the_hub_noticed_is_worded() -> None:
    cells, column = cells_in("UTC"), Column("subject", "text")
    detail = HubDetail("offline", "Bay is offline", {"camera": "Bay"})
    for text in (csv_column(column, cells, LocalTimes(cells)), text_column(column, cells)):
        assert text(detail) == cells.text(column, detail)
