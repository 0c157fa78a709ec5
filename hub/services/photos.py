"""A person's photo as cameras take it (1.12, 1.16): a JPEG of bounded size with nothing else in it.

What is given may be a picture of any usual type and of a phone's size, lie on its side by its EXIF
orientation, tell where it was taken, or be made to exhaust the memory of who decodes it.
"""

from __future__ import annotations

import io
import warnings
from typing import Literal

import pybase64
import trio
from PIL import Image, ImageOps, UnidentifiedImageError

from hub.errors import BadParameter

#: Of the longest side. A face fills much of such a photo, and a camera compares some 100 pixels.
LONGEST_SIDE = 1200
MOST_BYTES = 1_000_000
#: What is decoded at all. The largest phones take 50 million; it costs up to 300 MB for a moment.
MOST_PIXELS = 52_000_000

#: As Pillow names them, and as it is given them: nothing else of what it knows is tried.
_TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
#: The first whose outcome is small enough counts.
_QUALITIES = (92, 80, 60, 30)
_AT_A_TIME = 1

# Pillow only warns of what is much larger than we allow.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

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
    return pybase64.b64encode(photo_jpeg(data)).decode()


def photo_jpeg(data: bytes) -> bytes:
    """The photo upright, at most LONGEST_SIDE and MOST_BYTES large. Raises BadPhoto."""
    try:
        with Image.open(io.BytesIO(data), formats=_TYPES) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadPhoto("too many pixels")
            photo = _drawn_anew(image)
    except BadPhoto:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPhoto("too many pixels") from None
    except UnidentifiedImageError:
        raise BadPhoto("no picture") from None
    except Exception:
        # Decoders raise nearly anything over what somebody made up.
        raise BadPhoto("damaged") from None
    return _small_enough(photo)


def _drawn_anew(image: Image.Image) -> Image.Image:
    """On a sheet of its own: what was told along with the picture stays behind."""
    # A JPEG is decoded at a fraction of its size where that is enough.
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    # A resized palette would be worn to its nearest colours.
    mode = "RGBA" if image.has_transparency_data else "RGB"
    upright = ImageOps.exif_transpose(image if image.mode == mode else image.convert(mode))
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    sheet = Image.new("RGB", upright.size, "white")
    sheet.paste(upright, mask=upright if mode == "RGBA" else None)
    return sheet


def _small_enough(photo: Image.Image) -> bytes:
    for quality in _QUALITIES:
        out = io.BytesIO()
        photo.save(out, "JPEG", quality=quality)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()
