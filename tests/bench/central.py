"""Measure how fast a centre brings what hubs send into PostgreSQL, and how late.

    python -m tests.bench.central [--hubs 100] [--records 1000] [--seconds 60] [--rate 40]

*Many hubs*: so many hubs send their records to one NATS server and one centre stores them; counted
from when the first is sent until the last is stored. *Backlog*: the same, with the centre started
when all are in the streams. *Delay*: one hub gets and forwards `rate` records a second; from when
it received a record until that is stored, both by the clock of this computer.

Needs the extras `servers` and `central`, and PostgreSQL (tests/support/postgres.py).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import trio

from hub.__main__ import run as command
from hub.central.folder import make_folder
from hub.services.access.audit import COMMAND_LINE
from hub.services.forwarding.targets import Selection
from tests.bench.many_hubs import Hub
from tests.support.central import running_centres
from tests.support.hub_services import open_hub_services
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import PostgresServer, rows, running_postgres

T = TypeVar("T")

_COUNT = "SELECT count(*) FROM sitehub.record"


def main(hubs: int, records: int, seconds: float, rate: float) -> None:
    with running_postgres() as postgres:
        for name, measure in (("many hubs", _together), ("backlog", _backlog)):
            found = _with_servers(postgres, lambda *args, run=measure: run(*args, hubs, records))
            print(f"{name}: {hubs} hubs, {hubs * records:,} records: {found:,.0f}/s", flush=True)
        _with_servers(postgres, lambda *args: _delay(*args, seconds, rate))


def _with_servers(postgres: PostgresServer, measure: Callable[..., T]) -> T:
    """Measure with a new server of NATS, the folder of a centre, and an empty database."""
    with TemporaryDirectory() as folder, running_nats(Path(folder) / "nats") as server:
        central = Path(folder) / "central"
        make_folder(central, server.url, with_passwords=False)
        return measure(server, central, postgres.make_database())


def _together(server: NatsServer, central: Path, address: str, hubs: int, records: int) -> float:
    _make_streams(central)
    with running_centres(1, central, address):
        began = time.perf_counter()
        trio.run(_send, server, hubs, records)
        _wait(address, hubs * records)
        return hubs * records / (time.perf_counter() - began)


def _backlog(server: NatsServer, central: Path, address: str, hubs: int, records: int) -> float:
    _make_streams(central)
    trio.run(_send, server, hubs, records)
    with running_centres(1, central, address):
        began, there = time.perf_counter(), rows(address, _COUNT)[0][0]
        _wait(address, hubs * records)
        return (hubs * records - there) / (time.perf_counter() - began)


def _make_streams(central: Path) -> None:
    assert command(["central", "prepare", "--folder", str(central)]) == 0


async def _send(server: NatsServer, hubs: int, records: int) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(hubs):
            nursery.start_soon(Hub(number, server).run, records)


def _wait(address: str, count: int) -> None:
    while rows(address, _COUNT) != [(count,)]:
        time.sleep(0.05)


def _delay(server: NatsServer, central: Path, address: str, seconds: float, rate: float) -> None:
    _make_streams(central)
    with running_centres(1, central, address):
        trio.run(_send_steadily, server, central / "hub", seconds, rate)
        _wait(address, int(seconds * rate))
    found = rows(
        address,
        """
        SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY late),
            percentile_cont(0.99) WITHIN GROUP (ORDER BY late), max(late)
        FROM (
            SELECT 1000 * extract(epoch FROM stored_at - received_at) AS late FROM sitehub.record
        ) AS delays
        """,
    )
    count, median, high, highest = found[0]
    print(
        f"delay: {count} records at {rate:g}/s: median {median:.0f} ms, p99 {high:.0f} ms, "
        f"longest {highest:.0f} ms"
    )


async def _send_steadily(server: NatsServer, folder: Path, seconds: float, rate: float) -> None:
    """Run a hub that gets and forwards so many records a second."""
    async with open_hub_services(folder, time.time) as hub:  # type: ignore[arg-type]
        await hub.services.targets.add(
            "nats",
            server.url,
            hub="bench",
            partition=3,
            selection=Selection(alarms=False),
            begin="beginning",
            by=COMMAND_LINE,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.services.targets.run)
            began = trio.current_time()
            for number in range(int(seconds * rate)):
                await trio.sleep_until(began + number / rate)
                nursery.start_soon(hub.add_faces, f"n{number}")
            while hub.services.targets.list()[0].state != "current":  # noqa: ASYNC110
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hubs", type=int, default=100)
    parser.add_argument("--records", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=40)
    asked = parser.parse_args()
    main(asked.hubs, asked.records, asked.seconds, asked.rate)
