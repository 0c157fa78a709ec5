"""Drawings of people: face, whole figure, and the figure in a scene.

A capture takes about 20 ms of CPU time, and finished faces and figures are cached: call these
functions in a thread.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from hub.simulator.drawing.pen import (
    GREY,
    INK,
    SUPERSAMPLING,
    WHITE,
    Pen,
    canvas,
    captioned_jpeg,
    finish,
    mix,
    to_jpeg,
)
from hub.simulator.drawing.scenes import SCENE_SIZE, part_of_day, scene
from hub.simulator.scenario.population import CameraPlace, Colour, Look, Person

FACE_SIZE = (240, 300)
FIGURE_SIZE = (200, 480)

#: Where the eyes look (horizontal offset) and what the mouth does, by pose.
POSES = ((0.0, "smile"), (-1.6, "calm"), (1.6, "open"), (0.0, "calm"))


@lru_cache(maxsize=256)
def face_jpeg(person: Person, pose: int) -> bytes:
    """Draw a face against a plain wall, as cameras crop it."""
    image = canvas(FACE_SIZE, mix(person.look.top, WHITE, 0.72))
    pen = Pen(image, dx=120, dy=138, unit=2.6)
    pen.ellipse(0, -2, 40, 44, mix(person.look.top, WHITE, 0.86))
    pen.half_ellipse(0, 66, 44, 30, person.look.top)
    _draw_head(pen, person.look, *POSES[pose % len(POSES)])
    return to_jpeg(finish(image, FACE_SIZE))


def body_jpeg(person: Person, pose: int, place: CameraPlace, hour: int) -> bytes:
    """Draw the whole person, cropped from the scene."""
    backdrop = scene(place, part_of_day(hour)).crop((380, 60, 580, 540)).resize(FIGURE_SIZE)
    figure = _figure(person, pose % len(POSES))
    backdrop.paste(figure, (0, 0), figure)
    return to_jpeg(backdrop)


def background_jpeg(
    person: Person, pose: int, place: CameraPlace, hour: int, *, position: float, caption: str
) -> bytes:
    """Draw the full picture: the scene with the person at `position` (0 is left, 1 is right)."""
    picture = scene(place, part_of_day(hour)).copy()
    figure = _figure(person, pose % len(POSES)).resize((138, 332), Image.Resampling.BILINEAR)
    left = round(120 + position * (SCENE_SIZE[0] - 380))
    picture.paste(figure, (left, 190), figure)
    frame = ImageDraw.Draw(picture)
    frame.rectangle((left + 40, 192, left + 98, 264), outline=(98, 214, 120), width=2)
    return captioned_jpeg(picture, caption)


def _draw_head(pen: Pen, look: Look, gaze: float, mouth: str) -> None:
    """Draw a head centred on (0, 0), 48 units wide and 58 high."""
    shade = mix(look.skin, (150, 80, 60), 0.18)
    _draw_hair_behind(pen, look)
    pen.rect(-9, 22, 9, 42, shade, 4)
    for side in (-1, 1):
        pen.ellipse(side * 24, 3, 4.5, 6.5, shade)
        if look.earrings:
            pen.ellipse(side * 24.5, 10.5, 1.8, 1.8, (240, 200, 90))
    pen.ellipse(0, 0, 24, 29, look.skin)
    for side in (-1, 1):
        pen.ellipse(side * 14, 10, 4.5, 3, mix(look.skin, (236, 110, 100), 0.32))
    _draw_beard(pen, look)
    _draw_eyes(pen, look, gaze)
    pen.arc(gaze * 0.4, 6, 2.6, 3.2, (20, 160), shade, 1.2)
    _draw_mouth(pen, mouth)
    _draw_hair_in_front(pen, look)
    _draw_glasses(pen, look)
    _draw_hat(pen, look)


def _draw_eyes(pen: Pen, look: Look, gaze: float) -> None:
    brow = mix(look.hair, INK, 0.4)
    for side in (-1, 1):
        pen.ellipse(side * 9.5, -1, 4.6, 3.6, WHITE)
        pen.ellipse(side * 9.5 + gaze, -1, 2.4, 2.7, INK)
        pen.ellipse(side * 9.5 + gaze + 0.8, -1.9, 0.8, 0.8, WHITE)
        pen.arc(side * 9.5, -6, 5.5, 3, (200, 340), brow, 1.5)


def _draw_mouth(pen: Pen, mouth: str) -> None:
    lip: Colour = (176, 74, 76)
    if mouth == "smile":
        pen.arc(0, 12, 7.5, 5.5, (20, 160), lip, 1.6)
    elif mouth == "open":
        pen.half_ellipse(0, 13.5, 7, 5.5, (138, 52, 58), up=False)
        pen.rect(-5.5, 13.5, 5.5, 15, WHITE)
    else:
        pen.line([(-5.5, 16), (5.5, 16)], lip, 1.6)


def _draw_hair_behind(pen: Pen, look: Look) -> None:
    if look.hair_style == "long":
        pen.rect(-29, -22, 29, 46, look.hair, 22)
    elif look.hair_style == "bob":
        pen.rect(-29, -26, 29, 24, look.hair, 20)
    elif look.hair_style == "bun":
        pen.ellipse(0, -34, 11, 10, look.hair)
    elif look.hair_style == "curly":
        for x, y in ((-24, -8), (-22, -20), (22, -20), (24, -8), (-25, 4), (25, 4)):
            pen.ellipse(x, y, 9, 9, look.hair)


def _draw_hair_in_front(pen: Pen, look: Look) -> None:
    hair = look.hair
    if look.hair_style == "bald":
        return
    if look.hair_style == "curly":
        for x, y in ((-17, -21), (-8, -27), (2, -29), (12, -26), (19, -19)):
            pen.ellipse(x, y, 8.5, 7.5, hair)
    elif look.hair_style == "spiky":
        for x in (-18, -9, 0, 9, 18):
            pen.polygon([(x - 7, -14), (x + 1, -40 + abs(x) * 0.5), (x + 7, -14)], hair)
        pen.half_ellipse(0, -9, 25, 21, hair)
    elif look.hair_style == "side":
        pen.half_ellipse(0, -7, 25.5, 24, hair)
        pen.polygon([(-25, -8), (10, -20), (24, -6), (25, -12), (0, -31)], hair)
    else:
        pen.half_ellipse(0, -9, 25.5, 22, hair)
    if look.hair_style in ("long", "bob"):
        for side in (-1, 1):
            pen.rect(min(side * 27, side * 20), -14, max(side * 27, side * 20), 14, hair, 4)


def _draw_beard(pen: Pen, look: Look) -> None:
    if look.beard == "full":
        pen.half_ellipse(0, 8, 23, 22, look.hair, up=False)
        pen.ellipse(0, 8, 17, 5, look.skin)
    elif look.beard == "stubble":
        pen.half_ellipse(0, 9, 21, 19, mix(look.skin, look.hair, 0.3), up=False)
        pen.ellipse(0, 9, 17, 5, look.skin)
    if look.beard in ("full", "moustache"):
        pen.rect(-7, 9.5, 7, 12.5, look.hair, 1.5)


def _draw_glasses(pen: Pen, look: Look) -> None:
    if look.glasses == "none":
        return
    for side in (-1, 1):
        if look.glasses == "dark":
            pen.rect(side * 9.5 - 7.5, -6, side * 9.5 + 7.5, 5, (40, 40, 48), 4)
        elif look.glasses == "round":
            pen.ring(side * 9.5, -0.5, 7, 7, INK, 1.2)
        else:
            corners = [(-7, -6), (7, -6), (7, 5), (-7, 5), (-7, -6)]
            pen.line([(side * 9.5 + x, y) for x, y in corners], INK, 1.3)
    pen.line([(-2.6, -1.5), (2.6, -1.5)], INK, 1.2)


def _draw_hat(pen: Pen, look: Look) -> None:
    if look.hat == "cap":
        pen.half_ellipse(0, -11, 26, 23, look.trousers)
        pen.rect(-4, -14, 32, -9, mix(look.trousers, INK, 0.35), 2.5)
    elif look.hat == "helmet":
        pen.half_ellipse(0, -11, 27, 25, (244, 198, 60))
        pen.rect(-31, -13, 31, -8.5, (226, 172, 40), 2.2)
        pen.rect(-3, -37, 3, -12, (252, 218, 110), 2)
    elif look.hat == "beanie":
        pen.half_ellipse(0, -11, 26.5, 25, look.top)
        pen.rect(-27, -16, 27, -8.5, mix(look.top, WHITE, 0.35), 3)
        pen.ellipse(0, -37, 5, 5, WHITE)
    elif look.hat == "straw":
        pen.ellipse(0, -14, 40, 6.5, (226, 196, 128))
        pen.half_ellipse(0, -14, 23, 22, (238, 212, 150))
        pen.rect(-23, -19, 23, -14.5, (176, 90, 70))


@lru_cache(maxsize=64)
def _figure(person: Person, pose: int) -> Image.Image:
    """Draw the whole person on a transparent background."""
    look = person.look
    image = Image.new(
        "RGBA", (FIGURE_SIZE[0] * SUPERSAMPLING, FIGURE_SIZE[1] * SUPERSAMPLING), (0, 0, 0, 0)
    )
    pen = Pen(image, dx=100, dy=0, unit=1)
    step = 8 if pose % 2 else 3
    pen.ellipse(0, 464, 72, 10, (110, 114, 122))
    for side in (-1, 1):
        foot = side * (20 + step)
        hip = [(side * 4, 280), (side * 40, 280)]
        pen.polygon([*hip, (foot + side * 16, 452), (foot - side * 16, 452)], look.trousers)
        pen.rect(foot - 20, 446, foot + 20, 466, INK, 9)
        arm = side * (74 + step)
        pen.line([(side * 48, 150), (arm, 220), (arm - side * 6, 284)], look.top, 26)
        pen.ellipse(arm - side * 6, 292, 13, 13, look.skin)
    pen.rect(-58, 124, 58, 300, look.top, 34)
    pen.line([(0, 140), (0, 296)], mix(look.top, INK, 0.2), 2)
    if person.category == 1:
        pen.rect(22, 176, 44, 206, WHITE, 3)
        pen.rect(26, 182, 40, 192, GREY, 2)
    _draw_head(Pen(image, dx=100, dy=74, unit=1.72), look, *POSES[pose])
    return image.resize(FIGURE_SIZE, Image.Resampling.BOX)
