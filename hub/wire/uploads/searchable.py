"""What can be searched of a person or a vehicle, in the words that searches use.

One question has one meaning, whatever edition sent the record (D12): so it is with a helmet, and
with the colour of a plate, which the first edition tells by the plate's type. Age is none of them:
years, the groups of recognisers and those of capture cameras cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from hub.wire.code_tables import GENDERS, VEHICLE_TYPES, CodeName
from hub.wire.commands.capabilities import Edition
from hub.wire.uploads import attributes
from hub.wire.uploads.attributes import Values
from hub.wire.uploads.records import Detail, FaceDetail, VehicleDetail
from hub.wire.uploads.vehicle_tables import (
    CAR_COLOURS,
    CAR_MAKERS,
    MAKERS_BY_TEXT,
    PLATE_COLOUR_OF_TYPE,
)

#: The records that can have an attribute.
Bearer = Literal["face", "vehicle"]
#: What a search asks of attributes: the name of each, and the words of which one is enough.
AskedAttributes = tuple[tuple[str, tuple[str, ...]], ...]


class Searchable(Struct, frozen=True):
    """One attribute. `key`: its name in searches; `values`: by the number that the store keeps.

    The English name of a value is the word that searches use. `edition`: the first that sends it.
    """

    key: str
    of: Bearer
    name: CodeName
    values: Values
    edition: Edition = 3

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(one.en for one in self.values.values())


#: The colours of plates, without the rows of their text.
PLATE_COLOURS: Values = {
    1: CodeName("blue", "蓝色"),
    2: CodeName("yellow", "黄色"),
    3: CodeName("yellow-green", "黄绿色"),
    4: CodeName("green", "绿色"),
    5: CodeName("black", "黑色"),
    6: CodeName("white", "白色"),
}
_ROWS_OF_PLATES = {"yellow, one row": "yellow", "yellow, two rows": "yellow"}
_NO_YES: Values = {1: attributes.NO, 2: attributes.YES}
_OF_PEOPLE = (
    attributes.HEADWEAR,
    attributes.MASK,
    attributes.GLASSES,
    attributes.BAG,
    attributes.UPPER_COLOUR,
    attributes.LOWER_COLOUR,
    attributes.UPPER_WEAR,
    attributes.UPPER_GARMENT,
    attributes.LOWER_WEAR,
    attributes.SAFETY_CLOTHING,
    attributes.SMOKING,
    attributes.PHONE_IN_HAND,
    attributes.RIDES,
    attributes.CARRYING,
    attributes.UMBRELLA,
)
_SENT_BY_2 = frozenset(one.key for one in attributes.SENT_BY_2.values())

_ALL = (
    Searchable("gender", "face", CodeName("Gender", "性别"), GENDERS, edition=1),
    Searchable("helmet", "face", attributes.HELMET.name, _NO_YES, edition=2),
    *(
        Searchable(one.key, "face", one.name, one.values, 2 if one.key in _SENT_BY_2 else 3)
        for one in _OF_PEOPLE
    ),
    Searchable(
        "car_type",
        "vehicle",
        CodeName("Vehicle type", "车型"),
        {number: name for number, name in VEHICLE_TYPES.items() if number},
        edition=1,
    ),
    Searchable(
        "plate_colour", "vehicle", CodeName("Plate colour", "车牌颜色"), PLATE_COLOURS, edition=1
    ),
    Searchable("car_colour", "vehicle", CodeName("Vehicle colour", "车身颜色"), CAR_COLOURS),
    Searchable("car_maker", "vehicle", CodeName("Brand", "品牌"), CAR_MAKERS, edition=1),
)
#: Every attribute that can be searched, by its name in searches.
SEARCHABLE: Mapping[str, Searchable] = {one.key: one for one in _ALL}


def searchable_words(detail: Detail) -> dict[str, str]:
    """What a search finds a record by: the word of each attribute that it has."""
    if isinstance(detail, FaceDetail):
        words = {key: word for key, word in detail.attributes.items() if key in SEARCHABLE}
        if detail.gender in GENDERS:
            words["gender"] = GENDERS[detail.gender].en
        return words
    return _words_of_vehicle(detail) if isinstance(detail, VehicleDetail) else {}


def _words_of_vehicle(detail: VehicleDetail) -> dict[str, str]:
    plate, vehicle = detail.plate, detail.vehicle
    sent = plate.colour or PLATE_COLOUR_OF_TYPE.get(plate.type or 0, "")
    kind = VEHICLE_TYPES.get(vehicle.type or 0) if vehicle.type else None
    maker = MAKERS_BY_TEXT.get((vehicle.brand or "").strip().casefold())
    words = {
        "plate_colour": _ROWS_OF_PLATES.get(sent, sent),
        "car_type": kind.en if kind else "",
        "car_maker": maker.en if maker else "",
        "car_colour": vehicle.colour or "",
    }
    return {key: word for key, word in words.items() if word}
