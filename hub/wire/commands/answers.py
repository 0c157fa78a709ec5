"""The answers of devices to commands (1.5 to 1.16, D3): one struct for each.

Fields are named as on the wire, and None if the device did not send them. `unreadable`: how many
rows could not be decoded and were skipped. Times are text in the site's zone, as in params.
"""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

from msgspec import Meta, Struct, field

from hub.wire.pictures import Picture

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
    """The days of a month that have recordings (1.7). The result is the list itself."""

    days: Annotated[tuple[DayCount, ...], Meta(max_length=62)]
    unreadable: int = 0


class Recording(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recording (1.8). No field is required.

    `date` (yyyyMMdd) and `type` (`alarm` or `normal`) are of edition 3 (D12).
    """

    filename: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    date: str | None = None
    type: str | None = None


class RecordListPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of the recordings of a time range (1.8)."""

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


class Recognised(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom the device takes a person for, in rows of 1.10, 1.11 and 1.16.

    The protocol has only the `name` of 1.10; cameras send the others as in uploads (D8).
    """

    name: str | None = None
    uuid: str | None = None
    pid: str | None = None
    category: int | None = None

    @property
    def person(self) -> str:
        """The number by which the device names the person; "" if it does not."""
        return self.uuid or self.pid or ""


class FaceCapture(Recognised, frozen=True, kw_only=True, omit_defaults=True):
    """A captured face (1.10). Pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None
    similarity: int | None = None
    gender: int | None = None
    age: int | None = None


class FaceHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of face captures (1.10)."""

    face_total: Count | None = None
    face_list: Annotated[tuple[FaceCapture, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[FaceCapture, ...]:
        return self.face_list

    @property
    def total(self) -> int | None:
        return self.face_total


class PersonCapture(Recognised, frozen=True, kw_only=True, omit_defaults=True):
    """A capture of a person (1.11). Pictures are paths on the device."""

    time: str
    jpeg_url_face: str | None = None
    jpeg_url_body: str | None = None
    jpeg_url_frame: str | None = None


class PersonHistoryPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of captures of persons (1.11)."""

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
    """A page of the persons on the device (1.13)."""

    total: Count | None = None
    list: Annotated[tuple[Person, ...], Meta(max_length=1000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[Person, ...]:
        return self.list


class Match(Recognised, frozen=True, kw_only=True, omit_defaults=True):
    """A capture that looks like the photo (1.16). The picture is a path on the device."""

    time: str
    score: int | None = None
    jpeg_url_face: str | None = None


class SearchResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The captures that look like a photo (1.16), in one answer."""

    total: Count | None = None
    face_list: Annotated[tuple[Match, ...], Meta(max_length=5000)]
    unreadable: int = 0

    @property
    def rows(self) -> tuple[Match, ...]:
        return self.face_list


class FileContent(Struct, frozen=True, kw_only=True):
    """A file's content (D3), accepted only if its first bytes are those of a picture."""

    path: str | None = None
    picture: Picture = field(name="base64")
