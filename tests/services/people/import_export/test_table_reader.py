"""CSV files as spreadsheets write them."""

from __future__ import annotations

import tracemalloc
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
        (b"," * 240_000, "long"),
        (b"name\r\n" + b"a," * 100_000, "long"),
        (b"name\r\n" + b'"%b\n",' % (b"a" * 100) * 900, "long"),
        (b"name\r\n" + b"a" * 70_000, "long"),
        (b"name\r\nA\r\n" + b"\n" * 2_000, "rows"),
        (b"\n" * 2_000 + b"name\r\nA\r\n", "rows"),
        (b'name\r\n"' + b"x" * 200_000, "long"),
        (b"name\r\n" + b"a\r\n" * 4, "rows"),
        (b"name\r\n" + b"a" * 300_000, "size"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    path: Path, data: bytes, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_reader, "MAX_CSV_BYTES", 250_000)
    monkeypatch.setattr(table_reader, "MAX_ROWS", 3)
    monkeypatch.setattr(table_reader, "MAX_LINES", 1_000)
    path.write_bytes(data)
    with pytest.raises(BadTable) as caught:
        list(open_table(path).rows())
    assert caught.value.fault == fault
    assert caught.value.message.startswith("csv: ")


def test_a_file_of_commas_takes_little_memory(path: Path) -> None:
    path.write_bytes(b"name\r\nA\r\n" + b"," * (table_reader.MAX_CSV_BYTES - 9))
    tracemalloc.start()
    try:
        with pytest.raises(BadTable, match="too long"):
            list(open_table(path).rows())
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_cells_beyond_the_columns_are_left_out(path: Path) -> None:
    path.write_bytes(b"name,work_id\r\nA,1,2,3\r\n")
    assert list(open_table(path).rows()) == [TableRow(2, ("A", "1"))]


def test_a_long_note_over_many_lines_is_read(path: Path) -> None:
    note = "line\r\n" * 1_000 + "end"
    path.write_bytes(f'name,note\r\nA,"{note}"\r\nB,\r\n'.encode())
    assert list(open_table(path).rows()) == [
        TableRow(2, ("A", note)),
        TableRow(1_003, ("B", "")),
    ]
