"""Reads a CSV file of people as spreadsheets write it: its encoding, its delimiter, its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.csv_files import DELIMITERS, NOT_TEXT, NotCsv, find_encoding, read_rows
from hub.services.people.import_export.columns import IDENTIFYING, field_of

MAX_CSV_BYTES = 16 * 1024 * 1024
MAX_ROWS = 20_000
#: Of the file, empty ones and those within notes among them.
MAX_LINES = 20 * MAX_ROWS
#: Of one row, over all of its lines.
MAX_ROW_CHARACTERS = 64 * 1024
_MAX_COLUMNS = 100

TableFault = Literal["empty", "size", "encoding", "columns", "twice", "csv", "long", "rows"]


class BadTable(BadParameter):
    """A CSV file cannot be read at all; `fault` says why, `value` names what is wrong."""

    def __init__(self, fault: TableFault, message: str, value: str = "") -> None:
        super().__init__(message, field="csv", fault=fault)
        self.value = value


class TableRow(Struct, frozen=True):
    """The cells of one row, and the number of its first line in the file, from 1."""

    line: int
    cells: tuple[str, ...]


class PeopleTable(Struct, frozen=True):
    """A CSV file whose columns are known.

    `columns`: the names as they stand in the file; `fields`: what each is for, None if it is not
    known and therefore not used.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    fields: tuple[str | None, ...]

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of the columns that are not used."""
        pairs = zip(self.columns, self.fields, strict=True)
        return tuple(name for name, field in pairs if field is None and name)

    def rows(self) -> Iterator[TableRow]:
        """Read the rows that are not empty. Blocks. Raises BadTable, OSError."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            rows = _rows(file, self.delimiter)
            next(rows, None)
            for count, row in enumerate(rows):
                if count == MAX_ROWS:
                    raise BadTable("rows", f"at most {MAX_ROWS} rows are allowed")
                yield TableRow(row.line, row.cells[: len(self.columns)])


def open_table(path: Path) -> PeopleTable:
    """Find out how a CSV file is written. Blocks. Raises BadTable, OSError."""
    if path.stat().st_size > MAX_CSV_BYTES:
        raise BadTable("size", f"at most {MAX_CSV_BYTES >> 20} MB are allowed")
    with path.open("rb") as file:
        encoding = find_encoding(file)
    if encoding is None:
        raise BadTable("encoding", NOT_TEXT)
    found = [_header(path, encoding, delimiter) for delimiter in DELIMITERS]
    # The delimiter with which most columns are known.
    table = max(found, key=lambda table: sum(field is not None for field in table.fields))
    _check_columns(table)
    return table


def _header(path: Path, encoding: str, delimiter: str) -> PeopleTable:
    with path.open(encoding=encoding, newline="") as file:
        first = next(_rows(file, delimiter), TableRow(1, ()))
    if len(first.cells) > _MAX_COLUMNS:
        raise BadTable("columns", f"at most {_MAX_COLUMNS} columns are allowed")
    fields = tuple(field_of(name) for name in first.cells)
    return PeopleTable(path, encoding, delimiter, first.cells, fields)


def _check_columns(table: PeopleTable) -> None:
    if not table.columns:
        raise BadTable("empty", "the file is empty")
    if not set(table.fields) & set(IDENTIFYING):
        raise BadTable("columns", f"one of the columns {', '.join(IDENTIFYING)} is required")
    known = [field for field in table.fields if field is not None]
    for field in known:
        if known.count(field) > 1:
            raise BadTable("twice", f"there are two columns for {field}", field)


class _BoundedLines:
    """The lines of a file. Raises BadTable before a row, or the file, takes much memory or time."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._line = self._first = 0
        self._left = MAX_ROW_CHARACTERS

    def begin_row(self) -> None:
        """The lines so far are those of earlier rows."""
        self._first = self._line
        self._left = MAX_ROW_CHARACTERS

    def __iter__(self) -> _BoundedLines:
        return self

    def __next__(self) -> str:
        text = self._file.readline(self._left + 1)
        if not text:
            raise StopIteration
        self._line += 1
        self._left -= len(text)
        if self._left < 0:
            line = self._first + 1
            raise BadTable("long", f"line {line}: the row is too long to be one", str(line))
        if self._line > MAX_LINES:
            raise BadTable("rows", f"at most {MAX_ROWS} rows are allowed")
        return text


def _rows(file: TextIO, delimiter: str) -> Iterator[TableRow]:
    """Read all rows that are not empty, the first one with the names of the columns."""
    lines = _BoundedLines(file)
    try:
        for row in read_rows(lines, delimiter):
            lines.begin_row()
            yield TableRow(row.line, row.cells)
    except NotCsv as error:
        raise BadTable("csv", str(error), str(error.line)) from None
