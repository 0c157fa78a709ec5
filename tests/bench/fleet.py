"""Measure what it costs that hubs tell how they are, and when a centre sees that some are dead.

    python -m tests.bench.fleet [--hubs 10000] [--dead 20] [--minutes 5] [--every 60]

So many hubs, through 20 connections, tell one NATS server each `every` seconds how they are, each
at a moment of its own; one centre listens. Then `dead` of them tell nothing any more. Tells
messages/s, bytes of one and of the bucket, CPU of server and centre for each message, the size and
time of /metrics, the time of `sitehub central status`, and how long after its last message the
first and the last of the dead ones counted as silent. At the end all tell as fast as it goes.

Needs the extras `servers` and `central`, and PostgreSQL (tests/support/postgres.py).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import trio
from nats.aio.client import Client

from hub.central.folder import make_folder
from hub.central.prepare import prepare
from hub.central.reader import Servers
from hub.services.forwarding.site_state import STATES, SiteState, state_subject
from tests.support.central import CentreProcess, running_centres
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import running_postgres

_CONNECTIONS = 20
_TICK = os.sysconf("SC_CLK_TCK")


def main(hubs: int, dead: int, minutes: float, every: float) -> None:
    with (
        running_postgres() as postgres,
        TemporaryDirectory() as folder,
        running_nats(Path(folder) / "nats") as server,
    ):
        central, address = Path(folder) / "central", postgres.make_database()
        make_folder(central, server.url, with_passwords=False)
        trio.run(prepare, Servers(server.url))
        with running_centres(1, central, address) as (centre,):
            _measure(server, centre, central, address, hubs, dead, minutes * 60, every)


def _measure(
    server: NatsServer,
    centre: CentreProcess,
    folder: Path,
    address: str,
    hubs: int,
    dead: int,
    seconds: float,
    every: float,
) -> None:
    names = [f"site-{number}" for number in range(hubs)]
    payload = _state()
    pids = {"server": server.pid, "centre": centre.pid}
    asyncio.run(_tell(server.url, names, payload, 0.0))
    _until(lambda: _silent(centre, "current") == hubs)
    before = {name: _cpu(pid) for name, pid in pids.items()}
    began = time.monotonic()
    count = asyncio.run(_tell(server.url, names, payload, every, seconds / 2))
    took = time.monotonic() - began
    used = {name: (_cpu(pid) - before[name]) / count for name, pid in pids.items()}
    info: Any = server.ask(f"$JS.API.STREAM.INFO.{STATES}")["state"]
    print(f"{count / took:,.0f} messages/s of {len(payload)} bytes; the bucket: {info['bytes']:,}")
    print(", ".join(f"{name}: {1e6 * one:.0f} µs of CPU a message" for name, one in used.items()))
    began = time.monotonic()
    text = centre.get("/metrics") or ""
    print(f"/metrics: {len(text):,} bytes in {time.monotonic() - began:.2f} s")
    began = time.monotonic()
    options = ["--json", "--folder", str(folder), "--database", address]
    asked = [sys.executable, "-m", "hub", "central", "status", *options]
    subprocess.run(asked, stdout=subprocess.DEVNULL, check=True)
    print(f"status: {time.monotonic() - began:.2f} s; centre: {_memory(centre.pid)} MB")
    asyncio.run(_tell_without(server.url, names, dead, payload, every, seconds / 2, centre))
    began = time.monotonic()
    count = asyncio.run(_tell(server.url, names * 5, payload, 0.0))
    print(f"all at once: {count / (time.monotonic() - began):,.0f} messages/s")


async def _tell_without(
    url: str,
    names: Sequence[str],
    dead: int,
    payload: bytes,
    every: float,
    seconds: float,
    centre: CentreProcess,
) -> None:
    """Let the first `dead` tell nothing any more, and print when they count as silent."""
    await _tell(url, names[:dead], payload, 0.0)
    died = time.monotonic()
    living = asyncio.create_task(_tell(url, names[dead:], payload, every, max(seconds, 200)))
    first = 0.0
    while (count := await asyncio.to_thread(_silent, centre, "silent")) < dead:
        first = first or (time.monotonic() - died if count else 0.0)
        if living.done():
            break
        await asyncio.sleep(0.5)
    last = time.monotonic() - died
    print(f"{count} of {dead} dead hubs were silent {first or last:.0f} to {last:.0f} s later")
    living.cancel()


async def _tell(
    url: str, names: Sequence[str], payload: bytes, every: float, seconds: float = 0.0
) -> int:
    """Tell the states of hubs, each again after `every` seconds, or once; return how many."""
    clients = [Client() for _ in range(_CONNECTIONS)]
    for client in clients:
        await client.connect(url)
    shares = [names[number::_CONNECTIONS] for number in range(_CONNECTIONS)]

    async def share(client: Client, some: Sequence[str]) -> int:
        plan = sorted((random.random() * every, name) for name in some)
        began, count, turn = time.monotonic(), 0, 0
        while True:
            for at, name in plan:
                due = began + turn * every + at
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                if every and time.monotonic() - began > seconds:
                    return count
                await client.publish(state_subject(name), payload)
                count += 1
                if count % 100 == 0:
                    await client.flush()
            turn += 1
            if not every:
                await client.flush(timeout=60)
                return count

    try:
        told = await asyncio.gather(*map(share, clients, shares))
    finally:
        for client in clients:
            await client.close()
    return sum(told)


def _state() -> bytes:
    now = datetime.now(UTC)
    state = SiteState(
        at=now,
        partition=3,
        version="1.12.3",
        schema=31,
        site="Shop 17, Harbour Street",
        problems=("backup-overdue", "certificate-ends"),
        cameras_online=14,
        cameras_offline=2,
        last_seq=1_234_567,
        disk_free=123_456_789_012,
        days_left=41.5,
        last_backup=now - timedelta(hours=9),
        certificate_ends=now + timedelta(days=300),
        identity_ends=now + timedelta(days=3_000),
    )
    return msgspec.json.encode(state)


def _silent(centre: CentreProcess, state: str) -> int:
    return int(centre.metric(f'sitehub_central_hubs{{state="{state}"}}'))


def _until(condition: Any) -> None:
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.5)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 // 1_000_000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hubs", type=int, default=10_000)
    parser.add_argument("--dead", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=60.0)
    asked = parser.parse_args()
    main(asked.hubs, asked.dead, asked.minutes, asked.every)
