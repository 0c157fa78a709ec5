"""Rows of the record log as records. What is damaged in a row is left out, never raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from hub.store.damage import DamagedRows, as_moment, as_text, is_moment, plain
from hub.store.media.pack_format import StoredImage
from hub.store.media.packs import public_images, read_images
from hub.wire.uploads.records import (
    RECORD_KINDS,
    DamagedDetail,
    Detail,
    Record,
    decode_detail,
    empty_detail,
)

T = TypeVar("T")

TABLE = "record"
_EMPTY_OBJECT = b"{}"
#: Checks the syntax of an object without building it.
_object_decoder = msgspec.json.Decoder(dict[str, Raw])


class RecordReader:
    """Makes records of rows, and notes which are damaged.

    `has_pictures`: whether the pictures of a record still exist, by its seq and time of arrival.
    """

    def __init__(self, damaged: DamagedRows, has_pictures: Callable[[int, int], bool]) -> None:
        self._damaged = damaged
        self._has_pictures = has_pictures

    def read(self, row: Sequence[Any]) -> Record:
        """Return the record of a row with the columns `record_search.COLUMNS`."""
        seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images, erased = (
            row
        )
        wrong: list[str] = []

        def taken(column: str, read: Callable[[Any], T], value: object, otherwise: T) -> T:
            try:
                return read(value)
            except Exception:  # whatever a decoder makes of nonsense
                wrong.append(column)
                return otherwise

        is_erased = erased is not None
        received = taken("received_at", as_moment, received_at, 0)
        unknown: Detail = DamagedDetail()
        shown = taken(
            "detail",
            lambda data: read_detail(kind, data, is_erased=is_erased),
            detail,
            unknown,
        )
        pictures: tuple[StoredImage, ...] = ()
        if not is_erased and self._has_pictures(seq, received):
            pictures = taken("images", read_images, images, ())
        record = Record(
            seq=seq,
            kind="damaged" if isinstance(shown, DamagedDetail) else kind,
            did=taken("did", as_text, did, _part(did)),
            sn=taken("sn", as_text, sn, _part(sn)),
            device_name=taken("device_name", as_text, device_name, _part(device_name)),
            occurred_at=taken("occurred_at", as_moment, occurred_at, received),
            received_at=received,
            detail=shown,
            extra=Raw(_EMPTY_OBJECT if is_erased else taken("extra", as_object, extra, b"{}")),
            images=public_images(seq, pictures),
            erased=is_erased,
            damaged=bool(wrong),
        )
        if wrong:
            self._damaged.note(TABLE, seq, wrong)
        elif self._damaged.knows(TABLE):
            self._damaged.forget(TABLE, seq)
        return record


def readable_row(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row with values of the right types, as it is copied to a pack.

    The columns are those of `COLUMNS` up to `extra`, and images in any form, which are kept.
    """
    seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images = row
    received = received_at if is_moment(received_at) else 0
    return (
        seq,
        kind if kind in RECORD_KINDS else "damaged",
        _part(did),
        _part(sn),
        _part(device_name),
        occurred_at if is_moment(occurred_at) else received,
        received,
        detail if _is_object(detail) else _EMPTY_OBJECT,
        extra if _is_object(extra) else _EMPTY_OBJECT,
        images,
    )


def is_readable(
    kind: object, received_at: object, detail: object, extra: object, images: object
) -> bool:
    """Return whether these columns of a row can be read."""
    try:
        read_detail(kind, detail)
        as_object(extra)
        read_images(images)
        as_moment(received_at)
    except Exception:  # whatever a decoder makes of nonsense
        return False
    return True


def read_detail(kind: object, data: object, *, is_erased: bool = False) -> Detail:
    """Decode a detail strictly. Raises an exception if kind or detail is damaged."""
    if kind not in RECORD_KINDS or not isinstance(data, bytes):
        raise ValueError("kind or detail")
    data.decode()  # the decoder does not look at the text of raw parts
    return decode_detail(kind, empty_detail(kind, data) if is_erased else data)


def known_detail(kind: object, data: object) -> Detail:
    """Decode a detail; `DamagedDetail` if it cannot be read."""
    try:
        return read_detail(kind, data)
    except Exception:  # whatever a decoder makes of nonsense
        return DamagedDetail()


def erased_detail(kind: object, data: object) -> bytes:
    """Return the JSON of a detail without all that tells of a person, also of a damaged one."""
    detail = known_detail(kind, data)
    if isinstance(detail, DamagedDetail):
        return b'{"type":0}' if kind == "event" else _EMPTY_OBJECT
    return empty_detail(kind, data)  # type: ignore[arg-type]


def as_object(data: object) -> bytes:
    """Return the JSON of an object as it is. Raises an exception if it is not one."""
    if data == _EMPTY_OBJECT and isinstance(data, bytes):
        return data
    if not isinstance(data, bytes):
        raise TypeError("an object")
    data.decode()  # the decoder does not look at the text of raw parts
    _object_decoder.decode(data)
    return data


def _is_object(data: object) -> bool:
    try:
        as_object(data)
    except Exception:  # whatever a decoder makes of nonsense
        return False
    return True


def _part(value: object) -> str:
    """Return what can be read of a text."""
    return plain(value) if isinstance(value, str) else ""
