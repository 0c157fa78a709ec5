"""CSV files of devices: reading imports, with an error for every bad row, and writing exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.services.csv_cells import as_text, from_text
from hub.services.csv_files import (
    DELIMITERS,
    NOT_TEXT,
    NotCsv,
    fields_by_name,
    find_encoding,
    fold_name,
    is_shortened,
    read_rows,
)
from hub.services.devices.validation import MAX_SN_LENGTH, check_new
from hub.store.tables.devices import Device, NewDevice
from hub.wire.code_tables import Language

COLUMNS = ("sn", "code", "did", "name", "key")
_REQUIRED = ("sn", "code")
#: field -> (English name, Chinese name, other names). Case, blanks and full width do not matter.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "sn": ("Serial number", "序列号", "serial", "serial no", "设备序列号"),
    "code": ("Security code", "安全码", "设备安全码"),
    "did": ("Device ID", "设备编号", "device id (did)", "设备编号", "设备ID"),
    "name": (
        "Camera name",
        "摄像机名称",
        "name or location",
        "名称",
        "设备名称",
        "位置",
    ),
    "key": ("Public key", "公钥", "public key (pem)", "公钥（PEM）"),
}
_FIELD_OF = fields_by_name(_NAMES)
#: Bad rows that an error message names; the others are counted.
MAX_NAMED = 20
#: Limits of one import. The bytes are those of the uploaded file.
MAX_ROWS = 10_000
MAX_CSV_BYTES = 4 * 1024 * 1024


class ImportRow(Struct, frozen=True):
    """A row of a file. `line`: its first line in the file; `row`: its row in the sheet."""

    line: int
    device: NewDevice
    row: int = 0


RowFaultCode = Literal[
    "wrong",
    "shortened",
    "taken",
    "repeated",
    "columns",
    "unknown",
    "values",
    "rows",
    "csv",
    "encoding",
    "empty",
]


class RowFault(Struct, frozen=True):
    """What is wrong with a row; `field` is empty if the whole row is wrong.

    `row`: its row in the sheet, 0 if it is that of `line`. `sn`: its serial number, as far as it
    was read. "wrong": a bad value · "shortened": a number that a spreadsheet has shortened ·
    "taken": a device has the value already · "repeated": the row `other_line` has it too ·
    "columns": `field` is missing or there twice · "unknown": the column `value` is not known ·
    "values": more values than columns · "rows": too many rows · "csv": not CSV · "encoding":
    neither UTF-8 nor GB18030 · "empty": no rows.
    """

    line: int
    code: RowFaultCode
    message: str
    field: str = ""
    other_line: int = 0
    row: int = 0
    sn: str = ""
    value: str = ""

    @property
    def text(self) -> str:
        row = f"row {self.row} of the sheet" if self.row not in (0, self.line) else ""
        where = ", ".join(filter(None, (row, f"sn {self.sn}" if self.sn else "")))
        return f"line {self.line}: {self.message}" + (f" ({where})" if where else "")


class DeviceCsv(Struct, frozen=True):
    """The rows of a file that describe devices, and the faults of the other rows."""

    rows: tuple[ImportRow, ...]
    faults: tuple[RowFault, ...] = ()


class BadCsv(BadParameter):
    """Nothing was imported; `faults` names every bad row, ordered by line."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        named = [fault.text for fault in faults[:MAX_NAMED]]
        if len(faults) > MAX_NAMED:
            named.append(f"and {len(faults) - MAX_NAMED} more")
        super().__init__("; ".join(named))
        self.faults = tuple(faults)


def decode_csv(data: bytes) -> str:
    """Return the text of a file, in UTF-8, UTF-16 or GB18030. Raises BadCsv."""
    encoding = find_encoding(io.BytesIO(data))
    if encoding is None:
        raise BadCsv([RowFault(1, "encoding", NOT_TEXT)])
    return str(data, encoding)


def read_csv(text: str) -> DeviceCsv:
    """Read the rows of a CSV file whose first line names the columns.

    The cells are separated by commas, semicolons or tabs. Raises BadCsv if the first line is wrong,
    because then no row can be read.
    """
    text = text.removeprefix("\ufeff")
    # The delimiter with which most columns are known.
    delimiter = max(DELIMITERS, key=lambda one: sum(map(bool, _fields(_header(text, one)))))
    header = _header(text, delimiter)
    _check_columns(header)
    rows: list[ImportRow] = []
    faults: list[RowFault] = []
    names = [_FIELD_OF[fold_name(name)] for name in header]
    try:
        for row in islice(read_rows(io.StringIO(text, newline=""), delimiter), 1, None):
            if len(rows) + len(faults) == MAX_ROWS:
                message = f"at most {MAX_ROWS} rows are allowed"
                faults.append(RowFault(row.line, "rows", message, row=row.number))
                break
            if any(row.cells[len(names) :]):
                message = "more values than there are columns"
                faults.append(RowFault(row.line, "values", message, row=row.number))
            else:
                device = _device(dict(zip(names, row.cells, strict=False)))
                rows.append(ImportRow(row.line, device, row.number))
    except NotCsv as error:
        faults.append(RowFault(error.line, "csv", f"this is not CSV: {error.reason}"))
    return DeviceCsv(tuple(rows), tuple(faults))


