"""The uploads of editions 2 and 3 and of boxes (D12): every row of the tables, and misprints."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from hub.errors import BadParameter, UnknownEventType
from hub.wire import code_tables
from hub.wire.uploads import bodies
from hub.wire.uploads.attributes import attribute_name, value_name
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail, FaceDetail, Rect, VehicleDetail
from hub.wire.uploads.vehicle_tables import CAR_MAKERS, vehicle_word
from tests.support.pictures import JPEG, PNG, WEBP, b64

FACE: dict[str, Any] = {
    "did": "",
    "sn": "Y3C122AP1234512",
    "pid": "",
    "time": 1771660800,
    "bg_width": 1920,
    "bg_height": 1080,
    "face_rect": {"x": 900, "y": 200, "w": 80, "h": 100},
    "body_rect": {"x": 850, "y": 180, "w": 220, "h": 700},
    "data": {"id": 7, "face_data": b64(JPEG), "body_data": b64(PNG), "bg_data": b64(WEBP)},
}
VEHICLE: dict[str, Any] = {
    "did": "31",
    "sn": "Y3C122AP1234512",
    "time": 1771660800250,
    "bg_width": 1920,
    "bg_height": 1080,
    "plate_rect": {"x": 480, "y": 402, "w": 96, "h": 28},
    "car_rect": {"x": 210, "y": 88, "w": 640, "h": 410},
    "plate": "粤B54896",
    "plate_color": 5,
    "car_color": 9,
    "car_type": 1,
    "car_maker": 41,
    "data": {
        "id": 8,
        "plate_data": b64(JPEG),
        "car_data": b64(PNG),
        "bg_data": b64(WEBP),
        "jpeg_url_plate": "sdcard/a.jpg",
    },
}
RECOGNISED = {"name": "张三", "pid": "88", "category": 1, "score": 93}


def encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def face(**more: object) -> CheckedUpload:
    return bodies.decode_face(encode({**FACE, **more}), max_depth=64)


def of_edition_2(**more: object) -> CheckedUpload:
    """A capture as the camera of D8 sends it."""
    body = {"sn": "Y3C122AP1234512", "time": 1771660800, "helmet": 0, "handed": 0, **more}
    return bodies.decode_face(encode(body), max_depth=64)


def seen(upload: CheckedUpload) -> FaceDetail:
    assert isinstance(upload.detail, FaceDetail)
    return upload.detail


def vehicle(**more: object) -> CheckedUpload:
    return bodies.decode_vehicle(encode({**VEHICLE, **more}), max_depth=64)


def car(upload: CheckedUpload) -> VehicleDetail:
    assert isinstance(upload.detail, VehicleDetail)
    return upload.detail


def event(**more: object) -> CheckedUpload:
    body = {"did": "", "type": 1, "time": 1771660800250, "data": {}, **more}
    return bodies.decode_event(encode(body), max_depth=64, keep_unknown=False)


def happened(upload: CheckedUpload) -> EventDetail:
    assert isinstance(upload.detail, EventDetail)
    return upload.detail


def extra_of(upload: CheckedUpload) -> dict[str, Any]:
    extra = msgspec.json.decode(upload.extra)
    assert isinstance(extra, dict)
    return extra


#: Key of edition 3 -> key in a record, and the values from 1 on in both languages.
_SEEN_BY_3 = {
    **{
        sent: (kept, "no/否 yes/是")
        for sent, kept in {
            "faceMask": "mask",
            "umbrella": "umbrella",
            "smoke": "smoking",
            "carryingItem": "carrying",
            "cellphone": "phone_in_hand",
            "safetyClothing": "safety_clothing",
            "lock": "safety_rope",
            "upperCut": "upper_cut",
            "lowerCut": "lower_cut",
            "redRescueKit": "rescue_kit",
        }.items()
    },
    "headwear": ("headwear", "none/无 hat/普通帽 helmet/安全帽"),
    "glasses": ("glasses", "none/无 glasses/眼镜 sunglasses/墨镜"),
    "bag": ("bag", "none/无 shoulder_bag/单肩包 backpack/双肩包"),
    "upperWear": ("upper_wear", "long_sleeves/长袖 short_sleeves/短袖"),
    "lowerWear": ("lower_wear", "trousers/长裤 shorts/短裤 long_skirt/长裙 short_skirt/短裙"),
    **{
        sent: (
            kept,
            "red/红色 orange/橙色 yellow/黄色 green/绿色 blue/蓝色 purple/紫色 pink/粉色 "
            "black/黑色 white/白色 grey/灰色 brown/棕色",
        )
        for sent, kept in {"upperColor": "upper_colour", "lowerColor": "lower_colour"}.items()
    },
    "upperWearFg": (
        "upper_garment",
        "T-shirt/T恤 sleeveless_top/无袖 shirt/衬衫 suit/西装 sweater/毛衣 jacket/夹克 "
        "down_jacket/羽绒服 trench_coat/风衣 coat/外套",
    ),
    "upperWearTexture": (
        "upper_pattern",
        "plain/纯色 pattern/图案 floral/碎花 stripes_or_checks/条纹或格子",
    ),
    "vehicle": ("rides", "nothing/无 motorcycle/摩托车 bicycle/自行车 tricycle/三轮车"),
    "occlusion": ("occlusion", "none/无 light/轻度 heavy/重度"),
    "orientation": ("orientation", "front/正面 back/背面 right/右侧面 left/左侧面"),
}
ROWS_OF_3 = [
    (sent, number, kept, *words.replace("_", " ").split("/"))
    for sent, (kept, values) in _SEEN_BY_3.items()
    for number, words in enumerate(values.split(), 1)
]


@pytest.mark.parametrize(("sent", "number", "kept", "en", "zh"), ROWS_OF_3)
def test_each_attribute_of_edition_3_is_kept_as_a_word(
    sent: str, number: int, kept: str, en: str, zh: str
) -> None:
    upload = face(**{sent: number})
    assert upload.edition == 3
    assert seen(upload).attributes[kept] == en
    assert value_name(kept, en) == en
    assert value_name(kept, en, "zh") == zh
    assert attribute_name(kept) != kept or kept == kept.capitalize()
    assert sent not in extra_of(upload)


@pytest.mark.parametrize("sent", _SEEN_BY_3)
def test_what_edition_3_does_not_know_is_left_out(sent: str) -> None:
    upload = face(**{sent: 0})
    assert seen(upload).attributes == {}
    assert sent not in extra_of(upload)


@pytest.mark.parametrize("sent", _SEEN_BY_3)
@pytest.mark.parametrize("value", [99, -1, "text", [1], 1.5])
def test_another_value_of_an_attribute_is_an_extra_field(sent: str, value: object) -> None:
    upload = face(**{sent: value})
    assert seen(upload).attributes == {}
    assert extra_of(upload)[sent] == value


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    [
        (0, "angry", "生气"),
        (1, "disgusted", "厌恶"),
        (2, "afraid", "害怕"),
        (3, "happy", "快乐"),
        (4, "neutral", "自然"),
        (5, "sad", "悲伤"),
        (6, "surprised", "惊讶"),
    ],
)
def test_an_expression_has_no_unknown(number: int, en: str, zh: str) -> None:
    upload = face(**RECOGNISED, express=number)
    assert seen(upload).attributes == {"expression": en}
    assert value_name("expression", en, "zh") == zh


@pytest.mark.parametrize(
    ("number", "group"),
    [*enumerate(["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"])],
)
def test_a_recogniser_tells_the_age_group_of_a_stranger(number: int, group: str) -> None:
    upload = face(category=0, age=number)
    assert seen(upload).attributes == {"age_group": group}
    assert seen(upload).age is None


@pytest.mark.parametrize(
    ("number", "group", "zh"),
    [
        (1, "infant", "幼儿"),
        (2, "youth", "青少年"),
        (3, "young adult", "青年"),
        (4, "middle-aged", "中年"),
        (5, "old", "老年"),
    ],
)
def test_a_capture_camera_tells_an_age_group(number: int, group: str, zh: str) -> None:
    upload = face(age=number)
    assert seen(upload).attributes == {"age_group": group}
    assert value_name("age_group", group, "zh") == zh
    assert seen(upload).age is None


def test_a_known_person_has_an_age_in_years() -> None:
    assert seen(face(**RECOGNISED, age=36)).age == 36
    assert seen(face(**RECOGNISED, age=36)).attributes == {}


def test_an_age_that_is_no_group_is_an_extra_field() -> None:
    assert extra_of(face(age=36))["age"] == 36
    assert "age" not in extra_of(face(age=0))


@pytest.mark.parametrize(("sent", "gender"), [(0, 2), (1, 1), (2, 2)])
def test_the_gender_that_a_recogniser_sends(sent: int, gender: int) -> None:
    assert seen(face(**RECOGNISED, gender=sent)).gender == gender


@pytest.mark.parametrize(("sent", "gender"), [(0, None), (1, 1), (2, 2)])
def test_the_gender_that_a_capture_camera_sends(sent: int, gender: int | None) -> None:
    assert seen(face(gender=sent)).gender == gender


def test_what_a_recogniser_writes_for_nothing_is_not_kept() -> None:
    sent = face(**RECOGNISED, otherInfo="(null)", department="(null) and void")
    assert "otherInfo" not in msgspec.json.decode(sent.extra)
    assert msgspec.json.decode(sent.extra)["department"] == "(null) and void"


def test_a_whole_capture_of_edition_3() -> None:
    upload = face(**RECOGNISED, headwear=3, feature=[0.5] * 512, race=1)
    assert seen(upload) == FaceDetail(
        name="张三",
        uuid="88",
        category=1,
        attributes={"headwear": "helmet", "helmet": "yes"},
        face_loc=Rect(900, 200, 80, 100),
        body_loc=Rect(850, 180, 220, 700),
        width=1920,
        height=1080,
    )
    assert upload.occurred_at == 1771660800000
    assert [picture.name for picture in upload.pictures] == ["face", "body", "background"]
    assert extra_of(upload) == {"data": {"id": 7}, "score": 93, "pid": "88"}


@pytest.mark.parametrize(("headwear", "helmet"), [(1, "no"), (2, "no"), (3, "yes")])
def test_a_helmet_is_found_in_both_editions_by_the_same_words(headwear: int, helmet: str) -> None:
    assert seen(face(headwear=headwear)).attributes["helmet"] == helmet
    sent = {"no": 0, "yes": 1}[helmet]
    assert seen(of_edition_2(helmet=sent)).attributes["helmet"] == helmet


@pytest.mark.parametrize(("sent", "kept"), [("smoke", "smoking"), ("handed", "carrying")])
@pytest.mark.parametrize(("number", "word"), [(0, "no"), (1, "yes")])
def test_edition_2_counts_from_0(sent: str, kept: str, number: int, word: str) -> None:
    upload = of_edition_2(**{sent: number})
    assert upload.edition == 2
    assert seen(upload).attributes[kept] == word
    assert extra_of(upload)[sent] == number


def test_smoke_1_is_yes_in_edition_2_and_no_in_edition_3() -> None:
    assert seen(of_edition_2(smoke=1)).attributes["smoking"] == "yes"
    assert seen(face(smoke=1)).attributes["smoking"] == "no"
    assert seen(face(smoke=2)).attributes["smoking"] == "yes"


def test_smoke_alone_does_not_tell_the_edition_and_stays_as_it_was_sent() -> None:
    body = encode({"time": 1771660800, "uuid": "1", "smoke": 1})
    upload = bodies.decode_face(body, max_depth=64)
    assert upload.edition == 1
    assert seen(upload).attributes == {}
    assert extra_of(upload) == {"smoke": 1}


@pytest.mark.parametrize(
    "where",
    [
        {"feature": [1.5], "race": 1},
        {"feature ": [1.5], " race": 1},
        {"data": {"feature": [1.5], "race": 1}},
        {"person": {"of": [{"feature": [1.5], "race": 1}]}},
        {"person": {"of": [{" feature": [1.5], "race ": 1}]}},
    ],
)
def test_feature_and_race_are_not_stored_wherever_they_are(where: dict[str, Any]) -> None:
    for upload in (face(**where), event(**where)):
        stored = msgspec.json.encode(upload.detail) + bytes(upload.extra)
        assert b"feature" not in stored
        assert b"race" not in stored
        assert b"1.5" not in stored


@pytest.mark.parametrize(
    "pid", ["83718293847563728192837465564738", "0012", "18446744073709551616"]
)
def test_a_pid_is_text_of_any_length(pid: str) -> None:
    assert seen(face(pid=pid)).uuid == pid


def test_a_pid_beyond_64_bits_may_be_a_number() -> None:
    body = encode({**FACE, "pid": "@"}).replace(b'"@"', b"18446744073709551616")
    assert seen(bodies.decode_face(body, max_depth=64)).uuid == "18446744073709551616"


@pytest.mark.parametrize("side", ["x", "y", "w", "h"])
@pytest.mark.parametrize("name", ["face_rect", "body_rect"])
def test_a_rectangle_without_a_side_is_refused_by_its_name(name: str, side: str) -> None:
    rect = {key: value for key, value in FACE[name].items() if key != side}
    with pytest.raises(BadParameter, match=rf"{name}\.{side}: a number is required"):
        face(**{name: rect})


def test_a_rectangle_without_an_area_is_none() -> None:
    assert seen(face(face_rect={"x": 0, "y": 0, "w": 0, "h": 0})).face_loc is None


def test_keys_with_blanks_and_misprints_are_what_they_mean() -> None:
    sent = {f"{key} ": value for key, value in FACE.items()}
    sent["data "] = {"face_data ": b64(JPEG), "jepg_url_face": "a", "jepg-url-body": "b"}
    upload = bodies.decode_face(encode({**sent, "id_card ": "1"}), max_depth=64)
    assert upload.sn == FACE["sn"]
    assert seen(upload).width == 1920
    assert [picture.name for picture in upload.pictures] == ["face"]
    extra = extra_of(upload)
    assert extra["id_card"] == "1"
    assert extra["data"] == {"jpeg_url_face": "a", "jpeg_url_body": "b"}


def test_a_key_with_blanks_does_not_replace_the_exact_one() -> None:
    assert face(**{"sn ": "other"}).sn == FACE["sn"]


def test_a_long_body_with_blanks_is_read_as_a_short_one() -> None:
    body = {f"{key} ": value for key, value in FACE.items()}
    upload = bodies.decode_face(encode({**body, "more": "x" * 3_000_000}), max_depth=64)
    assert upload.sn == FACE["sn"]
    assert seen(upload).width == 1920


# -- vehicles ------------------------------------------------------------------------------------


def test_a_whole_vehicle_of_edition_3() -> None:
    upload = vehicle()
    detail = car(upload)
    assert (detail.plate.id, detail.plate.colour) == ("粤B54896", "green")
    assert detail.plate.loc == Rect(480, 402, 96, 28)
    assert (detail.vehicle.type, detail.vehicle.brand) == (1, "BYD")
    assert (detail.vehicle.colour, detail.vehicle.loc) == ("blue", Rect(210, 88, 640, 410))
    assert {picture.name: picture.mime for picture in upload.pictures} == {
        "full": "image/webp",
        "vehicle": "image/png",
        "plate": "image/jpeg",
    }
    assert (upload.edition, upload.did, upload.occurred_at) == (3, "31", 1771660800250)
    assert extra_of(upload) == {
        "data": {"id": 8, "jpeg_url_plate": "sdcard/a.jpg"},
        "bg_width": 1920,
        "bg_height": 1080,
    }


def _from_1(words: str) -> list[tuple[int, str, str]]:
    pairs = [word.replace("_", " ").split("/") for word in words.split()]
    return [(number, en, zh) for number, (en, zh) in enumerate(pairs, 1)]


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    _from_1(
        "blue/蓝色 yellow,_one_row/单层黄色 yellow,_two_rows/双层黄色 yellow-green/黄绿色 "
        "green/绿色 black/黑色 white/白色"
    ),
)
def test_the_colours_of_plates(number: int, en: str, zh: str) -> None:
    assert car(vehicle(plate_color=number)).plate.colour == en
    assert vehicle_word(en, "zh") == zh


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    _from_1(
        "brown/棕色 orange/橙色 grey/灰色 white/白色 pink/粉色 purple/紫色 red/红色 green/绿色 "
        "blue/蓝色 silver/银色 yellow/黄色 black/黑色"
    ),
)
def test_the_colours_of_vehicles(number: int, en: str, zh: str) -> None:
    assert car(vehicle(car_color=number)).vehicle.colour == en
    assert vehicle_word(en, "zh") == zh


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    _from_1("car/轿车 SUV/SUV coach/客车 van/面包车 truck/货车"),
)
def test_the_types_of_vehicles_are_those_of_2_5(number: int, en: str, zh: str) -> None:
    kept = car(vehicle(car_type=number)).vehicle.type
    assert kept is not None
    assert code_tables.vehicle_name(kept) == en
    assert code_tables.vehicle_name(kept, "zh") == zh


@pytest.mark.parametrize("number", range(1, 98))
def test_each_maker_has_a_name_of_its_own_in_both_languages(number: int) -> None:
    brand = car(vehicle(car_maker=number)).vehicle.brand
    assert brand is not None
    assert vehicle_word(brand) == brand
    assert vehicle_word(brand, "zh")
    assert [one.en for one in CAR_MAKERS.values()].count(brand) == 1


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    [
        (1, "Audi", "奥迪"),
        (5, "Mercedes-Benz", "奔驰"),
        (12, "GMC", "GMC"),
        (13, "Škoda", "斯柯达"),
        (45, "Great Wall", "长城"),
        (59, "Rolls-Royce", "劳斯莱斯"),
        (85, "BMW", "宝马"),
        (96, "Lynk & Co", "领克"),
        (97, "Lexus", "雷克萨斯"),
    ],
)
def test_some_makers(number: int, en: str, zh: str) -> None:
    assert car(vehicle(car_maker=number)).vehicle.brand == en
    assert vehicle_word(en, "zh") == zh


def test_a_brand_that_edition_1_sends_as_text_is_shown_in_the_language_of_the_page() -> None:
    assert [vehicle_word(sent) for sent in ("大众", "volkswagen", " VW ")] == [
        *("Volkswagen", "Volkswagen", " VW ")
    ]
    assert vehicle_word("BYD", "zh") == "比亚迪"


@pytest.mark.parametrize("key", ["plate_color", "car_color", "car_type", "car_maker"])
def test_what_is_unknown_of_a_vehicle_is_left_out_and_other_codes_are_kept(key: str) -> None:
    assert key not in extra_of(vehicle(**{key: 0}))
    assert extra_of(vehicle(**{key: 98}))[key] == 98
    with pytest.raises(BadParameter, match=rf"{key}: an integer within"):
        vehicle(**{key: "red"})


def test_the_same_path_still_takes_a_vehicle_of_2_5() -> None:
    body = {"time": 1771660800250, "data": {"type": 1, "brand": "保时捷", "plate": {"id": "A1"}}}
    upload = bodies.decode_vehicle(encode(body), max_depth=64)
    assert (upload.edition, car(upload).plate.id, car(upload).vehicle.brand) == (1, "A1", "保时捷")


# -- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept", "category", "en", "zh"),
    [
        (1, 1, None, "Motion detected", "移动侦测"),
        (12, 11, 1, "Person detected", "人形检测"),
        (13, 12, 2, "Person on a list", "名单人员"),
        (14, 11, 3, "Person detected", "人形检测"),
        (15, 13, None, "Guard absent from post", "离岗"),
        (16, 16, None, "Fall", "跌倒"),
        (17, 17, None, "Vital signs", "生命体征"),
        (18, 18, None, "Kitchen hygiene", "明厨亮灶"),
        (19, 19, None, "Behaviour", "行为"),
        (20, 20, None, "Non-motor vehicle", "非机动车"),
        (21, 11, 0, "Person detected", "人形检测"),
    ],
)
def test_the_types_of_events_of_a_box(
    sent: int, kept: int, category: int | None, en: str, zh: str
) -> None:
    upload = event(type=sent, state=0, data={"region_id": 3, "dwell_sec": 40})
    assert happened(upload).type == kept
    assert happened(upload).category == category
    assert code_tables.event_name(kept) == en
    assert code_tables.event_name(kept, "zh") == zh
    assert extra_of(upload) == {"state": 0}
    assert msgspec.json.decode(happened(upload).data) == {"region_id": 3, "dwell_sec": 40}


def test_a_camera_keeps_its_meaning_of_12_to_14() -> None:
    for number in (12, 13, 14):
        assert happened(event(type=number)).type == number
        assert happened(event(type=number)).category is None


@pytest.mark.parametrize(
    ("number", "more", "last"), [(15, {}, 14), (16, {}, 14), (22, {"state": 0}, 21)]
)
def test_other_types_are_refused_with_those_that_are_known(
    number: int, more: dict[str, Any], last: int
) -> None:
    with pytest.raises(
        UnknownEventType, match=f"{number} is not one of the event types 1 to {last}"
    ):
        event(type=number, **more)


def test_an_event_with_the_body_of_a_capture_and_seconds_is_taken() -> None:
    upload = event(**{**FACE, "type": 12, "time": 1771660800})
    assert upload.occurred_at == 1771660800000
    assert [picture.name for picture in upload.pictures] == ["face", "body", "background"]


def test_the_report_of_edition_3_has_an_sn_and_no_other_versions() -> None:
    body = encode({"did": "", "sn ": "SN1", "fwVer": "1.1.57_x", "devName": "Gate"})
    info = bodies.decode_device_info(body, max_depth=64)
    assert (info.did, info.sn, info.fw_ver, info.sw_ver) == (None, "SN1", "1.1.57_x", None)
