"""Pictures drawn at run time: flat, friendly, and plainly drawings, never photographs of people.

Everything is drawn at twice its size and halved, which smooths the edges. Scenes and figures are
kept once drawn; a capture then costs some 20 ms of a processor, so call these in a thread.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from hub.simulator.identity import Place
from hub.simulator.scenario.population import Car, Colour, Look, Person

#: Drawn larger by this, then halved.
_FINE = 2
FACE_SIZE = (240, 300)
FIGURE_SIZE = (200, 480)
SCENE_SIZE = (960, 540)
VEHICLE_SIZE = (420, 330)
PLATE_SIZE = (240, 76)

#: Ways to look at a camera: where the eyes go, what the mouth does.
POSES = ((0.0, "smile"), (-1.6, "calm"), (1.6, "open"), (0.0, "calm"))

_WHITE: Colour = (250, 250, 248)
_INK: Colour = (46, 44, 52)
_GREY: Colour = (128, 132, 140)


class Pen:
    """Draws shapes in units of its own, moved by `dx`, `dy` pixels of the finished picture."""

    def __init__(self, image: Image.Image, dx: float = 0, dy: float = 0, unit: float = 1) -> None:
        self._draw = ImageDraw.Draw(image)
        self._dx, self._dy, self._unit = dx, dy, unit

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self._draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def half(self, x: float, y: float, rx: float, ry: float, fill: Colour, up: bool = True) -> None:
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
        self, left: float, top: float, right: float, bottom: float, fill: Colour, round_: float = 0
    ) -> None:
        box = self._box(left, top, right, bottom)
        self._draw.rounded_rectangle(box, round_ * self._unit * _FINE, fill=fill)

    def shape(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        self._draw.polygon([self._point(x, y) for x, y in points], fill=fill)

    def line(self, points: Sequence[tuple[float, float]], ink: Colour, width: float) -> None:
        self._draw.line(
            [self._point(x, y) for x, y in points], ink, self._width(width), joint="curve"
        )

    def text(self, x: float, y: float, text: str, ink: Colour, size: float) -> None:
        """`text` centred on (x, y)."""
        font = _font(round(size * self._unit * _FINE))
        self._draw.text(self._point(x, y), text, fill=ink, font=font, anchor="mm")

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return (x * self._unit + self._dx) * _FINE, (y * self._unit + self._dy) * _FINE

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return *self._point(left, top), *self._point(right, bottom)

    def _width(self, width: float) -> int:
        return max(1, round(width * self._unit * _FINE))


@lru_cache(maxsize=256)
def face_jpeg(person: Person, pose: int) -> bytes:
    """The face as a camera cuts it out, before a plain wall."""
    image = _canvas(FACE_SIZE, _mix(person.look.top, _WHITE, 0.72))
    pen = Pen(image, dx=120, dy=138, unit=2.6)
    pen.ellipse(0, -2, 40, 44, _mix(person.look.top, _WHITE, 0.86))
    pen.half(0, 66, 44, 30, person.look.top)
    _draw_head(pen, person.look, *POSES[pose % len(POSES)])
    return _jpeg(_finish(image, FACE_SIZE))


def body_jpeg(person: Person, pose: int, place: Place, hour: int) -> bytes:
    """The whole person, cut out of the scene."""
    backdrop = scene(place, part_of_day(hour)).crop((380, 60, 580, 540)).resize(FIGURE_SIZE)
    figure = _figure(person, pose % len(POSES))
    backdrop.paste(figure, (0, 0), figure)
    return _jpeg(backdrop)


def background_jpeg(
    person: Person, pose: int, place: Place, hour: int, *, at: float, caption: str
) -> bytes:
    """The full picture: the scene with the person in it, at `at` (0 to 1) from the left."""
    picture = scene(place, part_of_day(hour)).copy()
    figure = _figure(person, pose % len(POSES)).resize((138, 332), Image.Resampling.BILINEAR)
    left = round(120 + at * (SCENE_SIZE[0] - 380))
    picture.paste(figure, (left, 190), figure)
    frame = ImageDraw.Draw(picture)
    frame.rectangle((left + 40, 192, left + 98, 264), outline=(98, 214, 120), width=2)
    return _captioned(picture, caption)


def scene_jpeg(place: Place, hour: int, *, event: int, caption: str) -> bytes:
    """The full picture of an event in which nobody is to be seen (2.4)."""
    picture = scene(place, part_of_day(hour)).copy()
    frame = ImageDraw.Draw(picture)
    frame.rectangle((330, 200, 640, 500), outline=(236, 168, 60), width=3)
    if event == 8:
        _draw_fire(picture)
    if event == 3:
        frame.ellipse((60, -200, 1000, 620), fill=(34, 34, 38))
    return _captioned(picture, caption)


def vehicle_pictures(
    car: Car, province: str, place: Place, hour: int, *, caption: str
) -> tuple[bytes, bytes, bytes]:
    """The full picture, the vehicle and its plate (2.5)."""
    vehicle = _vehicle(car, province)
    picture = scene(place, part_of_day(hour)).copy()
    picture.paste(vehicle, (300, 190), vehicle)
    close = scene(place, part_of_day(hour)).crop((300, 190, 720, 520)).copy()
    close.paste(vehicle, (0, 0), vehicle)
    return _captioned(picture, caption), _jpeg(close), _plate_jpeg(car, province)


def halved(jpeg: bytes) -> bytes:
    """The same picture of half the width and height, as a camera keeps it on its card."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return _jpeg(image.reduce(2))


