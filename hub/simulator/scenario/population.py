"""The people and vehicles that pass the simulated cameras: known people, strangers, and cars."""

from __future__ import annotations

import random
from typing import Literal

import msgspec
from msgspec import Struct

CameraPlace = Literal["gate", "lobby", "corridor", "carpark", "yard", "workshop"]

#: The places of cameras and their names. Cameras are assigned to them in this order.
PLACES: tuple[tuple[CameraPlace, str], ...] = (
    ("gate", "Main gate"),
    ("lobby", "Lobby"),
    ("carpark", "Car park"),
    ("corridor", "Corridor 2F"),
    ("yard", "Loading yard"),
    ("workshop", "Workshop"),
)

#: RGB.
Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = (
    (255, 224, 196),
    (246, 205, 168),
    (232, 184, 140),
    (205, 150, 104),
    (158, 106, 70),
    (104, 68, 46),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (38, 32, 34),
    (74, 48, 34),
    (120, 78, 44),
    (176, 120, 60),
    (150, 150, 156),
    (222, 216, 206),
    (160, 60, 44),
)
CLOTHES: tuple[Colour, ...] = (
    (66, 112, 176),
    (196, 88, 76),
    (92, 152, 116),
    (228, 176, 80),
    (128, 98, 164),
    (72, 84, 104),
    (222, 132, 160),
    (82, 164, 172),
    (236, 232, 222),
)
HAIR_STYLES = ("short", "side", "curly", "bob", "long", "bun", "bald", "spiky")
GLASSES = ("none", "none", "none", "round", "square", "dark")
HATS = ("none", "none", "none", "none", "cap", "helmet", "beanie", "straw")
BEARDS = ("none", "none", "none", "moustache", "full", "stubble")


class Look(Struct, frozen=True):
    """How a person is drawn."""

    skin: Colour
    hair: Colour
    hair_style: str
    glasses: str
    hat: str
    beard: str
    top: Colour
    trousers: Colour
    earrings: bool


class SimulatedPerson(Struct, frozen=True):
    """A person. Strangers have neither name nor uuid, and category 0 (D8)."""

    name: str
    uuid: str
    category: int
    gender: int
    age: int
    department: str
    look: Look

    @property
    def work_id(self) -> str:
        return f"W{self.uuid}" if self.department else ""


class Car(Struct, frozen=True):
    """A vehicle and its plate. The types are those of 2.5."""

    plate: str
    plate_type: int
    type: int
    brand: str
    colour: Colour


#: Name, gender, age, category (1.12), department.
_KNOWN = (
    ("王秀英", 2, 52, 1, "后勤部"),
    ("李伟", 1, 34, 1, "研发部"),
    ("张敏", 2, 29, 1, "研发部"),
    ("刘洋", 1, 41, 1, "生产部"),
    ("陈静", 2, 37, 1, "财务部"),
    ("杨磊", 1, 26, 1, "生产部"),
    ("赵丽", 2, 45, 3, "总经办"),
    ("黄强", 1, 58, 3, "总经办"),
    ("周杰", 1, 31, 1, "安保部"),
    ("吴芳", 2, 24, 4, ""),
    ("Anna Keller", 2, 39, 4, ""),
    ("徐刚", 1, 47, 2, ""),
)
#: Province, rest of the plate, plate type, vehicle type, brand, colour.
_CARS = (
    ("粤", "B54896", 1, 19, "保时捷", (196, 60, 56)),
    ("粤", "B7K318", 1, 6, "大众", (70, 96, 140)),
    ("粤", "BD12345", 17, 17, "比亚迪", (232, 236, 238)),
    ("粤", "BF08866", 17, 21, "特斯拉", (52, 56, 64)),
    ("湘", "A9C207", 1, 16, "丰田", (212, 206, 190)),
    ("粤", "A33K91", 3, 33, "解放", (60, 120, 170)),
    ("桂", "C60182", 3, 5, "福田", (236, 236, 230)),
    ("京", "N8E630", 1, 24, "奥迪", (34, 36, 44)),
    ("沪", "A2F519", 1, 3, "五菱", (190, 196, 200)),
    ("粤", "Z1234港", 11, 27, "丰田", (110, 30, 48)),
)


class Population(Struct, frozen=True):
    """All people and cars that the cameras of one fleet see."""

    known: tuple[SimulatedPerson, ...]
    strangers: tuple[SimulatedPerson, ...]
    cars: tuple[Car, ...]


def make_population(seed: int = 0) -> Population:
    """Make a population. The same seed gives the same people and cars."""
    rng = random.Random(seed)
    known = tuple(
        SimulatedPerson(
            name,
            str(100001 + number),
            category,
            gender,
            age,
            department,
            # Clothes of different colours make known people distinguishable.
            msgspec.structs.replace(_look(rng, gender), top=CLOTHES[number % len(CLOTHES)]),
        )
        for number, (name, gender, age, category, department) in enumerate(_KNOWN)
    )
    strangers = tuple(_stranger(rng) for _ in range(10))
    cars = tuple(
        Car(province + rest, plate_type, type_, brand, colour)
        for province, rest, plate_type, type_, brand, colour in _CARS
    )
    return Population(known, strangers, cars)


def _stranger(rng: random.Random) -> SimulatedPerson:
    gender = rng.choice((1, 2))
    return SimulatedPerson("", "", 0, gender, rng.randint(16, 75), "", _look(rng, gender))


def _look(rng: random.Random, gender: int) -> Look:
    styles = HAIR_STYLES if gender == 1 else ("bob", "long", "bun", "curly", "short")
    return Look(
        skin=rng.choice(SKINS[:4] if rng.random() < 0.75 else SKINS),
        hair=rng.choice(HAIR_COLOURS[:2] if rng.random() < 0.6 else HAIR_COLOURS),
        hair_style=rng.choice(styles),
        glasses=rng.choice(GLASSES),
        hat=rng.choice(HATS),
        beard=rng.choice(BEARDS) if gender == 1 else "none",
        top=rng.choice(CLOTHES),
        trousers=rng.choice(((52, 60, 84), (86, 80, 76), (38, 40, 46), (120, 108, 90))),
        earrings=gender == 2 and rng.random() < 0.5,
    )
