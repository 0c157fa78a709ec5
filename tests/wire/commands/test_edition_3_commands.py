"""The commands that only edition 3 has (D12): every row of the tables, their bounds and results."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hub.errors import BadParameter, DeviceNonsense
from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.answers import Done
from hub.wire.commands.capabilities import COMMAND_GROUPS
from hub.wire.commands.dialect import DIALECT, Command
from hub.wire.commands.edition_3_commands import EDITION_3
from hub.wire.commands.params import check_fields, check_param, encode_param
from hub.wire.commands.results import decode_answer

#: Section, uri, and the names of the fields that are sent.
ROWS = """
1.11 /person/update pid name work_id id_card_no ic_card_no gender age department photo category
1.14 /person/search_picture photo
1.15 /media/video/stream_get_params channelid
1.16 /media/video/stream_set_params streams
1.17 /media/audio/ai_get_param channelId
1.18 /media/audio/ai_set_param enable cnt_channel enc_type ai_gain ANR_enable channelId
1.19 /media/audio/ao_get_param channelId
1.20 /media/audio/ao_set_param enable ao_gain channelId
1.21 /image/osd/chnosd_get_param channelId
1.22 /image/osd/chnosd_set_param b_showOSD time_format position time_pos channel_name channelId
1.23 /net/advanced/server_set_param websocket http_addr
1.24 /image/set_adjust_param contrast brightness saturation sharpen enable_mi enable_st channelid
1.25 /image/get_exposure_param
1.26 /image/set_exposure_param exposure_mode high_light_level back_light_level antiflick exposure_max exposure_min channelid
1.27 /image/set_dncut_param daynight_mode day_start day_end smt_light_mode
1.28 /storage/disk/format video_sizeGB
1.30 /system/device/get_info
1.31 /ptz/move_start tiltUp panLeft channelid
1.32 /ptz/move_stop channelid
1.33 /ptz/reset channelid
1.34 /person/clear
1.36 /net/ifconfig_get_inet
1.37 /net/ifconfig_eth_set dhcp addr mask gateway dns
1.38 /ptz/patrol_create channelid
1.39 /ptz/patrol_delete patrolid channelid
1.40 /ptz/patrols_get patrolid channelid
1.41 /ptz/patrol_get_nodes patrolid channelid
1.42 /ptz/patrol_add_node patrolid presetno staySeconds channelid
1.43 /ptz/patrol_del_node patrolid presetindex channelid
1.44 /ptz/patrol_set_speed patrolid speed channelid
1.45 /ptz/patrol_set_stay_seconds patrolid staySeconds channelid
1.46 /ptz/patrol_locate patrolid channelid
1.47 /ptz/patrol_stop channelid
1.48 /image/privacy_get_param channelid
1.49 /image/privacy_set_param region channelid
1.50 /ptz/preset_set presetno name channelid
1.51 /ptz/preset_locate presetno channelid
1.52 /ptz/preset_delete presetno channelid
1.53 /ptz/presets_get channelid
1.54 /net/wifi/ifconfig_list_ap bResearch
4.1 /system/maintain/update_ota type
"""  # noqa: E501
TABLE = [line.split() for line in ROWS.split("\n") if line]


def sent(command: Command[Any, Any], param: Any = None) -> dict[str, Any]:
    encoded = encode_param(command, command.example if param is None else param)
    decoded = msgspec.json.decode(encoded)
    assert isinstance(decoded, dict)
    return decoded


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_each_row_of_the_tables_is_a_command(row: list[str]) -> None:
    section, uri, *fields = row
    command = EDITION_3.by_uri(uri)
    assert (command.section, command.uri) == (section, uri)
    assert list(sent(command)) == fields
    assert command.ok_codes == {0, 200}


def test_there_are_no_other_commands() -> None:
    assert sorted(command.uri for command in EDITION_3.commands) == sorted(row[1] for row in TABLE)
    assert len({command.name for command in (*EDITION_3.commands, *DIALECT.commands)}) == len(
        (*EDITION_3.commands, *DIALECT.commands)
    )


@pytest.mark.parametrize("command", EDITION_3.commands, ids=lambda command: command.name)
def test_each_command_is_of_a_group_and_its_example_is_valid(command: Command[Any, Any]) -> None:
    assert command.group in COMMAND_GROUPS
    assert check_param(command, encode_param(command, command.example)) == command.example


def changed(example: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The example with another value at a dotted path."""
    name, _, rest = path.partition(".")
    if name.isdigit():
        raise AssertionError(path)
    if not rest:
        return {**example, name: value}
    inner = example[name]
    if isinstance(inner, list):
        return {**example, name: [changed(inner[0], rest, value)]}
    return {**example, name: changed(inner, rest, value)}


