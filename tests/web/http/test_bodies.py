"""Bodies that are read whole."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from hypercorn.typing import HTTPScope

from hub.config import WebConfig
from tests.support.device_call import Call
from web.http.bodies import Bodies
from web.http.budget import BodySender

KB = 1024


async def body_of(parts: Sequence[bytes]) -> bytes:
    """Send these parts without ever waiting, and return the body that is read."""
    left = list(parts)

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    scope: HTTPScope = Call(length=0).scope
    nobody: Any = BodySender
    body = Bodies(WebConfig()).body(scope, receive, nobody, free_bytes=1)
    async with body as whole:
        return whole


@pytest.mark.parametrize("most", [1, 500, 3 * KB, 200 * KB])
async def test_a_body_is_the_same_in_whatever_parts_it_arrives(most: int) -> None:
    chance = random.Random(most)
    sizes = [chance.randint(0, most) for _ in range(min(700, 8 * KB * KB // most))]
    parts = [chance.randbytes(size) for size in sizes]
    assert await body_of(parts) == b"".join(parts)


@pytest.mark.parametrize(("size", "waits"), [(192 * KB, False), (8 * KB * KB, True)])
async def test_others_run_while_a_large_body_is_joined(size: int, waits: bool) -> None:
    parts = [bytes(16 * KB)] * (size // (16 * KB))  # Sent and read without a checkpoint.
    has_run = trio.Event()
    async with trio.open_nursery() as nursery:

        async def other() -> None:
            has_run.set()

        nursery.start_soon(other)
        assert len(await body_of(parts)) == size
        assert has_run.is_set() is waits


async def test_one_part_is_not_copied() -> None:
    part = bytes(300 * KB)
    assert await body_of([part]) is part
