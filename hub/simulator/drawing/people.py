"""Drawings of people: face, whole figure, and the figure in a scene.

A capture takes about 20 ms of CPU time, and finished faces and figures are cached: call these
functions in a thread.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from hub.simulator.drawing.pen import (
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
from hub.simulator.scenario.population import CameraPlace, Colour, Look, SimulatedPerson

FACE_SIZE = (240, 300)
FIGURE_SIZE = (200, 480)

#: Where the eyes look (horizontal offset) and what the mouth does, by pose.
POSES = ((0.0, "smile"), (-1.6, "calm"), (1.6, "open"), (0.0, "calm"))


@lru_cache(maxsize=256)
def face_jpeg(person: SimulatedPerson, pose: int) -> bytes:
    """Draw a face against a plain wall, as cameras crop it."""
    image = canvas(FACE_SIZE, mix(person.look.top, WHITE, 0.72))
    Pen(image, dx=120, dy=138, unit=2.6).draw("face", **_colours(person.look))
    _draw_head(image, person.look, pose, dx=120, dy=138, unit=2.6)
    return to_jpeg(finish(image, FACE_SIZE))


def body_jpeg(person: SimulatedPerson, pose: int, place: CameraPlace, hour: int) -> bytes:
    """Draw the whole person, cropped from the scene."""
    backdrop = scene(place, part_of_day(hour)).crop((380, 60, 580, 540)).resize(FIGURE_SIZE)
    figure = _figure(person, pose % len(POSES))
    backdrop.paste(figure, (0, 0), figure)
    return to_jpeg(backdrop)


def background_jpeg(
    person: SimulatedPerson,
    pose: int,
    place: CameraPlace,
    hour: int,
    *,
    position: float,
    caption: str,
) -> bytes:
    """Draw the full picture: the scene with the person at `position` (0 is left, 1 is right)."""
    picture = scene(place, part_of_day(hour)).copy()
    figure = _figure(person, pose % len(POSES)).resize((138, 332), Image.Resampling.BILINEAR)
    left = round(120 + position * (SCENE_SIZE[0] - 380))
    picture.paste(figure, (left, 190), figure)
    frame = ImageDraw.Draw(picture)
    frame.rectangle((left + 40, 192, left + 98, 264), outline=(98, 214, 120), width=2)
    return captioned_jpeg(picture, caption)


def _draw_head(
    image: Image.Image, look: Look, pose: int, *, dx: float, dy: float, unit: float
) -> None:
    """Draw a head centred on (dx, dy), 48 units wide and 58 high."""
    gaze, mouth = POSES[pose % len(POSES)]
    offsets = {"pupils": gaze, "nose": gaze * 0.4}
    for section in (
        f"behind {look.hair_style}",
        "neck",
        *(["earrings"] if look.earrings else []),
        "head",
        f"beard {look.beard}",
        "eyes",
        "pupils",
        "nose",
        f"mouth {mouth}",
        f"hair {look.hair_style}",
        f"glasses {look.glasses}",
        f"hat {look.hat}",
    ):
        pen = Pen(image, dx + offsets.get(section, 0) * unit, dy, unit)
        pen.draw(section, **_colours(look))


def _colours(look: Look) -> dict[str, Colour]:
    return {"skin": look.skin, "hair": look.hair, "top": look.top, "trousers": look.trousers}


@lru_cache(maxsize=64)
def _figure(person: SimulatedPerson, pose: int) -> Image.Image:
    """Draw the whole person on a transparent background."""
    image = Image.new(
        "RGBA", (FIGURE_SIZE[0] * SUPERSAMPLING, FIGURE_SIZE[1] * SUPERSAMPLING), (0, 0, 0, 0)
    )
    pen = Pen(image, dx=100)
    pen.draw("walking" if pose % 2 else "standing", **_colours(person.look))
    if person.category == 1:
        pen.draw("badge")
    _draw_head(image, person.look, pose, dx=100, dy=74, unit=1.72)
    return image.resize(FIGURE_SIZE, Image.Resampling.BOX)
