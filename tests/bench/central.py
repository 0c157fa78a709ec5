"""Measure how fast a centre brings what hubs send into PostgreSQL, and how late.

    python -m tests.bench.central [--hubs 100] [--records 1000] [--batch 200] [--seconds 60]
        [--rate 40]
    python -m tests.bench.central --store 20 2000 10000

*Many hubs*: so many hubs send their records to one NATS server and one centre stores them; counted
from when the first is sent until the last is stored. They send them in parts of 1 to `batch`: 1 is
what hubs do that get a record now and then. *Backlog*: the same, with the centre started
when all are in the streams. *Delay*: one hub gets and forwards `rate` records a second; from when
it received a record until that is stored, both by the clock of this computer. *Store*: instead of
all that, records of so many hubs, from memory, 2,000 in a transaction.

Needs the extras `servers` and `central`, and PostgreSQL (tests/support/postgres.py).
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from hub.central.database import open_database
from hub.central.folder import make_folder
from hub.central.prepare import prepare
from hub.central.reader import Servers
from hub.central.received import Received
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.address import PARTITIONS, stream_of
from hub.store.targets.target import Selection
from tests.bench.many_hubs import Hub
from tests.central.messages import NOW, record
from tests.support.central import CentreProcess, running_centres
from tests.support.hub_services import open_hub_services
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import PostgresServer, rows, running_postgres

_SPREAD_SECONDS = 5.0
#: What a centre stores in a transaction when much comes.
_BATCH = 2_000
_COUNT = "SELECT count(*) FROM sitehub.record"
_SINCE_FIRST = "SELECT extract(epoch FROM clock_timestamp() - min(stored_at)) FROM sitehub.record"
_SIZE = """
SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('sitehub.record') WHERE isleaf
"""


def main(hubs: int, records: int, batch: int, seconds: float, rate: float) -> None:
    with running_postgres() as postgres:
        _with_servers(postgres, lambda *args: _together(*args, hubs, records, batch))
        _with_servers(postgres, lambda *args: _backlog(*args, hubs, records, batch))
        _with_servers(postgres, lambda *args: _delay(*args, seconds, rate))


def store(hubs: int, transactions: int = 30) -> None:
    """Store records of so many hubs, each of which has one in turn."""
    with running_postgres() as postgres:
        database = open_database(postgres.make_database(), None)
        seqs: Counter[str] = Counter()
        some = [_messages(hubs, number * _BATCH, seqs) for number in range(transactions)]
        (pid,) = database.connection.execute("SELECT pg_backend_pid()").fetchone()
        database.store(some[0])
        before = time.perf_counter(), time.process_time(), _cpu(pid)
        for messages in some[1:]:
            database.store(messages)
        used = time.perf_counter(), time.process_time(), _cpu(pid)
        seconds, centre, server = (now - then for now, then in zip(used, before, strict=True))
        database.close()
    count = (transactions - 1) * _BATCH
    print(
        f"{hubs:,} hubs: {count / seconds:,.0f} records/s; CPU of one: centre "
        f"{1e6 * centre / count:.1f} µs, PostgreSQL {1e6 * server / count:.1f} µs",
        flush=True,
    )


def _messages(hubs: int, first: int, seqs: Counter[str]) -> list[Received]:
    found = []
    for number in range(first, first + _BATCH):
        hub = f"hub-{number % hubs:05}"
        seqs[hub] += 1
        at = f"{(NOW + timedelta(milliseconds=number)).isoformat(timespec='milliseconds')[:-6]}Z"
        found.append(record(seqs[hub], hub, received_at=at, name="王芳" * 20))
    return found


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _with_servers(postgres: PostgresServer, measure: Callable[..., None]) -> None:
    """Measure with a new server of NATS, the folder of a centre, and an empty database."""
    with TemporaryDirectory() as folder, running_nats(Path(folder) / "nats") as server:
        central = Path(folder) / "central"
        make_folder(central, server.url, with_passwords=False)
        trio.run(prepare, Servers(server.url))
        measure(server, central, postgres.make_database())


def _together(
    server: NatsServer, central: Path, address: str, hubs: int, records: int, batch: int
) -> None:
    with running_centres(1, central, address) as (centre,):
        began = time.perf_counter()
        trio.run(_send, server, hubs, records, batch)
        _wait(address, hubs * records)
        _print("many hubs", centre, hubs * records, time.perf_counter() - began)


def _backlog(
    server: NatsServer, central: Path, address: str, hubs: int, records: int, batch: int
) -> None:
    trio.run(_send, server, hubs, records, batch)
    with running_centres(1, central, address) as (centre,):
        _wait(address, hubs * records)
        ((seconds,),) = rows(address, _SINCE_FIRST)
        _print("backlog", centre, hubs * records, float(seconds))
    ((size,),) = rows(address, _SIZE)
    print(f"bytes per record: {_stream_bytes(server) / (hubs * records):.0f} in NATS, ", end="")
    print(f"{size / (hubs * records):.0f} in PostgreSQL, with indexes")


def _stream_bytes(server: NatsServer) -> int:
    states = [
        server.ask(f"$JS.API.STREAM.INFO.{stream_of(number)}")["state"]
        for number in range(PARTITIONS)
    ]
    return sum(state["bytes"] for state in states)  # type: ignore[index]


def _print(name: str, centre: CentreProcess, count: int, seconds: float) -> None:
    cpu = centre.metric("process_cpu_seconds_total") / count * 1e6
    memory = centre.metric("process_resident_memory_bytes") / 1e6
    print(
        f"{name}: {count / seconds:,.0f} records/s; the centre: {cpu:.0f} µs of CPU per record "
        f"with its start, {memory:.0f} MB",
        flush=True,
    )


async def _send(server: NatsServer, hubs: int, records: int, batch: int) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(hubs):
            nursery.start_soon(Hub(number, server.url, _SPREAD_SECONDS, batch).send, records)


def _wait(address: str, count: int) -> None:
    while rows(address, _COUNT) != [(count,)]:
        time.sleep(0.05)


def _delay(server: NatsServer, central: Path, address: str, seconds: float, rate: float) -> None:
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
        await hub.services.forwarding.targets.add(
            "nats",
            server.url,
            hub="bench",
            partition=3,
            selection=Selection(alarms=False),
            begin="beginning",
            by=COMMAND_LINE,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.services.forwarding.targets.run)
            began = trio.current_time()
            async with trio.open_nursery() as adding:
                for number in range(int(seconds * rate)):
                    await trio.sleep_until(began + number / rate)
                    adding.start_soon(hub.add_faces, f"n{number}")
            while hub.services.forwarding.targets.list()[0].cursor.seq < hub.store.records.last_seq:  # noqa: ASYNC110
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hubs", type=int, default=100)
    parser.add_argument("--records", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--store", type=int, nargs="+", default=[], metavar="HUBS")
    asked = parser.parse_args()
    for count in asked.store:
        store(count)
    if not asked.store:
        main(asked.hubs, asked.records, asked.batch, asked.seconds, asked.rate)
