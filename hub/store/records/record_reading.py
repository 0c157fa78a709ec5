"""Rows of the record log as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Raw

from hub.decoders import json_decoder
from hub.store.media.packs import public_images, read_images
from hub.store.rows import DamagedRows, as_moment, as_text
from hub.wire.uploads.records import (
    RECORD_KINDS,
    Detail,
    Record,
    decode_detail,
    empty_detail,
)

_EMPTY_OBJECT = b"{}"
#: Checks the syntax of an object without building it.
_object_decoder = json_decoder(dict[str, Raw])


class RecordReader:
    """Makes records of rows, and notes which are damaged.

    `has_pictures`: whether the pictures of a record still exist, by its seq and time of arrival.
    """

    def __init__(self, damaged: DamagedRows, has_pictures: Callable[[int, int], bool]) -> None:
        self._damaged = damaged
        self._has_pictures = has_pictures

    def read(self, row: Sequence[Any]) -> Record | None:
        """Return the record of a row with the columns `record_search.COLUMNS`.

        None, and noted, if it does not decode.
        """
        try:
            return _decode(row, self._has_pictures)
        except Exception:  # whatever a decoder makes of nonsense
            self._damaged.note("record", row[0])
            return None


def is_readable(row: Sequence[Any]) -> bool:
    """Return whether a row with the columns `COLUMNS` up to `images` decodes."""
    try:
        _decode((*row, None), lambda seq, received_at: True)
    except Exception:  # whatever a decoder makes of nonsense
        return False
    return True


def _decode(row: Sequence[Any], are_kept: Callable[[int, int], bool]) -> Record:
    """Return the record of a row. Raises whatever a decoder makes of nonsense."""
    seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images, erased = row
    is_erased = erased is not None
    received = as_moment(received_at)
    has_pictures = not is_erased and are_kept(seq, received)
    return Record(
        seq=seq,
        kind=kind,
        did=as_text(did),
        sn=as_text(sn),
        device_name=as_text(device_name),
        occurred_at=as_moment(occurred_at),
        received_at=received,
        detail=read_detail(kind, detail, is_erased=is_erased),
        extra=Raw(_EMPTY_OBJECT if is_erased else as_object(extra)),
        images=public_images(seq, read_images(images) if has_pictures else ()),
        erased=is_erased,
    )


def read_detail(kind: object, data: object, *, is_erased: bool = False) -> Detail:
    """Decode a detail strictly. Raises an exception if kind or detail is damaged."""
    if kind not in RECORD_KINDS or not isinstance(data, bytes):
        raise ValueError("kind or detail")
    data.decode()  # the decoder does not look at the text of raw parts
    return decode_detail(kind, empty_detail(kind, data) if is_erased else data)


def known_detail(kind: object, data: object) -> Detail | None:
    """Decode a detail; None if it cannot be read."""
    try:
        return read_detail(kind, data)
    except Exception:  # whatever a decoder makes of nonsense
        return None


def erased_detail(kind: Any, data: Any) -> bytes:
    """Return the JSON of a detail without all that tells of a person, also of a damaged one."""
    if known_detail(kind, data) is not None:
        return empty_detail(kind, data)
    return b'{"type":0}' if kind == "event" else _EMPTY_OBJECT


def as_object(data: object) -> bytes:
    """Return the JSON of an object as it is. Raises an exception if it is not one."""
    if not isinstance(data, bytes):
        raise TypeError("an object")
    if data != _EMPTY_OBJECT:
        data.decode()  # the decoder does not look at the text of raw parts
        _object_decoder.decode(data)
    return data