BOUNDS = [
    (edition_3.SET_STREAMS, "streams.streamid", [-1, 2]),
    (edition_3.SET_STREAMS, "streams.venctype", ["h263", "", 1, None]),
    (edition_3.SET_STREAMS, "streams.quality", [19, 101]),
    (edition_3.SET_STREAMS, "streams.rc_mode", ["abr"]),
    (edition_3.SET_STREAMS, "streams.bit_rate", [0, 100_000, "fast"]),
    (edition_3.SET_STREAMS, "streams", [[], {}, "x", [{}] * 5, [1]]),
    (edition_3.SET_AUDIO_INPUT, "cnt_channel", [0, 3]),
    (edition_3.SET_AUDIO_INPUT, "enc_type", ["mp3"]),
    (edition_3.SET_AUDIO_INPUT, "ANR_enable", [2, -1]),
    (edition_3.SET_AUDIO_INPUT, "channelId", [1]),
    (edition_3.SET_AUDIO_OUTPUT, "ao_gain", [-1, 256]),
    (edition_3.SET_OSD, "time_format", ["hh:mm"]),
    (edition_3.SET_OSD, "position", ["middle"]),
    (edition_3.SET_OSD, "channel_name", ["x" * 65, "a\nb"]),
    (edition_3.SET_ADJUST, "contrast", [-1, 256, 1.5]),
    (edition_3.SET_ADJUST, "enable_mi", ["maybe", 2]),
    (edition_3.SET_EXPOSURE, "exposure_mode", [3]),
    (edition_3.SET_EXPOSURE, "high_light_level", [9]),
    (edition_3.SET_EXPOSURE, "antiflick", [3]),
    (edition_3.SET_EXPOSURE, "exposure_max", [2, 100_001]),
    (edition_3.SET_DAY_NIGHT, "daynight_mode", ["night"]),
    (edition_3.SET_DAY_NIGHT, "day_start.hour", [24]),
    (edition_3.SET_DAY_NIGHT, "day_end.minute", [60]),
    (edition_3.SET_DAY_NIGHT, "smt_light_mode", ["On"]),
    (edition_3.SET_PRIVACY, "region.rects", [[{"x": 1}], [{}], "x"]),
    (edition_3.SET_PRIVACY, "region.rects.x", [-1, 20_000]),
    (edition_3.DISK_FORMAT, "video_sizeGB", [0, 4096]),
    (edition_3.SET_ETHERNET, "addr", ["", "1.2.3", "1.2.3.256", "::1", "01.2.3.4", "host", 1]),
    (edition_3.SET_ETHERNET, "gateway", ["1.2.3.4.5"]),
    (edition_3.SET_SERVER, "websocket.websocket_addr", ["", "x" * 257]),
    (edition_3.SET_SERVER, "http_addr", [""]),
    (edition_3.MOVE_START, "tiltUp", [-256, 256]),
    (edition_3.MOVE_START, "panLeft", [-256, 256]),
    (edition_3.MOVE_START, "channelid", [1]),
    (edition_3.PATROL_SET_SPEED, "speed", [255]),
    (edition_3.PATROL_ADD_NODE, "staySeconds", [-1, 3601]),
    (edition_3.PATROL_DELETE_NODE, "presetindex", [-1]),
    (edition_3.PRESET_SET, "name", ["", "x" * 65]),
    (edition_3.OTA_START, "type", [0, 2]),
    (edition_3.PERSON_UPDATE, "pid", ["", "0", "x"]),
    (edition_3.PHOTO_SEARCH, "photo", ["", "x"]),
]


@pytest.mark.parametrize(
    ("command", "path", "value"),
    [(command, path, value) for command, path, values in BOUNDS for value in values],
)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_field(
    command: Command[Any, Any], path: str, value: object
) -> None:
    with pytest.raises(BadParameter) as refusal:
        check_fields(command, changed(sent(command), path, value))
    named = refusal.value.field.replace("[0]", "")
    assert named.startswith(f"param.{path}")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(BadParameter, match=r"param\.zoomIn: no such field"):
        check_fields(edition_3.MOVE_START, {"tiltUp": 1, "panLeft": 1, "zoomIn": 1})


def answer(command: Command[Any, Any], result: object) -> Any:
    return decode_answer(command, Raw(msgspec.json.encode(result)))


def test_device_information_is_read_and_its_secret_is_not_shown() -> None:
    info = answer(
        edition_3.GET_INFO,
        {
            "type": "RV1126",
            "hardware": "1.0",
            "sn": "Y3C122AP1234512",
            "devid": 31,
            "auth_code": "ABCD1234",
            "firmware": "1.1.57_x",
            "model": "M1",
            "algorithm": "a",
            "syslanguage": "zh",
            "supported_langs": ["zh", "en"],
        },
    )
    assert (info.sn, info.devid, info.auth_code) == ("Y3C122AP1234512", "31", "ABCD1234")
    assert info.firmware == "1.1.57_x"
    assert "ABCD1234" not in repr(info)


def test_interfaces_are_read() -> None:
    found = answer(
        edition_3.GET_INTERFACES,
        {
            "iface": "eth0",
            "eth": {"name": "eth0", "dhcp": 1, "addr": "10.0.0.5", "mac": "00:11:22:33:44:55"},
            "wifi": {"name": "null", "quality": "70", "dhcp": "false", "keystat": 1},
            "_4G": {"quality": 3},
        },
    )
    assert (found.eth.addr, found.eth.dhcp, found.wifi.dhcp) == ("10.0.0.5", True, False)
    assert (found.wifi.quality, found.mobile.quality) == (70, 3)
    assert answer(edition_3.GET_INTERFACES, {"iface": "eth0", "eth": None}).eth is None


