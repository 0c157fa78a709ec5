"""The forms for image, video and audio of cameras of edition 3 (D12), with the words of each field.

Bounds come from the params of the commands, as with the forms of 1.5 and 1.6.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_params import Stream
from web.language import N_
from web.pages.camera.settings.forms import SettingForm, SettingGroup, SettingLabel

PageName = Literal["image", "media"]


class DeviceForm(Struct, frozen=True):
    """A form, and the command that reads what it shows; None if nothing reads it back."""

    form: SettingForm
    getter: Command[Any, Any] | None


_ON_OFF = (("0", N_("On")), ("1", N_("Off")))
_CORNERS = (
    ("left_top", N_("Top left")),
    ("right_top", N_("Top right")),
    ("left_bottom", N_("Bottom left")),
    ("right_bottom", N_("Bottom right")),
    ("hide", N_("Not shown")),
)
_AUDIO = N_("Audio: one switch for microphone and loudspeaker")
_SHUTTER_HINT = N_("As a fraction of a second: 100 means 1/100 s.")

OSD = SettingForm(
    "osd",
    N_("Text in the picture (OSD)"),
    (
        SettingGroup(
            N_("Name and time"),
            (
                SettingLabel("b_showOSD", N_("Show text in the picture")),
                SettingLabel("channel_name", N_("Name in the picture")),
                SettingLabel("position", N_("Position of the name"), words=_CORNERS),
                SettingLabel("time_pos", N_("Position of the time"), words=_CORNERS),
                SettingLabel(
                    "time_format",
                    N_("Time format"),
                    words=(
                        ("YYYY-MM-DD hh:mm:ss", N_("Year-month-day")),
                        ("DD/MM/YYYY hh:mm:ss", N_("Day/month/year")),
                        ("MM/DD/YYYY hh:mm:ss", N_("Month/day/year")),
                    ),
                ),
            ),
        ),
    ),
    edition_3.SET_OSD,
)
DAY_NIGHT = SettingForm(
    "day_night",
    N_("Day, night and light"),
    (
        SettingGroup(
            N_("Day and night"),
            (
                SettingLabel(
                    "daynight_mode",
                    N_("Switch between day and night"),
                    words=(
                        ("auto", N_("Automatically")),
                        ("alwaysDay", N_("Always day")),
                        ("alwaysNight", N_("Always night")),
                        ("timer", N_("At set times")),
                    ),
                ),
                SettingLabel(
                    "smt_light_mode",
                    N_("Light at night"),
                    words=(
                        ("AutoIR", N_("Infrared")),
                        ("AutoWhite", N_("White light")),
                        ("AlwaysClose", N_("Off")),
                    ),
                ),
            ),
        ),
        SettingGroup(
            N_("Set times"),
            (
                SettingLabel("day_start.hour", N_("Day begins: hour")),
                SettingLabel("day_start.minute", N_("Day begins: minute")),
                SettingLabel("day_end.hour", N_("Day ends: hour")),
                SettingLabel("day_end.minute", N_("Day ends: minute")),
            ),
            note=N_("Used only if the camera switches at set times."),
        ),
    ),
    edition_3.SET_DAY_NIGHT,
)
EXPOSURE = SettingForm(
    "exposure",
    N_("Exposure"),
    (
        SettingGroup(
            N_("Exposure"),
            (
                SettingLabel(
                    "exposure_mode",
                    N_("Mode"),
                    words=(
                        ("0", N_("Automatic")),
                        ("1", N_("Highlight compensation (HLC)")),
                        ("2", N_("Backlight compensation (BLC)")),
                    ),
                ),
                SettingLabel("high_light_level", N_("HLC level")),
                SettingLabel("back_light_level", N_("BLC level")),
                SettingLabel(
                    "antiflick",
                    N_("Anti-flicker (mains frequency)"),
                    words=(("0", N_("Off")), ("1", "50 Hz"), ("2", "60 Hz")),
                ),
                SettingLabel("exposure_max", N_("Slowest shutter"), _SHUTTER_HINT),
                SettingLabel("exposure_min", N_("Fastest shutter"), _SHUTTER_HINT),
            ),
        ),
    ),
    edition_3.SET_EXPOSURE,
)
ADJUST = SettingForm(
    "adjust",
    N_("Picture adjustment"),
    (
        SettingGroup(
            N_("Colours and sharpness"),
            (
                SettingLabel("contrast", N_("Contrast")),
                SettingLabel("brightness", N_("Brightness")),
                SettingLabel("saturation", N_("Saturation")),
                SettingLabel("sharpen", N_("Sharpness")),
            ),
        ),
        SettingGroup(
            N_("Orientation"),
            (
                SettingLabel("enable_mi", N_("Mirror the picture (left and right)")),
                SettingLabel("enable_st", N_("Flip the picture (upside down)")),
            ),
        ),
    ),
    edition_3.SET_ADJUST,
)
AUDIO_INPUT = SettingForm(
    "audio_input",
    N_("Microphone"),
    (
        SettingGroup(
            N_("Audio input"),
            (
                SettingLabel("enable", _AUDIO),
                SettingLabel(
                    "cnt_channel",
                    N_("Source"),
                    words=(("1", N_("Built-in microphone")), ("2", N_("External pickup"))),
                ),
                SettingLabel(
                    "enc_type",
                    N_("Audio codec"),
                    words=tuple(
                        (one, one)
                        for one in (
                            *("pcm", "g711a", "g711u"),
                            *("g726_16k", "g726_24k", "g726_32k", "g726_40k"),
                        )
                    ),
                ),
                SettingLabel("ai_gain", N_("Volume")),
                SettingLabel("ANR_enable", N_("Noise reduction"), words=_ON_OFF),
            ),
        ),
    ),
    edition_3.SET_AUDIO_INPUT,
)
AUDIO_OUTPUT = SettingForm(
    "audio_output",
    N_("Loudspeaker"),
    (
        SettingGroup(
            N_("Audio output"),
            (
                SettingLabel("enable", _AUDIO),
                SettingLabel("ao_gain", N_("Volume")),
            ),
        ),
    ),
    edition_3.SET_AUDIO_OUTPUT,
)
#: One stream: the camera is told all of them at once.
STREAM = SettingForm(
    "stream",
    N_("Video stream"),
    (
        SettingGroup(
            N_("Video"),
            (
                SettingLabel(
                    "venctype", N_("Video codec"), words=(("h264", "H.264"), ("h265", "H.265"))
                ),
                SettingLabel("width", N_("Width"), N_("In pixels.")),
                SettingLabel("height", N_("Height"), N_("In pixels.")),
                SettingLabel("frame_rate", N_("Frame rate (pictures per second)")),
                SettingLabel("bit_rate", N_("Bit rate")),
                SettingLabel(
                    "rc_mode",
                    N_("Bit rate control"),
                    words=(("vbr", N_("Variable (VBR)")), ("cbr", N_("Constant (CBR)"))),
                ),
                SettingLabel(
                    "quality",
                    N_("Quality"),
                    words=(
                        ("100", N_("Best")),
                        ("80", N_("High")),
                        ("60", N_("Medium")),
                        ("40", N_("Low")),
                        ("20", N_("Lowest")),
                    ),
                ),
            ),
        ),
    ),
    replace(edition_3.SET_STREAMS, param=Stream, example=edition_3.SET_STREAMS.example.streams[0]),
)

FORMS: dict[PageName, tuple[DeviceForm, ...]] = {
    "image": (
        DeviceForm(OSD, edition_3.GET_OSD),
        DeviceForm(DAY_NIGHT, None),
        DeviceForm(EXPOSURE, edition_3.GET_EXPOSURE),
        DeviceForm(ADJUST, None),
    ),
    "media": (
        DeviceForm(STREAM, edition_3.GET_STREAMS),
        DeviceForm(AUDIO_INPUT, edition_3.GET_AUDIO_INPUT),
        DeviceForm(AUDIO_OUTPUT, edition_3.GET_AUDIO_OUTPUT),
    ),
}
