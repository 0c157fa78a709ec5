"""Make a data directory with many records, the same on each run.

    python -m tests.bench.record_sets DIRECTORY --records 1000000

30 days of 64 cameras: 1 to 47 send faces, events and access records, 48 to 63 vehicles with 200,000
different plates; camera 64 is rare (one record of 20,000), the clock of camera 7 is 8 hours slow.
Even cameras send attributes of people, all of vehicles: of these 1 in 250 is purple. Of the faces
40 % have a name: `FREQUENT` is one of twelve, `RARE` one of about a million. There are
no pictures, although records name some. Bulk SQL, because the store itself takes 100 µs a record.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import trio

from hub.store.commit.attribute_bits import bits_of
from hub.store.commit.record_rows import STRAY_MS, fold
from hub.store.opening import open_store
from hub.store.records.record_counts import count_again
from hub.store.sqlite.connection import connect_writer
from hub.wire.uploads.records import decode_detail
from hub.wire.uploads.searchable import SEARCHABLE
from hub.wire.uploads.vehicle_tables import CAR_COLOURS, CAR_MAKERS

CAMERAS, PLATES, PEOPLE, DAYS = 64, 200_000, 5_000, 30
#: A name that is frequent, one that is rare, and the camera that is.
FREQUENT, RARE, RARE_CAMERA, SLOW_CAMERA = "张伟", "欧阳锋", "64", "7"
#: The end of the set, in UNIX milliseconds: the beginning of a day.
END_MS = 1_764_028_800_000
DAY_MS = 86_400_000
#: Types of events: the frequent ones are 1 to 20.
RARE_TYPE = 29

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉"
_PROVINCES = "京沪粤苏浙鲁川津渝"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_ROWS_AT_A_TIME = 1_000_000
_LOOKS = 1_000

_RECORDS = """
WITH RECURSIVE number (n) AS (
    SELECT :first UNION ALL SELECT n + 1 FROM number WHERE n < :last
), mixed AS (
    SELECT n,
        ((n * 2654435761) & 4294967295) >> 12 AS a,
        ((n * 2246822519) & 4294967295) >> 12 AS b,
        ((n * 3266489917) & 4294967295) >> 8 AS c
    FROM number
), sent AS (
    SELECT n, b, c,
        CASE WHEN n % 20011 = 0 THEN 64 ELSE 1 + a % 63 END AS camera,
        :start + n * :span / :count AS at
    FROM mixed
), kinds AS (
    SELECT *, CASE
        WHEN camera BETWEEN 48 AND 63 THEN 'vehicle' WHEN b % 100 < 12 THEN 'event'
        WHEN b % 100 < 15 THEN 'access' ELSE 'face' END AS kind
    FROM sent
), people AS (
    SELECT *, CASE
        WHEN kind IN ('vehicle', 'access') OR b % 10 < 6 THEN NULL
        WHEN n % 1000003 = 7 THEN :plates + 2 WHEN c % 12 = 0 THEN :plates + 1
        ELSE :plates + 3 + c % :people END AS name
    FROM kinds
), rows AS (
    SELECT *, CASE
        WHEN kind = 'event' AND n % 50021 < 4 THEN 29 WHEN kind = 'event' THEN 1 + c % 20
        WHEN kind = 'access' THEN 1 + c % 3 END AS type,
        CASE WHEN kind IN ('vehicle', 'access') THEN NULL WHEN name IS NULL THEN 0
        WHEN c % 200 = 1 THEN 2 ELSE 1 + 2 * (c % 2) END AS category,
        CASE WHEN kind = 'vehicle' THEN 1 + c % :plates ELSE name END AS term
    FROM people
)
INSERT INTO record (seq, kind, did, sn, device_name, occurred_at, received_at, type, category, uuid,
    term, detail, extra, images)
SELECT n, kind, camera, printf('Y3CA1234891%04d', camera), 'Camera ' || camera,
    at - 400 - CASE camera WHEN 7 THEN 28800000 ELSE 0 END, at, type, category,
    CASE WHEN name IS NOT NULL THEN 'p' || name END, term,
    CAST(CASE kind
        WHEN 'vehicle' THEN '{"plate":{"id":"' || shown || '","type":1},"vehicle":' || car || '}'
        WHEN 'access' THEN '{"rid":"' || n || '","uuid":"9","type":"' || type || '"}'
        WHEN 'event' THEN '{"type":' || type || ',"category":' || category || '}'
        ELSE CASE WHEN name IS NULL THEN '{"age":31,"gender":1,"category":0'
            ELSE '{"name":"' || shown || '","age":31,"gender":1,"uuid":"p' || name
                || '","category":' || category END
            || CASE camera % 2 WHEN 0 THEN ',"attributes":' || person || '}' ELSE '}' END
    END AS BLOB),
    CAST('{"score":91.5,"mask":0,"temperature":36.5,"track":"' || b || '-' || c || '"}' AS BLOB),
    CAST(CASE WHEN kind = 'access' THEN '[]' ELSE
        '[["face","image/jpeg",88,21000,"0123456789abcdef"],'
        || '["background","image/jpeg",21133,180000,"0123456789abcdef"]]' END AS BLOB)
