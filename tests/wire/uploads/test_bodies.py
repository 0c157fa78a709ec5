"""The bodies of 2.1, 2.2, 2.4, 2.5 and D8: what is accepted, kept and refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.errors import BadParameter, HubError, UnknownEventType
from hub.wire.uploads import bodies
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Rect,
    Vehicle,
    VehicleDetail,
)
from tests.support.pictures import BMP, JPEG, PNG, WEBP, b64, jpeg

FACE = {
    "did": "1234512",
    "time": 1666781577,
    "age": 95,
    "gender": 1,
    "uuid": "1234566",
    "name": "张三",
    "data": {"face_data": b64(JPEG), "body_data": b64(PNG), "bg_data": b64(WEBP)},
}
EVENT = {
    "did": "1234512",
    "type": 1,
    "time": 1666781577816,
    "data": {
        "face_data": "data:image/jpeg;base64," + b64(WEBP),
        "bg_data": b64(JPEG),
        "jpeg_url_face": "sdcard/20210924/14/2741_179.jpg",
    },
}
VEHICLE = {
    "did": "134",
    "sn": "Y3CA9PGDTKM7R1C",
    "time": "1673420964575",
    "data": {
        "full_image": b64(JPEG),
        "vehicle_loc": {"x": 1, "y": 2, "w": 3, "h": 4},
        "vehicle_pic": b64(PNG),
        "type": "1",
        "brand": "保时捷",
        "plate": {
            "id": "粤B54896",
            "plate_loc": {"x": 2, "y": 3, "w": "4", "h": 50.5},
            "plate_pic": b64(BMP),
            "plate_type": 1,
        },
    },
}
ACCESS = {
    "sn": "Y3C122AP1234512",
    "data": [
        {
            "rid": 17,
            "did": "1234512",
            "pid": "@PID@",
            "type": 1,
            "status": "ok",
            "accessTime": "2026-11-25 08:00:00",
            "faceImg": b64(JPEG),
            "temperature": "36.5",
            "score": 0.98,
            "mask": True,
        },
        {"rid": "18"},
    ],
}


def encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def with_raw(body: dict[str, object], more: str) -> bytes:
    """The body with raw JSON inserted before its end."""
    return encode(body)[:-1] + b"," + more.encode() + b"}"


def face(body: bytes) -> CheckedUpload:
    return bodies.decode_face(body, max_depth=64)


def event(body: bytes, keep_unknown: bool = False) -> CheckedUpload:
    return bodies.decode_event(body, max_depth=64, keep_unknown=keep_unknown)


def vehicle(body: bytes) -> CheckedUpload:
    return bodies.decode_vehicle(body, max_depth=64)


def access(body: bytes) -> bodies.AccessBody:
    return bodies.decode_access(body, max_depth=64, zone=ZoneInfo("Asia/Shanghai"))


def extra_of(upload: CheckedUpload | bodies.DeviceInfo) -> dict[str, object]:
    extra = msgspec.json.decode(upload.extra)
    assert isinstance(extra, dict)
    return extra


def pictures_of(upload: CheckedUpload) -> dict[str, bytes]:
    return {picture.name: picture.data for picture in upload.pictures}


def test_2_1_a_documented_capture() -> None:
    upload = face(encode(FACE))
    assert (upload.kind, upload.did, upload.sn) == ("face", "1234512", None)
    assert upload.occurred_at == 1666781577000
    assert upload.detail == FaceDetail(name="张三", age=95, gender=1, uuid="1234566", category=None)
    assert pictures_of(upload) == {"face": JPEG, "body": PNG, "background": WEBP}
    assert extra_of(upload) == {}


def test_d8_a_capture_as_a_real_camera_sends_it() -> None:
    sent = (
        '{"did":"","sn":"Y3C122AP1234512","time":1666781577,"name":"","age":33,"gender":1,'
        '"pid":"7","id_card":"44030019","work_id":"","phone":"138","department":"研发",'
        '"otherInfo":"","category":0,"score":0.87,"helmet":0,"smoke":0,"handed":0,"type":11,'
        '"feature":[1e400,-3.4e38,"nan",9223372036854775808],'
        '"data":{"id":5,"jpeg_url_face":"a.jpg","jpeg_url_frame":"b.jpg","feature":[1],'
        f'"face_data":"{b64(JPEG[:-1])}","bg_data":""'.replace("=", "\\u003d")
        + "}}"
    )
    upload = face(sent.encode())
    assert (upload.did, upload.sn) == (None, "Y3C122AP1234512")
    assert upload.detail == FaceDetail(
        name=None,
        age=33,
        gender=1,
        uuid="7",
        category=0,
        attributes={"helmet": "no", "smoking": "no", "carrying": "no"},
    )
    assert pictures_of(upload) == {"face": JPEG[:-1]}
    assert extra_of(upload) == {
        "id_card": "44030019",
        "work_id": "",
        "phone": "138",
        "department": "研发",
        "otherInfo": "",
        "score": 0.87,
        "helmet": 0,
        "smoke": 0,
        "handed": 0,
        "type": 11,
        "pid": "7",
        "data": {"id": 5, "jpeg_url_face": "a.jpg", "jpeg_url_frame": "b.jpg"},
    }


def test_d8_a_pid_beyond_64_bits_replaces_the_uuid() -> None:
    upload = face(with_raw({"time": 1666781577}, '"pid":9223372036854775808'))
    assert isinstance(upload.detail, FaceDetail)
    assert upload.detail.uuid == "9223372036854775808"
    assert extra_of(upload) == {"pid": "9223372036854775808"}


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ('"x":1e400', "1e400"),
        ('"x":9223372036854775808', "9223372036854775808"),
        ('"x":"\\ud800"', "\\ud800"),
        ('"x":[[1,{"y":"\\udc00"}]]', [[1, {"y": "\\udc00"}]]),
        ('"x":1,"x":2', 2),
        ('"x":"' + "long" * 5000 + '"', "long" * 5000),
        ('"x":' + "[" * 60 + "]" * 60, json.loads("[" * 60 + "]" * 60)),
        ('"x":{"a":1,\n"b":[1e999]}', {"a": 1, "b": ["1e999"]}),
    ],
)
@pytest.mark.parametrize("name", ["x", "score"])
def test_d5_extra_fields_are_kept_and_never_refused(extra: str, kept: object, name: str) -> None:
    more = extra.replace('"x"', f'"{name}"')
    assert extra_of(face(with_raw(FACE, more))) == {name: kept}
    assert extra_of(event(with_raw(EVENT, more))) == {name: kept}
    assert extra_of(vehicle(with_raw(VEHICLE, more))) == {name: kept}


def marker(value: str) -> dict[str, object]:
    """What stands for a field that is too long to be kept."""
    sent = value.encode()
    return {"omitted_bytes": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


@pytest.mark.parametrize("length", [100_000, 400_000])
def test_d5_a_long_extra_field_is_no_reason_to_refuse_the_rest(length: int) -> None:
    long = f'"{"A" * length}"'
    picture = '"data":{"face_data":"' + b64(JPEG) + f'","photo":{long},"id":5}}'
    upload = face(with_raw({"time": 1666781577}, f'{picture},"score":{long},"helmet":1'))
    assert extra_of(upload) == {
        "data": {"photo": marker(long), "id": 5},
        "score": marker(long),
        "helmet": 1,
    }
    assert sorted(upload.omitted) == ["data.photo", "score"]
    assert pictures_of(upload) == {"face": JPEG}

    upload = event(with_raw(EVENT, f'"data":{{"photo":{long},"celsius":38}},"x":{long}'))
    assert isinstance(upload.detail, EventDetail)
    data = json.loads(bytes(upload.detail.data))
    assert data == {"photo": marker(long), "celsius": 38}
    assert extra_of(upload) == {"x": marker(long)}
    assert sorted(upload.omitted) == ["data.photo", "x"]

    plate = f'"data":{{"plate":{{"id":"A1","more":{long},"a":1}},"b":2}}'
    upload = vehicle(with_raw({"time": 1666781577}, plate))
    assert extra_of(upload) == {"data": {"plate": {"more": marker(long), "a": 1}, "b": 2}}
    assert upload.omitted == ("data.plate.more",)


def test_d5_extra_fields_of_many_access_records_share_1_mb() -> None:
    long = "A" * 4000
    entry = {"accessTime": "2021-10-03 10:30:00", "x": long, "y": 1}
    few, many = (access(encode({"data": [entry] * count})).entries for count in (20, 1000))
    assert {tuple(one.omitted) for one in few} == {()}
    assert {tuple(one.omitted) for one in many} == {("x",)}
    assert sum(len(bytes(one.extra)) for one in many) < 1_100_000
    assert extra_of(many[-1]) == {"x": marker(f'"{long}"'), "y": 1}


@pytest.mark.parametrize("value", ["[1]", '{"a":1}', "true", "1e400", '"vip"', "1.5"])
def test_d5_a_category_that_is_not_an_integer_stays_an_extra_field(value: str) -> None:
    upload = face(with_raw(FACE, f'"category":{value}'))
    assert isinstance(upload.detail, FaceDetail)
    assert upload.detail.category is None
    assert "category" in extra_of(upload)


def test_d5_extra_fields_in_invalid_utf8_are_kept_as_text() -> None:
    body = encode(FACE)[:-1] + b',"department":"\xd1\xd0\xb7\xa2"}'
    assert extra_of(face(body)) == {"department": "�з�"}


def test_d5_of_duplicate_keys_the_last_counts() -> None:
    assert face(with_raw(FACE, '"time":1,"time":1666781578')).occurred_at == 1666781578000
    data = '"data":{"face_data":null,"face_data":"' + b64(jpeg(100)) + '"}'
    assert pictures_of(face(with_raw(FACE, data))) == {"face": jpeg(100)}


@pytest.mark.parametrize("empty", ['""', "null"])
def test_d5_empty_pictures_are_none(empty: str) -> None:
    upload = face(f'{{"time":1666781577,"data":{{"face_data":{empty}}}}}'.encode())
    assert upload.pictures == ()
    assert face(b'{"time":1666781577,"data":null}').pictures == ()
    assert face(b'{"time":1666781577}').pictures == ()


def test_d1_numbers_as_strings_and_strings_as_numbers() -> None:
    upload = face(
        b'{"did":1234512,"sn":12,"time":"1666781577","age":"95","gender":"2","uuid":7,"name":8,'
        b'"category":"3"}'
    )
    assert (upload.did, upload.sn, upload.occurred_at) == ("1234512", "12", 1666781577000)
    assert upload.detail == FaceDetail(name="8", age=95, gender=2, uuid="7", category=3)


def test_2_4_a_documented_event() -> None:
    upload = event(encode(EVENT))
    assert (upload.kind, upload.did, upload.occurred_at) == ("event", "1234512", 1666781577816)
    assert isinstance(upload.detail, EventDetail)
    assert upload.detail.type == 1
    assert json.loads(bytes(upload.detail.data)) == {
        "jpeg_url_face": "sdcard/20210924/14/2741_179.jpg"
    }
    assert pictures_of(upload) == {"face": WEBP, "background": JPEG}
    assert extra_of(upload) == {}


def test_d8_an_event_may_name_the_person_seen() -> None:
    sent = {"time": 1666781577, "type": "12", "name": "李四", "pid": 7, "category": "2", "age": 30}
    upload = event(encode(sent))
    assert isinstance(upload.detail, EventDetail)
    detail = upload.detail
    assert (detail.type, detail.name, detail.uuid, detail.category) == (12, "李四", "7", 2)
    assert bytes(detail.data) == b"{}"
    assert extra_of(upload) == {"age": 30, "pid": 7}
    odd = event(encode({"time": 1666781577, "type": 1, "name": ["x"], "uuid": {}, "pid": []}))
    assert extra_of(odd) == {"name": ["x"], "uuid": {}, "pid": []}


@pytest.mark.parametrize("number", range(1, 15))
def test_2_4_fourteen_types_are_accepted(number: int) -> None:
    detail = event(encode({"time": 1666781577, "type": number})).detail
    assert isinstance(detail, EventDetail)
    assert detail.type == number


@pytest.mark.parametrize("number", [0, -1, 15, 99])
def test_2_4_another_type_is_424(number: int) -> None:
    with pytest.raises(UnknownEventType, match="type: "):
        event(encode({"time": 1666781577, "type": number}))


def test_d5_another_positive_type_is_kept_if_the_setting_says_so() -> None:
    detail = event(encode({"time": 1666781577, "type": 99}), keep_unknown=True).detail
    assert isinstance(detail, EventDetail)
    assert detail.type == 99
    for number in (0, -5):
        with pytest.raises(UnknownEventType):
            event(encode({"time": 1666781577, "type": number}), keep_unknown=True)


@pytest.mark.parametrize("sent", ["", ',"type":null', ',"type":""', ',"type":"x"', ',"type":[]'])
def test_2_4_a_missing_or_invalid_type_is_420(sent: str) -> None:
    with pytest.raises(BadParameter, match="type: "):
        event(f'{{"time":1666781577{sent}}}'.encode())


def test_2_5_a_documented_vehicle() -> None:
    upload = vehicle(encode(VEHICLE))
    assert (upload.kind, upload.did, upload.sn) == ("vehicle", "134", "Y3CA9PGDTKM7R1C")
    assert upload.occurred_at == 1673420964575
    assert upload.detail == VehicleDetail(
        plate=Plate(id="粤B54896", type=1, loc=Rect(2, 3, 4, 50.5)),
        vehicle=Vehicle(type=1, brand="保时捷", loc=Rect(1, 2, 3, 4)),
    )
    assert pictures_of(upload) == {"full": JPEG, "vehicle": PNG, "plate": BMP}
    assert extra_of(upload) == {}


def test_d5_unknown_numbers_of_vehicles_and_plates_are_kept() -> None:
    sent = {"time": 1, "data": {"type": 14, "plate": {"plate_type": 99, "color": "red"}, "n": 1}}
    upload = vehicle(encode(sent))
    assert isinstance(upload.detail, VehicleDetail)
    assert (upload.detail.vehicle.type, upload.detail.plate.type) == (14, 99)
    assert extra_of(upload) == {"data": {"plate": {"color": "red"}, "n": 1}}


def test_2_5_a_vehicle_may_have_only_a_time() -> None:
    for data in (
        "",
        ',"data":null',
        ',"data":{}',
        ',"data":{"plate":null,"vehicle_loc":null}',
        ',"data":{"plate":{"plate_loc":{}},"vehicle_loc":{"x":"","y":null}}',
    ):
        upload = vehicle(f'{{"time":1673420964575{data}}}'.encode())
        assert upload.detail == VehicleDetail()
        assert upload.pictures == ()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"vehicle_loc": {"x": 1, "y": 2, "w": 3}}, "data.vehicle_loc.h"),
        ({"vehicle_loc": {"x": "left"}}, "data.vehicle_loc.x"),
        ({"vehicle_loc": [1, 2, 3, 4]}, "data.vehicle_loc"),
        ({"plate": {"plate_loc": {"x": 1e300}}}, "data.plate.plate_loc.x"),
        ({"plate": "粤B54896"}, "data.plate"),
        ({"plate": {"plate_pic": "*"}}, "data.plate.plate_pic"),
        ({"full_image": 1}, "data.full_image"),
        ({"type": 1e300}, "data.type"),
        ({"brand": {}}, "data.brand"),
    ],
)
def test_2_5_an_invalid_vehicle_is_420_and_names_the_field(data: object, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        vehicle(encode({"time": 1673420964575, "data": data}))
    assert refusal.value.field == field


def test_d8_access_records() -> None:
    upload = access(encode(ACCESS).replace(b'"@PID@"', b"9223372036854775808"))
    assert upload.sn == "Y3C122AP1234512"
    first, second = upload.entries
    assert first.kind == "access"
    assert (first.did, first.sn, first.occurred_at) == ("1234512", upload.sn, 1795564800000)
    assert first.detail == AccessDetail(
        rid="17",
        uuid="9223372036854775808",
        type=1,
        status="ok",
        temperature="36.5",
        score=0.98,
    )
    assert pictures_of(first) == {"face": JPEG}
    assert extra_of(first) == {"mask": True}
    assert (second.did, second.occurred_at) == (None, None)
    assert second.detail == AccessDetail(rid="18")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sn": "x"}, "data"),
        ({"sn": "x", "data": []}, "data"),
        ({"sn": "x", "data": {}}, "data"),
        ({"sn": "x", "data": [1]}, "data[0]"),
        ({"sn": ["x"], "data": [{}]}, "sn"),
        ({"data": [{}, {"accessTime": "yesterday"}]}, "data[1].accessTime"),
        ({"data": [{"faceImg": "*"}]}, "data[0].faceImg"),
        ({"data": [{"score": []}]}, "data[0].score"),
        ({"data": [{}] * 1001}, "data"),
    ],
)
def test_d8_an_invalid_access_record_is_420_and_names_the_field(body: object, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        access(encode(body))
    assert refusal.value.field == field


def test_d8_a_single_picture_is_one_data_uri() -> None:
    for body in (
        "data:image/jpeg;base64," + b64(PNG),
        '"data:image/jpeg;base64,' + b64(PNG) + '"',
        b64(PNG) + "\r\n",
        "data:image/png;base64," + b64(PNG)[:8] + "\n" + b64(PNG)[8:],
    ):
        picture = bodies.decode_base64img(body.encode())
        assert (picture.name, picture.mime, picture.data) == ("face", "image/png", PNG)


@pytest.mark.parametrize("body", [b"", b"  ", b"data:image/jpeg;base64,", b"hello!", b"{}", b'""'])
def test_d8_an_invalid_single_picture_is_420(body: bytes) -> None:
    with pytest.raises(BadParameter, match="body: "):
        bodies.decode_base64img(body)


def test_2_2_a_device_reports_its_versions_and_name() -> None:
    info = bodies.decode_device_info(
        b'{"did":"1234512","fwVer":"V1.0","swVer":1,"osVer":"","devName":"NFY-01","cpu":[1e400]}',
        max_depth=64,
    )
    assert (info.did, info.fw_ver, info.sw_ver, info.os_ver) == ("1234512", "V1.0", "1", None)
    assert (info.hw_ver, info.dev_name) == (None, "NFY-01")
    assert extra_of(info) == {"cpu": ["1e400"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**FACE, "time": None}, "time"),
        ({**FACE, "time": ""}, "time"),
        ({**FACE, "time": 10**30}, "time"),
        ({**FACE, "time": -1}, "time"),
        ({**FACE, "time": True}, "time"),
        ({**FACE, "time": []}, "time"),
        ({**FACE, "did": ["1"]}, "did"),
        ({**FACE, "did": 1.5}, "did"),
        ({**FACE, "age": "old"}, "age"),
        ({**FACE, "age": 10**20}, "age"),
        ({**FACE, "gender": {}}, "gender"),
        ({**FACE, "uuid": [1]}, "uuid"),
        ({**FACE, "name": {"first": "x"}}, "name"),
        ({**FACE, "name": "x" * 100_000}, "name"),
        ({**FACE, "data": "picture"}, "data"),
        ({**FACE, "data": [1]}, "data"),
        ({**FACE, "data": {"face_data": 5}}, "data.face_data"),
        ({**FACE, "data": {"body_data": "%%%"}}, "data.body_data"),
        ({**FACE, "data": {"bg_data": b64(b"not a picture")}}, "data.bg_data"),
    ],
)
def test_2_1_an_invalid_capture_is_420_and_names_the_field(body: object, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        face(encode(body))
    assert refusal.value.field == field
    assert refusal.value.message.startswith(f"{field}: ")


def test_2_1_a_missing_time_is_named() -> None:
    with pytest.raises(
        BadParameter, match="time: UNIX time in seconds or milliseconds is required"
    ):
        face(b'{"did":"1"}')


def test_d5_nesting_beyond_the_limit_refuses_the_whole_body() -> None:
    with pytest.raises(BadParameter, match="nested deeper than 64"):
        face(with_raw(FACE, '"x":' + "[" * 64 + "]" * 64))


def code_of(decode: Callable[[bytes], object], body: bytes) -> int:
    """The code that a body is answered with; its message can be encoded."""
    try:
        decode(body)
    except HubError as refusal:
        return refusal.code if refusal.message.encode() else 0
    return 200


DECODERS: list[Callable[[bytes], object]] = [
    face,
    event,
    lambda body: event(body, keep_unknown=True),
    vehicle,
    access,
    bodies.decode_base64img,
    lambda body: bodies.decode_device_info(body, max_depth=64),
]

EXOTIC: list[bytes] = [
    b"",
    b" ",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"{",
    b'{"',
    b'{"time',
    b'{"time":',
    b'{"time":1666781577',
    b'{"time":1666781577}}',
    b'{"time":NaN}',
    b'{"time":Infinity}',
    b'{"time":-Infinity}',
    b'{"time":1e400}',
    b'{"time":' + b"9" * 400 + b"}",
    b'{"time":' + b"9" * 5000 + b"}",
    b'{"time":"' + b"9" * 5000 + b'"}',
    b'{"time":-0}',
    b'{"time":0.0000000000000000000000000000001}',
    b'{"type":1e400,"time":1}',
    b'{"type":' + b"9" * 50 + b',"time":1}',
    b'{"did":"\xff\xfe","time":1}',
    b'{"name":"\xc3\x28","time":1}',
    b'{"\xff":1,"time":1}',
    b'{"data":{"\xff":1},"time":1}',
    b'{"did":"\\ud800","time":1}',
    b'{"\\ud800":1,"time":1}',
    b'{"name":"\\u0000","time":1}',
    b'{"name":"\x00","time":1}',
    b'\xef\xbb\xbf{"time":1}',
    '{"time":1}'.encode("utf-16"),
    '{"time":1}'.encode("utf-32"),
    b"\x00" * 1000,
    bytes(range(256)),
    b"\x1f\x8b\x08" + bytes(100),
    b'{"data":' * 5000,
    b"[" * 200_000,
    b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    b'{"time":1,"time":2,"time":[]}',
    b'{"data":{"face_data":"' + b"A" * 500_000 + b'"},"time":1}',
    b'{"data":{"face_data":"' + b"\\u0041" * 50_000 + b'"},"time":1}',
    b'{"data":[' + b"{}," * 200_000 + b"{}]}",
    b"{" + b",".join(b'"%d":1' % at for at in range(30_000)) + b"}",
    b'{"x":"' + b"y" * 2_000_000 + b'"}',
    b'{"time":"2026-11-25","did":{}}',
    b'{"sn":{},"data":{"plate":{"plate_loc":[]}},"time":1}',
    b'{"sn":"x","data":[{"accessTime":1e400}]}',
    b'{"sn":"x","data":[{"accessTime":99999999999999999999}]}',
    b"'{\"time\":1}'",
    b'{"time":1,}',
    '{"time"：1}'.encode(),
    b"data:image/jpeg;base64," + b"=" * 1000,
    b'"\\ud800"',
    b'"' + b"\\" * 1001 + b'"',
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("body", EXOTIC, ids=lambda body: repr(body[:30]))
def test_any_body_is_accepted_or_refused_with_a_code(
    decode: Callable[[bytes], object], body: bytes
) -> None:
    assert code_of(decode, body) in (200, 420, 424)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("body", [FACE, EVENT, VEHICLE, ACCESS], ids=lambda body: str(body)[:20])
def test_a_body_that_is_cut_or_damaged_anywhere_is_accepted_or_refused(
    decode: Callable[[bytes], object], body: object
) -> None:
    whole = encode(body)
    for at in range(len(whole)):
        for damaged in (
            whole[:at],
            whole[:at] + b"\xff" + whole[at + 1 :],
            whole[:at] + b"\\" + whole[at + 1 :],
            whole[:at] + b"9" + whole[at:],
            whole[:at] + b'"' + whole[at:],
        ):
            assert code_of(decode, damaged) in (200, 420, 424)
