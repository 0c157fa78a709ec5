"""The JSON of a record, as the API promises it."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import Raw

from hub.wire.pictures import Image
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    RecordKind,
    Rect,
    Vehicle,
    VehicleDetail,
    decode_detail,
    render,
)


def record(kind: RecordKind, detail: Detail, extra: bytes = b"{}") -> Record:
    return Record(
        seq=7,
        kind=kind,
        did="12",
        sn="Y3C122AP1234512",
        device_name="大门",
        occurred_at=1666781577000,
        received_at=1666781578123,
        detail=detail,
        extra=Raw(extra),
        images=(Image("face", "image/jpeg", "/media/7/face.jpg", 15_000),),
    )


COMMON = {
    "seq": 7,
    "did": "12",
    "sn": "Y3C122AP1234512",
    "device_name": "大门",
    "occurred_at": "2022-10-26T10:52:57.000Z",
    "received_at": "2022-10-26T10:52:58.123Z",
    "images": {"face": "/media/7/face.jpg"},
    "extra": {},
}


@pytest.mark.parametrize(
    ("kind", "detail", "shown"),
    [
        ("face", FaceDetail(), {}),
        (
            "face",
            FaceDetail(name="张三", age=30, gender=1, uuid="7", category=0),
            {"name": "张三", "age": 30, "gender": 1, "uuid": "7", "category": 0},
        ),
        (
            "event",
            EventDetail(type=12, data=Raw(b'{"a":1}'), name="张三"),
            {"type": 12, "type_name": "Person on a list", "data": {"a": 1}, "name": "张三"},
        ),
        ("event", EventDetail(type=99), {"type": 99, "type_name": "type 99", "data": {}}),
        ("vehicle", VehicleDetail(), {"plate": {}, "vehicle": {}}),
        (
            "vehicle",
            VehicleDetail(
                Plate("粤B54896", 1, Rect(1, 2, 3, 4.5)), Vehicle(6, "保时捷", Rect(0, 0, 1, 1))
            ),
            {
                "plate": {"id": "粤B54896", "type": 1, "loc": {"x": 1, "y": 2, "w": 3, "h": 4.5}},
                "vehicle": {"type": 6, "brand": "保时捷", "loc": {"x": 0, "y": 0, "w": 1, "h": 1}},
            },
        ),
        ("access", AccessDetail(), {"of": None}),
        (
            "access",
            AccessDetail(rid="1", uuid="9223372036854775808", status="ok", score=0.5, of=3),
            {"rid": "1", "uuid": "9223372036854775808", "status": "ok", "score": 0.5, "of": 3},
        ),
    ],
)
def test_a_record_is_rendered_as_the_contract_says(
    kind: RecordKind, detail: Detail, shown: dict[str, object]
) -> None:
    rendered = render(record(kind, detail))
    assert json.loads(rendered) == {**COMMON, "kind": kind, **shown}
    assert b"\n" not in rendered
    assert decode_detail(kind, msgspec.json.encode(detail)) == detail


def test_extra_fields_are_rendered_as_stored() -> None:
    rendered = render(record("face", FaceDetail(), b'{"pid":"9223372036854775808","x":[1]}'))
    assert json.loads(rendered)["extra"] == {"pid": "9223372036854775808", "x": [1]}
