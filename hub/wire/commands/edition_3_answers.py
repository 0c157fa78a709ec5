"""The answers to the commands that only edition 3 has (D12): one struct for each.

Fields are named as on the wire, and None if the camera did not send them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from hub.wire.commands.answers import Count


class DeviceInformation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a camera says that it is (1.30). `devid`: its own short number; `type`: its chip.

    `auth_code`, which is a secret, is the code of its label (inferred).
    """

    type: str | None = None
    hardware: str | None = None
    sn: str | None = None
    devid: str | None = None
    auth_code: str | None = None
    firmware: str | None = None
    model: str | None = None
    algorithm: str | None = None
    syslanguage: str | None = None

    def __repr__(self) -> str:
        return f"DeviceInformation(sn={self.sn!r}, firmware={self.firmware!r})"


class Ethernet(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The wired interface within 1.36."""

    name: str | None = None
    dhcp: bool | None = None
    addr: str | None = None
    mask: str | None = None
    gateway: str | None = None
    mac: str | None = None
    dns: str | None = None


class Wifi(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The Wi-Fi within 1.36. `name` is "null" if there is none; `quality` 0 to 100."""

    name: str | None = None
    quality: int | None = None
    dhcp: bool | None = None


class Mobile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The mobile network within 1.36."""

    quality: int | None = None


class Interfaces(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The addresses of a camera (1.36). `iface`: the interface that it uses."""

    iface: str | None = None
    eth: Ethernet | None = None
    wifi: Wifi | None = None
    mobile: Mobile | None = field(name="_4G", default=None)


class StreamInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A video stream (1.15), as in hub.wire.commands.edition_3_params.Stream."""

    streamid: int
    venctype: str | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: int | None = None
    bit_rate: int | None = None
    quality: int | None = None
    rc_mode: str | None = None


class StreamsInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The video streams (1.15)."""

    streams: Annotated[tuple[StreamInfo, ...], Meta(max_length=16)]
    unreadable: int = 0


class AudioInputInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The audio input (1.17). `ANR_enable`: 0 is on."""

    enable: bool | None = None
    sample_rate: int | None = None
    bit_width: int | None = None
    cnt_channel: int | None = None
    enc_type: str | None = None
    ai_gain: int | None = None
    ANR_enable: int | None = None


class AudioOutputInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The audio output (1.19). `ao_dev`: `built-in` or `external`."""

    enable: bool | None = None
    sample_rate: int | None = None
    bit_width: int | None = None
    enc_type: str | None = None
    ao_gain: int | None = None
    ao_dev: str | None = None


class OsdInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The texts in the picture (1.21)."""

    b_showOSD: bool | None = None
    time_format: str | None = None
    position: str | None = None
    time_pos: str | None = None
    channel_name: str | None = None


class ExposureInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The exposure (1.25)."""

    exposure_mode: int | None = None
    high_light_level: int | None = None
    back_light_level: int | None = None
    antiflick: int | None = None
    exposure_max: int | None = None
    exposure_min: int | None = None


class MaskedArea(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rectangle of the main stream, in pixels."""

    x: int
    y: int
    w: int
    h: int


class PrivacyInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The masked areas (1.48), and how many and how large they may be."""

    bEnable: bool | None = None
    maxRect: Count | None = None
    maxW: Count | None = None
    maxH: Count | None = None
    rects: Annotated[tuple[MaskedArea, ...], Meta(max_length=256)]
    unreadable: int = 0


class AccessPoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Wi-Fi network (1.54). Its password, which cameras send in clear, is not read."""

    ssid: str
    quality: int | None = None


class AccessPointList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The Wi-Fi networks in reach (1.54)."""

    ap_list: Annotated[tuple[AccessPoint, ...], Meta(max_length=256)]
    unreadable: int = 0


class PhotoMatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a photo shows (1.14); `name` is None for nobody. The picture is a path on the device."""

    name: str | None = None
    jpeg_url: str | None = None
    age: int | None = None
    gender: int | None = None


class Preset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place to look at (1.53)."""

    presetno: int
    name: str | None = None


class PresetList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The presets (1.53)."""

    presets: Annotated[tuple[Preset, ...], Meta(max_length=1024)]
    unreadable: int = 0


class NewPatrol(Struct, frozen=True, kw_only=True):
    """The number of the patrol that was made (1.38)."""

    patrolid: int


class PatrolStop(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A preset of a patrol (1.40)."""

    presetno: int
    name: str | None = None
    staySeconds: int | None = None


class Patrol(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A patrol (1.40). `bStart`: it is under way."""

    patrolid: int
    bStart: bool | None = None
    speed: int | None = None
    preset: Annotated[tuple[PatrolStop, ...], Meta(max_length=256)]


class PatrolList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The patrols (1.40)."""

    patrolsList: Annotated[tuple[Patrol, ...], Meta(max_length=256)]
    unreadable: int = 0


class NodePreset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The preset of a node (1.41)."""

    presetno: int
    name: str | None = None


class PatrolNode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node of a patrol (1.41)."""

    preset: NodePreset | None = None
    staySeconds: int | None = None


class PatrolNodes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The nodes of a patrol (1.41), under the name of its table or of its text."""

    patrolNodesList: Annotated[tuple[PatrolNode, ...], Meta(max_length=256)]
    unreadable: int = 0