FROM rows JOIN look ON look.id = c % :looks LEFT JOIN shown ON shown.id = term
"""
_DETAILS = """
SELECT seq, kind, detail FROM record WHERE seq BETWEEN ? AND ? AND kind IN ('face', 'vehicle')
"""
_SPANS = """
INSERT INTO span SELECT seq >> 10, min(occurred_at), max(occurred_at) FROM record
WHERE abs(occurred_at - received_at) <= ? GROUP BY seq >> 10
"""
_DAYS = """
INSERT INTO day (day, first_seq, last_seq, records, bytes)
SELECT date(received_at / 86400000 * 86400, 'unixepoch'), min(seq), max(seq), count(*), 0
FROM record GROUP BY received_at / 86400000
"""


def make_records(data_dir: Path, count: int) -> None:
    """Create the data directory with `count` records, unless it is there already."""
    if (data_dir / "complete").exists():
        return
    trio.run(_create, data_dir)
    with closing(connect_writer(data_dir / "hub.sqlite")) as connection:
        fill(connection, count)
    (data_dir / "complete").touch()


def fill(connection: sqlite3.Connection, count: int) -> None:
    """Put `count` records into an empty database, and what belongs to them."""
    connection.executescript("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 10000;")
    _add_terms(connection)
    _add_looks(connection)
    dropped = _drop_indexes_and_triggers(connection)
    values = {
        "count": count,
        "start": END_MS - DAYS * DAY_MS,
        "span": DAYS * DAY_MS - 1000,
        "plates": PLATES,
        "people": PEOPLE,
        "looks": _LOOKS,
    }
    for first in range(1, count + 1, _ROWS_AT_A_TIME):
        last = min(first + _ROWS_AT_A_TIME - 1, count)
        connection.execute(_RECORDS, {**values, "first": first, "last": last})
        _add_attributes(connection, first, last)
    for sql in dropped:
        connection.execute(sql)
    connection.execute("BEGIN")
    count_again(connection)
    connection.execute("COMMIT")
    connection.execute(_SPANS, (STRAY_MS,))
    connection.execute(_DAYS)
    connection.execute("DROP TABLE shown")
    connection.execute("DROP TABLE look")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def take_categories(data_dir: Path) -> None:
    """Take the category from half of the faces of a set, unless that was done before.

    As cameras do that send none: these faces are told apart by whom they name.
    """
    if (data_dir / "uncategorised").exists():
        return
    with closing(connect_writer(data_dir / "hub.sqlite")) as connection:
        dropped = _drop_indexes_and_triggers(connection)
        connection.execute("UPDATE record SET category = NULL WHERE kind = 'face' AND seq % 2 = 0")
        for sql in dropped:
            connection.execute(sql)
        connection.execute("BEGIN")
        count_again(connection)
        connection.execute("COMMIT")
    (data_dir / "uncategorised").touch()


async def _create(data_dir: Path) -> None:
    async with open_store(data_dir, now=time.time, on_records=lambda records: None):
        pass


def _add_terms(connection: sqlite3.Connection) -> None:
    """Add the plates and names, and the temporary table of how they are written."""
    plates = [_plate(number) for number in range(PLATES)]
    names = [FREQUENT, RARE, *(_name(number) for number in range(PEOPLE))]
    connection.execute("CREATE TEMP TABLE shown (id INTEGER PRIMARY KEY, shown TEXT)")
    connection.execute("BEGIN")
    for field, texts, start in (("plate", plates, 1), ("name", names, PLATES + 1)):
        rows = list(enumerate(texts, start))
        connection.executemany("INSERT INTO shown VALUES (?, ?)", rows)
        connection.executemany(
            "INSERT INTO term (id, field, folded) VALUES (?, ?, ?)",
            [(id, field, fold(text)) for id, text in rows],
        )
    connection.execute("COMMIT")


def _add_looks(connection: sqlite3.Connection) -> None:
    """Add a temporary table of what people and vehicles look like, as JSON."""
    chance = Random(5)
    connection.execute("CREATE TEMP TABLE look (id INTEGER PRIMARY KEY, person TEXT, car TEXT)")
    rows = []
    for number in range(_LOOKS):
        person = {
            one.key: chance.choices(one.words, [9, 3, *[1] * (len(one.words) - 2)])[0]
            for one in SEARCHABLE.values()
            if one.of == "face" and one.key != "gender"
        }
        colours = [one.en for one in CAR_COLOURS.values() if one.en != "purple"]
        car = {
            "type": chance.choices((1, 6, 4, 3, 2), (9, 5, 1, 1, 2))[0],
            "brand": chance.choice([one.en for one in CAR_MAKERS.values()]),
            "colour": "purple" if number % 250 == 0 else chance.choice(colours),
        }
        rows.append((number, json.dumps(person), json.dumps(car)))
    connection.executemany("INSERT INTO look VALUES (?, ?, ?)", rows)


def _add_attributes(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Add what the records of a range are searched by."""
    found = connection.execute(_DETAILS, (first, last)).fetchall()
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO record_attributes VALUES (?, ?)",
        (
            (seq, bits)
            for seq, kind, detail in found
            if (bits := bits_of(decode_detail(kind, detail)))
        ),
    )
    connection.execute("COMMIT")


def _drop_indexes_and_triggers(connection: sqlite3.Connection) -> list[str]:
    """Drop those of the records; return the statements that make them again."""
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema"
        " WHERE type IN ('index', 'trigger') AND tbl_name = 'record'"
    ).fetchall()
    for kind, name, _ in found:
        connection.execute(f"DROP {kind} {name}")
    return [sql for _, _, sql in found]


def _plate(number: int) -> str:
    mixed = number * 7919 % 1_000_000
    letter = _LETTERS[number % len(_LETTERS)]
    return f"{_PROVINCES[number % len(_PROVINCES)]}{letter}{mixed:06d}"


def _name(number: int) -> str:
    first, rest = number % len(_SURNAMES), number // len(_SURNAMES)
    return (
        f"{_SURNAMES[first]}{_GIVEN[rest % len(_GIVEN)]}{_GIVEN[rest // len(_GIVEN)]}{number % 3}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("--records", type=int, default=1_000_000)
    given = arguments.parse_args()
    began = time.monotonic()
    make_records(given.directory, given.records)
    print(f"{given.records:,} records in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
