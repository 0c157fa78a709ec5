"""Tools for all drawings: shapes, colours, captions, and JPEG.

Pictures are drawn at twice their size and halved at the end, which smooths the edges.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from hub.simulator.scenario.population import Colour

#: The scale at which pictures are drawn.
SUPERSAMPLING = 2

WHITE: Colour = (250, 250, 248)
INK: Colour = (46, 44, 52)
GREY: Colour = (128, 132, 140)


class Pen:
    """Draws shapes. `dx`, `dy` is its origin, `unit` its scale, in pixels of the final picture."""

    def __init__(self, image: Image.Image, dx: float = 0, dy: float = 0, unit: float = 1) -> None:
        self._draw = ImageDraw.Draw(image)
        self._dx, self._dy, self._unit = dx, dy, unit

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self._draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def half_ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, up: bool = True
    ) -> None:
        box = self._box(x - rx, y - ry, x + rx, y + ry)
        self._draw.pieslice(box, 180 if up else 0, 360 if up else 180, fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, ink: Colour, width: float) -> None:
        box = self._box(x - rx, y - ry, x + rx, y + ry)
        self._draw.ellipse(box, outline=ink, width=self._width(width))

    def arc(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        span: tuple[float, float],
        ink: Colour,
        width: float,
    ) -> None:
        box = self._box(x - rx, y - ry, x + rx, y + ry)
        self._draw.arc(box, *span, fill=ink, width=self._width(width))

    def rect(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0
    ) -> None:
        box = self._box(left, top, right, bottom)
        self._draw.rounded_rectangle(box, radius * self._unit * SUPERSAMPLING, fill=fill)

    def polygon(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        self._draw.polygon([self._point(x, y) for x, y in points], fill=fill)

    def line(self, points: Sequence[tuple[float, float]], ink: Colour, width: float) -> None:
        self._draw.line(
            [self._point(x, y) for x, y in points], ink, self._width(width), joint="curve"
        )

    def text(self, x: float, y: float, text: str, ink: Colour, size: float) -> None:
        """Draw `text` centred on (x, y)."""
        font = _font(round(size * self._unit * SUPERSAMPLING))
        self._draw.text(self._point(x, y), text, fill=ink, font=font, anchor="mm")

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return (x * self._unit + self._dx) * SUPERSAMPLING, (
            y * self._unit + self._dy
        ) * SUPERSAMPLING

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return *self._point(left, top), *self._point(right, bottom)

    def _width(self, width: float) -> int:
        return max(1, round(width * self._unit * SUPERSAMPLING))


def captioned_jpeg(picture: Image.Image, caption: str) -> bytes:
    """Draw the caption on `picture` itself, and encode it."""
    draw = ImageDraw.Draw(picture)
    draw.text((16, 12), caption, fill=WHITE, font=_font(20), stroke_width=2, stroke_fill=INK)
    return to_jpeg(picture)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; `share` (0 to 1) is that of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def canvas(size: tuple[int, int], ground: Colour) -> Image.Image:
    """Make an image to draw on, for a finished picture of `size`."""
    return Image.new("RGB", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING), ground)


def finish(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale a canvas down to its final size."""
    return image.resize(size, Image.Resampling.BOX)


def to_jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=88)
    return out.getvalue()


def halved_jpeg(jpeg: bytes) -> bytes:
    """Halve width and height, as cameras do with the pictures that they keep."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return to_jpeg(image.reduce(2))
