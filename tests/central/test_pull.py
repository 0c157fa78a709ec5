"""When a request for the next messages of a stream is over, and what it was refused for."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from nats.aio.client import Client
from nats.errors import Error as NatsError

from hub.central.reader import Pull, Servers, open_reader
from hub.central.received import Received
from tests.support.nats_server import running_cluster

ASKED = 500
_STORED = 300


def message(seq: int) -> Any:
    reply = f"$JS.ACK.SITEHUB_0.sitehub-central.1.{seq}.{seq}.1700000000000000000.0"
    return SimpleNamespace(headers={}, subject="sitehub.0.gate.record", data=b"{}", reply=reply)


def end(status: str, said: str, unsent: int | None = None) -> Any:
    """As a server of 2.10 and of 2.15 says it."""
    headers = {"Status": status, "Description": said}
    if unsent is not None:
        headers["Nats-Pending-Messages"] = str(unsent)
    return SimpleNamespace(headers=headers, subject="_INBOX.x", data=b"", reply="")


@pytest.fixture
def taken() -> list[Received]:
    return []


@pytest.fixture
def pull(taken: list[Received]) -> Pull:
    pull = Pull("SITEHUB_0", taken.append)
    pull.begin()
    return pull


@pytest.mark.parametrize("code", ["408 Request Timeout", "409 Message Size Exceeds MaxBytes"])
async def test_messages_that_come_after_the_end_belong_to_it(
    pull: Pull, taken: list[Received], code: str
) -> None:
    """With replicas they wait until the other servers have them; the end does not."""
    await pull.receive(end(*code.split(" ", 1), ASKED - 2))
    assert not pull.is_over
    await pull.receive(message(1))
    await pull.receive(message(2))
    assert (pull.is_over, pull.refusal, len(taken)) == (True, "", 2)


async def test_a_message_that_is_too_large_is_why_nothing_was_sent(pull: Pull) -> None:
    await pull.receive(end("409", "Message Size Exceeds MaxBytes", ASKED))
    assert (pull.is_over, pull.is_too_large) == (True, True)


async def test_no_more_time_is_no_refusal(pull: Pull) -> None:
    await pull.receive(end("408", "Request Timeout", ASKED))
    assert (pull.is_over, pull.refusal) == (True, "")


async def test_a_consumer_that_is_gone_sends_nothing_more(pull: Pull) -> None:
    await pull.receive(message(1))
    await pull.receive(end("409", "Consumer Deleted"))
    assert (pull.is_over, pull.is_gone) == (True, True)


@pytest.mark.long
def test_three_servers_are_read_without_a_refusal(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "nats") as (server, *_):
        asyncio.run(_fill(server.url))
        assert trio.run(_read, server.url) == list(range(1, _STORED + 1))


async def _fill(url: str) -> None:
    """More than is asked for at a time, in a stream that all servers have."""
    client = Client()
    await client.connect(url)
    js = client.jetstream(timeout=60)
    for tries in itertools.count():
        try:
            await js.add_stream(name="SITEHUB_0", subjects=["sitehub.0.>"], num_replicas=3)
            break
        except NatsError:  # they have no leader yet
            assert tries < 60
            await asyncio.sleep(0.5)
    await asyncio.gather(
        *(js.publish("sitehub.0.gate.record", bytes(60_000)) for _ in range(_STORED))
    )
    await client.close()


async def _read(url: str) -> list[int]:
    taken: list[Received] = []
    async with open_reader(Servers(url)) as reader, trio.open_nursery() as nursery:
        await reader.prepare("SITEHUB_0")

        def put(message: Received) -> None:
            taken.append(message)
            if len(taken) == _STORED:
                nursery.cancel_scope.cancel()

        with trio.fail_after(60):
            await reader.consume("SITEHUB_0", trio.lowlevel.checkpoint, put)
    return [message.stream_seq for message in taken]
