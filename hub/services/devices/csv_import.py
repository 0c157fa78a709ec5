"""CSV files of devices: reading imports, with an error for every bad row, and writing exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.csv_cells import as_text, from_text
from hub.services.devices.validation import check_new
from hub.store.tables.devices import Device, NewDevice

COLUMNS = ("sn", "code", "did", "name", "key")
#: Bad rows that an error message names; the others are counted.
MAX_NAMED = 20
#: Limits of one import. The bytes are those of the uploaded file.
MAX_ROWS = 10_000
MAX_CSV_BYTES = 4 * 1024 * 1024


class ImportRow(Struct, frozen=True):
    """A row of a file; `line` is the number of its first line in the file."""

    line: int
    device: NewDevice


RowFaultCode = Literal["wrong", "taken", "repeated", "columns", "values", "rows", "csv", "empty"]


class RowFault(Struct, frozen=True):
    """What is wrong with a row; `field` is empty if the whole row is wrong.

    "wrong": a bad value · "taken": a device has the value already · "repeated": the row in
    `other_line` has it too · "columns": bad column names · "values": more values than columns ·
    "rows": too many rows · "csv": not CSV · "empty": no rows.
    """

    line: int
    code: RowFaultCode
    message: str
    field: str = ""
    other_line: int = 0

    @property
    def text(self) -> str:
        return f"line {self.line}: {self.message}"


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


def read_csv(text: str) -> DeviceCsv:
    """Read the rows of a CSV file whose first line names the columns.

    Raises BadCsv if the first line is wrong, because then no row can be read.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True)
    rows: list[ImportRow] = []
    faults: list[RowFault] = []
    names: list[str] | None = None
    line = 1
    try:
        for values in reader:
            # A quoted key spans several lines; errors name the first line of a row.
            line, start = reader.line_num + 1, line
            cells = [value.strip() for value in values]
            if names is None:
                names = _checked_names(cells)
            elif len(cells) > len(names):
                faults.append(RowFault(start, "values", "more values than there are columns"))
            elif len(rows) + len(faults) == MAX_ROWS:
                faults.append(RowFault(start, "rows", f"at most {MAX_ROWS} rows are allowed"))
                break
            elif any(cells):
                rows.append(ImportRow(start, _device(dict(zip(names, cells, strict=False)))))
    except csv.Error as error:
        faults.append(RowFault(line, "csv", f"this is not CSV: {error}"))
    if names is None:
        _checked_names([])
    return DeviceCsv(tuple(rows), tuple(faults))


def check_csv(csv_file: DeviceCsv, taken: Collection[tuple[str, str]]) -> None:
    """Check every row. `taken` holds (field, value) of the sn and did of all devices.

    Raises BadCsv.
    """
    faults = list(csv_file.faults)
    #: (field, value) of the rows so far -> line.
    lines: dict[tuple[str, str], int] = {}
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


def _checked_names(names: list[str]) -> list[str]:
    if not {"sn", "code"} <= set(names) <= set(COLUMNS) or len(set(names)) != len(names):
        message = f"the columns {','.join(COLUMNS)} are allowed; sn and code are required"
        raise BadCsv([RowFault(1, "columns", message)])
    return names


def _device(cells: dict[str, str]) -> NewDevice:
    return NewDevice(
        sn=from_text(cells.get("sn", "")),
        code=cells.get("code", ""),
        did=cells.get("did") or None,
        name=from_text(cells.get("name", "")),
        key=cells.get("key") or None,
    )


def _fault_of(
    row: ImportRow, lines: dict[tuple[str, str], int], taken: Collection[tuple[str, str]]
) -> RowFault | None:
    try:
        check_new(row.device)
    except BadParameter as error:
        return RowFault(row.line, "wrong", error.message, error.field)
    for field, value in (("sn", row.device.sn), ("did", row.device.did)):
        if value is None:
            continue
        if (field, value) in taken:
            message = f"{field}: a device with {field} {value} exists already"
            return RowFault(row.line, "taken", message, field)
        earlier = lines.setdefault((field, value), row.line)
        if earlier != row.line:
            message = f"{field}: {value} is already in line {earlier}"
            return RowFault(row.line, "repeated", message, field, earlier)
    return None