#: Where `vehicle_pictures` puts the vehicle and its plate: x, y, w, h in the full picture.
VEHICLE_LOC = (300, 190, 420, 330)
PLATE_LOC = (300 + 158, 190 + 236, 104, 33)


def part_of_day(hour: int) -> str:
    if 8 <= hour < 17:
        return "day"
    if 6 <= hour < 8:
        return "dawn"
    return "dusk" if 17 <= hour < 20 else "night"


@lru_cache(maxsize=24)
def scene(place: Place, part: str) -> Image.Image:
    """What a camera sees when nobody is there. Not to be drawn upon: copy it."""
    image = _canvas(SCENE_SIZE, (206, 222, 232))
    _SCENES[place](Pen(image))
    tint, share = _LIGHT[part]
    image = Image.blend(image, Image.new("RGB", image.size, tint), share)
    if part in ("night", "dusk"):
        pen = Pen(image)
        for x in (150, 480, 810):
            pen.ellipse(x, 62, 16, 10, (255, 236, 176))
            pen.ellipse(x, 62, 8, 5, _WHITE)
    return _finish(image, SCENE_SIZE)


_LIGHT: dict[str, tuple[Colour, float]] = {
    "day": ((255, 255, 255), 0.0),
    "dawn": ((255, 206, 160), 0.22),
    "dusk": ((132, 76, 96), 0.34),
    "night": ((16, 22, 48), 0.62),
}


def _draw_head(pen: Pen, look: Look, gaze: float, mouth: str) -> None:
    """A head around (0, 0), 24 wide and 29 high to either side."""
    shade = _mix(look.skin, (150, 80, 60), 0.18)
    _draw_hair_behind(pen, look)
    pen.rect(-9, 22, 9, 42, shade, 4)
    for side in (-1, 1):
        pen.ellipse(side * 24, 3, 4.5, 6.5, shade)
        if look.earrings:
            pen.ellipse(side * 24.5, 10.5, 1.8, 1.8, (240, 200, 90))
    pen.ellipse(0, 0, 24, 29, look.skin)
    for side in (-1, 1):
        pen.ellipse(side * 14, 10, 4.5, 3, _mix(look.skin, (236, 110, 100), 0.32))
    _draw_beard(pen, look)
    _draw_eyes(pen, look, gaze)
    pen.arc(gaze * 0.4, 6, 2.6, 3.2, (20, 160), shade, 1.2)
    _draw_mouth(pen, mouth)
    _draw_hair_in_front(pen, look)
    _draw_glasses(pen, look)
    _draw_hat(pen, look)


def _draw_eyes(pen: Pen, look: Look, gaze: float) -> None:
    brow = _mix(look.hair, _INK, 0.4)
    for side in (-1, 1):
        pen.ellipse(side * 9.5, -1, 4.6, 3.6, _WHITE)
        pen.ellipse(side * 9.5 + gaze, -1, 2.4, 2.7, _INK)
        pen.ellipse(side * 9.5 + gaze + 0.8, -1.9, 0.8, 0.8, _WHITE)
        pen.arc(side * 9.5, -6, 5.5, 3, (200, 340), brow, 1.5)


