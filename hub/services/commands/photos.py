"""A person's photo as cameras take it (1.12, 1.16): a JPEG of bounded size with nothing else in it.

What is given may be a picture of any usual type and of a phone's size, lie on its side by its EXIF
orientation, tell where it was taken, or be made to exhaust the memory of who decodes it.
"""

from __future__ import annotations

from typing import Literal

import pybase64
import trio

from hub.errors import BadParameter

#: Of the longest side. A face fills much of such a photo, and a camera compares some 100 pixels.
LONGEST_SIDE = 1200
MOST_BYTES = 1_000_000
#: What is decoded at all. The largest phones take 50 million; it costs up to 300 MB for a moment.
MOST_PIXELS = 52_000_000

_AT_A_TIME = 1

Fault = Literal["missing", "no picture", "too many pixels", "damaged"]
_FAULTS: dict[Fault, str] = {
    "missing": "is required",
    "no picture": "a picture is expected: JPEG, PNG, WebP, GIF or BMP",
    "too many pixels": f"a picture of at most {MOST_PIXELS} pixels is expected",
    "damaged": "the picture is damaged",
}


class BadPhoto(BadParameter):
    """That photo cannot be used; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(_FAULTS[fault], field="photo")
        self.fault = fault


class Photos:
    """Makes photos for devices, one at a time: each may take much memory for a moment."""

    def __init__(self) -> None:
        self._threads = trio.CapacityLimiter(_AT_A_TIME)

    async def for_devices(self, data: bytes) -> str:
        """The photo as base64 of a JPEG. Raises BadPhoto."""
        if not data:
            raise BadPhoto("missing")
        return await trio.to_thread.run_sync(_encoded, data, limiter=self._threads)


def _encoded(data: bytes) -> str:
    # Pillow is 3 MB of a process, and many a hub never sees a photo.
    from hub.services.commands.photo_jpeg import photo_jpeg

    return pybase64.b64encode(photo_jpeg(data)).decode()
