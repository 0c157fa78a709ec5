"""Each command as it is encoded, and each answer as it is decoded (1.5 to 1.16, D3)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import Raw, Struct

from hub.errors import BadParameter, DeviceNonsense
from hub.wire.commands.answers import (
    DayCount,
    Done,
    FaceCapture,
    FaceHistoryPage,
    FileContent,
    Match,
    Person,
    PersonCapture,
    PersonHistoryPage,
    PersonPage,
    RecordDays,
    Recording,
    RecordListPage,
    SearchResult,
)
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_HISTORY,
    PERSON_LIST,
    PERSON_QUERY,
    PERSON_SEARCH,
    REBOOT,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.param_structs import (
    AlarmOut,
    FaceHistory,
    FaceParam,
    FileRead,
    PersonAdd,
    PersonDelete,
    PersonHistory,
    PersonList,
    PersonQuery,
    PersonSearch,
    PreRecord,
    Reboot,
    RecordByMonth,
    RecordList,
    RecordParam,
)
from hub.wire.commands.params import check_fields, check_param, encode_param
from hub.wire.commands.results import decode_answer
from hub.wire.pictures import Picture
from tests.support.pictures import JPEG, PNG, b64

AnyCommand = Command[Any, Any]

START, END = "2021-10-03 10:30:00", "2021-10-03 16:00:00"
SPAN = f'"start_time":"{START}","end_time":"{END}"'
FACE = FaceParam(
    enable=True,
    show_face=True,
    show_human=True,
    push_stranger=True,
    push_face=True,
    push_bg=True,
    play_audio=False,
    threshold=50,
    reg_threshold=85,
    mini_face=50,
    mini_human=60,
    quality_face=50,
    quality_human=50,
    alarm_out=AlarmOut(interval=10, alarm_push=True),
)
RECORDING = RecordParam(
    normal_record=True,
    disconnect_record=False,
    alarm_record=True,
    audio_enable=True,
    file_len=5,
    strategy=0,
    pre_record=PreRecord(enable=True, duration=10),
)
ADDED = PersonAdd(pid="123456", name="姓名", gender=1, age=25, photo=b64(JPEG), category=1)


class Sent(NamedTuple):
    """A param, and its JSON in the frame."""

    command: AnyCommand
    param: Struct
    sent: str


SENT = {
    "1.5 booleans as true and false, absent fields are left out": Sent(
        SET_FACE,
        FACE,
        '{"enable":true,"show_face":true,"show_human":true,"push_stranger":true,"push_face":true,'
        '"push_bg":true,"play_audio":false,"threshold":50,"reg_threshold":85,"mini_face":50,'
        '"mini_human":60,"quality_face":50,"quality_human":50,'
        '"alarm_out":{"interval":10,"alarm_push":true}}',
    ),
    "1.6 booleans as 1 and 0": Sent(
        SET_RECORDING,
        RECORDING,
        '{"normal_record":1,"disconnect_record":0,"alarm_record":1,"audio_enable":1,"file_len":5,'
        '"strategy":0,"pre_record":{"enable":1,"duration":10}}',
    ),
    "1.7 January is 0": Sent(RECORD_BY_MONTH, RecordByMonth.of(2021, 1), '{"year":2021,"month":0}'),
    "1.7 December is 11": Sent(
        RECORD_BY_MONTH, RecordByMonth.of(2021, 12), '{"year":2021,"month":11}'
    ),
    "1.8 the first page is 0": Sent(
        RECORD_LIST,
        RecordList(start_time=START, end_time=END),
        "{" + SPAN + ',"page_size":500,"page_num":0}',
    ),
    "1.8 another page": Sent(
        RECORD_LIST,
        RecordList(start_time=START, end_time=END, page_num=7, page_size=100),
        "{" + SPAN + ',"page_num":7,"page_size":100}',
    ),
    "1.9": Sent(REBOOT, Reboot(delay_ms=1000), '{"delay_ms":1000}'),
    "1.10 the first page is 1, empty filters are left out": Sent(
        FACE_HISTORY,
        FaceHistory(start_time=START, end_time=END, name="", workId="  "),
        "{" + SPAN + ',"page_size":32,"page_num":1}',
    ),
    "1.10 filters": Sent(
        FACE_HISTORY,
        FaceHistory(start_time=START, end_time=END, name="张三", idCard="11", phone="136"),
        "{" + SPAN + ',"page_size":32,"name":"张三","idCard":"11","phone":"136","page_num":1}',
    ),
    "1.11 the first page is 0": Sent(
        PERSON_HISTORY,
        PersonHistory(start_time=START, end_time=END, page_size=10),
        "{" + SPAN + ',"page_size":10,"page_num":0}',
    ),
    "1.12 all fields, even empty ones, without an unknown phone": Sent(
        PERSON_ADD,
        ADDED,
        '{"pid":"123456","name":"姓名","work_id":"","id_card_no":"","ic_card_no":"","gender":1,'
        '"age":25,"department":"","photo":"' + b64(JPEG) + '","category":1}',
    ),
    "1.12 with a phone": Sent(
        PERSON_ADD,
        PersonAdd(
            pid="1",
            name="a",
            work_id="w",
            id_card_no="i",
            ic_card_no="c",
            gender=2,
            age=0,
            department="d",
            photo="data:image/jpeg;base64," + b64(JPEG),
            category=4,
            phone="136",
        ),
        '{"pid":"1","name":"a","work_id":"w","id_card_no":"i","ic_card_no":"c","gender":2,"age":0,'
        '"department":"d","photo":"' + b64(JPEG) + '","category":4,"phone":"136"}',
    ),
    "1.13 without filters, the first page is 1": Sent(
        PERSON_LIST, PersonList(), '{"page_size":32,"page_num":1}'
    ),
    "1.13 filters": Sent(
        PERSON_LIST,
        PersonList(page_num=2, page_size=5, category=2, workId="10091"),
        '{"page_num":2,"page_size":5,"category":2,"workId":"10091"}',
    ),
    "1.14": Sent(PERSON_QUERY, PersonQuery(pid="123456"), '{"pid":"123456"}'),
    "1.15 the pid is always sent": Sent(
        PERSON_DELETE, PersonDelete(pid=str(2**64 - 1)), '{"pid":"18446744073709551615"}'
    ),
    "1.16": Sent(
        PERSON_SEARCH,
        PersonSearch(photo=b64(JPEG), threshold=80, start_time=START, end_time=END),
        '{"photo":"' + b64(JPEG) + '","threshold":80,' + SPAN + "}",
    ),
    "D3": Sent(FILE_READ, FileRead(path="sdcard/1.jpg"), '{"path":"sdcard/1.jpg"}'),
}


def encoded(case: Sent) -> bytes:
    """The frame's param, of fields that were checked."""
    param = check_fields(case.command, msgspec.to_builtins(case.param))
    return bytes(encode_param(case.command, param))


