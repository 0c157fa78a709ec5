"""The searchable attributes of a record are one integer, whoever made it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from hub.store.commit.attribute_bits import bits_of, condition_on_bits
from hub.store.sqlite.migrate import bring_up_to_date, migrations
from hub.wire.uploads.attributes import ATTRIBUTES
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
from hub.wire.uploads.vehicle_tables import CAR_COLOURS, CAR_MAKERS, PLATE_COLOURS

#: The migration that made the bits of the records that were there.
MIGRATION = next(number for number, sql in migrations().items() if "record_attributes" in sql)


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


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database before the migration, with the records of `_details` and what is damaged."""
    path = tmp_path / "hub.sqlite"
    steps = {number: sql for number, sql in migrations().items() if number < MIGRATION}
    bring_up_to_date(path, steps)
    with closing(sqlite3.connect(path)) as connection, connection:
        for seq, detail in enumerate(_details(), 1):
            _insert(connection, seq, detail, msgspec.json.encode(detail))
        for seq, junk in enumerate((b"{", b"\xff\xfe", b'{"attributes":7}', b"[1]", b""), 5001):
            _insert(connection, seq, FaceDetail(), junk)
            _insert(connection, seq + 100, VehicleDetail(), junk)
        _insert(connection, 6000, FaceDetail(), b'{"gender":1}', erased=1)
    return path


def test_the_migration_makes_the_same_bits_as_the_writer(old: Path) -> None:
    bring_up_to_date(old, migrations())
    with closing(sqlite3.connect(old)) as connection:
        made = dict(connection.execute("SELECT seq, bits FROM record_attributes"))
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'word'")
        assert tables.fetchall() == []
    wanted = {seq: bits for seq, one in enumerate(_details(), 1) if (bits := bits_of(one))}
    assert len(wanted) > 300
    assert made == wanted


def _details() -> Iterator[Detail]:
    chance = random.Random(3)
    yield from (bearing(key, word) for key, word in WORDS)
    makers = [text for name in CAR_MAKERS.values() for text in (name.en, name.zh, name.en.upper())]
    for maker in makers:
        if maker.isascii() or maker == maker.casefold():
            yield VehicleDetail(vehicle=Vehicle(brand=f" {maker}"))
    for _ in range(200):
        known = {key: [v.en for v in one.values.values()] for key, one in ATTRIBUTES.items()}
        keys = chance.sample(sorted(known), chance.randrange(len(known)))
        yield FaceDetail(
            gender=chance.choice((None, 0, 1, 2, 9)),
            age=chance.choice((None, 30)),
            attributes={key: chance.choice((*known[key], "?")) for key in keys},
        )
        yield VehicleDetail(
            Plate(
                "A1",
                type=chance.choice((None, *range(18))),
                colour=chance.choice((None, "", *(one.en for one in PLATE_COLOURS.values()))),
            ),
            Vehicle(
                type=chance.choice((None, *range(40))),
                brand=chance.choice((None, "", "VW", "BMW")),
                colour=chance.choice((None, "", *(one.en for one in CAR_COLOURS.values()))),
            ),
        )
        yield EventDetail(3)


def _insert(
    connection: sqlite3.Connection,
    seq: int,
    detail: Detail,
    encoded: bytes,
    *,
    erased: int | None = None,
) -> None:
    kind = {FaceDetail: "face", VehicleDetail: "vehicle", EventDetail: "event"}[type(detail)]
    connection.execute(
        "INSERT INTO record (seq, kind, did, sn, device_name, occurred_at, received_at, detail,"
        " extra, images, erased) VALUES (?, ?, '1', '', '', 1, 1, ?, x'7b7d', x'5b5d', ?)",
        (seq, kind, encoded, erased),
    )


def test_the_words_of_one_attribute_have_different_numbers() -> None:
    for one in SEARCHABLE.values():
        numbers = sorted(one.values)
        assert numbers[0] > 0
        assert all(first < second for first, second in pairwise(numbers))
        assert len(set(one.words)) == len(numbers)
