"""Drawings of vehicles and their number plates (2.5)."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

from hub.simulator.drawing.pen import (
    INK,
    SUPERSAMPLING,
    WHITE,
    Pen,
    canvas,
    captioned_jpeg,
    finish,
    to_jpeg,
)
from hub.simulator.drawing.scenes import part_of_day, scene
from hub.simulator.scenario.population import CameraPlace, Car, Colour

VEHICLE_SIZE = (420, 330)
PLATE_SIZE = (240, 76)
#: The positions of the vehicle and its plate in the full picture: x, y, width, height.
VEHICLE_LOC = (300, 190, 420, 330)
PLATE_LOC = (300 + 158, 190 + 236, 104, 33)
#: Types of vehicles (2.5) that are high.
_TALL = (3, 5, 33, 4, 7)


def vehicle_jpegs(
    car: Car, province: str, place: CameraPlace, hour: int, *, caption: str
) -> tuple[bytes, bytes, bytes]:
    """Draw the full picture, the vehicle and its plate (2.5)."""
    vehicle = _vehicle(car, province)
    picture = scene(place, part_of_day(hour)).copy()
    picture.paste(vehicle, (300, 190), vehicle)
    close = scene(place, part_of_day(hour)).crop((300, 190, 720, 520)).copy()
    close.paste(vehicle, (0, 0), vehicle)
    return captioned_jpeg(picture, caption), to_jpeg(close), _plate_jpeg(car, province)


@lru_cache(maxsize=32)
def _vehicle(car: Car, province: str) -> Image.Image:
    """Draw a vehicle from the front, on a transparent background."""
    image = Image.new(
        "RGBA", (VEHICLE_SIZE[0] * SUPERSAMPLING, VEHICLE_SIZE[1] * SUPERSAMPLING), (0, 0, 0, 0)
    )
    pen = Pen(image, dx=210)
    pen.draw("tall car" if car.type in _TALL else "low car", paint=car.colour)
    pen.draw("front", paint=car.colour)
    vehicle = image.resize(VEHICLE_SIZE, Image.Resampling.BOX)
    plate = _plate(car, province).resize((104, 33), Image.Resampling.BOX)
    vehicle.paste(plate, (158, 236))
    return vehicle


#: Colours of background and text, by plate type (2.5).
_PLATES: dict[int, tuple[Colour, Colour]] = {
    1: ((32, 84, 178), WHITE),
    3: ((238, 184, 52), INK),
    11: ((30, 30, 34), WHITE),
    17: ((150, 214, 160), INK),
}


def _plate(car: Car, province: str) -> Image.Image:
    ground, ink = _PLATES.get(car.plate_type, _PLATES[1])
    image = canvas(PLATE_SIZE, ground)
    pen = Pen(image)
    pen.draw("plate", ground=ground, letters=ink)
    # Not every font has the Chinese character of the province: draw its Latin name.
    pen.text(36, 38, province, ground, 17)
    letters = "".join(letter for letter in car.plate if letter.isascii())
    pen.text(146, 38, f"{letters[:1]} {letters[1:]}", ink, 37 if len(letters) < 7 else 33)
    return finish(image, PLATE_SIZE)


def _plate_jpeg(car: Car, province: str) -> bytes:
    return to_jpeg(_plate(car, province))
