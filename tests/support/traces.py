"""Traces as a running hub has them, small, and by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Container

from hub.live.frame_trace import FrameTraces
from hub.wire.redaction import redact_frame
from tests.support.clock import NOON


def new_traces(
    now: Callable[[], float] = lambda: NOON,
    *,
    listed: Container[str] = (),
    most_devices: int = 100,
    most_waiting: int = 20,
) -> FrameTraces:
    """`listed`: the serial numbers that somebody sees in a list."""
    return FrameTraces(
        now,
        redact_frame,
        is_listed=lambda sn: sn in listed,
        most_devices=most_devices,
        most_waiting=most_waiting,
    )
