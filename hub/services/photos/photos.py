"""A person's photo in the form that cameras accept (1.12, 1.16): a small upright JPEG.

The input is a picture of any usual type, as large as phones produce. It may have an EXIF
orientation, reveal where it was taken, or be crafted to exhaust the memory of its decoder, or its
time: pixels and scans are bounded before anything is decoded. The result contains nothing but the
pixels.
"""

from __future__ import annotations

import io
import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Literal

import pybase64
import trio
from msgspec import Struct

from hub.errors import BadParameter

if TYPE_CHECKING:
    from PIL.Image import Image


#: The most pixels that are decoded. Phones produce up to 50 million, which take up to 300 MB.
MAX_PIXELS = 52_000_000


class PhotoRules(Struct, frozen=True):
    """What a photo becomes. Sides in pixels: the longer one is at most `max_side`.

    A photo whose shorter side then is less than `min_side` is refused, and one of more than
    `max_pixels`. `qualities` of a JPEG are tried in turn until it is small enough.
    """

    max_side: int
    max_bytes: int
    min_side: int = 0
    max_pixels: int = MAX_PIXELS
    qualities: tuple[int, ...] = (92, 80, 60, 30)


#: A face fills much of such a photo, and a camera compares about 100 pixels.
COMMAND_RULES = PhotoRules(max_side=1200, max_bytes=1_000_000)
#: A larger file is refused before it is decoded.
MAX_FILE_MB = 20
#: Pictures with more pixels take so much memory that they are decoded one at a time.
_LARGE_PIXELS = 4_000_000
#: Two keep both processors of a small machine busy.
_AT_ONCE = 2
#: A picture that takes longer is refused, and the next one is converted beside it ...
CONVERT_SECONDS = 15
#: ... by another thread. Those that were given up end by themselves: their work is bounded.
_THREADS = 3

#: Each scan of a JPEG is a pass over all pixels; a progressive one has about ten.
MAX_SCANS = 32
#: Pixels that all scans of a JPEG pass over: 12 scans of the largest picture. At 1 ns for each,
#: they take less time than the values in a file of MAX_FILE_MB, at 60 ns for each byte.
_MAX_PASSED = 12 * MAX_PIXELS
_START_OF_SCAN = b"\xff\xda"
#: What ends the data of a scan: neither a stuffed byte nor a restart. Decoders pass over markers
#: below \xc0 when they look for the next restart, and over no length behind them.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
_START_OF_IMAGE, _END_OF_IMAGE = b"\xd8", b"\xd9"

#: The only decoders that Pillow tries.
_TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

PhotoFault = Literal[
    "missing", "no picture", "too large", "too small", "too many pixels", "damaged", "slow"
]
_MESSAGES: dict[PhotoFault, str] = {
    "missing": "is required",
    "no picture": "a picture is expected: JPEG, PNG, WebP, GIF or BMP",
    "too large": f"a file of at most {MAX_FILE_MB} MB is expected",
    "too small": "at least 112 pixels are expected on the shorter side, if the longer one has 640",
    "too many pixels": f"a picture of at most {MAX_PIXELS} pixels is expected",
    "damaged": "the picture is damaged",
    "slow": "the picture takes too long to read",
}


class BadPhoto(BadParameter):
    """The photo cannot be used; `fault` says why."""

    def __init__(self, fault: PhotoFault) -> None:
        super().__init__(_MESSAGES[fault], field="photo", fault=fault)


class IsLarge(Exception):
    """The picture is to be decoded while no other large one is."""


class Photos:
    """Converts photos for devices in threads.

    Of large pictures one at a time, because of their memory, with a small one beside it. One that
    takes too long is given up: none holds up the others for longer, nor the end of the hub.
    """

    def __init__(self) -> None:
        self._turns = trio.CapacityLimiter(_AT_ONCE)
        self._large = trio.Lock()
        self._threads = trio.CapacityLimiter(_THREADS)

    async def for_devices(self, data: bytes) -> str:
        """Return the photo as the base64 of a JPEG. Raises BadPhoto."""
        return pybase64.b64encode(await self.convert(data, COMMAND_RULES)).decode()

    async def convert(self, data: bytes, rules: PhotoRules) -> bytes:
        """Return a picture of any usual type as a JPEG within the rules. Raises BadPhoto."""
        if not data:
            raise BadPhoto("missing")
        if len(data) > MAX_FILE_MB << 20:
            raise BadPhoto("too large")
        try:
            return await self._convert(data, rules, may_be_large=False)
        except IsLarge:
            async with self._large:
                return await self._convert(data, rules, may_be_large=True)

    async def _convert(self, data: bytes, rules: PhotoRules, *, may_be_large: bool) -> bytes:
        convert = partial(photo_jpeg, data, rules, may_be_large=may_be_large)
        async with self._turns:
            with trio.move_on_after(CONVERT_SECONDS):
                return await trio.to_thread.run_sync(
                    convert, abandon_on_cancel=True, limiter=self._threads
                )
        raise BadPhoto("slow")


