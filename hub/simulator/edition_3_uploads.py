"""The uploads of a simulated camera of edition 3 (D12), with the misprints of its document.

Each function makes a body of edition 3 from the one that edition 1 has for the same sighting.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from hub.simulator.drawing.scenes import SCENE_SIZE
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import Car, Colour, SimulatedPerson
from hub.wire.code_tables import CodeName
from hub.wire.uploads import attributes, vehicle_tables

Body = dict[str, object]

VEHICLE_PATH = "/api/v1/adapter/lenfocus/vehicle/capture"
_UNKNOWN, _NO, _YES = 0, 1, 2
_HATS = {"none": 1, "helmet": 3}
_GLASSES = {"none": 1, "dark": 3}
_SOME_HAT, _SOME_GLASSES = 2, 2
#: Colours of clothes and cars, as they are drawn.
_RGB = {
    "red": (196, 60, 56),
    "orange": (228, 150, 60),
    "yellow": (228, 190, 70),
    "green": (92, 152, 116),
    "blue": (66, 112, 176),
    "purple": (128, 98, 164),
    "pink": (222, 132, 160),
    "black": (34, 36, 44),
    "white": (236, 236, 230),
    "grey": (120, 124, 130),
    "brown": (120, 78, 44),
    "silver": (190, 196, 200),
}
_PLATE_COLOURS = {1: "blue", 3: "yellow, one row", 11: "black", 17: "green"}
#: Type of 2.5 -> type of edition 3: SUV, bus, van, lorry; all others are saloons.
_CAR_TYPES = {6: 2, 21: 2, 27: 2, 4: 3, 3: 4, 5: 5, 33: 5}
_SALOON = 1
#: From the youngest age of each group of a recogniser.
_AGES = (0, 3, 10, 20, 30, 40, 50, 60, 70)


def face_of_3(body: Body, person: SimulatedPerson, position: float, rng: random.Random) -> Body:
    """A capture by a recogniser. `position`: where in the scene the person is, from 0 to 1."""
    left = round(120 + position * (SCENE_SIZE[0] - 380))
    data = body["data"]
    assert isinstance(data, dict)
    return {
        **_own_number(body),
        "pid": person.uuid,
        "time": body["time"],
        "bg_width": SCENE_SIZE[0],
        "bg_height": SCENE_SIZE[1],
        "face_rect": {"x": left + 40, "y": 192, "w": 58, "h": 72},
        "body_rect": {"x": left, "y": 190, "w": 138, "h": 332},
        "feature": [rng.uniform(-1, 1) for _ in range(512)],
        "race": 1,
        "age": person.age if person.uuid else _age_group(person.age),
        "gender": person.gender,
        **_appearance(person, rng),
        "name": person.name,
        "category": person.category,
        "id_card ": "",
        "ic_card ": "",
        "work_id": person.work_id,
        "phone": "",
        "department": person.department,
        "otherInfo": "(null)",
        "score": rng.randint(80, 99) if person.uuid else 0,
        "data": {"id": rng.randint(1, 10_000), **data},
    }


def _appearance(person: SimulatedPerson, rng: random.Random) -> Body:
    look = person.look
    return {
        "faceMask": _NO,
        "umbrella": _NO,
        "smoke": rng.choice((_NO, _NO, _NO, _YES)),
        "carryingItem": rng.choice((_UNKNOWN, _NO, _YES)),
        "cellphone": rng.choice((_NO, _NO, _YES)),
        "safetyClothing": _YES if look.hat == "helmet" else _NO,
        "headwear": _HATS.get(look.hat, _SOME_HAT),
        "glasses": _GLASSES.get(look.glasses, _SOME_GLASSES),
        "bag": rng.choice((1, 1, 2, 3)),
        "upperWear": rng.choice((1, 2)),
        "lowerWear": 1,
        "upperColor": _code(attributes.COLOURS, look.top),
        "lowerColor": _code(attributes.COLOURS, look.trousers),
        "upperWearFg": rng.choice((1, 3, 6)),
        "upperWearTexture": 1,
        "vehicle": 1,
        "occlusion": 1,
        "orientation": 1,
        "express": rng.choice((3, 4, 4)),
    }


def vehicle_of_3(body: Body, car: Car) -> Body:
    """A vehicle, flat; `body` is that of 2.5."""
    data = body["data"]
    assert isinstance(data, dict)
    plate = data["plate"]
    time = body["time"]
    assert isinstance(time, str)
    return {
        **_own_number(body),
        "time": int(time),
        "bg_width": SCENE_SIZE[0],
        "bg_height": SCENE_SIZE[1],
        "plate_rect": plate["plate_loc"],
        "car_rect": data["vehicle_loc"],
        "plate": car.plate,
        "plate_color": _number(vehicle_tables.PLATE_COLOURS, _PLATE_COLOURS.get(car.plate_type)),
        "car_color": _code(vehicle_tables.CAR_COLOURS, car.colour),
        "car_type": _CAR_TYPES.get(car.type, _SALOON),
        "car_maker": _maker(car.brand),
        "data": {
            "plate_data": plate["plate_pic"],
            "car_data": data["vehicle_pic"],
            "bg_data": data["full_image"],
            "jepg_url_frame": "sdcard/vehicle_bg.jpg",
        },
    }


def report_of_3(identity: CameraIdentity, firmware: str | None) -> Body:
    """The report of the device itself."""
    return {"did": "", "sn": identity.sn, "fwVer": firmware or "", "devName": identity.name}


def _own_number(body: Body) -> Body:
    """The fields that identify the camera: no edition gives it a did."""
    return {"did": body["did"], "sn": body["sn"]}


def _age_group(age: int) -> int:
    return max(group for group, youngest in enumerate(_AGES) if age >= youngest)


def _code(table: Mapping[int, CodeName], drawn: Colour) -> int:
    """Return the code of the colour of `table` that is nearest to `drawn` (least squares, RGB)."""

    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(_RGB[table[number].en], drawn, strict=True))

    return min(table, key=distance)


def _number(table: Mapping[int, CodeName], word: str | None) -> int:
    return next((number for number, name in table.items() if name.en == word), _UNKNOWN)


def _maker(brand: str) -> int:
    makers = vehicle_tables.CAR_MAKERS.items()
    return next((number for number, name in makers if name.zh.startswith(brand)), _UNKNOWN)
