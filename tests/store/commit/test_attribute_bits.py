"""The searchable attributes of a record are one integer, whoever made it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise

from hub.store.commit.attribute_bits import bits_of, condition_on_bits
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    Vehicle,
    VehicleDetail,
)
from hub.wire.uploads.searchable import SEARCHABLE


def bearing(key: str, word: str) -> Detail:
    """A detail that has one attribute."""
    match key:
        case "gender":
            return FaceDetail(gender=1 if word == "male" else 2)
        case "car_type":
            (number,) = (n for n, name in SEARCHABLE[key].values.items() if name.en == word)
            return VehicleDetail(vehicle=Vehicle(type=number))
        case "car_colour":
            return VehicleDetail(vehicle=Vehicle(colour=word))
        case "car_maker":
            return VehicleDetail(vehicle=Vehicle(brand=word))
        case "plate_colour":
            return VehicleDetail(Plate(colour="yellow, two rows" if word == "yellow" else word))
    return FaceDetail(attributes={key: word})


WORDS = [(key, word) for key, one in SEARCHABLE.items() for word in one.words]


def is_met(bits: int, condition: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        sql = f"SELECT {condition} FROM (SELECT ? AS bits)"
        (met,) = connection.execute(sql, (bits,)).fetchone()
    return bool(met)


def test_each_word_is_found_by_itself_alone() -> None:
    for key, word in WORDS:
        bits = bits_of(bearing(key, word))
        assert 0 < bits < 2**47  # SQLite needs six bytes for it
        same = [one for one in WORDS if is_met(bits, condition_on_bits(((one[0], (one[1],)),)))]
        assert same == [(key, word)]


def test_several_attributes_are_all_met_and_of_several_words_one_is() -> None:
    bits = bits_of(FaceDetail(gender=1, attributes={"bag": "backpack", "upper_colour": "red"}))
    man, backpack = ("gender", ("male",)), ("bag", ("shoulder bag", "backpack"))
    assert is_met(bits, condition_on_bits((man, backpack, ("upper_colour", ("red",)))))
    assert not is_met(bits, condition_on_bits((man, backpack, ("upper_colour", ("blue",)))))
    assert not is_met(bits, condition_on_bits((man, ("bag", ("none", "shoulder bag")))))
    assert not is_met(bits, condition_on_bits((("mask", ("no",)),)))
    assert not is_met(bits, condition_on_bits((man, ("bag", ()))))


def test_an_unknown_value_and_what_cannot_be_searched_make_no_bits() -> None:
    unknown = FaceDetail(age=3, gender=7, attributes={"bag": "barrel", "age_group": "3-9"})
    assert bits_of(unknown) == 0
    car = VehicleDetail(Plate(type=99), Vehicle(type=99, brand="Trabant", colour="octarine"))
    for detail in (car, EventDetail(1), AccessDetail(), VehicleDetail(Plate("A1"))):
        assert bits_of(detail) == 0


def test_what_edition_1_says_of_a_vehicle_is_found_like_the_rest() -> None:
    first = VehicleDetail(Plate(type=3), Vehicle(type=6, brand="丰田"))
    third = VehicleDetail(Plate(colour="yellow, one row"), Vehicle(type=6, brand="Toyota"))
    assert bits_of(first) == bits_of(third) > 0


def test_the_words_of_one_attribute_have_different_numbers() -> None:
    for one in SEARCHABLE.values():
        numbers = sorted(one.values)
        assert numbers[0] > 0
        assert all(first < second for first, second in pairwise(numbers))
        assert len(set(one.words)) == len(numbers)
