"""The cells of a column as files of 100,000 rows have them: what was worked out is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial

from hub.services.csv_cells import as_text
from hub.services.reports.report import Cell, Column
from hub.wire.uploads.records import HubDetail
from web.pages.reports.cells import Cells

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: All time zones change at full quarters of an hour.
_QUARTER_MS, _DAY_MS, _DAY_SECONDS = 900_000, 86_400_000, 86_400
#: The day 0 of spreadsheets, in days since 1970; and the first day that Excel shows rightly.
_SHEET_DAY, _FIRST_SHEET_DAY = 25_569, 61
#: Texts of a column that are kept, and days and quarters.
_KEPT = 8_192

#: Turns the cells of a column into what a file has.
TextOf = Callable[[Cell], str]
NumberOf = Callable[[Cell], float | None]


class LocalTimes:
    """Times of the site as a day since 1970 and milliseconds of that day."""

    def __init__(self, cells: Cells) -> None:
        @lru_cache(_KEPT)
        def offset(quarter: int) -> int:
            local = cells.local(quarter * _QUARTER_MS)
            return int((local.utcoffset() or timedelta()) / timedelta(milliseconds=1))

        @lru_cache(_KEPT)
        def day_text(day: int) -> str:
            return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"

        self._offset = offset
        self._day_text = day_text

    def split(self, cell: Cell) -> tuple[int, int]:
        ms = int(cell)  # type: ignore[arg-type]
        return divmod(ms + self._offset(ms // _QUARTER_MS), _DAY_MS)

    def clock(self, cell: Cell) -> str:
        """HH:MM:SS."""
        minutes, seconds = divmod(self.split(cell)[1] // 1000, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}:{seconds:02}"

    def moment(self, cell: Cell) -> str:
        """YYYY-MM-DD HH:MM:SS."""
        return f"{self._day_text(self.split(cell)[0])} {self.clock(cell)}"

    def sheet_clock(self, cell: Cell) -> float | None:
        return self.split(cell)[1] / _DAY_MS if self.sheet_moment(cell) is not None else None

    def sheet_moment(self, cell: Cell) -> float | None:
        day, ms = self.split(cell)
        number = day + _SHEET_DAY
        return number + ms / _DAY_MS if number >= _FIRST_SHEET_DAY else None


def csv_column(column: Column, cells: Cells, times: LocalTimes) -> TextOf:
    """Return what turns the cells of a column into CSV: the same as `Cells.text`, as text only."""
    match column.kind:
        case "clock":
            found: TextOf = times.clock
        case "moment":
            found = times.moment
        case "count" | "length" | "percent" | "day":
            found = partial(cells.text, column)
        case _:
            found = _kept(lambda cell: as_text(cells.text(column, cell)))
    blank = cells.text(column, None)
    return lambda cell: blank if cell is None else found(cell)


def text_column(column: Column, cells: Cells) -> TextOf:
    """Return what turns the cells of a column into text."""
    return _kept(partial(cells.text, column))


def sheet_column(column: Column, times: LocalTimes) -> NumberOf | None:
    """Return what turns the cells of a column into the numbers of a sheet; None for text.

    None of a cell: it is to be text. Lengths are days.
    """
    match column.kind:
        case "count" | "percent":
            return lambda cell: cell if isinstance(cell, int | float) else None
        case "length":
            return lambda cell: int(cell) / _DAY_SECONDS  # type: ignore[arg-type]
        case "moment":
            return times.sheet_moment
        case "clock":
            return times.sheet_clock
        case "day":
            return lru_cache(_KEPT)(_sheet_day)
    return None


def _sheet_day(cell: Cell) -> float | None:
    number = date.fromisoformat(str(cell)).toordinal() - date(1970, 1, 1).toordinal() + _SHEET_DAY
    return number if number >= _FIRST_SHEET_DAY else None


def _kept(text: TextOf) -> TextOf:
    """Keep the last texts; what the hub itself noticed is none that can be."""
    known = lru_cache(_KEPT, typed=True)(text)
    return lambda cell: text(cell) if isinstance(cell, HubDetail) else known(cell)
