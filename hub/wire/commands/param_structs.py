"""The params of the commands to devices (1.5 to 1.16, D3): one struct for each.

Fields are named as on the wire. Their bounds (D4) are in their types and nowhere else. The dialect
(`hub.wire.commands.dialect`) says how a command is sent. Times are text in the site's zone.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

#: A frame holds 8 MB, and base64 needs four bytes for three.
MAX_PHOTO_BYTES = 5 << 20
MAX_PID = 2**64 - 1

Percent = Annotated[int, Meta(ge=0, le=100)]
Category = Annotated[
    int, Meta(ge=1, le=4, description="1 whitelist, 2 blacklist, 3 VIP, 4 visitor")
]
Gender = Annotated[int, Meta(ge=1, le=2, description="1 male, 2 female")]
PageNumber = Annotated[int, Meta(ge=0, le=1_000_000)]
PageSize32 = Annotated[int, Meta(ge=1, le=32)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
ShortText = Annotated[str, Meta(max_length=128)]
FilePath = Annotated[str, Meta(min_length=1, max_length=1024)]
LocalTime = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
        description="yyyy-MM-dd HH:mm:ss in the site's zone",
        extra={"kind": "time"},
    ),
]
Pid = Annotated[
    str,
    Meta(
        pattern=r"^\d{1,20}$",
        description="a decimal number from 1 to 2^64 - 1, as text",
        extra={"kind": "pid"},
    ),
]
Photo = Annotated[
    str,
    Meta(
        description="a JPEG as base64, without a data: prefix",
        extra={"kind": "photo"},
        extra_json_schema={"contentEncoding": "base64", "contentMediaType": "image/jpeg"},
    ),
]


class AlarmOut(Struct, frozen=True, kw_only=True):
    """Alarm output within the face parameters (1.5). `interval` in seconds."""

    interval: Annotated[int, Meta(ge=10, le=60, extra={"unit": "s"})]
    alarm_push: bool


class FaceParam(Struct, frozen=True, kw_only=True):
    """Set the face recognition parameters (1.5). Sizes in pixels. None: the field is not sent.

    The fields from `push_white` on are of later editions; `hub.wire.commands.settings` says what
    each edition can express, and how (D12). `relay_interval` in seconds.
    """

    enable: bool
    show_face: bool
    show_human: bool
    push_stranger: bool
    push_face: bool
    push_bg: bool
    play_audio: bool
    play_audio_stranger: bool | None = None
    play_audio_white: bool | None = None
    play_audio_black: bool | None = None
    play_audio_vip: bool | None = None
    play_audio_friend: bool | None = None
    threshold: Percent
    reg_threshold: Percent
    mini_face: Annotated[int, Meta(ge=30, le=500)]
    # The protocol's own example has 50, which the hub refuses (D4).
    mini_human: Annotated[int, Meta(ge=60, le=1000)]
    quality_face: Percent
    quality_human: Percent
    server_enable: bool | None = None
    alarm_out: AlarmOut
    push_white: bool | None = None
    push_black: bool | None = None
    push_vip: bool | None = None
    push_friend: bool | None = None
    push_body: bool | None = None
    push_attr: bool | None = None
    app_push: Annotated[int, Meta(ge=0, le=2, description="0 off, 1 basic, 2 enhanced")] | None = (
        None
    )
    alarm_stranger: bool | None = None
    alarm_white: bool | None = None
    alarm_black: bool | None = None
    alarm_vip: bool | None = None
    alarm_friend: bool | None = None
    relay: bool | None = None
    relay_interval: Annotated[int, Meta(ge=5, le=60, extra={"unit": "s"})] | None = None
    relay_stranger: bool | None = None
    relay_white: bool | None = None
    relay_black: bool | None = None
    relay_vip: bool | None = None
    relay_friend: bool | None = None
    record_stranger: bool | None = None
    record_white: bool | None = None
    record_black: bool | None = None
    record_vip: bool | None = None
    record_friend: bool | None = None
    record_face: bool | None = None
    record_body: bool | None = None
    record_bg: bool | None = None


class PreRecord(Struct, frozen=True, kw_only=True):
    """Pre-recording within the recording parameters (1.6). `duration` in seconds."""

    enable: bool
    duration: Annotated[int, Meta(ge=0, le=10, extra={"unit": "s"})]


class RecordParam(Struct, frozen=True, kw_only=True):
    """Set the recording parameters (1.6).

    `file_len` in minutes; `strategy`: 0 overwrites, 1 stops when the storage is full.
    """

    normal_record: bool
    disconnect_record: bool
    alarm_record: bool
    audio_enable: bool
    file_len: Annotated[int, Meta(ge=1, le=60, extra={"unit": "min"})]
    strategy: Annotated[int, Meta(ge=0, le=1, description="0 overwrites, 1 stops when full")]
    # Occurs only in the protocol's example.
    face_server_enable: bool | None = None
    pre_record: PreRecord


class RecordByMonth(Struct, frozen=True, kw_only=True):
    """List the days of a month that have recordings (1.7). `month`: 0 is January."""

    FIRST_MONTH: ClassVar[int] = 0

    year: Annotated[int, Meta(ge=1970, le=2099)]
    month: Annotated[int, Meta(ge=0, le=11, description="0 is January")]

    @classmethod
    def of(cls, year: int, month: int) -> RecordByMonth:
        """The param for a month from 1 to 12."""
        return cls(year=year, month=month - 1 + cls.FIRST_MONTH)


class RecordList(Struct, frozen=True, kw_only=True):
    """List recordings (1.8). Without `page_num`: the documented first page."""

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: Annotated[int, Meta(ge=1, le=500)] = 500


class Reboot(Struct, frozen=True, kw_only=True):
    """Restart the device (1.9), after `delay_ms` milliseconds."""

    delay_ms: Annotated[int, Meta(ge=0, le=2**31 - 1, extra={"unit": "ms"})]


class FaceHistory(Struct, frozen=True, kw_only=True):
    """List captured faces (1.10). Without `page_num`: the documented first page.

    Empty filters are not sent.
    """

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: PageSize32 = 32
    name: ShortText | None = None
    workId: ShortText | None = None
    idCard: ShortText | None = None
    phone: ShortText | None = None


class PersonHistory(Struct, frozen=True, kw_only=True):
    """List captures of persons (1.11). Without `page_num`: the documented first page."""

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: PageSize32 = 32


class PersonAdd(Struct, frozen=True, kw_only=True):
    """Add a person (1.12). All fields are sent, even if empty, except an unknown `phone` (D4)."""

    pid: Pid
    name: Name
    work_id: ShortText = ""
    id_card_no: ShortText = ""
    ic_card_no: ShortText = ""
    gender: Gender
    age: Annotated[int, Meta(ge=0, le=150)]
    department: ShortText = ""
    photo: Photo
    category: Category
    phone: ShortText | None = None


class PersonList(Struct, frozen=True, kw_only=True):
    """List persons (1.13): all if no filter is given.

    Without `page_num`: the documented first page.
    """

    page_num: PageNumber | None = None
    page_size: PageSize32 = 32
    category: Category | None = None
    name: ShortText | None = None
    workId: ShortText | None = None
    idCard: ShortText | None = None
    phone: ShortText | None = None


class PersonQuery(Struct, frozen=True, kw_only=True):
    """Get one person (1.14)."""

    pid: Pid


class PersonDelete(Struct, frozen=True, kw_only=True):
    """Delete a person (1.15). `pid` is required: without it, a device may delete all (D4)."""

    pid: Pid


class PersonSearch(Struct, frozen=True, kw_only=True):
    """Search for captures that look like a photo (1.16). `photo` is required (D4)."""

    photo: Photo
    threshold: Percent
    start_time: LocalTime
    end_time: LocalTime


class FileRead(Struct, frozen=True, kw_only=True):
    """Get a picture by its path on the device, from an answer or an event (D3)."""

    path: FilePath
