"""The commands that only edition 3 has (D12), with the sections of the maker's document."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct

from hub.wire.commands import edition_3_answers as answers
from hub.wire.commands import edition_3_params as params
from hub.wire.commands.answers import Done
from hub.wire.commands.capabilities import CommandGroup
from hub.wire.commands.dialect import PERSON_ADD, Command, Dialect

P = TypeVar("P", bound=Struct)
A = TypeVar("A", bound=Struct)

_PHOTO = PERSON_ADD.example.photo
_EIGHT, _TWENTY = params.HourMinute(hour=8, minute=0), params.HourMinute(hour=20, minute=30)


def _command(
    group: CommandGroup,
    section: str,
    name: str,
    uri: str,
    example: P,
    answer: type[A],
    **more: Any,
) -> Command[P, A]:
    return Command(
        name=name,
        section=section,
        uris=(uri,),
        param=type(example),
        answer=answer,
        example=example,
        group=group,
        **more,
    )


GET_INFO = _command(
    "information",
    "1.30",
    "get_info",
    "/system/device/get_info",
    params.NoParam(),
    answers.DeviceInformation,
)
OTA_START = _command(
    "information", "4.1", "ota_start", "/system/maintain/update_ota", params.OtaStart(), Done
)

PERSON_UPDATE = _command(
    "people",
    "1.11",
    "person_update",
    "/person/update",
    params.PersonUpdate(
        pid="123456", name="张三", work_id="10091", gender=1, age=25, photo=_PHOTO, category=1
    ),
    Done,
    has_photo=True,
)
PERSON_CLEAR = _command(
    "people", "1.34", "person_clear", "/person/clear", params.NoParam(), Done, has_photo=True
)
PHOTO_SEARCH = _command(
    "people",
    "1.14",
    "photo_search",
    "/person/search_picture",
    params.PhotoSearch(photo=_PHOTO),
    answers.PhotoMatch,
    has_photo=True,
)

GET_STREAMS = _command(
    "media",
    "1.15",
    "get_streams",
    "/media/video/stream_get_params",
    params.OfChannel(),
    answers.StreamsInfo,
)
SET_STREAMS = _command(
    "media",
    "1.16",
    "set_streams",
    "/media/video/stream_set_params",
    params.StreamsSet(
        streams=(
            params.Stream(
                streamid=0,
                venctype="h265",
                width=2560,
                height=1440,
                frame_rate=25,
                bit_rate=4096,
                quality=80,
                rc_mode="vbr",
            ),
        )
    ),
    Done,
)
GET_AUDIO_INPUT = _command(
    "media",
    "1.17",
    "get_audio_input",
    "/media/audio/ai_get_param",
    params.OfAudioChannel(),
    answers.AudioInputInfo,
)
SET_AUDIO_INPUT = _command(
    "media",
    "1.18",
    "set_audio_input",
    "/media/audio/ai_set_param",
    params.AudioInput(enable=True, cnt_channel=1, enc_type="g711u", ai_gain=20, ANR_enable=0),
    Done,
)
GET_AUDIO_OUTPUT = _command(
    "media",
    "1.19",
    "get_audio_output",
    "/media/audio/ao_get_param",
    params.OfAudioChannel(),
    answers.AudioOutputInfo,
)
SET_AUDIO_OUTPUT = _command(
    "media",
    "1.20",
    "set_audio_output",
    "/media/audio/ao_set_param",
    params.AudioOutput(enable=True, ao_gain=20),
    Done,
)

GET_OSD = _command(
    "image",
    "1.21",
    "get_osd",
    "/image/osd/chnosd_get_param",
    params.OfAudioChannel(),
    answers.OsdInfo,
)
SET_OSD = _command(
    "image",
    "1.22",
    "set_osd",
    "/image/osd/chnosd_set_param",
    params.Osd(
        b_showOSD=True,
        time_format="YYYY-MM-DD hh:mm:ss",
        position="left_bottom",
        time_pos="right_top",
        channel_name="Gate",
    ),
    Done,
)
SET_ADJUST = _command(
    "image",
    "1.24",
    "set_adjust",
    "/image/set_adjust_param",
    params.ImageAdjust(
        contrast=128,
        brightness=128,
        saturation=128,
        sharpen=128,
        enable_mi=False,
        enable_st=False,
    ),
    Done,
)
GET_EXPOSURE = _command(
    "image",
    "1.25",
    "get_exposure",
    "/image/get_exposure_param",
    params.NoParam(),
    answers.ExposureInfo,
)
SET_EXPOSURE = _command(
    "image",
    "1.26",
    "set_exposure",
    "/image/set_exposure_param",
    params.Exposure(
        exposure_mode=0,
        high_light_level=4,
        back_light_level=4,
        antiflick=1,
        exposure_max=100,
        exposure_min=100_000,
    ),
    Done,
)
SET_DAY_NIGHT = _command(
    "image",
    "1.27",
    "set_day_night",
    "/image/set_dncut_param",
    params.DayNightSet(
        daynight_mode="timer", day_start=_EIGHT, day_end=_TWENTY, smt_light_mode="AutoIR"
    ),
    Done,
)
GET_PRIVACY = _command(
    "image",
    "1.48",
    "get_privacy",
    "/image/privacy_get_param",
    params.OfChannel(),
    answers.PrivacyInfo,
)
SET_PRIVACY = _command(
    "image",
    "1.49",
    "set_privacy",
    "/image/privacy_set_param",
    params.PrivacySet.of((params.Area(x=0, y=0, w=320, h=180),), enable=True),
    Done,
)

DISK_FORMAT = _command(
    "storage",
    "1.28",
    "disk_format",
    "/storage/disk/format",
    params.DiskFormat(video_sizeGB=32),
    Done,
    # It takes as long as a command with a photo.
    has_photo=True,
)

GET_INTERFACES = _command(
    "network",
    "1.36",
    "get_interfaces",
    "/net/ifconfig_get_inet",
    params.NoParam(),
    answers.Interfaces,
)
SET_ETHERNET = _command(
    "network",
    "1.37",
    "set_ethernet",
    "/net/ifconfig_eth_set",
    params.EthernetSet(
        dhcp=False,
        addr="192.168.1.20",
        mask="255.255.255.0",
        gateway="192.168.1.1",
        dns="192.168.1.1",
    ),
    Done,
)
SET_SERVER = _command(
    "network",
    "1.23",
    "set_server",
    "/net/advanced/server_set_param",
    params.ServerSet(
        websocket=params.ServerSocket(enable=True, websocket_addr="wss://192.168.1.2:8444/"),
        http_addr="https://192.168.1.2:8443",
    ),
    Done,
)
LIST_ACCESS_POINTS = _command(
    "network",
    "1.54",
    "list_access_points",
    "/net/wifi/ifconfig_list_ap",
    params.AccessPoints(),
    answers.AccessPointList,
    booleans=int,
)

MOVE_START = _command(
    "ptz", "1.31", "move_start", "/ptz/move_start", params.MoveStart(tiltUp=0, panLeft=80), Done
)
MOVE_STOP = _command("ptz", "1.32", "move_stop", "/ptz/move_stop", params.OfChannel(), Done)
PTZ_RESET = _command("ptz", "1.33", "ptz_reset", "/ptz/reset", params.OfChannel(), Done)
PATROL_CREATE = _command(
    "ptz", "1.38", "patrol_create", "/ptz/patrol_create", params.OfChannel(), answers.NewPatrol
)
PATROL_DELETE = _command(
    "ptz", "1.39", "patrol_delete", "/ptz/patrol_delete", params.PatrolOf(patrolid=0), Done
)
GET_PATROLS = _command(
    "ptz",
    "1.40",
    "get_patrols",
    "/ptz/patrols_get",
    params.PatrolOf(patrolid=0),
    answers.PatrolList,
)
GET_PATROL_NODES = _command(
    "ptz",
    "1.41",
    "get_patrol_nodes",
    "/ptz/patrol_get_nodes",
    params.PatrolOf(patrolid=0),
    answers.PatrolNodes,
)
PATROL_ADD_NODE = _command(
    "ptz",
    "1.42",
    "patrol_add_node",
    "/ptz/patrol_add_node",
    params.PatrolNodeAdd(patrolid=0, presetno=1, staySeconds=10),
    Done,
)
PATROL_DELETE_NODE = _command(
    "ptz",
    "1.43",
    "patrol_delete_node",
    "/ptz/patrol_del_node",
    params.PatrolNodeDelete(patrolid=0, presetindex=0),
    Done,
)
PATROL_SET_SPEED = _command(
    "ptz",
    "1.44",
    "patrol_set_speed",
    "/ptz/patrol_set_speed",
    params.PatrolSpeed(patrolid=0, speed=100),
    Done,
)
PATROL_SET_STAY = _command(
    "ptz",
    "1.45",
    "patrol_set_stay",
    "/ptz/patrol_set_stay_seconds",
    params.PatrolStay(patrolid=0, staySeconds=10),
    Done,
)
PATROL_START = _command(
    "ptz", "1.46", "patrol_start", "/ptz/patrol_locate", params.PatrolOf(patrolid=0), Done
)
PATROL_STOP = _command("ptz", "1.47", "patrol_stop", "/ptz/patrol_stop", params.OfChannel(), Done)
PRESET_SET = _command(
    "ptz", "1.50", "preset_set", "/ptz/preset_set", params.PresetSet(presetno=1, name="Gate"), Done
)
PRESET_LOCATE = _command(
    "ptz", "1.51", "preset_locate", "/ptz/preset_locate", params.PresetOf(presetno=1), Done
)
PRESET_DELETE = _command(
    "ptz", "1.52", "preset_delete", "/ptz/preset_delete", params.PresetOf(presetno=1), Done
)
GET_PRESETS = _command(
    "ptz", "1.53", "get_presets", "/ptz/presets_get", params.OfChannel(), answers.PresetList
)

#: All of them, in the order above: reads first within each subject.
EDITION_3 = Dialect(
    (
        *(GET_INFO, OTA_START, PERSON_UPDATE, PERSON_CLEAR, PHOTO_SEARCH),
        *(GET_STREAMS, SET_STREAMS, GET_AUDIO_INPUT, SET_AUDIO_INPUT),
        *(GET_AUDIO_OUTPUT, SET_AUDIO_OUTPUT, GET_OSD, SET_OSD, SET_ADJUST),
        *(GET_EXPOSURE, SET_EXPOSURE, SET_DAY_NIGHT, GET_PRIVACY, SET_PRIVACY, DISK_FORMAT),
        *(GET_INTERFACES, SET_ETHERNET, SET_SERVER, LIST_ACCESS_POINTS),
        *(MOVE_START, MOVE_STOP, PTZ_RESET),
        *(PATROL_CREATE, PATROL_DELETE, GET_PATROLS, GET_PATROL_NODES),
        *(PATROL_ADD_NODE, PATROL_DELETE_NODE, PATROL_SET_SPEED, PATROL_SET_STAY),
        *(PATROL_START, PATROL_STOP),
        *(PRESET_SET, PRESET_LOCATE, PRESET_DELETE, GET_PRESETS),
    )
)
