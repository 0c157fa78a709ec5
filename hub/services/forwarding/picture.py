"""Which picture of a record stands for it where one is shown."""

from __future__ import annotations

from hub.wire.uploads.records import Record

#: This one, if there is one of this name.
_FACE = "face"


def picture_name(record: Record) -> str:
    """Return the name of a picture of a record that has some."""
    names = [image.name for image in record.images]
    return _FACE if _FACE in names else names[0]
