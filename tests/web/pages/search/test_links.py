"""The addresses of questions that other pages ask."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    VehicleDetail,
)
from web.pages.shown.links import (
    more_of_camera,
    more_of_person,
    more_of_plate,
    of_camera,
    of_person,
)


def record(detail: Detail, kind: Any = "face", **fields: Any) -> Record:
    values: dict[str, Any] = {
        "seq": 7,
        "kind": kind,
        "did": "3",
        "sn": "SN",
        "device_name": "Gate",
        "occurred_at": 1_795_608_000_000,
        "received_at": 1_795_608_000_500,
        "detail": detail,
        "extra": Raw(b"{}"),
        "images": (),
        "erased": False,
        **fields,
    }
    return Record(**values)


@pytest.mark.parametrize(
    ("detail", "url"),
    [
        (FaceDetail(name="Li Lei", uuid="1001"), "/search?uuid=1001#answer"),
        (FaceDetail(name="Li Lei", uuid="0"), "/search?name=Li+Lei#answer"),
        (EventDetail(type=12, name="王芳"), "/search?name=%E7%8E%8B%E8%8A%B3#answer"),
        (AccessDetail(uuid="1001"), "/search?uuid=1001#answer"),
        (AccessDetail(uuid="9223372036854775808"), ""),
        (FaceDetail(), ""),
        (VehicleDetail(Plate("粤B54896")), ""),
    ],
)
def test_more_of_a_person_is_by_number_else_by_name(detail: Detail, url: str) -> None:
    assert more_of_person(record(detail)) == url


def test_nothing_is_asked_about_what_was_erased() -> None:
    assert more_of_person(record(FaceDetail(uuid="1001"), erased=True)) == ""
    assert more_of_plate(record(VehicleDetail(Plate("A 1")), erased=True)) == ""


def test_more_of_a_plate_is_by_the_plate() -> None:
    assert more_of_plate(record(VehicleDetail(Plate("A&1 8")))) == "/search?plate=A%261+8#answer"
    assert more_of_plate(record(VehicleDetail())) == ""
    assert more_of_plate(record(FaceDetail())) == ""


def test_more_of_a_camera_is_around_the_time_of_the_record() -> None:
    url = "/search?did=3&around=2026-11-25T12%3A00%3A00.000Z#answer"
    assert more_of_camera(record(FaceDetail())) == url
    assert more_of_camera(record(FaceDetail(), did="")) == ""


def test_a_person_and_a_camera_have_a_question_of_their_own() -> None:
    assert of_person("1001") == "/search?uuid=1001#answer"
    assert of_camera("3") == "/search?did=3#answer"
