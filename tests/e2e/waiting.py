"""Wait for what processes do in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.hub_process import TIMEOUT_SECONDS


def wait_until(condition: Callable[[], bool]) -> None:
    """Fail the test if the condition is not true in time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not true after {TIMEOUT_SECONDS} s")
        time.sleep(0.1)
