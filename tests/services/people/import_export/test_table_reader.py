"""CSV files as spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.services.people.import_export import table_reader
from hub.services.people.import_export.table_reader import BadTable, TableRow, open_table

TEXT = '姓名,工号,工资,备注\r\n王芳,A-7,1,"two\r\nlines"\r\n\r\n李雷,A-8\r\n'
ROWS = [
    TableRow(2, ("王芳", "A-7", "1", "two\r\nlines")),
    TableRow(5, ("李雷", "A-8")),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_usual_encoding_and_delimiter_is_read(
    path: Path, encoding: str, delimiter: str
) -> None:
    path.write_bytes(TEXT.replace(",", delimiter).encode(encoding))
    table = open_table(path)
    assert table.fields == ("name", "work_id", None, "note")
    assert table.unused == ("工资",)
    assert list(table.rows()) == ROWS
    assert list(table.rows()) == ROWS  # as often as needed


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "empty"),
        (b"\r\n \r\n", "empty"),
        (b"salary,phone\r\n1,2\r\n", "columns"),
        (b"name,id,pid\r\n", "twice"),
        (b"name\r\n\xff\xff\xff", "encoding"),
        (b"PK\x03\x04\x00\x00\xff\xff", "encoding"),
        (b"name," * 200, "columns"),
        (b'name\r\n"' + b"x" * 200_000, "csv"),
        (b"name\r\n" + b"a\r\n" * 4, "rows"),
        (b"name\r\n" + b"a" * 300_000, "size"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    path: Path, data: bytes, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_reader, "MAX_CSV_BYTES", 250_000)
    monkeypatch.setattr(table_reader, "MAX_ROWS", 3)
    path.write_bytes(data)
    with pytest.raises(BadTable) as caught:
        list(open_table(path).rows())
    assert caught.value.fault == fault
    assert caught.value.message.startswith("csv: ")
