"""The similarity of two pictures of faces, good enough to search drawn ones (1.16)."""

from __future__ import annotations

import io

from PIL import Image, ImageChops, ImageStat

_SIZE = (20, 25)
#: The mean difference of a colour channel (0 to 255) that costs one of 100 points.
_DIFFERENCE_PER_POINT = 0.8


def similarity(face: bytes, other: bytes) -> int:
    """Compare two pictures; 100 means equal, 0 is the minimum. Call it in a thread.

    Raises OSError if one is not a picture.
    """
    difference = ImageChops.difference(_reduced(face), _reduced(other))
    mean = sum(ImageStat.Stat(difference).mean) / 3
    return max(0, round(100 - mean / _DIFFERENCE_PER_POINT))


def _reduced(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as image:
        image.draft("RGB", _SIZE)
        return image.convert("RGB").resize(_SIZE, Image.Resampling.BOX)