def _draw_mouth(pen: Pen, mouth: str) -> None:
    lip: Colour = (176, 74, 76)
    if mouth == "smile":
        pen.arc(0, 12, 7.5, 5.5, (20, 160), lip, 1.6)
    elif mouth == "open":
        pen.half(0, 13.5, 7, 5.5, (138, 52, 58), up=False)
        pen.rect(-5.5, 13.5, 5.5, 15, _WHITE)
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
            pen.shape([(x - 7, -14), (x + 1, -40 + abs(x) * 0.5), (x + 7, -14)], hair)
        pen.half(0, -9, 25, 21, hair)
    elif look.hair_style == "side":
        pen.half(0, -7, 25.5, 24, hair)
        pen.shape([(-25, -8), (10, -20), (24, -6), (25, -12), (0, -31)], hair)
    else:
        pen.half(0, -9, 25.5, 22, hair)
    if look.hair_style in ("long", "bob"):
        for side in (-1, 1):
            pen.rect(min(side * 27, side * 20), -14, max(side * 27, side * 20), 14, hair, 4)


def _draw_beard(pen: Pen, look: Look) -> None:
    if look.beard == "full":
        pen.half(0, 8, 23, 22, look.hair, up=False)
        pen.ellipse(0, 8, 17, 5, look.skin)
    elif look.beard == "stubble":
        pen.half(0, 9, 21, 19, _mix(look.skin, look.hair, 0.3), up=False)
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
            pen.ring(side * 9.5, -0.5, 7, 7, _INK, 1.2)
        else:
            corners = [(-7, -6), (7, -6), (7, 5), (-7, 5), (-7, -6)]
            pen.line([(side * 9.5 + x, y) for x, y in corners], _INK, 1.3)
    pen.line([(-2.6, -1.5), (2.6, -1.5)], _INK, 1.2)


def _draw_hat(pen: Pen, look: Look) -> None:
    if look.hat == "cap":
        pen.half(0, -11, 26, 23, look.trousers)
        pen.rect(-4, -14, 32, -9, _mix(look.trousers, _INK, 0.35), 2.5)
    elif look.hat == "helmet":
        pen.half(0, -11, 27, 25, (244, 198, 60))
        pen.rect(-31, -13, 31, -8.5, (226, 172, 40), 2.2)
        pen.rect(-3, -37, 3, -12, (252, 218, 110), 2)
    elif look.hat == "beanie":
        pen.half(0, -11, 26.5, 25, look.top)
        pen.rect(-27, -16, 27, -8.5, _mix(look.top, _WHITE, 0.35), 3)
        pen.ellipse(0, -37, 5, 5, _WHITE)
    elif look.hat == "straw":
        pen.ellipse(0, -14, 40, 6.5, (226, 196, 128))
        pen.half(0, -14, 23, 22, (238, 212, 150))
        pen.rect(-23, -19, 23, -14.5, (176, 90, 70))


@lru_cache(maxsize=64)
def _figure(person: Person, pose: int) -> Image.Image:
    """The whole person on nothing."""
    look = person.look
    image = Image.new("RGBA", (FIGURE_SIZE[0] * _FINE, FIGURE_SIZE[1] * _FINE), (0, 0, 0, 0))
    pen = Pen(image, dx=100, dy=0, unit=1)
    step = 8 if pose % 2 else 3
    pen.ellipse(0, 464, 72, 10, (110, 114, 122))
    for side in (-1, 1):
        foot = side * (20 + step)
        hip = [(side * 4, 280), (side * 40, 280)]
        pen.shape([*hip, (foot + side * 16, 452), (foot - side * 16, 452)], look.trousers)
        pen.rect(foot - 20, 446, foot + 20, 466, _INK, 9)
        arm = side * (74 + step)
        pen.line([(side * 48, 150), (arm, 220), (arm - side * 6, 284)], look.top, 26)
        pen.ellipse(arm - side * 6, 292, 13, 13, look.skin)
    pen.rect(-58, 124, 58, 300, look.top, 34)
    pen.line([(0, 140), (0, 296)], _mix(look.top, _INK, 0.2), 2)
    if person.category == 1:
        pen.rect(22, 176, 44, 206, _WHITE, 3)
        pen.rect(26, 182, 40, 192, _GREY, 2)
    _draw_head(Pen(image, dx=100, dy=74, unit=1.72), look, *POSES[pose])
    return image.resize(FIGURE_SIZE, Image.Resampling.BOX)


