"""CSV files as spreadsheets write them: their encoding, delimiter, rows and names of columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from msgspec import Struct

from hub.folding import normalise

DELIMITERS = (",", ";", "\t")

#: For whoever gave a file for which find_encoding() finds none.
NOT_TEXT = 'the text is neither UTF-8 nor GB18030: in Excel, save it as "CSV UTF-8"'
_ENCODINGS = ("utf-8", "gb18030")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK_BYTES = 64 * 1024
#: What a spreadsheet leaves of a long number: the last digits are lost.
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.ASCII | re.IGNORECASE)


class CsvRow(Struct, frozen=True):
    """The cells of a row. `line`: its first line in the file; `number`: its row in the sheet.

    They differ behind a cell of several lines. Both count from 1.
    """

    line: int
    number: int
    cells: tuple[str, ...]


class NotCsv(Exception):
    """What begins in this line of a file is not CSV."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: this is not CSV: {reason}")
        self.line = line
        self.reason = reason


def find_encoding(file: BinaryIO) -> str | None:
    """Return the encoding of a file: UTF-8, UTF-16 with a mark, or GB18030. Blocks.

    None if the file is in none of them.
    """
    start = file.read(4)
    candidates: Sequence[str] = _ENCODINGS
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            candidates = (encoding,)
            break
    for encoding in candidates:
        file.seek(0)
        if _can_decode(file, encoding):
            return encoding
    return None


def _can_decode(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def read_rows(lines: Iterable[str], delimiter: str) -> Iterator[CsvRow]:
    """Read the rows that are not empty, the first one with the names of the columns.

    Raises NotCsv, and what `lines` raises.
    """
    reader = csv.reader(iter(lines), delimiter=delimiter, skipinitialspace=True)
    line = 1
    try:
        for number, values in enumerate(reader, 1):
            # A quoted cell may span several lines: a row is known by its first one.
            line, start = reader.line_num + 1, line
            cells = tuple(value.strip() for value in values)
            if any(cells):
                yield CsvRow(start, number, cells)
    except csv.Error as error:
        raise NotCsv(line, str(error)) from None


def fold_name(text: str) -> str:
    """Return the name of a column, or a word, without what people write differently."""
    return re.sub(r"[\s_.*-]", "", normalise("NFKC", text).casefold())


def fields_by_name(names: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return folded name -> field, for fields with their names; a field is one of its own."""
    return {fold_name(name): field for field, others in names.items() for name in (field, *others)}


def is_shortened(cell: str) -> bool:
    """Whether a spreadsheet may have shortened a long number to this, such as 1.2E+14."""
    return _SHORTENED.fullmatch(cell) is not None
