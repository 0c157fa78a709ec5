"""Reports as files for spreadsheets: CSV and XLSX."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from hub.services.reports.delivery import CameraNames, FileForm
from hub.services.reports.report import Cell, Column, Report, ReportTable
from hub.wire.uploads.records import HubDetail
from web import language
from web.language import gettext
from web.pages.reports import labels
from web.pages.reports.cells import Cells
from web.pages.reports.columns import LocalTimes, csv_column, sheet_column, text_column

#: Writing a file keeps the interpreter busy: after so much processor time, it pauses for as long.
_WORK_SECONDS = 0.002
#: Cells between two looks at that time.
_CELLS_AT_A_TIME = 200
_WIDTHS = {"text": 24, "camera": 22, "moment": 20, "code": 22, "day": 12, "person": 22}
_FORMATS = {
    "moment": "yyyy-mm-dd hh:mm:ss",
    "clock": "hh:mm:ss",
    "length": "[h]:mm:ss",
    "day": "yyyy-mm-dd",
    "count": "0",
    "percent": "0.00",
}


def render_report(
    report: Report, form: FileForm, code: str, zone: ZoneInfo, names: CameraNames
) -> tuple[str, bytes]:
    """Return the name and content of a file in a language. Called in a thread, for seconds."""
    # Within the context of this thread only.
    language.use(language.LANGUAGES[code], zone)
    cells = Cells(zone, names)
    write = csv_of if form == "csv" else xlsx_of
    return file_name(report, form), write(report, cells)


def file_name(report: Report, form: FileForm) -> str:
    """Return the name of a file, such as attendance-2026-11-25.xlsx."""
    return f"{report.kind}-{period_code(report)}.{form}"


def csv_of(report: Report, cells: Cells) -> bytes:
    """Return all tables, one below the other; each begins with its name. Blocks for seconds."""
    out = io.StringIO()
    writer = csv.writer(out)
    times = LocalTimes(cells)
    for number, table in enumerate(report.tables):
        if number:
            writer.writerow(())
        if len(report.tables) > 1:
            writer.writerow((table_name(table),))
        writer.writerow([cells.heading(column) for column in table.columns])
        columns = [csv_column(column, cells, times) for column in table.columns]
        writer.writerows(
            [text(cell) for text, cell in zip(columns, row, strict=True)] for row in _paced(table)
        )
    # Excel takes a file without this mark for one in the code page of the PC.
    return "\ufeff".encode() + out.getvalue().encode("utf-8", "replace")


def xlsx_of(report: Report, cells: Cells) -> bytes:
    """Return a workbook with a sheet for each table. Blocks for seconds; rows take no memory.

    Text is never taken for a formula or a link.
    """
    # Imported here, because it takes memory.
    import xlsxwriter

    out = io.BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": title_of(report)})
        formats = {kind: book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        times = LocalTimes(cells)
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        for table in report.tables:
            sheet = book.add_worksheet(table_name(table)[:31])
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(table.columns):
                sheet.set_column(place, place, _WIDTHS.get(column.kind, 11))
                sheet.write_string(0, place, cells.heading(column), head)
            writers = [
                _writer(sheet, place, column, cells, times, formats)
                for place, column in enumerate(table.columns)
            ]
            for number, row in enumerate(_paced(table), 1):
                for write, cell in zip(writers, row, strict=True):
                    write(number, cell)
            if table.rows:
                sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    return out.getvalue()


def _paced(table: ReportTable) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of a table, and let the event loop run now and then."""
    at_a_time = max(1, _CELLS_AT_A_TIME // len(table.columns))
    began = time.thread_time()
    for number, row in enumerate(table.rows, 1):
        yield row
        if number % at_a_time == 0 and (worked := time.thread_time() - began) >= _WORK_SECONDS:
            time.sleep(worked)
            began = time.thread_time()


def _writer(
    sheet: Any,
    place: int,
    column: Column,
    cells: Cells,
    times: LocalTimes,
    formats: dict[str, Any],
) -> Callable[[int, Cell], None]:
    """Return what writes the cells of a column, by row."""
    form, text, number = (
        formats.get(column.kind),
        text_column(column, cells),
        sheet_column(column, times),
    )
    write_number, write_string = sheet.write_number, sheet.write_string

    def write(row: int, cell: Cell) -> None:
        is_text = cell is None or isinstance(cell, HubDetail)
        found = None if number is None or is_text else number(cell)
        if found is not None:
            write_number(row, place, found, form)
        elif shown := text(cell):
            write_string(row, place, shown)

    return write


def table_name(table: ReportTable) -> str:
    return gettext(labels.TABLES[table.name])


def title_of(report: Report) -> str:
    """Return the name of a report and of its period, as in the name of a file."""
    return f"{gettext(labels.REPORTS[report.kind])} {period_code(report)}"


def period_code(report: Report) -> str:
    """Return the period as 2026-11-25, 2026-W48 or 2026-11."""
    first = report.period.first
    match report.period.kind:
        case "day":
            return first.isoformat()
        case "week":
            year, week, _ = first.isocalendar()
            return f"{year}-W{week:02}"
    return f"{first:%Y-%m}"
