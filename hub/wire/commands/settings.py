"""The settings of 1.5 and 1.6 in the words of each edition (D12).

Services and pages speak of the setting: a FaceParam or RecordParam. Editions 1 and 2 have it flat,
as it is; edition 3 nests it and has bit masks. What an edition cannot say is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hub.wire.commands.capabilities import Capabilities, Edition, editions_to_try, supposed_edition
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING, Command
from hub.wire.commands.param_structs import AlarmOut, FaceParam, RecordParam
from hub.wire.commands.params import check_param, to_wire

#: Bits of `person_type`, by the end of a field's name, in edition 3.
PERSON_BITS: Mapping[str, int] = {"stranger": 1, "white": 2, "black": 4, "vip": 8, "friend": 16}
#: Bits of `pic_type`.
PICTURE_BITS: Mapping[str, int] = {"face": 1, "body": 2, "bg": 4}
#: Seconds, where nothing was chosen: between two signals of the relay.
_RELAY_SECONDS = 10

_FACE_URIS: Mapping[Edition, str] = {
    1: "/ivp/person_param_set",
    2: "/ivp/facecap_param_set",
    3: "/ivp/face_param_set",
}
_HUMAN = ("show_human", "mini_human", "quality_human")
_RECORD = tuple(f"record_{end}" for end in (*PERSON_BITS, *PICTURE_BITS))
_RELAY = ("relay", "relay_interval", *(f"relay_{end}" for end in PERSON_BITS))
_PUSH_PEOPLE = ("push_white", "push_black", "push_vip", "push_friend")
_ALARM_PEOPLE = tuple(f"alarm_{end}" for end in PERSON_BITS)
_ONLY_IN_3 = ("push_body", "app_push", *_RECORD)
#: The fields of each setting that an edition cannot say.
_UNSUPPORTED: Mapping[str, Mapping[Edition, tuple[str, ...]]] = {
    SET_FACE.name: {
        1: (*_PUSH_PEOPLE, "push_attr", *_ALARM_PEOPLE, *_RELAY, *_ONLY_IN_3),
        2: (*_HUMAN, *_ONLY_IN_3),
        3: _HUMAN,
    },
    SET_RECORDING.name: {
        1: (),
        2: (),
        3: ("audio_enable", "file_len", "strategy", "face_server_enable", "pre_record"),
    },
}
#: Sent all the same in edition 2, whose readers ignore them: the firmware of edition 1 that has the
#: uri of edition 2 wants them (D4).
_SENT_THOUGH_UNSUPPORTED = {(SET_FACE.name, 2): frozenset(_HUMAN)}
#: Names of edition 2 for what is named otherwise here.
_NAMES_OF_2 = {
    "relay": "alarm_out_link",
    "relay_interval": "alarm_out_delay",
    **{f"relay_{end}": f"alarm_out_{end}" for end in PERSON_BITS},
}


class WireSetting(Struct, frozen=True):
    """A setting as it is sent in one edition."""

    edition: Edition
    uri: str
    param: Raw


def face_edition(uri: str) -> Edition | None:
    """The edition whose uri of 1.5 this is."""
    return next((edition for edition, known in _FACE_URIS.items() if known == uri), None)


def unsupported(command: Command[Any, Any], edition: Edition) -> tuple[str, ...]:
    """The fields of a setting, dotted, that an edition cannot say: for the page to show."""
    return _UNSUPPORTED[command.name][edition]


def editions_of(command: Command[Any, Any], known: Capabilities) -> tuple[Edition, ...]:
    """In which editions to send a setting, in order: the next one only after a 404.

    1.6 has the same uri in all editions, so a 404 leads nowhere, and there is only one.
    """
    if command.name == SET_FACE.name:
        return editions_to_try(known.face, known)
    return (known.recording or _recording_edition(known),)


def _recording_edition(known: Capabilities) -> Edition:
    return 3 if 3 in (known.face, supposed_edition(known)) else 1


def to_edition(command: Command[Any, Any], setting: Raw, edition: Edition) -> WireSetting:
    """Say a setting, as encode_param() encodes it for edition 1, in an edition.

    Raises BadParameter if it is not a whole setting.
    """
    param = check_param(command, setting)
    if isinstance(param, FaceParam):
        return WireSetting(edition, _FACE_URIS[edition], _encode(_FACE[edition](param)))
    assert isinstance(param, RecordParam)
    if edition != 3:
        return WireSetting(edition, command.uri, setting)
    return WireSetting(edition, command.uri, _encode(_nested_recording(param)))


def _encode(param: object) -> Raw:
    return Raw(msgspec.json.encode(param))


def _flat_1(param: FaceParam) -> dict[str, object]:
    return _without(to_wire(param, bool), unsupported(SET_FACE, 1))


def _flat_2(param: FaceParam) -> dict[str, object]:
    dropped = set(unsupported(SET_FACE, 2)) - _SENT_THOUGH_UNSUPPORTED[SET_FACE.name, 2]
    sent = _without(to_wire(param, bool), dropped)
    alarms = {name: sent.pop(name) for name in _ALARM_PEOPLE if name in sent}
    alarm_out = sent["alarm_out"]
    assert isinstance(alarm_out, dict)
    sent["alarm_out"] = alarm_out | alarms
    return {_NAMES_OF_2.get(name, name): value for name, value in sent.items()}


def _nested_3(param: FaceParam) -> dict[str, object]:
    return {
        "enable": param.enable,
        "threshold": param.threshold,
        "reg_threshold": param.reg_threshold,
        "show_face": param.show_face,
        "mini_face": param.mini_face,
        "quality_face": param.quality_face,
        "alarm_push": {
            "enable": param.alarm_out.alarm_push,
            "interval": param.alarm_out.interval,
            "person_type": _mask(param, "alarm_", PERSON_BITS),
            "app_push": param.app_push or 0,
        },
        "server_push": {
            "enable": param.server_enable is not False,
            "person_type": _mask(param, "push_", PERSON_BITS),
            "pic_type": _mask(param, "push_", PICTURE_BITS, unset=False),
            "attr_enable": param.push_attr is not False,
        },
        "record": {
            "person_type": _mask(param, "record_", PERSON_BITS),
            "pic_type": _mask(param, "record_", PICTURE_BITS, unset=False) or _FACE_AND_SCENE,
        },
        "alarm_audio": {
            "enable": param.play_audio,
            "person_type": _mask(param, "play_audio_", PERSON_BITS),
        },
        "alarm_relay": {
            "enable": bool(param.relay),
            "interval": param.relay_interval or _RELAY_SECONDS,
            "person_type": _mask(param, "relay_", PERSON_BITS, unset=False),
        },
    }


#: What is kept on the card if nothing is chosen: without faces, its history would be empty.
_FACE_AND_SCENE = PICTURE_BITS["face"] | PICTURE_BITS["bg"]
_FACE: Mapping[Edition, Callable[[FaceParam], dict[str, object]]] = {
    1: _flat_1,
    2: _flat_2,
    3: _nested_3,
}


def _mask(param: FaceParam, prefix: str, bits: Mapping[str, int], *, unset: bool = True) -> int:
    """The bits of the fields that are set. `unset`: whether a field that is not given counts."""
    mask = 0
    for end, bit in bits.items():
        chosen = getattr(param, prefix + end)
        if unset if chosen is None else chosen:
            mask |= bit
    return mask


def _nested_recording(param: RecordParam) -> dict[str, object]:
    stream = {
        "streamid": 0,
        "normal_record": param.normal_record,
        "alarm_record": param.alarm_record,
        "disconnect_record": param.disconnect_record,
    }
    return {"record_params": [stream]}


def _without(sent: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    dropped = frozenset(names)
    return {name: value for name, value in sent.items() if name not in dropped}


# -- Reading, as a camera does -------------------------------------------------------------------


def from_edition_2(param: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the setting that a param of edition 2 stands for."""
    here = {there: name for name, there in _NAMES_OF_2.items()}
    fields = {here.get(name, name): value for name, value in param.items()}
    alarm_out = fields.get("alarm_out")
    if isinstance(alarm_out, dict):
        fields |= {name: alarm_out[name] for name in _ALARM_PEOPLE if name in alarm_out}
        fields["alarm_out"] = _without(alarm_out, _ALARM_PEOPLE)
    return fields


