"""Measure what a record costs three NATS servers: sent alone, or gathered into batches.

    python -m tests.bench.batches [--hubs 300] [--rate 1.74] [--gather 0 1] [--seconds 30] [--old]

So many hubs, each with a connection, get `rate` records a second each, by chance, and send what
they have `gather` seconds after the first of it came: 0 is at once. Printed are the CPU of each
server per record, its writes, and the calls of fsync per record, which are counted apart, by
strace, since that costs time. `old`: one server without batches (2.11 or earlier).

Needs the extra `servers`, and strace.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from hub.central.prepare import prepare
from hub.central.reader import Servers
from hub.services.forwarding.retries import Retries
from tests.bench.many_hubs import Hub
from tests.support.nats_server import NatsServer, running_cluster, running_nats

_TICK = os.sysconf("SC_CLK_TCK")
_MAX_RECORDS = 200


class SteadyHub(Hub):
    """Gets records by chance, and sends them some time after the first one came."""

    async def get(self, rate: float, gather: float, sent: list[int]) -> None:
        """Get and send records until cancelled; add what was sent to `sent`."""
        retries = Retries(self._chance.random, self._plan)
        async with self._sender.running():
            await self._find(retries)
            due = trio.current_time() + self._chance.expovariate(rate)
            while True:
                await trio.sleep_until(due + gather)
                count, now = 0, trio.current_time()
                while due <= now and count < _MAX_RECORDS:
                    count, due = count + 1, due + self._chance.expovariate(rate)
                self._least = self._most = count
                await self._send(self._sent + count, retries)
                sent[0] += count
                sent[1] += 1


def main(asked: argparse.Namespace) -> None:
    for gather in asked.gather:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "nats"
            running = running_nats(path, old=True) if asked.old else running_cluster(path)
            with running as servers:
                some = [servers] if isinstance(servers, NatsServer) else servers
                url = ",".join(server.url for server in some)
                trio.run(prepare, Servers(url))
                trio.run(_measure, asked, gather, some, url)


async def _measure(
    asked: argparse.Namespace, gather: float, servers: Sequence[NatsServer], url: str
) -> None:
    sent = [0, 0]
    async with trio.open_nursery() as nursery:
        for number in range(asked.hubs):
            nursery.start_soon(SteadyHub(number, url, 5.0).get, asked.rate, gather, sent)
        await trio.sleep(10 + gather)
        before, costs = list(sent), [_cost(server.pid) for server in servers]
        await trio.sleep(asked.seconds)
        count, parts = sent[0] - before[0], sent[1] - before[1]
        used = [
            [(now - then) / count for now, then in zip(_cost(server.pid), cost, strict=True)]
            for server, cost in zip(servers, costs, strict=True)
        ]
        syncs = await _fsyncs(servers, sent, asked.seconds)
        nursery.cancel_scope.cancel()
    print(
        f"gathered for {gather:g} s: {count / asked.seconds:.0f} records/s, "
        f"{count / parts:.2f} in a part; each server per record:",
        ", ".join(f"{1e6 * cpu:.0f} µs" for cpu, _ in used),
        "of CPU;",
        ", ".join(f"{written:.1f}" for _, written in used),
        "writes;",
        ", ".join(f"{one:.2f}" for one in syncs),
        "fsync",
        flush=True,
    )


def _cost(pid: int) -> tuple[float, float]:
    """Return seconds of CPU, and calls that wrote, sockets too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    written = re.search(r"^syscw: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert written is not None
    return (int(fields[11]) + int(fields[12])) / _TICK, float(written[1])


async def _fsyncs(
    servers: Sequence[NatsServer], sent: Sequence[int], seconds: float
) -> list[float]:
    """Return the calls of fsync of each server per record."""
    tracers = [_tracer(server.pid) for server in servers]
    # It takes a moment until all threads are traced.
    await trio.sleep(2)
    before = sent[0]
    await trio.sleep(seconds)
    found = []
    count = sent[0] - before
    for tracer in tracers:
        tracer.terminate()
        _, told = await trio.to_thread.run_sync(tracer.communicate)
        calls = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .*f(?:data)?sync$", told, re.MULTILINE)
        # With the two seconds before.
        found.append(sum(map(int, calls)) / count * seconds / (seconds + 2))
    return found


def _tracer(pid: int) -> subprocess.Popen[str]:
    words = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-p", str(pid)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hubs", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1.74)
    parser.add_argument("--gather", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--old", action="store_true")
    main(parser.parse_args())