def photo_jpeg(
    data: bytes, rules: PhotoRules = COMMAND_RULES, *, may_be_large: bool = True
) -> bytes:
    """Return the photo as an upright sRGB JPEG within the rules. Blocks.

    It ends after some seconds, whatever the data are, so a thread that does it may be abandoned.
    Raises BadPhoto; IsLarge if the picture is large and must not be.
    """
    # Imported here: Pillow takes 3 MB of memory, and many hubs never see a photo.
    from PIL import Image, UnidentifiedImageError

    # Pillow only warns about pictures slightly above its own limit.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_TYPES) as image:
            pixels = image.width * image.height
            if pixels > rules.max_pixels:
                raise BadPhoto("too many pixels")
            # Pillow decodes these in Python: 30 times as slowly, and beside the event loop.
            if image.format == "BMP" and image.tile[0][0] == "bmp_rle":
                raise BadPhoto("no picture")
            most = min(MAX_SCANS, _MAX_PASSED // pixels)
            if count_scans(data, most) > most:
                raise BadPhoto("slow")
            # Let the decoder scale a JPEG down if a fraction of its size is enough.
            image.draft("RGB", (rules.max_side, rules.max_side))
            # A decoder keeps the whole of a progressive one until its last scan.
            kept = pixels if image.info.get("progressive") else image.width * image.height
            if kept > _LARGE_PIXELS and not may_be_large:
                raise IsLarge
            photo = _redrawn(image, rules.max_side)
    except (BadPhoto, IsLarge):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPhoto("too many pixels") from None
    except UnidentifiedImageError:
        raise BadPhoto("no picture") from None
    except Exception:
        # Decoders raise nearly anything on crafted input.
        raise BadPhoto("damaged") from None
    if min(photo.size) < rules.min_side:
        raise BadPhoto("too small")
    return _small_jpeg(photo, rules)


def count_scans(data: bytes, most: int) -> int:
    """Return how many scans a JPEG has, at least as many as a decoder reads; 0 of another picture.

    It counts up to one more than `most`. What phones append behind the picture, such as a film,
    does not count if there are too many.
    """
    if not data.startswith(b"\xff\xd8"):
        return 0
    # Nearly always enough, and fast.
    if (count := data.count(_START_OF_SCAN)) <= most:
        return count
    count, at = 0, 2
    while (found := _MARKER.search(data, at)) and found[1] != _END_OF_IMAGE:
        count += found[0] == _START_OF_SCAN
        at = found.end()
        if found[1] != _START_OF_IMAGE:  # which alone has no length behind it
            at += int.from_bytes(data[at : at + 2], "big")
        if count > most:
            break
    return count


def _redrawn(image: Image, max_side: int) -> Image:
    """Copy the pixels to a new white image, upright and shrunk, without the metadata."""
    from PIL import Image, ImageOps

    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        # Pillow cannot reduce 16 bits by whole factors, as it otherwise does before it resizes.
        image.thumbnail((max_side, max_side), Image.Resampling.HAMMING, reducing_gap=None)
        image = _in_8_bits(image)
    if image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        # A palette image would be resized to its nearest colours.
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Twice as fast as the default, and as sharp where a picture is shrunk.
    image.thumbnail((max_side, max_side), Image.Resampling.HAMMING)
    upright = _in_srgb(ImageOps.exif_transpose(image), profile)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    layer = upright.convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer)
    return canvas


def _in_8_bits(image: Image) -> Image:
    """Convert grey of 16 bits, of which Pillow would cut off all values above 255."""
    grey = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    # A value of 16 bits.
    grey.info.pop("transparency", None)
    return grey


def _in_srgb(image: Image, profile: bytes | None) -> Image:
    """Convert the colours of a profile to sRGB; a profile that cannot be used counts as none."""
    if not profile:
        return image
    from PIL import ImageCms

    spaces = {"RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        is_srgb = "sRGB" in (source.profile.profile_description or "")
        if is_srgb or source.profile.xcolor_space.strip() != spaces.get(image.mode):
            return image
        srgb = ImageCms.createProfile("sRGB")
        mode = "RGB" if image.mode == "CMYK" else image.mode
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def _small_jpeg(photo: Image, rules: PhotoRules) -> bytes:
    from PIL import Image

    # A new image, since the old one's `info` would be written too, with where it was taken.
    clean = Image.new("RGB", photo.size)
    clean.paste(photo)
    for quality in rules.qualities:
        out = io.BytesIO()
        clean.save(out, "JPEG", quality=quality)
        if out.tell() <= rules.max_bytes:
            break
    return out.getvalue()
