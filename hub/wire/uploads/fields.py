"""Reading of single fields of uploads that more than one module decodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Raw

from hub.errors import BadParameter
from hub.wire.extra_fields import ExtraField, FieldReader
from hub.wire.pictures import Picture
from hub.wire.uploads.body_decoder import ABSENT
from hub.wire.uploads.records import Rect

T = TypeVar("T")


def undocumented(
    read: Callable[[FieldReader, str], T | None], raw: Raw, key: str, extra: list[ExtraField]
) -> T | None:
    """Read an undocumented field (D8). If it is unreadable, keep it as an extra field."""
    if raw is ABSENT:
        return None
    try:
        return read(FieldReader({key: raw}), key)
    except BadParameter:
        extra.append((key, raw))
        return None


def read_rect(fields: FieldReader, key: str) -> Rect | None:
    """A rectangle in the full picture. Either all four numbers must be given, or none."""
    rect = fields.nested(key)
    sides = {side: rect.number(side) for side in "xywh"} if rect else {}
    given = [value for value in sides.values() if value is not None]
    if not given:
        return None
    for side, value in sides.items():
        if value is None:
            raise BadParameter("a number is required", field=f"{fields.path_of(key)}.{side}")
    return Rect(*given)


def without_none(*pictures: Picture | None) -> tuple[Picture, ...]:
    """The pictures that were sent."""
    return tuple(picture for picture in pictures if picture is not None)
