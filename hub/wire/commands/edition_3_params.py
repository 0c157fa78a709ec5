"""The params of the commands that only edition 3 has (D12): one struct for each.

Fields are named as on the wire. Bounds are those of the maker's document; where it has none, they
are those of an older relative of the firmware, or wide (docs/protocol.md#not-seen).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.wire.commands.param_structs import PersonAdd, Photo

#: A camera has one channel.
Channel = Annotated[int, Meta(ge=0, le=0)]
Byte = Annotated[int, Meta(ge=0, le=255)]
Level = Annotated[int, Meta(ge=0, le=8)]
Bit = Annotated[int, Meta(ge=0, le=1)]
Pixels = Annotated[int, Meta(ge=0, le=16_384)]
Speed = Annotated[int, Meta(ge=-255, le=255)]
Number = Annotated[int, Meta(ge=0, le=1023)]
Seconds = Annotated[int, Meta(ge=0, le=3600, extra={"unit": "s"})]
ShutterSpeed = Annotated[int, Meta(ge=3, le=100_000, description="1/n s")]
ShortName = Annotated[str, Meta(min_length=1, max_length=64)]
Address = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$",
        description="an IPv4 address",
        extra={"kind": "address"},
    ),
]
Url = Annotated[str, Meta(min_length=8, max_length=256)]

VideoCodec = Literal["h264", "h265"]
RateControl = Literal["vbr", "cbr"]
AudioCodec = Literal["pcm", "g711a", "g711u", "g726_16k", "g726_24k", "g726_32k", "g726_40k"]
TimeFormat = Literal["YYYY-MM-DD hh:mm:ss", "DD/MM/YYYY hh:mm:ss", "MM/DD/YYYY hh:mm:ss"]
Corner = Literal["left_top", "left_bottom", "right_top", "right_bottom", "hide"]
DayNight = Literal["auto", "alwaysDay", "alwaysNight", "timer"]
Light = Literal["AutoIR", "AutoWhite", "AlwaysClose"]


class NoParam(Struct, frozen=True, kw_only=True):
    """Commands without a param, which is {} (1.25, 1.30, 1.34, 1.36)."""


class OfChannel(Struct, frozen=True, kw_only=True):
    """Commands that name the channel only (1.15, 1.32, 1.33, 1.38, 1.47, 1.48, 1.53)."""

    channelid: Channel = 0


class OfAudioChannel(Struct, frozen=True, kw_only=True):
    """Audio and OSD spell the channel otherwise (1.17, 1.19, 1.21)."""

    channelId: Channel = 0


class PersonUpdate(PersonAdd, frozen=True, kw_only=True):
    """Replace a person (1.11), with all fields of 1.12."""


class PhotoSearch(Struct, frozen=True, kw_only=True):
    """Ask who is on a photo (1.14)."""

    photo: Photo


class Stream(Struct, frozen=True, kw_only=True):
    """A video stream (1.16): 0 is the main one. `bit_rate` in kbit/s; `quality` 100 is the best."""

    streamid: Bit
    venctype: VideoCodec
    width: Pixels
    height: Pixels
    frame_rate: Annotated[int, Meta(ge=1, le=120)]
    bit_rate: Annotated[int, Meta(ge=16, le=65_536, extra={"unit": "kbit/s"})]
    quality: Annotated[int, Meta(ge=20, le=100)]
    rc_mode: RateControl


class StreamsSet(Struct, frozen=True, kw_only=True):
    """Set the video streams (1.16)."""

    streams: Annotated[tuple[Stream, ...], Meta(min_length=1, max_length=4)]


class AudioInput(Struct, frozen=True, kw_only=True):
    """Set the audio input (1.18). `cnt_channel`: 1 microphone, 2 pickup. `ANR_enable`: 0 is on."""

    enable: bool
    cnt_channel: Annotated[int, Meta(ge=1, le=2)]
    enc_type: AudioCodec
    ai_gain: Byte
    ANR_enable: Bit
    channelId: Channel = 0


class AudioOutput(Struct, frozen=True, kw_only=True):
    """Set the audio output (1.20)."""

    enable: bool
    ao_gain: Byte
    channelId: Channel = 0


class Osd(Struct, frozen=True, kw_only=True):
    """Set the texts in the picture (1.22)."""

    b_showOSD: bool
    time_format: TimeFormat
    position: Corner
    time_pos: Corner
    channel_name: Annotated[str, Meta(max_length=64)]
    channelId: Channel = 0


class ServerSocket(Struct, frozen=True, kw_only=True):
    """The address of the WebSocket within 1.23."""

    enable: bool
    websocket_addr: Url


class ServerSet(Struct, frozen=True, kw_only=True):
    """Tell the camera its server (1.23). A wrong one loses it."""

    websocket: ServerSocket
    http_addr: Url


class ImageAdjust(Struct, frozen=True, kw_only=True):
    """Adjust the picture (1.24): `enable_mi` mirrors, `enable_st` flips."""

    contrast: Byte
    brightness: Byte
    saturation: Byte
    sharpen: Byte
    enable_mi: bool
    enable_st: bool
    channelid: Channel = 0


class Exposure(Struct, frozen=True, kw_only=True):
    """Set the exposure (1.26). `exposure_max` is the longer time, so the smaller number.

    `exposure_mode`: 0 auto, 1 highlight suppression, 2 backlight. `antiflick`: 0 off, 1 50 Hz,
    2 60 Hz.
    """

    exposure_mode: Annotated[int, Meta(ge=0, le=2)]
    high_light_level: Level
    back_light_level: Level
    antiflick: Annotated[int, Meta(ge=0, le=2)]
    exposure_max: ShutterSpeed
    exposure_min: ShutterSpeed
    channelid: Channel = 0


class HourMinute(Struct, frozen=True, kw_only=True):
    """A time of the day, in the camera's zone."""

    hour: Annotated[int, Meta(ge=0, le=23)]
    minute: Annotated[int, Meta(ge=0, le=59)]