@pytest.mark.parametrize("case", SENT.values(), ids=SENT)
def test_a_command_as_it_is_sent(case: Sent) -> None:
    assert json.loads(encoded(case)) == json.loads(case.sent)


@pytest.mark.parametrize("case", SENT.values(), ids=SENT)
def test_numbers_and_booleans_are_sent_as_in_the_documented_example(case: Sent) -> None:
    # The test above compares decoded values, where `true == 1`.
    assert sorted(encoded(case)) == sorted(case.sent.encode())


class Answered(NamedTuple):
    """A result as a device sends it, and the struct that it is decoded to."""

    command: AnyCommand
    result: str | None
    decoded: Struct


RECORDED = Recording(
    filename="/progs/rec/00/20211003/N02180546.mp4",
    start_time="2021-10-03 10:05:46",
    end_time="2021-10-03 10:15:48",
)
RECORDED_SENT = (
    '{"filename":"/progs/rec/00/20211003/N02180546.mp4","start_time":"2021-10-03 10:05:46",'
    '"end_time":"2021-10-03 10:15:48"}'
)
SEEN = "2022-09-24 14:27:41"
PATHS = (
    '"jpeg_url_face":"sdcard/20210924/14/2741_179.jpg",'
    '"jpeg_url_body":"sdcard/20210924/14/2741_179_body.jpg",'
    '"jpeg_url_frame":"sdcard/20220924/14/2741_179_bg.jpg"'
)
OF_PATHS = {
    "jpeg_url_face": "sdcard/20210924/14/2741_179.jpg",
    "jpeg_url_body": "sdcard/20210924/14/2741_179_body.jpg",
    "jpeg_url_frame": "sdcard/20220924/14/2741_179_bg.jpg",
}
OF_13 = (
    '{"pid":"123456","name":"张三","work_id":"123457089","id_card_no":"","ic_card_no":"",'
    '"department":"测试部","photo":"data/facelib/19017.jpg","phone":"","gender":2,"age":27,'
    '"category":1}'
)
PERSON = Person(
    pid="123456",
    name="张三",
    work_id="123457089",
    department="测试部",
    photo="data/facelib/19017.jpg",
    gender=2,
    age=27,
    category=1,
)

