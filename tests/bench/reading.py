"""Measure how long the first pages of a database with many records take.

    python -m tests.bench.reading [--rows 2000000] [--sites 1000] [--days 90]

So many records of so many sites are made in PostgreSQL, over the days before now: three quarters
faces of 20,000 people, the rest vehicles of 50,000 plates. Then each question is asked for 20
sites, people or plates, by chance; told are the median and the longest time.

Needs the extra `central`, and PostgreSQL (tests/support/postgres.py).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time

from hub.central.database import open_database
from tests.support.postgres import running_postgres

_MAKE = """
INSERT INTO sitehub.record (hub, log, seq, received_at, occurred_at, kind, did, erased, body)
SELECT hub, repeat('0a', 16), n, at, at, kind, '1', false, jsonb_strip_nulls(jsonb_build_object(
    'seq', n, 'kind', kind, 'did', '1', 'sn', 'SN1', 'device_name', 'Gate ' || n %% 8,
    'occurred_at', at, 'received_at', at, 'hub', hub, 'log', repeat('0a', 16), 'extra', '{}'::jsonb,
    'images', jsonb_build_object('face', '/api/v1/records/' || n || '/images/face', 'full', ''),
    'name', CASE WHEN kind = 'face' THEN 'Person ' || who END,
    'uuid', CASE WHEN kind = 'face' THEN who::text END,
    'plate', CASE WHEN kind = 'vehicle' THEN jsonb_build_object('id', 'AB ' || car) END
))
FROM (
    SELECT n, 'site-' || n %% %(sites)s AS hub,
        date_trunc('second', now()) - n * %(step)s * interval '1 second' AS at,
        CASE WHEN n %% 4 = 0 THEN 'vehicle' ELSE 'face' END AS kind,
        (hashint8(n) & 2147483647) %% 20000 AS who, (hashint8(n) & 2147483647) %% 50000 AS car
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS made
"""
_TABLES = """
SELECT format('CREATE TABLE IF NOT EXISTS sitehub.record_%%s PARTITION OF sitehub.record
    FOR VALUES FROM (%%L) TO (%%L)', to_char(at, 'YYYY_MM'), at, at + interval '1 month')
FROM generate_series(date_trunc('month', now() - %s * interval '1 day'), now(), '1 month') AS at
"""
_QUESTIONS = {
    "last 50 of one site": "site = 'site-{site}'",
    "this plate, all sites, 30 days": "plate = 'AB{car}' AND received_at > now() - interval '30 d'",
    "this person, all sites": "number = '{who}'",
    "last 50 of all sites": "true",
}
_PART = 250_000


def main(rows: int, sites: int, days: float) -> None:
    with running_postgres() as postgres:
        database = open_database(postgres.make_database(), None)
        connection = database.connection
        connection.execute("SET statement_timeout = 0")
        for (sql,) in connection.execute(_TABLES, (days,)).fetchall():
            connection.execute(sql)
        began = time.monotonic()
        for first in range(1, rows + 1, _PART):
            last = min(rows, first + _PART - 1)
            values = {"sites": sites, "step": days * 86_400 / rows, "first": first, "last": last}
            connection.execute(_MAKE, values)
        connection.execute("ANALYZE sitehub.record")
        size = "SELECT pg_database_size(current_database())"
        ((used,),) = connection.execute(size).fetchall()
        print(
            f"{rows:,} records in {time.monotonic() - began:.0f} s, {used / rows:.0f} bytes each; "
            f"load {os.getloadavg()[0]:.1f}"
        )
        for name, where in _QUESTIONS.items():
            times = []
            for _ in range(20):
                chosen = where.format(
                    site=random.randrange(sites),
                    car=random.randrange(50_000),
                    who=random.randrange(20_000),
                )
                began = time.perf_counter()
                connection.execute(
                    f"SELECT * FROM sitehub.records WHERE {chosen} "
                    "ORDER BY received_at DESC LIMIT 50"
                ).fetchall()
                times.append(1000 * (time.perf_counter() - began))
            print(f"{name}: median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms")
        database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=90.0)
    asked = parser.parse_args()
    main(asked.rows, asked.sites, asked.days)
