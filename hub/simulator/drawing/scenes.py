"""Drawings of places in the light of the hour, without people and cars."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from hub.simulator.drawing.pen import GREY, INK, WHITE, Pen, canvas, captioned_jpeg, finish, mix
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
        _draw_fire(picture)
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
    _SCENES[place](Pen(image))
    tint, share = _LIGHT[part]
    image = Image.blend(image, Image.new("RGB", image.size, tint), share)
    if part in ("night", "dusk"):
        pen = Pen(image)
        for x in (150, 480, 810):
            pen.ellipse(x, 62, 16, 10, (255, 236, 176))
            pen.ellipse(x, 62, 8, 5, WHITE)
    return finish(image, SCENE_SIZE)


_LIGHT: dict[str, tuple[Colour, float]] = {
    "day": ((255, 255, 255), 0.0),
    "dawn": ((255, 206, 160), 0.22),
    "dusk": ((132, 76, 96), 0.34),
    "night": ((16, 22, 48), 0.62),
}


def _draw_ground(pen: Pen, ground: Colour, horizon: float) -> None:
    pen.rect(0, horizon, 960, 540, ground)
    pen.rect(0, horizon, 960, horizon + 4, mix(ground, INK, 0.18))


def _draw_tree(pen: Pen, x: float, y: float, size: float) -> None:
    pen.rect(x - size * 0.09, y - size * 0.5, x + size * 0.09, y, (122, 92, 70))
    for dx, dy, r in ((-0.24, -0.72, 0.3), (0.24, -0.72, 0.3), (0, -0.98, 0.36)):
        pen.ellipse(x + dx * size, y + dy * size, r * size, r * size, (112, 160, 116))


def _draw_gate(pen: Pen) -> None:
    pen.rect(0, 150, 960, 360, (226, 214, 196))
    for x in range(40, 960, 150):
        pen.rect(x, 190, x + 84, 268, (150, 182, 202), 4)
        pen.rect(x + 40, 190, x + 44, 268, WHITE)
    _draw_ground(pen, (188, 190, 194), 360)
    pen.polygon([(330, 540), (410, 364), (550, 364), (640, 540)], (168, 170, 176))
    for x in (300, 640):
        pen.rect(x, 210, x + 40, 392, (160, 96, 82), 3)
        pen.rect(x - 6, 198, x + 46, 216, (134, 78, 68), 3)
    for number in range(8):
        colour = (214, 74, 66) if number % 2 else WHITE
        pen.rect(340 + number * 38, 316, 378 + number * 38, 328, colour)
    _draw_tree(pen, 130, 400, 190)
    _draw_tree(pen, 850, 404, 210)


def _draw_lobby(pen: Pen) -> None:
    pen.rect(0, 0, 960, 380, (238, 232, 222))
    pen.rect(0, 0, 960, 46, (216, 208, 196))
    for x in (150, 480, 810):
        pen.rect(x - 60, 18, x + 60, 30, (255, 250, 232), 5)
    pen.rect(70, 120, 270, 380, (172, 204, 218))
    pen.rect(168, 120, 173, 380, WHITE)
    _draw_ground(pen, (206, 196, 182), 380)
    pen.rect(610, 300, 890, 420, (150, 110, 80), 8)
    pen.rect(596, 288, 904, 306, (112, 80, 58), 5)
    pen.rect(690, 150, 830, 210, (90, 132, 150), 6)
    pen.text(760, 180, "WELCOME", WHITE, 22)
    pen.rect(356, 340, 396, 400, (190, 120, 90), 6)
    for dx, dy in ((-26, -40), (0, -62), (26, -40), (-12, -20), (14, -22)):
        pen.ellipse(376 + dx, 330 + dy, 20, 24, (96, 150, 110))


def _draw_corridor(pen: Pen) -> None:
    pen.rect(0, 0, 960, 540, (230, 230, 226))
    pen.polygon([(0, 0), (960, 0), (600, 150), (360, 150)], (244, 244, 240))
    pen.polygon([(0, 540), (960, 540), (600, 340), (360, 340)], (190, 182, 170))
    pen.rect(360, 150, 600, 340, (214, 218, 218))
    pen.rect(436, 200, 524, 340, (126, 146, 166), 3)
    for near, far in (((40, 96, 540), (150, 130, 452)), ((220, 150, 416), (290, 160, 384))):
        (x, top, bottom), (x2, top2, bottom2) = near, far
        for left in (True, False):
            points = [(x, top), (x2, top2), (x2, bottom2), (x, bottom)]
            mirrored = [(px if left else 960 - px, py) for px, py in points]
            pen.polygon(mirrored, (176, 150, 124))
    for y, half in ((30, 60), (80, 42), (120, 28)):
        pen.polygon(
            [
                (480 - half, y),
                (480 + half, y),
                (480 + half * 0.8, y + 12),
                (480 - half * 0.8, y + 12),
            ],
            (255, 252, 236),
        )


def _draw_carpark(pen: Pen) -> None:
    pen.rect(0, 120, 960, 300, (206, 200, 190))
    for x in range(30, 960, 120):
        pen.rect(x, 150, x + 76, 206, (148, 170, 186), 3)
    _draw_ground(pen, (150, 152, 158), 300)
    for x in range(-100, 1100, 200):
        pen.polygon(
            [
                (x, 540),
                (x + 14, 540),
                (480 + (x - 480) * 0.62 + 8, 330),
                (480 + (x - 480) * 0.62, 330),
            ],
            WHITE,
        )
    for x, colour in ((70, (184, 92, 84)), (770, (96, 126, 160))):
        pen.rect(x, 300, x + 130, 350, colour, 16)
        pen.rect(x + 24, 272, x + 106, 312, mix(colour, WHITE, 0.5), 14)
        for wheel in (30, 100):
            pen.ellipse(x + wheel, 350, 15, 15, INK)
    pen.rect(476, 40, 484, 300, GREY)


def _draw_yard(pen: Pen) -> None:
    pen.rect(0, 90, 960, 350, (170, 182, 190))
    for x in range(0, 960, 32):
        pen.rect(x, 90, x + 2, 350, (150, 164, 172))
    for x in (110, 400, 690):
        pen.rect(x, 190, x + 170, 350, (96, 110, 124))
        for y in range(200, 350, 22):
            pen.rect(x + 6, y, x + 164, y + 15, (122, 138, 150))
    _draw_ground(pen, (178, 172, 160), 350)
    for x, y, colour in (
        (60, 420, (200, 150, 92)),
        (130, 420, (214, 166, 108)),
        (95, 358, (190, 140, 84)),
        (800, 430, (92, 140, 150)),
    ):
        pen.rect(x, y, x + 66, y + 60, colour, 3)
        pen.rect(x + 28, y, x + 38, y + 60, mix(colour, WHITE, 0.4))


def _draw_workshop(pen: Pen) -> None:
    pen.rect(0, 0, 960, 360, (222, 226, 224))
    for x in range(60, 960, 220):
        pen.rect(x, 50, x + 150, 130, (178, 206, 220), 3)
    _draw_ground(pen, (166, 176, 172), 360)
    pen.rect(0, 470, 960, 480, (238, 200, 70))
    for x in (60, 660):
        pen.rect(x, 250, x + 240, 400, (94, 138, 136), 10)
        pen.rect(x + 20, 270, x + 120, 340, (54, 76, 84), 6)
        pen.ellipse(x + 180, 300, 24, 24, (238, 180, 76))
        pen.ellipse(x + 180, 300, 10, 10, INK)
    pen.rect(0, 14, 960, 28, (238, 180, 76))


_SCENES: dict[CameraPlace, Callable[[Pen], None]] = {
    "gate": _draw_gate,
    "lobby": _draw_lobby,
    "corridor": _draw_corridor,
    "carpark": _draw_carpark,
    "yard": _draw_yard,
    "workshop": _draw_workshop,
}


def _draw_fire(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    for inset, colour in ((0, (226, 92, 48)), (26, (244, 158, 60)), (50, (252, 222, 120))):
        left, right, top = 400 + inset, 560 - inset, 260 + inset * 1.6
        draw.polygon(
            [
                (left, 470),
                (left - 6, 380),
                (left + 26, 410),
                (480, top),
                (right - 20, 404),
                (right + 8, 370),
                (right, 470),
            ],
            fill=colour,
        )
