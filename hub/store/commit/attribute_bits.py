"""The searchable attributes of a record as one integer, and the conditions on it as SQL.

Each attribute has its own bits, which hold the number of its value, 0 if it is not known; the
lowest bit tells vehicles from people. The integers are kept: an attribute never changes its place,
and new ones go above the others of their kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from hub.wire.uploads.records import Detail
from hub.wire.uploads.searchable import SEARCHABLE, AskedAttributes, searchable_words

_IS_VEHICLE = 1
#: How many bits each has, from the second on. The first of those of people are known of most, and
#: SQLite keeps small integers in fewer bytes.
_PEOPLE = {
    "gender": 2,
    "helmet": 2,
    "headwear": 2,
    "mask": 2,
    "glasses": 2,
    "bag": 2,
    "upper_colour": 4,
    "lower_colour": 4,
    "upper_wear": 2,
    "upper_garment": 4,
    "lower_wear": 3,
    "safety_clothing": 2,
    "smoking": 2,
    "phone_in_hand": 2,
    "rides": 3,
    "carrying": 2,
    "umbrella": 2,
}
_VEHICLES = {"car_type": 6, "plate_colour": 3, "car_colour": 4, "car_maker": 7}


class _Place(Struct, frozen=True):
    """Where the number of an attribute is. `parts`: the bits of each word, in their place."""

    shift: int
    mask: int
    parts: Mapping[str, int]


def _places(widths: Mapping[str, int]) -> Iterator[tuple[str, _Place]]:
    shift = 1
    for key, width in widths.items():
        values = SEARCHABLE[key].values
        parts = {name.en: number << shift for number, name in values.items()}
        yield key, _Place(shift, (1 << width) - 1, parts)
        shift += width


_PLACES: Mapping[str, _Place] = dict([*_places(_PEOPLE), *_places(_VEHICLES)])


def bits_of(detail: Detail) -> int:
    """Return what a search finds a record by; 0 if it has no such attribute."""
    bits = 0
    for key, word in searchable_words(detail).items():
        part = _PLACES[key].parts.get(word, 0)
        if part and key in _VEHICLES:
            part |= _IS_VEHICLE
        bits |= part
    return bits


def condition_on_bits(asked: AskedAttributes) -> str:
    """Return the condition on a column `bits`. Words that are not in the tables match nothing."""
    mask = value = _IS_VEHICLE if any(key in _VEHICLES for key, _ in asked) else 0
    mask |= _IS_VEHICLE
    others: list[str] = []
    for key, words in asked:
        place = _PLACES[key]
        found = {place.parts[word] for word in words if word in place.parts}
        numbers = sorted(part >> place.shift for part in found)
        if len(numbers) == 1:
            mask |= place.mask << place.shift
            value |= numbers[0] << place.shift
        else:
            some = ", ".join(map(str, numbers))
            others.append(f"bits >> {place.shift} & {place.mask} IN ({some})")
    return " AND ".join((f"bits & {mask} = {value}", *others))