def test_streams_are_read_row_by_row() -> None:
    found = answer(
        edition_3.GET_STREAMS, {"streams": [{"streamid": 0, "width": 2560}, {"width": 1}]}
    )
    assert [(one.streamid, one.width) for one in found.streams] == [(0, 2560)]
    assert found.unreadable == 1


def test_audio_and_picture_are_read() -> None:
    assert answer(edition_3.GET_AUDIO_INPUT, {"enable": True, "ANR_enable": 0}).ANR_enable == 0
    assert answer(edition_3.GET_AUDIO_OUTPUT, {"ao_dev": "external"}).ao_dev == "external"
    assert answer(edition_3.GET_OSD, {"b_showOSD": 0, "channel_name": "Gate"}).b_showOSD is False
    assert answer(edition_3.GET_EXPOSURE, {"exposure_max": 100}).exposure_max == 100


def test_privacy_masks_are_read() -> None:
    rects = [{"x": 1, "y": 2, "w": 3, "h": 4}]
    found = answer(edition_3.GET_PRIVACY, {"bEnable": True, "maxRect": 4, "rects": rects})
    assert (found.maxRect, found.rects[0].h) == (4, 4)
    assert answer(edition_3.GET_PRIVACY, {"bEnable": False}).rects == ()


@pytest.mark.parametrize("name", ["ap_list", "aplist"])
def test_wifi_networks_are_read_without_their_passwords(name: str) -> None:
    found = answer(edition_3.LIST_ACCESS_POINTS, {name: [{"ssid": "Site", "passwd": "s3cret"}]})
    assert [point.ssid for point in found.ap_list] == ["Site"]
    assert "s3cret" not in repr(found)
    assert sent(edition_3.LIST_ACCESS_POINTS) == {"bResearch": 0}


@pytest.mark.parametrize("key", ["jepg_url", "jpeg_url", "jepg-url", "jepg_url "])
def test_whom_a_photo_shows_is_read_in_spite_of_the_misprint(key: str) -> None:
    found = answer(edition_3.PHOTO_SEARCH, {"name": "张三", key: "data/1.jpg", "feature": [0.5]})
    assert (found.name, found.jpeg_url) == ("张三", "data/1.jpg")
    assert answer(edition_3.PHOTO_SEARCH, {"name": "", key: ""}).name is None


def test_presets_and_patrols_are_read() -> None:
    presets = answer(edition_3.GET_PRESETS, {"presets_cnt": 1, "presets": [{"presetno": 1}]})
    assert [one.presetno for one in presets.presets] == [1]
    patrol = {"patrolid": 2, "bStart": 1, "preset": [{"presetno": 1, "staySeconds": 5}]}
    found = answer(edition_3.GET_PATROLS, {"patrolsList": [patrol]})
    assert (found.patrolsList[0].bStart, found.patrolsList[0].preset[0].staySeconds) == (True, 5)
    assert answer(edition_3.PATROL_CREATE, {"patrolid": 3}).patrolid == 3
    with pytest.raises(DeviceNonsense, match="patrolid"):
        answer(edition_3.PATROL_CREATE, {})


@pytest.mark.parametrize("name", ["patrolNodesList", "patrolsList"])
@pytest.mark.parametrize("preset", [{"presetno": 4}, [{"presetno": 4}]])
def test_the_nodes_of_a_patrol_are_read_in_either_of_the_printed_shapes(
    name: str, preset: object
) -> None:
    found = answer(edition_3.GET_PATROL_NODES, {name: [{"preset": preset, "staySeconds": 9}]})
    (node,) = found.patrolNodesList
    assert (node.preset.presetno, node.staySeconds) == (4, 9)


@pytest.mark.parametrize(
    "command",
    [command for command in EDITION_3.commands if command.answer is Done],
    ids=lambda command: command.name,
)
def test_a_change_needs_no_result(command: Command[Any, Any]) -> None:
    assert decode_answer(command, None) == Done()


@pytest.mark.parametrize(
    "command",
    [command for command in EDITION_3.commands if command.answer is not Done],
    ids=lambda command: command.name,
)
@pytest.mark.parametrize("result", [b"[]x", b"7", b'"text"', b"null", b""])
def test_nonsense_is_told_as_such(command: Command[Any, Any], result: bytes) -> None:
    with pytest.raises(DeviceNonsense, match=command.uri):
        decode_answer(command, Raw(result) if result else None)


def test_recordings_of_edition_3_have_a_date_and_a_type() -> None:
    row = {"date": "20260221", "filename": "a.sv7", "start_time": "x", "type": "alarm"}
    found = answer(DIALECT.by_uri("/storage/get_record_list"), {"recordlist": [row]})
    assert (found.rows[0].date, found.rows[0].type) == ("20260221", "alarm")
