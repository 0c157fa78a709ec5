"""CSV files of devices: read, checked row by row, and written."""

from __future__ import annotations

import csv
import io

import pytest

from hub.services.devices.csv_import import (
    MAX_NAMED,
    MAX_ROWS,
    BadCsv,
    DeviceCsv,
    ImportRow,
    RowFault,
    check_csv,
    decode_csv,
    read_csv,
    write_csv,
    write_template,
)
from hub.store.tables.devices import NewDevice
from hub.wire.code_tables import Language
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, gate, public_pem


def faults_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(BadCsv) as caught:
        check_csv(read_csv(text), {("sn", "TAKEN"), ("did", "1")})
    return [(fault.line, fault.code, fault.field) for fault in caught.value.faults]


def test_a_csv_file_is_read_as_spreadsheets_write_it() -> None:
    sheet = read_csv('\ufeffsn, code ,name,did\r\nA,1,"Gate, north",7\r\n\r\n B ,2\r\n,,,\r\n')
    assert sheet == DeviceCsv(
        (
            ImportRow(2, NewDevice(sn="A", code="1", name="Gate, north", did="7"), 2),
            ImportRow(4, NewDevice(sn="B", code="2"), 4),
        )
    )


def test_a_quoted_key_spans_lines_and_rows_keep_their_line_numbers() -> None:
    sheet = read_csv('sn,code,key\nA,1,"one\ntwo\nthree"\nB,2,\n')
    assert [(row.line, row.device.key) for row in sheet.rows] == [(2, "one\ntwo\nthree"), (5, None)]


def test_every_bad_row_is_named() -> None:
    text = (
        "sn,code,did,key\nA,1,,\nA,1,,\n,1,,\nTAKEN,1,,\nB,1,1,\nC,1,007,\nD,1,,x\nE,1,,,,x\nF,\n"
    )
    assert faults_of(text) == [
        (3, "repeated", "sn"),
        (4, "wrong", "sn"),
        (5, "taken", "sn"),
        (6, "taken", "did"),
        (7, "wrong", "did"),
        (8, "wrong", "key"),
        (9, "values", ""),
        (10, "wrong", "code"),
    ]


@pytest.mark.parametrize(
    ("head", "faults"),
    [
        ("", [(1, "columns", "sn"), (1, "columns", "code")]),
        ("sn\n", [(1, "columns", "code")]),
        ("sn,code,sn\n", [(1, "columns", "sn")]),
        ("sn,code,Serial number\n", [(1, "columns", "sn")]),
        ("sn,code,,did\n", [(1, "unknown", "")]),
    ],
)
def test_a_file_with_wrong_columns_is_refused(
    head: str, faults: list[tuple[int, str, str]]
) -> None:
    assert faults_of(head) == faults


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(BadCsv) as caught:
        read_csv("sn,code,备注\nA,1,x\n")
    assert [(fault.code, fault.value) for fault in caught.value.faults] == [("unknown", "备注")]
    assert "and not '备注'" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "Serial Number,SECURITY CODE,Camera name\nA,1,Gate",
        "序列号;安全码;摄像机名称\r\nA;1;Gate\r\n",
        "ＳＮ\tCode\t名称\t\t\nA\t1\tGate\t\t\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_columns_encoding_and_delimiter_are_recognised(text: str, encoding: str) -> None:
    (row,) = read_csv(decode_csv(text.encode(encoding))).rows
    assert row.device == NewDevice(sn="A", code="1", name="Gate")


def test_a_file_in_another_encoding_is_refused() -> None:
    with pytest.raises(BadCsv) as caught:
        decode_csv(b"sn,code\nA,\xff\xff\n")
    assert [fault.code for fault in caught.value.faults] == ["encoding"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_template_has_the_columns_of_an_import(language: Language) -> None:
    assert read_csv(write_template(language) + "A,1,7,Gate,\n").rows[0].device == NewDevice(
        sn="A", code="1", did="7", name="Gate"
    )


def test_a_bad_row_is_named_as_the_sheet_numbers_it_with_its_serial_number() -> None:
    text = 'sn,code,key\nA,1,"' + public_pem() + '"\n\nB,,\n'
    with pytest.raises(BadCsv) as caught:
        check_csv(read_csv(text), ())
    (fault,) = caught.value.faults
    line = text.count("\n")
    assert (fault.line, fault.row, fault.sn) == (line, 4, "B")
    assert fault.text.startswith(f"line {line}: ")
    assert fault.text.endswith(" (row 4 of the sheet, sn B)")


def test_a_number_that_a_spreadsheet_has_shortened_is_refused() -> None:
    assert faults_of("sn,code\n1.23457E+14,1\nY3E5,1\n") == [(2, "shortened", "sn")]


def test_a_file_without_rows_is_refused() -> None:
    assert faults_of("sn,code\n\n") == [(1, "empty", "")]


def test_text_that_is_not_csv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = '"' + "x" * 200_000
    assert faults_of(f"sn,code\n{huge}\n") == [(2, "csv", "")]


def test_the_number_of_rows_is_bounded() -> None:
    rows = "".join(f"SN{n},1\n" for n in range(MAX_ROWS + 1000))
    assert faults_of(f"sn,code\n{rows}") == [(MAX_ROWS + 2, "rows", "")]


def test_the_message_names_twenty_rows_and_counts_the_others() -> None:
    faults = [RowFault(n, "wrong", "sn: wrong", "sn") for n in range(2, 50)]
    message = BadCsv(faults).message
    assert message.startswith("line 2: sn: wrong; line 3: sn: wrong; ")
    assert message.endswith(f"line {MAX_NAMED + 1}: sn: wrong; and 28 more")


async def test_an_export_can_be_imported_once_codes_are_added(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol("SN-A", name='Gate "north"', did="7")
    await site.enrol("SN-B", key=public_pem(1))
    text = site.devices.export_csv()
    assert CODE not in text
    assert site.store.devices.secrets("7").secret not in text
    sheet = read_csv(text)
    assert [(row.device.sn, row.device.name, row.device.key) for row in sheet.rows] == [
        ("SN-B", "", public_pem(1).strip()),
        ("SN-A", 'Gate "north"', None),
    ]
    with pytest.raises(BadCsv) as caught:
        await gate(clock).devices.check_import(sheet)
    assert {fault.field for fault in caught.value.faults} == {"code"}


@pytest.mark.parametrize("said", ["=1+1", "+1", "-1", "@SUM(1)", "＝1", "'=1", "'plain", "plain"])
async def test_exported_text_is_no_formula_in_a_spreadsheet(clock: FrozenClock, said: str) -> None:
    site = gate(clock)
    await site.enrol(said, name=said)
    text = site.devices.export_csv()
    _, (sn, _, _, name, _) = csv.reader(io.StringIO(text))
    assert sn == name
    assert sn[0] not in "=+-@＝"
    (row,) = read_csv(text).rows
    assert (row.device.sn, row.device.name) == (said, said)


def test_an_export_without_devices_has_the_columns() -> None:
    assert write_csv([]) == "sn,code,did,name,key\r\n"