def _draw_ground(pen: Pen, ground: Colour, horizon: float) -> None:
    pen.rect(0, horizon, 960, 540, ground)
    pen.rect(0, horizon, 960, horizon + 4, _mix(ground, _INK, 0.18))


def _draw_tree(pen: Pen, x: float, y: float, size: float) -> None:
    pen.rect(x - size * 0.09, y - size * 0.5, x + size * 0.09, y, (122, 92, 70))
    for dx, dy, r in ((-0.24, -0.72, 0.3), (0.24, -0.72, 0.3), (0, -0.98, 0.36)):
        pen.ellipse(x + dx * size, y + dy * size, r * size, r * size, (112, 160, 116))


def _draw_gate(pen: Pen) -> None:
    pen.rect(0, 150, 960, 360, (226, 214, 196))
    for x in range(40, 960, 150):
        pen.rect(x, 190, x + 84, 268, (150, 182, 202), 4)
        pen.rect(x + 40, 190, x + 44, 268, _WHITE)
    _draw_ground(pen, (188, 190, 194), 360)
    pen.shape([(330, 540), (410, 364), (550, 364), (640, 540)], (168, 170, 176))
    for x in (300, 640):
        pen.rect(x, 210, x + 40, 392, (160, 96, 82), 3)
        pen.rect(x - 6, 198, x + 46, 216, (134, 78, 68), 3)
    for number in range(8):
        colour = (214, 74, 66) if number % 2 else _WHITE
        pen.rect(340 + number * 38, 316, 378 + number * 38, 328, colour)
    _draw_tree(pen, 130, 400, 190)
    _draw_tree(pen, 850, 404, 210)


def _draw_lobby(pen: Pen) -> None:
    pen.rect(0, 0, 960, 380, (238, 232, 222))
    pen.rect(0, 0, 960, 46, (216, 208, 196))
    for x in (150, 480, 810):
        pen.rect(x - 60, 18, x + 60, 30, (255, 250, 232), 5)
    pen.rect(70, 120, 270, 380, (172, 204, 218))
    pen.rect(168, 120, 173, 380, _WHITE)
    _draw_ground(pen, (206, 196, 182), 380)
    pen.rect(610, 300, 890, 420, (150, 110, 80), 8)
    pen.rect(596, 288, 904, 306, (112, 80, 58), 5)
    pen.rect(690, 150, 830, 210, (90, 132, 150), 6)
    pen.text(760, 180, "WELCOME", _WHITE, 22)
    pen.rect(356, 340, 396, 400, (190, 120, 90), 6)
    for dx, dy in ((-26, -40), (0, -62), (26, -40), (-12, -20), (14, -22)):
        pen.ellipse(376 + dx, 330 + dy, 20, 24, (96, 150, 110))


