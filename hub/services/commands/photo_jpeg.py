"""A picture drawn anew by Pillow: upright, small enough for a device, and nothing else in it."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from hub.services.commands.photos import LONGEST_SIDE, MOST_BYTES, MOST_PIXELS, BadPhoto

#: As Pillow names them, and as it is given them: nothing else of what it knows is tried.
_TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
#: The first whose outcome is small enough counts.
_QUALITIES = (92, 80, 60, 30)

# Pillow only warns of what is much larger than we allow.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


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
