"""The settings of 1.5 and 1.6 in the words of each edition (D12): every field, every bit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.wire.commands.capabilities import UNKNOWN, Capabilities, Edition
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from hub.wire.commands.param_structs import AlarmOut, FaceParam
from hub.wire.commands.params import encode_param
from hub.wire.commands.settings import (
    PERSON_BITS,
    PICTURE_BITS,
    editions_of,
    face_edition,
    from_edition_3,
    to_edition,
    unsupported,
)

FACE = FaceParam(
    enable=True,
    show_face=False,
    show_human=True,
    push_stranger=True,
    push_face=True,
    push_bg=True,
    play_audio=False,
    threshold=50,
    reg_threshold=85,
    mini_face=40,
    mini_human=60,
    quality_face=60,
    quality_human=50,
    alarm_out=AlarmOut(interval=10, alarm_push=True),
)


def said(edition: Edition, **more: Any) -> dict[str, Any]:
    setting = encode_param(SET_FACE, replace(FACE, **more))
    param = msgspec.json.decode(to_edition(SET_FACE, setting, edition).param)
    assert isinstance(param, dict)
    return param


def test_the_bits_are_those_of_the_makers_document() -> None:
    assert PERSON_BITS == {"stranger": 1, "white": 2, "black": 4, "vip": 8, "friend": 16}
    assert PICTURE_BITS == {"face": 1, "body": 2, "bg": 4}


def test_each_edition_has_its_uri() -> None:
    setting = encode_param(SET_FACE, FACE)
    uris = [to_edition(SET_FACE, setting, edition).uri for edition in (1, 2, 3)]
    assert uris == ["/ivp/person_param_set", "/ivp/facecap_param_set", "/ivp/face_param_set"]
    assert [face_edition(uri) for uri in uris] == [1, 2, 3]
    assert face_edition("/ivp/other") is None


def test_edition_1_is_sent_what_its_table_has() -> None:
    assert said(1) == msgspec.json.decode(encode_param(SET_FACE, FACE))
    assert said(1, push_white=True, relay=True, record_face=True, alarm_vip=False) == said(1)


def test_a_setting_without_choices_of_later_editions_has_sensible_ones_in_edition_3() -> None:
    assert said(3) == {
        "enable": True,
        "threshold": 50,
        "reg_threshold": 85,
        "show_face": False,
        "mini_face": 40,
        "quality_face": 60,
        "alarm_push": {"enable": True, "interval": 10, "person_type": 31, "app_push": 0},
        "server_push": {"enable": True, "person_type": 31, "pic_type": 5, "attr_enable": True},
        "record": {"person_type": 31, "pic_type": 5},
        "alarm_audio": {"enable": False, "person_type": 31},
        "alarm_relay": {"enable": False, "interval": 10, "person_type": 0},
    }


@pytest.mark.parametrize(
    ("prefix", "group"),
    [
        ("push_", "server_push"),
        ("alarm_", "alarm_push"),
        ("record_", "record"),
        ("play_audio_", "alarm_audio"),
        ("relay_", "alarm_relay"),
    ],
)
@pytest.mark.parametrize(("end", "bit"), PERSON_BITS.items())
def test_each_list_of_people_is_a_bit_of_edition_3(
    prefix: str, group: str, end: str, bit: int
) -> None:
    none = {prefix + each: False for each in PERSON_BITS}
    assert said(3, **none)[group]["person_type"] == 0
    assert said(3, **{**none, prefix + end: True})[group]["person_type"] == bit
    every = dict.fromkeys(none, True)
    assert said(3, **{**every, prefix + end: False})[group]["person_type"] == 31 - bit


@pytest.mark.parametrize(("end", "bit"), [("face", 1), ("body", 2), ("bg", 4)])
@pytest.mark.parametrize(("prefix", "group"), [("push_", "server_push"), ("record_", "record")])
def test_each_picture_is_a_bit_of_edition_3(prefix: str, group: str, end: str, bit: int) -> None:
    none = {prefix + each: False for each in PICTURE_BITS}
    assert said(3, **{**none, prefix + end: True})[group]["pic_type"] == bit


def test_the_other_fields_of_edition_3() -> None:
    param = said(3, server_enable=False, push_attr=False, app_push=2, relay=True, relay_interval=30)
    assert param["server_push"]["enable"] is False
    assert param["server_push"]["attr_enable"] is False
    assert param["alarm_push"]["app_push"] == 2
    assert param["alarm_relay"]["enable"] is True
    assert param["alarm_relay"]["interval"] == 30


def test_edition_2_is_flat_and_has_its_own_names_for_the_relay() -> None:
    param = said(
        2,
        push_white=True,
        push_attr=True,
        alarm_black=True,
        relay=True,
        relay_interval=5,
        relay_vip=True,
        record_face=True,
        push_body=True,
        app_push=1,
    )
    assert param == {
        **said(1),
        "push_white": True,
        "push_attr": True,
        "alarm_out": {"interval": 10, "alarm_push": True, "alarm_black": True},
        "alarm_out_link": True,
        "alarm_out_delay": 5,
        "alarm_out_vip": True,
    }


def test_what_edition_3_takes_is_read_back_as_it_was_meant() -> None:
    setting = replace(
        FACE,
        show_human=False,
        quality_human=0,
        server_enable=True,
        push_attr=False,
        app_push=1,
        relay=True,
        relay_interval=20,
        **{
            prefix + end: (bit % 4 != 2)
            for prefix in ("push_", "alarm_", "record_", "play_audio_", "relay_")
            for end, bit in PERSON_BITS.items()
        },
        push_body=True,
        record_face=True,
        record_body=False,
        record_bg=False,
    )
    param = to_edition(SET_FACE, encode_param(SET_FACE, setting), 3).param
    assert from_edition_3(msgspec.json.decode(param)) == setting


@pytest.mark.parametrize("edition", [1, 2, 3])
def test_what_an_edition_cannot_say_is_named(edition: Edition) -> None:
    names = unsupported(SET_FACE, edition)
    assert set(names) <= set(FaceParam.__struct_fields__)
    assert ("show_human" in names) == (edition != 1)
    assert ("push_white" in names) == (edition == 1)
    assert ("record_face" in names) == (edition != 3)


RECORDING = encode_param(SET_RECORDING, SET_RECORDING.example)


@pytest.mark.parametrize("edition", [1, 2])
def test_recording_is_the_same_in_the_first_two_editions(edition: Edition) -> None:
    sent = to_edition(SET_RECORDING, RECORDING, edition)
    assert (sent.uri, sent.param) == ("/storage/record_set", RECORDING)


def test_recording_is_a_list_of_streams_in_edition_3() -> None:
    sent = to_edition(SET_RECORDING, RECORDING, 3)
    assert sent.uri == "/storage/record_set"
    assert msgspec.json.decode(sent.param) == {
        "record_params": [
            {
                "streamid": 0,
                "normal_record": True,
                "alarm_record": True,
                "disconnect_record": True,
            }
        ]
    }
    assert unsupported(SET_RECORDING, 3) == (
        "audio_enable",
        "file_len",
        "strategy",
        "face_server_enable",
        "pre_record",
    )


@pytest.mark.parametrize(
    ("known", "face", "recording"),
    [
        (UNKNOWN, (1, 2, 3), (1,)),
        (Capabilities(connect="unsigned"), (3, 2, 1), (3,)),
        (Capabilities(connect="signed", groups={"information": True}), (3, 2, 1), (3,)),
        (Capabilities(connect="signed", uploads=2), (2, 3, 1), (1,)),
        (Capabilities(face=2), (2, 3, 1), (1,)),
        (Capabilities(face=3), (3, 2, 1), (3,)),
        (Capabilities(connect="unsigned", recording=1), (3, 2, 1), (1,)),
    ],
)
def test_in_which_editions_a_setting_is_tried(
    known: Capabilities, face: tuple[int, ...], recording: tuple[int, ...]
) -> None:
    assert editions_of(SET_FACE, known) == face
    assert editions_of(SET_RECORDING, known) == recording


def test_a_part_of_a_setting_is_refused_by_the_field_that_it_lacks() -> None:
    with pytest.raises(BadParameter, match=r"param\.enable: is required"):
        to_edition(SET_FACE, msgspec.Raw(b"{}"), 3)