def check_csv(csv_file: DeviceCsv, taken: Collection[tuple[str, str]]) -> None:
    """Check every row. `taken` holds (field, value) of the sn and did of all devices.

    Raises BadCsv.
    """
    faults = list(csv_file.faults)
    #: (field, value) -> the row that has it first.
    lines: dict[tuple[str, str], ImportRow] = {}
    for row in csv_file.rows:
        fault = _fault_of(row, lines, taken)
        if fault is not None:
            faults.append(fault)
    if not csv_file.rows and not faults:
        faults.append(RowFault(1, "empty", "there is no row below the column names"))
    if faults:
        raise BadCsv(sorted(faults, key=lambda fault: fault.line))


def write_csv(devices: Iterable[Device]) -> str:
    """Write the devices in the columns of an import; the codes, which are secret, stay empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for device in devices:
        # A camera chooses its own serial number.
        sn, name = as_text(device.sn), as_text(device.name)
        writer.writerow((sn, "", device.did, name, device.key or ""))
    return out.getvalue()


def write_template(language: Language) -> str:
    """Write a file without devices; its columns have their names in this language."""
    return ",".join(_NAMES[column][language == "zh"] for column in COLUMNS) + "\r\n"


def _header(text: str, delimiter: str) -> tuple[str, ...]:
    """The names of the columns; none if the text has no row or is not CSV."""
    try:
        first = next(read_rows(io.StringIO(text, newline=""), delimiter), None)
    except NotCsv:
        return ()
    cells = list(first.cells) if first else []
    while cells and not cells[-1]:  # Spreadsheets write as many cells as the longest row has.
        cells.pop()
    return tuple(cells)


def _fields(names: Sequence[str]) -> list[str | None]:
    return [_FIELD_OF.get(fold_name(name)) for name in names]


def _check_columns(names: Sequence[str]) -> None:
    allowed = f"the columns {','.join(COLUMNS)} are allowed; sn and code are required"
    faults = [
        RowFault(1, "unknown", f"{allowed}, and not {name!r}", value=name)
        for name, field in zip((one[:100] for one in names), _fields(names), strict=True)
        if field is None
    ]
    fields = _fields(names)
    faults += [
        RowFault(1, "columns", f"{allowed}, each once: {column}", column)
        for column in COLUMNS
        if fields.count(column) > 1 or (column in _REQUIRED and column not in fields)
    ]
    if faults:
        raise BadCsv(faults)


def _device(cells: dict[str, str]) -> NewDevice:
    return NewDevice(
        sn=from_text(cells.get("sn", "")),
        code=cells.get("code", ""),
        did=cells.get("did") or None,
        name=from_text(cells.get("name", "")),
        key=cells.get("key") or None,
    )


def _fault_of(
    row: ImportRow, lines: dict[tuple[str, str], ImportRow], taken: Collection[tuple[str, str]]
) -> RowFault | None:
    found = _find_fault(row, lines, taken)
    return None if found is None else replace(found, row=row.row, sn=row.device.sn[:MAX_SN_LENGTH])


def _find_fault(
    row: ImportRow, lines: dict[tuple[str, str], ImportRow], taken: Collection[tuple[str, str]]
) -> RowFault | None:
    try:
        check_new(row.device)
    except BadParameter as error:
        return RowFault(row.line, "wrong", error.message, error.field)
    for field, value in (("sn", row.device.sn), ("did", row.device.did)):
        if value is None:
            continue
        if "+" in value and is_shortened(value):
            message = f"{field}: {value} was shortened by a spreadsheet; format the column as text"
            return RowFault(row.line, "shortened", message, field)
        if (field, value) in taken:
            message = f"{field}: a device with {field} {value} exists already"
            return RowFault(row.line, "taken", message, field)
        earlier = lines.setdefault((field, value), row)
        if earlier is not row:
            message = f"{field}: {value} is already in line {earlier.line}"
            return RowFault(row.line, "repeated", message, field, earlier.row or earlier.line)
    return None
