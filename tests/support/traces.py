"""Traces as a running hub has them, small, and by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

from hub.live.trace import Traces
from hub.wire.masking import shown
from tests.support.clock import NOON


def new_traces(
    now: Callable[[], float] = lambda: NOON, *, most_devices: int = 100, most_waiting: int = 20
) -> Traces:
    return Traces(now, shown, most_devices=most_devices, most_waiting=most_waiting)
