"""The params and answers of the commands to devices (1.5 to 1.16, D3): one struct for each.

Fields are named as on the wire. Their bounds (D4) are in their types and nowhere else. The dialect
(`hub.wire.commands.dialect`) says how a command is sent. Times are text in the site's zone, which
`times.format_local_time` and `times.read_local_time` convert.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol, TypeVar

from msgspec import Meta, Struct, field

from hub.wire.pictures import Picture

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
    """Set the face recognition parameters (1.5). Sizes in pixels. None: the field is not sent."""

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
    # The protocol's own example has 50, which is refused (D4).
    mini_human: Annotated[int, Meta(ge=60, le=1000)]
    quality_face: Percent
    quality_human: Percent
    server_enable: bool | None = None
    alarm_out: AlarmOut


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
    # In the example of the protocol only.
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
    """List persons (1.13), all without filters. Without `page_num`: the documented first page."""

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
    """Search captures that look like a photo (1.16). `photo` is required (D4)."""

    photo: Photo
    threshold: Percent
    start_time: LocalTime
    end_time: LocalTime


class FileRead(Struct, frozen=True, kw_only=True):
    """Get a picture by its path on the device, from an answer or an event (D3)."""

    path: Annotated[str, Meta(min_length=1, max_length=1024)]


Row = TypeVar("Row", covariant=True)

Count = Annotated[int, Meta(ge=0)]


class DevicePage(Protocol[Row]):
    """One page of a list that a device sends page by page.

    `total`: None if the device does not report it. `unreadable`: how many rows were skipped.
    """

    @property
    def rows(self) -> tuple[Row, ...]: ...
    @property
    def total(self) -> int | None: ...
    @property
    def unreadable(self) -> int: ...


class Done(Struct, frozen=True):
    """The answer of commands without a result (1.5, 1.6, 1.9, 1.12, 1.15)."""


class DayCount(Struct, frozen=True):
    """How many recordings a day has (1.7). `day`: of the month, from 1."""

    day: Annotated[int, Meta(ge=1, le=31)]
    count: Count


class RecordDays(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.7. On the wire, the result is the list itself."""

    days: Annotated[tuple[DayCount, ...], Meta(max_length=62)]
    unreadable: int = 0


class Recording(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recording (1.8). No field is required."""

    filename: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class RecordListPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.8."""

    total_page: Count | None = None
    total_file: Count | None = None
    page_size: Count | None = None
    recordlist: Annotated[tuple[Recording, ...], Meta(max_length=2000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[Recording, ...]:
        return self.recordlist

    @property
    def total(self) -> int | None:
        return self.total_file


class FaceCapture(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A captured face (1.10). Pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None
    name: str | None = None
    similarity: int | None = None
    gender: int | None = None
    age: int | None = None


class FaceHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.10."""

    face_total: Count | None = None
    face_list: Annotated[tuple[FaceCapture, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[FaceCapture, ...]:
        return self.face_list

    @property
    def total(self) -> int | None:
        return self.face_total


class PersonCapture(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A capture of a person (1.11). Pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None


class PersonHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.11."""

    total: Count | None = None
    list: Annotated[tuple[PersonCapture, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[PersonCapture, ...]:
        return self.list


class Person(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person as stored on the device (1.13, 1.14). `photo` is a path on the device."""

    pid: str
    name: str | None = None
    work_id: str | None = None
    id_card_no: str | None = None
    ic_card_no: str | None = None
    department: str | None = None
    photo: str | None = None
    phone: str | None = None
    gender: int | None = None
    age: int | None = None
    category: int | None = None


class PersonPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.13."""

    total: Count | None = None
    list: Annotated[tuple[Person, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[Person, ...]:
        return self.list


class Match(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A capture that looks like the photo (1.16). The picture is a path on the device."""

    time: str
    score: int | None = None
    jpeg_url_face: str | None = None


class SearchResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of 1.16."""

    total: Count | None = None
    face_list: Annotated[tuple[Match, ...], Meta(max_length=5000)]
    unreadable: int = 0


class FileContent(Struct, frozen=True, kw_only=True):
    """A file's content (D3), accepted only if its first bytes are those of a picture."""

    path: str | None = None
    picture: Picture = field(name="base64")
