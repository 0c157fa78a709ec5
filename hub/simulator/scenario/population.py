"""Who and what passes the simulated cameras: a cast that returns, strangers, and vehicles."""

from __future__ import annotations

import random

import msgspec
from msgspec import Struct

#: Colours are RGB.
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
    """How somebody is drawn."""

    skin: Colour
    hair: Colour
    hair_style: str
    glasses: str
    hat: str
    beard: str
    top: Colour
    trousers: Colour
    earrings: bool


class Person(Struct, frozen=True):
    """Somebody who passes. Strangers have no name and no uuid (D8: category 0)."""

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
    """A vehicle with its plate, with the numbers of 2.5."""

    plate: str
    plate_type: int
    type: int
    brand: str
    colour: Colour


#: name, gender, age, category of 1.12, department
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
#: province, what follows it, plate type, vehicle type, brand, colour
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


class Cast(Struct, frozen=True):
    """Everybody and everything that may pass, the same for the same seed."""

    known: tuple[Person, ...]
    strangers: tuple[Person, ...]
    cars: tuple[Car, ...]


def make_cast(seed: int = 0) -> Cast:
    chance = random.Random(seed)
    known = tuple(
        Person(
            name,
            str(100001 + number),
            category,
            gender,
            age,
            department,
            # Those who return are told apart by what they wear.
            msgspec.structs.replace(_look(chance, gender), top=CLOTHES[number % len(CLOTHES)]),
        )
        for number, (name, gender, age, category, department) in enumerate(_KNOWN)
    )
    strangers = tuple(_stranger(chance) for _ in range(10))
    cars = tuple(
        Car(province + rest, plate_type, type_, brand, colour)
        for province, rest, plate_type, type_, brand, colour in _CARS
    )
    return Cast(known, strangers, cars)


def _stranger(chance: random.Random) -> Person:
    gender = chance.choice((1, 2))
    return Person("", "", 0, gender, chance.randint(16, 75), "", _look(chance, gender))


def _look(chance: random.Random, gender: int) -> Look:
    styles = HAIR_STYLES if gender == 1 else ("bob", "long", "bun", "curly", "short")
    return Look(
        skin=chance.choice(SKINS[:4] if chance.random() < 0.75 else SKINS),
        hair=chance.choice(HAIR_COLOURS[:2] if chance.random() < 0.6 else HAIR_COLOURS),
        hair_style=chance.choice(styles),
        glasses=chance.choice(GLASSES),
        hat=chance.choice(HATS),
        beard=chance.choice(BEARDS) if gender == 1 else "none",
        top=chance.choice(CLOTHES),
        trousers=chance.choice(((52, 60, 84), (86, 80, 76), (38, 40, 46), (120, 108, 90))),
        earrings=gender == 2 and chance.random() < 0.5,
    )