ANSWERS = {
    "1.5 no result": Answered(SET_FACE, None, Done()),
    "1.6 an undocumented result": Answered(SET_RECORDING, '{"ok":[1]}', Done()),
    "1.7": Answered(
        RECORD_BY_MONTH,
        '[{"day":1,"count":138},{"day":2,"count":95},{"day":3,"count":12}]',
        RecordDays(days=(DayCount(1, 138), DayCount(2, 95), DayCount(3, 12))),
    ),
    "1.7 numbers as texts, in an object": Answered(
        RECORD_BY_MONTH,
        '{"days":[{"day":"1","count":"138"}]}',
        RecordDays(days=(DayCount(1, 138),)),
    ),
    "1.7 a month without recordings": Answered(RECORD_BY_MONTH, "[]", RecordDays(days=())),
    "1.7 impossible days": Answered(
        RECORD_BY_MONTH,
        '[{"day":0,"count":1},{"day":32,"count":1},{"day":31,"count":-1},{"day":31,"count":7}]',
        RecordDays(days=(DayCount(31, 7),), unreadable=3),
    ),
    "1.8": Answered(
        RECORD_LIST,
        '{"total_page":1,"total_file":68,"page_size":100,"recordlist":[' + RECORDED_SENT + "]}",
        RecordListPage(total_page=1, total_file=68, page_size=100, recordlist=(RECORDED,)),
    ),
    "1.8 an absent list is empty": Answered(
        RECORD_LIST,
        '{"total_page":"0","total_file":"0","page_size":100}',
        RecordListPage(total_page=0, total_file=0, page_size=100, recordlist=()),
    ),
    "1.8 an empty object for an empty list": Answered(
        RECORD_LIST, '{"total_file":0,"recordlist":{}}', RecordListPage(total_file=0, recordlist=())
    ),
    "1.8 invalid rows": Answered(
        RECORD_LIST,
        '{"total_file":5,"recordlist":[null,7,{},"x",' + RECORDED_SENT + "]}",
        RecordListPage(total_file=5, recordlist=(RECORDED,), unreadable=4),
    ),
    "1.9 any result": Answered(REBOOT, '"rebooting"', Done()),
    "1.10": Answered(
        FACE_HISTORY,
        '{"face_total":916,"face_list":[{"name":"张三","similarity":80,"gender":2,"age":27,'
        '"time":"' + SEEN + '",' + PATHS + "}]}",
        FaceHistoryPage(
            face_total=916,
            face_list=(
                FaceCapture(time=SEEN, name="张三", similarity=80, gender=2, age=27, **OF_PATHS),
            ),
        ),
    ),
    "1.10 a stranger, numbers as texts, and unreadable fields": Answered(
        FACE_HISTORY,
        '{"face_total":"2","face_list":[{"time":"' + SEEN + '","name":"","similarity":"80",'
        '"gender":"","age":"old","jpeg_url_frame":["x"]},{"name":"no time"}]}',
        FaceHistoryPage(
            face_total=2, face_list=(FaceCapture(time=SEEN, similarity=80),), unreadable=1
        ),
    ),
    "1.11": Answered(
        PERSON_HISTORY,
        '{"total":916,"list":[{"time":"' + SEEN + '",' + PATHS + "}]}",
        PersonHistoryPage(total=916, list=(PersonCapture(time=SEEN, **OF_PATHS),)),
    ),
    "1.11 an invalid total counts as absent": Answered(
        PERSON_HISTORY, '{"total":-5,"list":null}', PersonHistoryPage(total=None, list=())
    ),
    "1.12": Answered(PERSON_ADD, None, Done()),
    "1.13": Answered(
        PERSON_LIST, '{"total":916,"list":[' + OF_13 + "]}", PersonPage(total=916, list=(PERSON,))
    ),
    "1.13 texts as numbers, numbers as texts, unknown fields": Answered(
        PERSON_LIST,
        '{"total":"1","list":[{"pid":18446744073709551615,"phone":13612345678,"category":"2",'
        '"feature":[1,2]}],"more":{}}',
        PersonPage(
            total=1, list=(Person(pid="18446744073709551615", phone="13612345678", category=2),)
        ),
    ),
    "1.13 the list alone": Answered(
        PERSON_LIST, "[" + OF_13 + "]", PersonPage(total=None, list=(PERSON,))
    ),
    "1.14, the category of the documented example is a word": Answered(
        PERSON_QUERY,
        '{"pid":"123456","name":"姓名","work_id":"工号","id_card_no":"身份证号码",'
        '"ic_card_no":"IC卡号","gender":1,"age":25,"department":"市场部",'
        '"photo":"sdcard/20210924/14/2741_179.jpg","category":"类别","phone":"136xxxxxxxx"}',
        Person(
            pid="123456",
            name="姓名",
            work_id="工号",
            id_card_no="身份证号码",
            ic_card_no="IC卡号",
            gender=1,
            age=25,
            department="市场部",
            photo="sdcard/20210924/14/2741_179.jpg",
            phone="136xxxxxxxx",
        ),
    ),
    "1.14 category as text, unknown codes are kept": Answered(
        PERSON_QUERY,
        '{"pid":7,"category":"1","gender":9}',
        Person(pid="7", category=1, gender=9),
    ),
    "1.15": Answered(PERSON_DELETE, None, Done()),
    "1.16": Answered(
        PERSON_SEARCH,
        '{"total":16,"face_list":[{"time":"' + SEEN + '","score":90,'
        '"jpeg_url_face":"sdcard/20210924/14/2741_179.jpg"}]}',
        SearchResult(
            total=16,
            face_list=(
                Match(time=SEEN, score=90, jpeg_url_face="sdcard/20210924/14/2741_179.jpg"),
            ),
        ),
    ),
    "1.16 no match": Answered(PERSON_SEARCH, '{"total":0}', SearchResult(total=0, face_list=())),
    "D3": Answered(
        FILE_READ,
        '{"path":"sdcard/1.jpg","base64":"' + b64(JPEG) + '"}',
        FileContent(path="sdcard/1.jpg", picture=Picture("picture", "image/jpeg", JPEG)),
    ),
    "D3 a data URI with a wrong type": Answered(
        FILE_READ,
        '{"base64":"data:image\\/jpeg;base64,' + b64(PNG) + '"}',
        FileContent(picture=Picture("picture", "image/png", PNG)),
    ),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_as_it_is_decoded(case: Answered) -> None:
    raw = None if case.result is None else Raw(case.result.encode())
    assert decode_answer(case.command, raw) == case.decoded


def test_a_name_in_invalid_utf_8_counts_as_missing() -> None:
    raw = Raw(b'{"pid":"1","name":"' + "张三".encode("gbk") + b'","age":27}')
    assert decode_answer(PERSON_QUERY, raw) == Person(pid="1", age=27)


NONSENSE = {
    "1.7 no result": (RECORD_BY_MONTH, None, "result: is missing"),
    "1.7 null": (RECORD_BY_MONTH, "null", "result: is missing"),
    "1.7 more days than two months have": (
        RECORD_BY_MONTH,
        "[" + '{"day":1,"count":1},' * 62 + "1]",
        "result.days: at most 62 rows",
    ),
    "1.7 a text": (RECORD_BY_MONTH, '"none"', "result: an object is expected, not a text"),
    "1.8 no result": (RECORD_LIST, None, "result: is missing"),
    "1.8 a list that is a number": (
        RECORD_LIST,
        '{"recordlist":7}',
        "result.recordlist: a list is expected, not a number",
    ),
    "1.8 too many rows": (
        RECORD_LIST,
        '{"recordlist":[' + "1," * 2000 + "1]}",
        "recordlist: at most 2000 rows",
    ),
    "1.10 a list that is an object": (
        FACE_HISTORY,
        '{"face_list":{"a":1}}',
        "result.face_list: a list is expected, not an object",
    ),
    "1.10 too many rows": (
        FACE_HISTORY,
        '{"face_list":[' + "1," * 1000 + "1]}",
        "face_list: at most 1000 rows",
    ),
    "1.11 a list that is true": (PERSON_HISTORY, '{"list":true}', "result.list: a list is"),
    "1.13 a list that is a text": (PERSON_LIST, '{"list":"none"}', "result.list: a list is"),
    "1.13 too many rows": (PERSON_LIST, "[" + "{}," * 1000 + "{}]", "list: at most 1000 rows"),
    "1.14 no result": (PERSON_QUERY, None, "result: is missing"),
    "1.14 an empty object": (PERSON_QUERY, "{}", "result.pid: is missing"),
    "1.14 a pid that is a list": (PERSON_QUERY, '{"pid":[1]}', "result.pid: .* is expected"),
    "1.14 a list": (PERSON_QUERY, "[{}]", "result: an object is expected, not a list"),
    "1.16 a number": (PERSON_SEARCH, "16", "result: an object is expected, not a number"),
    "1.16 too many": (PERSON_SEARCH, "[" + "1," * 5000 + "1]", "face_list: at most 5000 rows"),
    "D3 no result": (FILE_READ, None, "result: is missing"),
    "D3 an empty object": (FILE_READ, '{"path":"a"}', "result.base64: is missing"),
    "D3 an empty file": (FILE_READ, '{"base64":""}', "result.base64: is missing"),
    "D3 invalid base64": (FILE_READ, '{"base64":"!!"}', "result.base64: .* not valid base64"),
    "D3 not a picture": (
        FILE_READ,
        '{"base64":"' + b64(b"#!/bin/sh\n") + '"}',
        "result.base64: .*must be JPEG, PNG",
    ),
    "D3 a list": (FILE_READ, '{"base64":[1]}', "result.base64: a picture as base64 text"),
}


@pytest.mark.parametrize(("command", "result", "wrong"), NONSENSE.values(), ids=NONSENSE)
def test_an_invalid_answer_says_what_is_wrong(
    command: AnyCommand, result: str | None, wrong: str
) -> None:
    with pytest.raises(DeviceNonsense, match=wrong) as nonsense:
        decode_answer(command, None if result is None else Raw(result.encode()))
    assert command.uri in nonsense.value.message


#: What the caller gives instead of, or beyond, the example's own; the field that is named; and
#: what is allowed.
TEXT = "x" * 129
REFUSED = [
    (SET_FACE, {"threshold": 101}, "threshold", "an integer from 0 to 100"),
    (SET_FACE, {"threshold": -1}, "threshold", "an integer from 0 to 100"),
    (SET_FACE, {"threshold": True}, "threshold", "an integer from 0 to 100"),
    (SET_FACE, {"threshold": "high"}, "threshold", "an integer from 0 to 100"),
    (SET_FACE, {"threshold": 50.5}, "threshold", "an integer from 0 to 100"),
    (SET_FACE, {"threshold": None}, "threshold", "is required: an integer from 0 to 100"),
    (SET_FACE, {"threshold": ""}, "threshold", "is required: an integer from 0 to 100"),
    (SET_FACE, {"reg_threshold": 101}, "reg_threshold", "an integer from 0 to 100"),
    (SET_FACE, {"mini_face": 29}, "mini_face", "an integer from 30 to 500"),
    (SET_FACE, {"mini_face": 501}, "mini_face", "an integer from 30 to 500"),
    (SET_FACE, {"mini_human": 50}, "mini_human", "an integer from 60 to 1000"),
    (SET_FACE, {"mini_human": 1001}, "mini_human", "an integer from 60 to 1000"),
    (SET_FACE, {"quality_face": 101}, "quality_face", "an integer from 0 to 100"),
    (SET_FACE, {"quality_human": 101}, "quality_human", "an integer from 0 to 100"),
    (SET_FACE, {"enable": 2}, "enable", "true or false"),
    (SET_FACE, {"enable": "yes"}, "enable", "true or false"),
    (SET_FACE, {"enable": 1.0}, "enable", "true or false"),
    (SET_FACE, {"enable": None}, "enable", "is required: true or false"),
    (SET_FACE, {"play_audio_vip": []}, "play_audio_vip", "true or false"),
    (SET_FACE, {"alarm_out": None}, "alarm_out", "is required: an object"),
    (SET_FACE, {"alarm_out": [10, True]}, "alarm_out", "an object is expected"),
    (SET_FACE, {"alarm_out": {"interval": 10}}, "alarm_out.alarm_push", "is required"),
    (
        SET_FACE,
        {"alarm_out": {"interval": 9, "alarm_push": 1}},
        "alarm_out.interval",
        "an integer from 10 to 60",
    ),
    (
        SET_FACE,
        {"alarm_out": {"interval": 61, "alarm_push": 1}},
        "alarm_out.interval",
        "an integer from 10 to 60",
    ),
    (
        SET_FACE,
        {"alarm_out": {"interval": 10, "alarm_push": 1, "light": 1}},
        "alarm_out.light",
        "no such field; known are interval, alarm_push",
    ),
    (SET_FACE, {"treshold": 50}, "treshold", "no such field; known are enable, "),
    (SET_RECORDING, {"file_len": 0}, "file_len", "an integer from 1 to 60"),
    (SET_RECORDING, {"file_len": 61}, "file_len", "an integer from 1 to 60"),
    (SET_RECORDING, {"strategy": 2}, "strategy", "an integer from 0 to 1"),
    (
        SET_RECORDING,
        {"pre_record": {"enable": 1, "duration": 11}},
        "pre_record.duration",
        "an integer from 0 to 10",
    ),
    (SET_RECORDING, {"pre_record": {"duration": 5}}, "pre_record.enable", "is required"),
    (RECORD_BY_MONTH, {"month": 12}, "month", "an integer from 0 to 11"),
    (RECORD_BY_MONTH, {"month": -1}, "month", "an integer from 0 to 11"),
    (RECORD_BY_MONTH, {"year": 1969}, "year", "an integer from 1970 to 2099"),
    (RECORD_BY_MONTH, {"year": None}, "year", "is required"),
    (RECORD_LIST, {"page_size": 501}, "page_size", "an integer from 1 to 500"),
    (RECORD_LIST, {"page_size": 0}, "page_size", "an integer from 1 to 500"),
    (RECORD_LIST, {"page_num": -1}, "page_num", "an integer from 0"),
    (RECORD_LIST, {"start_time": None}, "start_time", "is required: a time as yyyy-MM-dd HH:mm:ss"),
    (RECORD_LIST, {"start_time": "2021-10-03"}, "start_time", "a time as yyyy-MM-dd HH:mm:ss"),
    (RECORD_LIST, {"start_time": 1633228200}, "start_time", "a time as yyyy-MM-dd HH:mm:ss"),
    (RECORD_LIST, {"start_time": "2021-10-03T10:30:00"}, "start_time", "a time as yyyy-MM-dd"),
    (RECORD_LIST, {"start_time": "２０２１-10-03 10:30:00"}, "start_time", "a time as yyyy-MM-dd"),
    (RECORD_LIST, {"end_time": "2021-02-30 00:00:00"}, "end_time", "date or time does not exist"),
    (RECORD_LIST, {"end_time": "2021-10-03 24:00:00"}, "end_time", "date or time does not exist"),
    (RECORD_LIST, {"end_time": "2021-10-03 10:29:59"}, "end_time", "is before start_time"),
    (REBOOT, {"delay_ms": -1}, "delay_ms", "an integer from 0 to"),
    (REBOOT, {"delay_ms": 2**31}, "delay_ms", "an integer from 0 to"),
    (FACE_HISTORY, {"page_size": 33}, "page_size", "an integer from 1 to 32"),
    (FACE_HISTORY, {"end_time": "2021-10-03 10:29:59"}, "end_time", "is before start_time"),
    (FACE_HISTORY, {"name": TEXT}, "name", "a text of at most 128 characters"),
    (FACE_HISTORY, {"workId": ["1"]}, "workId", "a text of at most 128 characters"),
    (FACE_HISTORY, {"idCard": True}, "idCard", "a text of at most 128 characters"),
    (FACE_HISTORY, {"phone": 1.5}, "phone", "a text of at most 128 characters"),
    (PERSON_HISTORY, {"page_size": 33}, "page_size", "an integer from 1 to 32"),
    (PERSON_HISTORY, {"name": "张三"}, "name", "no such field"),
    (PERSON_ADD, {"pid": None}, "pid", "is required: a decimal number from 1 to 1844674407370955"),
    (PERSON_ADD, {"pid": "0"}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": 2**64}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": str(2**64)}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": -1}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": "A12"}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": "１２"}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"pid": ["1"]}, "pid", "a decimal number from 1"),
    (PERSON_ADD, {"name": " "}, "name", "is required: a text of 1 to 128 characters"),
    (PERSON_ADD, {"name": TEXT}, "name", "a text of 1 to 128 characters"),
    (PERSON_ADD, {"name": "a\nb"}, "name", "without control characters"),
    (PERSON_ADD, {"work_id": TEXT}, "work_id", "a text of at most 128 characters"),
    (PERSON_ADD, {"id_card_no": TEXT}, "id_card_no", "a text of at most 128 characters"),
    (PERSON_ADD, {"ic_card_no": TEXT}, "ic_card_no", "a text of at most 128 characters"),
    (PERSON_ADD, {"department": TEXT}, "department", "a text of at most 128 characters"),
    (PERSON_ADD, {"gender": 0}, "gender", "an integer from 1 to 2"),
    (PERSON_ADD, {"gender": 3}, "gender", "an integer from 1 to 2"),
    (PERSON_ADD, {"age": -1}, "age", "an integer from 0 to 150"),
    (PERSON_ADD, {"age": 151}, "age", "an integer from 0 to 150"),
    (PERSON_ADD, {"category": 0}, "category", "an integer from 1 to 4"),
    (PERSON_ADD, {"category": 5}, "category", "an integer from 1 to 4"),
    (PERSON_ADD, {"photo": None}, "photo", "is required: a JPEG of at most 5 MB as base64"),
    (PERSON_ADD, {"photo": "照片base64编码"}, "photo", "a JPEG of at most 5 MB"),
    (PERSON_ADD, {"photo": "data:image/jpeg;base64,"}, "photo", "a JPEG of at most 5 MB"),
    (PERSON_ADD, {"photo": b64(PNG)}, "photo", "a JPEG of at most 5 MB"),
    (PERSON_ADD, {"photo": "data:image/jpeg;base64," + b64(PNG)}, "photo", "a JPEG of at most"),
    (PERSON_ADD, {"photo": 7}, "photo", "a JPEG of at most 5 MB"),
    (PERSON_LIST, {"category": 5}, "category", "an integer from 1 to 4"),
    (PERSON_LIST, {"page_size": 33}, "page_size", "an integer from 1 to 32"),
    (PERSON_LIST, {"work_id": "1"}, "work_id", "no such field; known are page_num, .*workId"),
    (PERSON_QUERY, {"pid": ""}, "pid", "is required"),
    (PERSON_DELETE, {"pid": None}, "pid", "is required"),
    (PERSON_SEARCH, {"photo": ""}, "photo", "is required: a JPEG"),
    (PERSON_SEARCH, {"threshold": 101}, "threshold", "an integer from 0 to 100"),
    (PERSON_SEARCH, {"start_time": "2021-10-03 16:00:01"}, "end_time", "is before start_time"),
    (FILE_READ, {"path": ""}, "path", "is required: a text of 1 to 1024 characters"),
    (FILE_READ, {"path": "x" * 1025}, "path", "a text of 1 to 1024 characters"),
    (FILE_READ, {"path": "a\0.jpg"}, "path", "without control characters"),
]


def name_of_refused(value: object) -> str | None:
    if isinstance(value, Command):
        return value.section
    return json.dumps(value, ensure_ascii=False)[:40] if isinstance(value, dict) else ""


@pytest.mark.parametrize(("command", "given", "field", "allowed"), REFUSED, ids=name_of_refused)
def test_d4_a_value_out_of_bounds_is_refused_with_the_field_and_what_is_allowed(
    command: AnyCommand, given: dict[str, object], field: str, allowed: str
) -> None:
    param = json.loads(bytes(encode_param(command, command.example))) | given
    with pytest.raises(BadParameter, match=allowed) as refusal:
        check_param(command, json.dumps(param).encode())
    assert (refusal.value.field, refusal.value.code) == (f"param.{field}", 420)


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.section)
def test_every_command_accepts_its_own_example(command: AnyCommand) -> None:
    assert check_param(command, encode_param(command, command.example)) == command.example