class DayNightSet(Struct, frozen=True, kw_only=True):
    """Set day and night, and the light (1.27)."""

    daynight_mode: DayNight
    day_start: HourMinute
    day_end: HourMinute
    smt_light_mode: Light


class DiskFormat(Struct, frozen=True, kw_only=True):
    """Erase the card (1.28). `video_sizeGB`: for video. The camera does not tell its size."""

    video_sizeGB: Annotated[int, Meta(ge=1, le=2048, extra={"unit": "GB"})]


class MoveStart(Struct, frozen=True, kw_only=True):
    """Begin to move (1.31), until 1.32. Positive is up and left."""

    tiltUp: Speed
    panLeft: Speed
    channelid: Channel = 0


class EthernetSet(Struct, frozen=True, kw_only=True):
    """Set the wired address (1.37). A wrong one loses the camera."""

    dhcp: bool
    addr: Address
    mask: Address
    gateway: Address
    dns: Address


class PatrolOf(Struct, frozen=True, kw_only=True):
    """A patrol (1.39, 1.40, 1.41, 1.46)."""

    patrolid: Number
    channelid: Channel = 0


class PatrolNodeAdd(Struct, frozen=True, kw_only=True):
    """Add a preset to a patrol (1.42)."""

    patrolid: Number
    presetno: Number
    staySeconds: Seconds
    channelid: Channel = 0


class PatrolNodeDelete(Struct, frozen=True, kw_only=True):
    """Take a preset out of a patrol (1.43), by its position from 0."""

    patrolid: Number
    presetindex: Number
    channelid: Channel = 0


class PatrolSpeed(Struct, frozen=True, kw_only=True):
    """Set how fast a patrol moves (1.44)."""

    patrolid: Number
    speed: Annotated[int, Meta(ge=0, le=254)]
    channelid: Channel = 0


class PatrolStay(Struct, frozen=True, kw_only=True):
    """Set how long a patrol stays at each of its presets (1.45)."""

    patrolid: Number
    staySeconds: Seconds
    channelid: Channel = 0


class Area(Struct, frozen=True, kw_only=True):
    """A rectangle of the main stream, in pixels."""

    x: Pixels
    y: Pixels
    w: Pixels
    h: Pixels


class PrivacyRegion(Struct, frozen=True, kw_only=True):
    """The masked areas within 1.49. `rects_cnt`: how many there are."""

    bEnable: bool
    rects_cnt: Annotated[int, Meta(ge=0, le=32)]
    rects: Annotated[tuple[Area, ...], Meta(max_length=32)] = ()


class PrivacySet(Struct, frozen=True, kw_only=True):
    """Mask areas of the picture (1.49)."""

    region: PrivacyRegion
    channelid: Channel = 0

    @classmethod
    def of(cls, areas: tuple[Area, ...], *, enable: bool) -> PrivacySet:
        """The param for these areas."""
        return cls(region=PrivacyRegion(bEnable=enable, rects_cnt=len(areas), rects=areas))


class PresetSet(Struct, frozen=True, kw_only=True):
    """Remember where the camera looks (1.50)."""

    presetno: Number
    name: ShortName
    channelid: Channel = 0


class PresetOf(Struct, frozen=True, kw_only=True):
    """A preset (1.51, 1.52)."""

    presetno: Number
    channelid: Channel = 0


class AccessPoints(Struct, frozen=True, kw_only=True):
    """List the Wi-Fi networks in reach (1.54). `bResearch`: look for them again."""

    bResearch: bool = False


class OtaStart(Struct, frozen=True, kw_only=True):
    """Tell the camera to ask for a release now (4.1). `type`: 1 firmware."""

    type: Annotated[int, Meta(ge=1, le=1)] = 1
