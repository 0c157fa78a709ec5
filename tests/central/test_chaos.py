"""Whatever is killed and when: PostgreSQL has every record of the hub exactly once.

`SITEHUB_CHAOS_ROUNDS` kills more often than in the usual run of the tests.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from hub.__main__ import run as command
from hub.central.folder import make_folder
from hub.central.reader import CONSUMER
from hub.store.names import DATABASE
from tests.services.forwarding.nats.publisher import STREAM
from tests.services.forwarding.nats.test_chaos import publisher
from tests.support.central import running_centres
from tests.support.nats_server import NatsServer, running_cluster, running_nats
from tests.support.postgres import PostgresServer, rows, running_postgres

pytestmark = pytest.mark.long

_ROUNDS = int(os.environ.get("SITEHUB_CHAOS_ROUNDS", "2"))
_CHANCE = random.Random(15)
_END_SECONDS = 180.0


def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path: Path) -> None:
    with running_nats(tmp_path / "nats") as server, running_postgres() as postgres:
        _kill_in_a_loop(tmp_path, [server], postgres)


def test_nothing_is_lost_or_doubled_when_one_of_three_servers_is_killed(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "nats") as servers, running_postgres() as postgres:
        _kill_in_a_loop(tmp_path, servers, postgres)


def _kill_in_a_loop(folder: Path, servers: list[NatsServer], postgres: PostgresServer) -> None:
    url = ",".join(server.url for server in servers)
    central, data = folder / "central", folder / "hub"
    make_folder(central, url, with_passwords=False)
    address = postgres.make_database()
    assert command(["central", "prepare", "--folder", str(central)]) == 0
    _shorten_wait(servers[0])
    with running_centres(2, central, address, "--pictures", str(folder / "pictures")) as centres:
        for number in range(_ROUNDS):
            with publisher(data, url) as hub:
                time.sleep(_CHANCE.uniform(0.5, 2))
                victims = [servers[number % len(servers)], centres[number % 2]]
                if number % 2:
                    # All at once: nobody knows what was in flight.
                    victims.append(postgres)
                    hub.kill()
                for victim in victims:
                    victim.kill()
                time.sleep(_CHANCE.uniform(0.1, 1))
                for victim in victims:
                    victim.start()
                time.sleep(_CHANCE.uniform(0.5, 2))
                hub.kill()
        with publisher(data, url, "--until-current") as hub:
            assert hub.wait(_END_SECONDS) == 0
        with closing(sqlite3.connect(data / DATABASE)) as connection:
            seqs = [seq for (seq,) in connection.execute("SELECT seq FROM record ORDER BY seq")]
        assert len(seqs) > 100
        _wait_for(address, len(seqs))
    stored = rows(address, "SELECT hub, seq FROM sitehub.record ORDER BY seq")
    assert stored == [("site-1", seq) for seq in seqs]
    assert rows(address, "SELECT count(*) FROM sitehub.unreadable") == [(0,)]
    # Every tenth has one: tests/services/forwarding/nats/publisher.py.
    pictured = rows(address, "SELECT seq FROM sitehub.record WHERE body->'images' <> '{}'")
    found = {int(path.name.split("-")[0]) for path in (folder / "pictures").rglob("*.jpg")}
    assert found == {seq for (seq,) in pictured}


def _shorten_wait(server: NatsServer) -> None:
    """Let what a killed centre had taken come again after seconds."""
    config = {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "ack_wait": 2 * 10**9,
        "max_ack_pending": 20_000,
        "deliver_policy": "all",
    }
    asked = {"stream_name": STREAM, "config": config}
    answer = server.ask(f"$JS.API.CONSUMER.CREATE.{STREAM}.{CONSUMER}", asked)
    assert "error" not in answer, answer


def _wait_for(address: str, count: int) -> None:
    """Wait until so many records are stored."""
    until = time.monotonic() + _END_SECONDS
    while rows(address, "SELECT count(*) FROM sitehub.record") != [(count,)]:
        assert time.monotonic() < until
        time.sleep(0.2)
