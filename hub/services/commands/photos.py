"""A person's photo in the form that cameras accept (1.12, 1.16): a small upright JPEG.

The input is a picture of any usual type, as large as phones produce. It may have an EXIF
orientation, reveal where it was taken, or be crafted to exhaust the memory of its decoder. The
result contains nothing but the pixels.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Literal

import pybase64
import trio

from hub.errors import BadParameter

if TYPE_CHECKING:
    from PIL.Image import Image

#: The longer side. A face fills much of such a photo, and a camera compares about 100 pixels.
MAX_SIDE_PIXELS = 1200
MAX_JPEG_BYTES = 1_000_000
#: The most pixels that are decoded. Phones produce up to 50 million, which take up to 300 MB.
MAX_PIXELS = 52_000_000

#: The only decoders that Pillow tries.
_TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
#: Tried in turn until the JPEG is small enough.
_QUALITIES = (92, 80, 60, 30)
_THREADS = 1

PhotoFault = Literal["missing", "no picture", "too many pixels", "damaged"]
_MESSAGES: dict[PhotoFault, str] = {
    "missing": "is required",
    "no picture": "a picture is expected: JPEG, PNG, WebP, GIF or BMP",
    "too many pixels": f"a picture of at most {MAX_PIXELS} pixels is expected",
    "damaged": "the picture is damaged",
}


class BadPhoto(BadParameter):
    """The photo cannot be used; `fault` says why."""

    def __init__(self, fault: PhotoFault) -> None:
        super().__init__(_MESSAGES[fault], field="photo")
        self.fault = fault


class Photos:
    """Converts photos for devices, one at a time, because each may take much memory."""

    def __init__(self) -> None:
        self._threads = trio.CapacityLimiter(_THREADS)

    async def for_devices(self, data: bytes) -> str:
        """Return the photo as the base64 of a JPEG. Raises BadPhoto."""
        if not data:
            raise BadPhoto("missing")
        return await trio.to_thread.run_sync(_base64_jpeg, data, limiter=self._threads)


def _base64_jpeg(data: bytes) -> str:
    return pybase64.b64encode(photo_jpeg(data)).decode()


def photo_jpeg(data: bytes) -> bytes:
    """Return the photo as an upright JPEG within MAX_SIDE_PIXELS and MAX_JPEG_BYTES.

    Raises BadPhoto.
    """
    # Imported here: Pillow takes 3 MB of memory, and many hubs never see a photo.
    from PIL import Image, UnidentifiedImageError

    # Pillow only warns about pictures slightly above its own limit.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_TYPES) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPhoto("too many pixels")
            photo = _redrawn(image)
    except BadPhoto:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPhoto("too many pixels") from None
    except UnidentifiedImageError:
        raise BadPhoto("no picture") from None
    except Exception:
        # Decoders raise nearly anything on crafted input.
        raise BadPhoto("damaged") from None
    return _small_jpeg(photo)


def _redrawn(image: Image) -> Image:
    """Copy the pixels to a new white image, upright and shrunk, without the metadata."""
    from PIL import Image, ImageOps

    # Let the decoder scale a JPEG down if a fraction of its size is enough.
    image.draft("RGB", (MAX_SIDE_PIXELS, MAX_SIDE_PIXELS))
    # A palette image would be resized to its nearest colours.
    mode = "RGBA" if image.has_transparency_data else "RGB"
    upright = ImageOps.exif_transpose(image if image.mode == mode else image.convert(mode))
    upright.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS))
    canvas = Image.new("RGB", upright.size, "white")
    canvas.paste(upright, mask=upright if mode == "RGBA" else None)
    return canvas


def _small_jpeg(photo: Image) -> bytes:
    for quality in _QUALITIES:
        out = io.BytesIO()
        photo.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_JPEG_BYTES:
            break
    return out.getvalue()