def _draw_corridor(pen: Pen) -> None:
    pen.rect(0, 0, 960, 540, (230, 230, 226))
    pen.shape([(0, 0), (960, 0), (600, 150), (360, 150)], (244, 244, 240))
    pen.shape([(0, 540), (960, 540), (600, 340), (360, 340)], (190, 182, 170))
    pen.rect(360, 150, 600, 340, (214, 218, 218))
    pen.rect(436, 200, 524, 340, (126, 146, 166), 3)
    for near, far in (((40, 96, 540), (150, 130, 452)), ((220, 150, 416), (290, 160, 384))):
        (x, top, bottom), (x2, top2, bottom2) = near, far
        for left in (True, False):
            points = [(x, top), (x2, top2), (x2, bottom2), (x, bottom)]
            mirrored = [(px if left else 960 - px, py) for px, py in points]
            pen.shape(mirrored, (176, 150, 124))
    for y, half in ((30, 60), (80, 42), (120, 28)):
        pen.shape(
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
        pen.shape(
            [
                (x, 540),
                (x + 14, 540),
                (480 + (x - 480) * 0.62 + 8, 330),
                (480 + (x - 480) * 0.62, 330),
            ],
            _WHITE,
        )
    for x, colour in ((70, (184, 92, 84)), (770, (96, 126, 160))):
        pen.rect(x, 300, x + 130, 350, colour, 16)
        pen.rect(x + 24, 272, x + 106, 312, _mix(colour, _WHITE, 0.5), 14)
        for wheel in (30, 100):
            pen.ellipse(x + wheel, 350, 15, 15, _INK)
    pen.rect(476, 40, 484, 300, _GREY)


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
        pen.rect(x + 28, y, x + 38, y + 60, _mix(colour, _WHITE, 0.4))


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
        pen.ellipse(x + 180, 300, 10, 10, _INK)
    pen.rect(0, 14, 960, 28, (238, 180, 76))


_SCENES: dict[Place, Callable[[Pen], None]] = {
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


@lru_cache(maxsize=32)
def _vehicle(car: Car, province: str) -> Image.Image:
    """A vehicle from the front, on nothing."""
    image = Image.new("RGBA", (VEHICLE_SIZE[0] * _FINE, VEHICLE_SIZE[1] * _FINE), (0, 0, 0, 0))
    pen = Pen(image, dx=210)
    tall = car.type in (3, 5, 33, 4, 7)
    dark = _mix(car.colour, _INK, 0.3)
    top = 24 if tall else 70
    for side in (-1, 1):
        pen.rect(min(side * 170, side * 118), 236, max(side * 170, side * 118), 318, _INK, 14)
        pen.ellipse(side * 182, 150, 22, 14, dark)
    pen.rect(-140, top, 140, 240, car.colour, 30 if tall else 60)
    pen.rect(-118, top + 22, 118, 146, (150, 190, 208), 22)
    pen.shape([(-60, 146), (-10, top + 22), (30, top + 22), (-20, 146)], (182, 212, 224))
    pen.rect(-176, 142, 176, 290, car.colour, 34)
    pen.rect(-84, 176, 84, 212, dark, 10)
    for side in (-1, 1):
        pen.ellipse(side * 130, 192, 30, 20, (255, 246, 214))
        pen.ellipse(side * 130, 192, 14, 11, _WHITE)
    pen.rect(-168, 270, 168, 296, dark, 10)
    vehicle = image.resize(VEHICLE_SIZE, Image.Resampling.BOX)
    plate = _plate(car, province).resize((104, 33), Image.Resampling.BOX)
    vehicle.paste(plate, (158, 236))
    return vehicle


#: plate type of 2.5 -> ground and ink
_PLATES: dict[int, tuple[Colour, Colour]] = {
    1: ((32, 84, 178), _WHITE),
    3: ((238, 184, 52), _INK),
    11: ((30, 30, 34), _WHITE),
    17: ((150, 214, 160), _INK),
}


def _plate(car: Car, province: str) -> Image.Image:
    ground, ink = _PLATES.get(car.plate_type, _PLATES[1])
    image = _canvas(PLATE_SIZE, ground)
    pen = Pen(image)
    pen.rect(3, 3, 237, 73, ink, 8)
    pen.rect(6, 6, 234, 70, ground, 6)
    # No font of this machine need have the province's character: its abbreviation is drawn.
    pen.rect(14, 14, 58, 62, ink, 8)
    pen.text(36, 38, province, ground, 17)
    letters = "".join(letter for letter in car.plate if letter.isascii())
    pen.text(146, 38, f"{letters[:1]} {letters[1:]}", ink, 37 if len(letters) < 7 else 33)
    return _finish(image, PLATE_SIZE)


def _plate_jpeg(car: Car, province: str) -> bytes:
    return _jpeg(_plate(car, province))


def _captioned(picture: Image.Image, caption: str) -> bytes:
    draw = ImageDraw.Draw(picture)
    draw.text((16, 12), caption, fill=_WHITE, font=_font(20), stroke_width=2, stroke_fill=_INK)
    return _jpeg(picture)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _canvas(size: tuple[int, int], ground: Colour) -> Image.Image:
    return Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), ground)


def _finish(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BOX)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=88)
    return out.getvalue()
