"""Draws the shapes of `shapes.txt`, captions, and JPEGs.

Pictures are drawn at twice their size and halved at the end, which smooths the edges.
"""

from __future__ import annotations

import io
from functools import cache, lru_cache
from importlib import resources

from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont

from hub.simulator.scenario.population import Colour

#: The scale at which pictures are drawn.
SUPERSAMPLING = 2

WHITE: Colour = (250, 250, 248)
INK: Colour = (46, 44, 52)
_NAMED: dict[str, Colour] = {"white": WHITE, "ink": INK, "grey": (128, 132, 140)}


class _Shapes(Struct, frozen=True):
    """A line of `shapes.txt`. `values`: the numbers of each shape; a text ends with its word."""

    kind: str
    colour: str
    values: list[list[str]]


class Pen:
    """Draws shapes. `dx`, `dy` is its origin, `unit` its scale, in pixels of the final picture."""

    def __init__(self, image: Image.Image, dx: float = 0, dy: float = 0, unit: float = 1) -> None:
        self._draw = ImageDraw.Draw(image)
        self._dx, self._dy = dx * SUPERSAMPLING, dy * SUPERSAMPLING
        self._scale = unit * SUPERSAMPLING

    def draw(self, section: str, **colours: Colour) -> None:
        """Draw a section of `shapes.txt`: nothing, if there is none. `colours`: by their names."""
        for shapes in _sections().get(section, ()):
            colour = _colour(shapes.colour, {**_NAMED, **colours})
            for values in shapes.values:
                self._shape(shapes.kind, colour, values)

    def text(self, x: float, y: float, text: str, ink: Colour, size: float) -> None:
        """Draw `text` centred on (x, y)."""
        font = _font(round(size * self._scale))
        self._draw.text(self._points([x, y])[0], text, fill=ink, font=font, anchor="mm")

    def _shape(self, kind: str, colour: Colour, values: list[str]) -> None:
        if kind == "text":  # x, y, size, and a word
            x, y, size = map(float, values[:3])
            self.text(x, y, values[3], colour, size)
            return
        draw, numbers = self._draw, [float(value) for value in values]
        match kind:
            case "rect":  # left, top, right, bottom, radius of the corners
                radius = numbers[4] if len(numbers) > 4 else 0
                box = self._points(numbers[:4])
                draw.rounded_rectangle(box, radius * self._scale, fill=colour)
            case "ellipse":  # x, y, rx, ry
                draw.ellipse(self._box(numbers), fill=colour)
            case "dome" | "bowl":  # the upper or the lower half of an ellipse
                begin = 180 if kind == "dome" else 0
                draw.pieslice(self._box(numbers), begin, begin + 180, fill=colour)
            case "polygon":  # x, y of each corner
                draw.polygon(self._points(numbers), fill=colour)
            case "ring":  # width, and an ellipse
                draw.ellipse(self._box(numbers[1:]), outline=colour, width=self._width(numbers))
            case "arc":  # width, an ellipse, and from where to where in degrees
                start, end = numbers[5:]
                draw.arc(self._box(numbers[1:5]), start, end, colour, self._width(numbers))
            case "line":  # width, and x, y of each point
                points = self._points(numbers[1:])
                draw.line(points, colour, self._width(numbers), joint="curve")

    def _points(self, numbers: list[float]) -> list[tuple[float, float]]:
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return [(x * self._scale + self._dx, y * self._scale + self._dy) for x, y in pairs]

    def _box(self, ellipse: list[float]) -> list[tuple[float, float]]:
        x, y, rx, ry = ellipse
        return self._points([x - rx, y - ry, x + rx, y + ry])

    def _width(self, numbers: list[float]) -> int:
        return max(1, round(numbers[0] * self._scale))


@cache
def _sections() -> dict[str, list[_Shapes]]:
    found: dict[str, list[_Shapes]] = {}
    text = (resources.files("hub.simulator.drawing") / "shapes.txt").read_text("utf-8")
    for section in text.split("\n[")[1:]:
        name, *lines = section.splitlines()
        split = [line.split(maxsplit=2) for line in lines]
        found[name.rstrip("]")] = [
            _Shapes(kind, colour, [one.split() for one in values.split(";")])
            for kind, colour, values in split
        ]
    return found


def _colour(text: str, named: dict[str, Colour]) -> Colour:
    """Return a colour of `shapes.txt`."""
    if "~" in text:
        colour, other, share = text.split("~")
        return mix(_colour(colour, named), _colour(other, named), float(share))
    if text in named:
        return named[text]
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


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
