"""Drawings of places in the light of the hour, without people and cars."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from hub.simulator.drawing.pen import SUPERSAMPLING, Pen, canvas, captioned_jpeg, finish
from hub.simulator.scenario.population import CameraPlace, Colour

SCENE_SIZE = (960, 540)
#: Types of events (2.4) that change the scene.
_COVERED_LENS, _FIRE = 3, 8


def scene_jpeg(place: CameraPlace, hour: int, *, event: int, caption: str) -> bytes:
    """Draw the full picture of an event (2.4) without a person."""
    picture = scene(place, part_of_day(hour)).copy()
    frame = ImageDraw.Draw(picture)
    frame.rectangle((330, 200, 640, 500), outline=(236, 168, 60), width=3)
    if event == _FIRE:
        Pen(picture, unit=1 / SUPERSAMPLING).draw("fire")
    if event == _COVERED_LENS:
        frame.ellipse((60, -200, 1000, 620), fill=(34, 34, 38))
    return captioned_jpeg(picture, caption)


def part_of_day(hour: int) -> str:
    if 8 <= hour < 17:
        return "day"
    if 6 <= hour < 8:
        return "dawn"
    return "dusk" if 17 <= hour < 20 else "night"


@lru_cache(maxsize=24)
def scene(place: CameraPlace, part: str) -> Image.Image:
    """Draw an empty scene. It is cached: copy it before drawing on it."""
    image = canvas(SCENE_SIZE, (206, 222, 232))
    Pen(image).draw(place)
    tint, share = _LIGHT[part]
    image = Image.blend(image, Image.new("RGB", image.size, tint), share)
    if part in ("night", "dusk"):
        Pen(image).draw("lamps")
    return finish(image, SCENE_SIZE)


_LIGHT: dict[str, tuple[Colour, float]] = {
    "day": ((255, 255, 255), 0.0),
    "dawn": ((255, 206, 160), 0.22),
    "dusk": ((132, 76, 96), 0.34),
    "night": ((16, 22, 48), 0.62),
}
