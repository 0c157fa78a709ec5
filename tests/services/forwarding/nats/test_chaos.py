"""Whatever is killed and when: the stream has every record exactly once, in order.

`SITEHUB_CHAOS_ROUNDS` kills more often than in the usual run of the tests.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hub.store.names import DATABASE
from tests.services.forwarding.nats.publisher import STREAM
from tests.support.nats_server import NatsServer, running_cluster, running_nats

pytestmark = pytest.mark.long

_ROUNDS = int(os.environ.get("SITEHUB_CHAOS_ROUNDS", "2"))
_CHANCE = random.Random(14)
_END_SECONDS = 120.0


@pytest.mark.parametrize("old", [False, True], ids=["batches", "one by one"])
def test_nothing_is_lost_or_doubled_when_server_and_hub_are_killed(
    tmp_path: Path, old: bool
) -> None:
    with running_nats(tmp_path / "nats", old=old) as server:
        _kill_in_a_loop(tmp_path / "hub", [server])


def test_nothing_is_lost_or_doubled_when_one_of_three_servers_is_killed(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "nats") as servers:
        _kill_in_a_loop(tmp_path / "hub", servers)
        answer = servers[0].ask(f"$JS.API.STREAM.INFO.{STREAM}")
        assert answer["config"]["num_replicas"] == 3  # type: ignore[index]


def _kill_in_a_loop(data: Path, servers: list[NatsServer]) -> None:
    url = ",".join(server.url for server in servers)
    for number in range(_ROUNDS):
        with publisher(data, url) as hub:
            time.sleep(_CHANCE.uniform(0.5, 2))
            server = servers[number % len(servers)]
            server.kill()
            if number % 2:
                # Both at once: nobody knows what was in flight.
                hub.kill()
            time.sleep(_CHANCE.uniform(0.1, 1))
            server.start()
            time.sleep(_CHANCE.uniform(0.5, 2))
            hub.kill()
    with publisher(data, url, "--until-current") as hub:
        assert hub.wait(_END_SECONDS) == 0
    stored = [one for one in servers[0].read(STREAM) if one.kind == "rec"]
    with closing(sqlite3.connect(data / DATABASE)) as connection:
        seqs = [seq for (seq,) in connection.execute("SELECT seq FROM record ORDER BY seq")]
    assert len(seqs) > 100
    assert [one.record_seq for one in stored] == seqs


@contextmanager
def publisher(data: Path, url: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.services.forwarding.nats.publisher", str(data), url]
    with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()
