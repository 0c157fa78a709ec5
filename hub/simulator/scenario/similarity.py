"""How alike two pictures of faces are: enough for a search among drawn ones (1.16)."""

from __future__ import annotations

import io

from PIL import Image, ImageChops, ImageStat

_SIZE = (20, 25)
#: So much difference of a channel, of 255, costs a point of 100.
_A_POINT = 0.8


def likeness(face: bytes, other: bytes) -> int:
    """From 0 to 100. Raises OSError where `face` is no picture. Call it in a thread."""
    difference = ImageChops.difference(_small(face), _small(other))
    mean = sum(ImageStat.Stat(difference).mean) / 3
    return max(0, round(100 - mean / _A_POINT))


def _small(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as image:
        image.draft("RGB", _SIZE)
        return image.convert("RGB").resize(_SIZE, Image.Resampling.BOX)
