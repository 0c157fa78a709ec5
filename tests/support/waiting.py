"""Waiting for what a thread or a task does, and nothing tells."""

from __future__ import annotations

from collections.abc import Callable

import trio


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for a minute at most."""
    with trio.fail_after(60):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.005)
