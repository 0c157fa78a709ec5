"""What the hub asks of a device and what it answers (1.5 to 1.16, D3): one struct for each.

Fields are named as on the wire; their bounds (D4) stand with their types and nowhere else. How a
command travels is the dialect's (`hub.wire.commands.dialect`). A time is text as the device has it,
local to the site's zone: `times.local_text` and `times.of_local_text` are the way there and back.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol, TypeVar

from msgspec import Meta, Struct, field

from hub.wire.pictures import Picture

#: A frame holds 8 MB, and base64 takes four bytes for three.
MAX_PHOTO_BYTES = 5 << 20
MAX_PID = 2**64 - 1

Percent = Annotated[int, Meta(ge=0, le=100)]
Category = Annotated[
    int, Meta(ge=1, le=4, description="1 whitelist, 2 blacklist, 3 VIP, 4 visitor")
]
Gender = Annotated[int, Meta(ge=1, le=2, description="1 male, 2 female")]
PageNumber = Annotated[int, Meta(ge=0, le=1_000_000)]
MaxPageSize32 = Annotated[int, Meta(ge=1, le=32)]
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
    """1.5. `interval` in seconds."""

    interval: Annotated[int, Meta(ge=10, le=60, extra={"unit": "s"})]
    alarm_push: bool


class FaceParam(Struct, frozen=True, kw_only=True):
    """1.5, the parameters of face recognition. Sizes in pixels; what is None is not sent."""

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
    # The example's own 50 is outside, and refused (D4).
    mini_human: Annotated[int, Meta(ge=60, le=1000)]
    quality_face: Percent
    quality_human: Percent
    server_enable: bool | None = None
    alarm_out: AlarmOut


class PreRecord(Struct, frozen=True, kw_only=True):
    """1.6. `duration` in seconds."""

    enable: bool
    duration: Annotated[int, Meta(ge=0, le=10, extra={"unit": "s"})]


class RecordParam(Struct, frozen=True, kw_only=True):
    """1.6, recording. `file_len` in minutes; `strategy` 0 overwrites, 1 stops when full."""

    normal_record: bool
    disconnect_record: bool
    alarm_record: bool
    audio_enable: bool
    file_len: Annotated[int, Meta(ge=1, le=60, extra={"unit": "min"})]
    strategy: Annotated[int, Meta(ge=0, le=1, description="0 overwrites, 1 stops when full")]
    # Stands in the example only.
    face_server_enable: bool | None = None
    pre_record: PreRecord


class RecordByMonth(Struct, frozen=True, kw_only=True):
    """1.7. `month` as it travels: 0 is January. `of` takes months as people count them."""

    FIRST_MONTH: ClassVar[int] = 0

    year: Annotated[int, Meta(ge=1970, le=2099)]
    month: Annotated[int, Meta(ge=0, le=11, description="0 is January")]

    @classmethod
    def of(cls, year: int, month: int) -> RecordByMonth:
        """`month` from 1 to 12."""
        return cls(year=year, month=month - 1 + cls.FIRST_MONTH)


class RecordList(Struct, frozen=True, kw_only=True):
    """1.8. Without `page_num` the first page as documented."""

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: Annotated[int, Meta(ge=1, le=500)] = 500


class Reboot(Struct, frozen=True, kw_only=True):
    """1.9. `delay_ms` in milliseconds."""

    delay_ms: Annotated[int, Meta(ge=0, le=2**31 - 1, extra={"unit": "ms"})]


class FaceHistory(Struct, frozen=True, kw_only=True):
    """1.10. Without `page_num` the first page as documented; empty filters are not sent."""

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: MaxPageSize32 = 32
    name: ShortText | None = None
    workId: ShortText | None = None
    idCard: ShortText | None = None
    phone: ShortText | None = None


class PersonHistory(Struct, frozen=True, kw_only=True):
    """1.11. Without `page_num` the first page as documented."""

    start_time: LocalTime
    end_time: LocalTime
    page_num: PageNumber | None = None
    page_size: MaxPageSize32 = 32


class PersonAdd(Struct, frozen=True, kw_only=True):
    """1.12. All fields are sent, empty ones too; `phone` only where it is known (D4)."""

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
    """1.13. No filter means all. Without `page_num` the first page as documented."""

    page_num: PageNumber | None = None
    page_size: MaxPageSize32 = 32
    category: Category | None = None
    name: ShortText | None = None
    workId: ShortText | None = None
    idCard: ShortText | None = None
    phone: ShortText | None = None


class PersonQuery(Struct, frozen=True, kw_only=True):
    """1.14"""

    pid: Pid


class PersonDelete(Struct, frozen=True, kw_only=True):
    """1.15. `pid` is "not required" there; to leave it out may mean "delete all" (D4)."""

    pid: Pid


class PersonSearch(Struct, frozen=True, kw_only=True):
    """1.16. `photo` is marked optional there; without it there is nothing to search for (D4)."""

    photo: Photo
    threshold: Percent
    start_time: LocalTime
    end_time: LocalTime


class FileRead(Struct, frozen=True, kw_only=True):
    """D3, a picture whose path stands in an answer or in 2.4."""

    path: Annotated[str, Meta(min_length=1, max_length=1024)]


Row = TypeVar("Row", covariant=True)

Count = Annotated[int, Meta(ge=0)]


class DevicePage(Protocol[Row]):
    """One page of a list that a device gives in parts.

    `total` is None where the device does not tell it; `unreadable` rows were skipped.
    """

    @property
    def rows(self) -> tuple[Row, ...]: ...
    @property
    def total(self) -> int | None: ...
    @property
    def unreadable(self) -> int: ...


class Done(Struct, frozen=True):
    """1.5, 1.6, 1.9, 1.12, 1.15: the code says all."""


class DayCount(Struct, frozen=True):
    """1.7: how many recordings a day of the month has, from 1."""

    day: Annotated[int, Meta(ge=1, le=31)]
    count: Count


class RecordDays(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.7. On the wire the list alone is the result."""

    days: Annotated[tuple[DayCount, ...], Meta(max_length=62)]
    unreadable: int = 0


class Recording(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.8, where none of it is required."""

    filename: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class RecordListPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.8"""

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
    """1.10. The pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None
    name: str | None = None
    similarity: int | None = None
    gender: int | None = None
    age: int | None = None


class FaceHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.10"""

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
    """1.11. The pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None


class PersonHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.11"""

    total: Count | None = None
    list: Annotated[tuple[PersonCapture, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[PersonCapture, ...]:
        return self.list


class Person(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.13 and 1.14: a person as the device has it. `photo` is a path on the device."""

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
    """1.13"""

    total: Count | None = None
    list: Annotated[tuple[Person, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[Person, ...]:
        return self.list


class Match(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.16: a capture that looks like the photo. The picture is a path on the device."""

    time: str
    score: int | None = None
    jpeg_url_face: str | None = None


class SearchResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """1.16"""

    total: Count | None = None
    face_list: Annotated[tuple[Match, ...], Meta(max_length=5000)]
    unreadable: int = 0


class FileContent(Struct, frozen=True, kw_only=True):
    """D3: a file's content, which is a picture by its first bytes."""

    path: str | None = None
    picture: Picture = field(name="base64")