def from_edition_3(param: Mapping[str, Any]) -> FaceParam:
    """The setting that a param of edition 3 stands for, as far as it says it. Raises KeyError."""
    alarm, push, record = param["alarm_push"], param["server_push"], param["record"]
    audio, relay = param["alarm_audio"], param["alarm_relay"]
    return FaceParam(
        enable=param["enable"],
        show_face=param["show_face"],
        show_human=False,
        threshold=param["threshold"],
        reg_threshold=param["reg_threshold"],
        mini_face=param["mini_face"],
        mini_human=60,
        quality_face=param["quality_face"],
        quality_human=0,
        server_enable=push["enable"],
        push_attr=push["attr_enable"],
        app_push=alarm["app_push"],
        play_audio=audio["enable"],
        relay=relay["enable"],
        relay_interval=relay["interval"],
        alarm_out=AlarmOut(interval=alarm["interval"], alarm_push=alarm["enable"]),
        **_flags("alarm_", alarm["person_type"], PERSON_BITS),
        **_flags("push_", push["person_type"], PERSON_BITS),
        **_flags("push_", push["pic_type"], PICTURE_BITS),
        **_flags("record_", record["person_type"], PERSON_BITS),
        **_flags("record_", record["pic_type"], PICTURE_BITS),
        **_flags("play_audio_", audio["person_type"], PERSON_BITS),
        **_flags("relay_", relay["person_type"], PERSON_BITS),
    )


def _flags(prefix: str, mask: int, bits: Mapping[str, int]) -> dict[str, Any]:
    return {prefix + end: bool(mask & bit) for end, bit in bits.items()}
