"""Targets of a real process that are changed by two at once, moved and removed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from tests.bench.soak.changes import Receiver
from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess
from tests.e2e.waiting import wait_until

_TARGETS = "/api/hub/v1/targets"


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Receiver())) for _ in range(3)]


def token_of(hub: HubProcess, camera: Camera) -> str:
    did = camera.enrol(hub)

    async def connect() -> str:
        async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
            return token

    return trio.run(connect)


def test_nothing_is_delivered_twice_or_to_where_a_target_was(
    make_hub: MakeHub, receivers: list[Receiver], tmp_path: Path
) -> None:
    hub, rng = make_hub().start(), Random(3)
    old, new, beside = receivers
    token, headers = token_of(hub, Camera.make(tmp_path)), hub.add_api_key("--targets")
    with hub.sync_client(headers=headers) as client:

        def send(count: int) -> None:
            for _ in range(count):
                assert upload_sync(client, token, Capture.random(rng, 9, 9, 9).body()) == 200

        def add(receiver: Receiver) -> Any:
            return client.post(_TARGETS, json={"kind": "webhook", "url": receiver.url}).json()

        def change(body: dict[str, object]) -> int:
            with hub.sync_client(headers=headers) as other:
                return other.patch(f"{_TARGETS}/1", json=body).status_code

        assert add(old)["name"] == "127.0.0.1"
        bodies: list[dict[str, object]] = [{"name": "B"}, {"alarms": False}, {"pictures": "all"}]
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(change, bodies)) == [200] * 3
        found = client.get(f"{_TARGETS}/1").json()
        assert (found["name"], found["alarms"], found["pictures"]) == ("B", False, "all")
        send(3)
        wait_until(lambda: 3 in old.seqs)
        assert change({"url": new.url}) == 200
        send(3)
        wait_until(lambda: 6 in new.seqs)
        # What comes to a target that was added later would have come to a forwarder before it, too.
        assert [add(beside)["name"] for _ in range(2)] == ["127.0.0.1", "127.0.0.1 2"]
        assert client.delete(f"{_TARGETS}/1").status_code == 200
        send(3)
        wait_until(lambda: beside.seqs.count(9) == 2)
    assert hub.stop() == 0
    assert (old.seqs, new.seqs) == ([1, 2, 3], [4, 5, 6])
