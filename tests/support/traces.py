"""Frame traces as a running hub has them, with the clock of a test."""

from __future__ import annotations

from collections.abc import Callable, Container

from hub.live.frame_trace import MAX_BYTES, FrameTraces
from hub.wire.redaction import redact_frame
from tests.support.clock import NOON


def new_traces(
    now: Callable[[], float] = lambda: NOON,
    *,
    listed: Container[str] = (),
    max_pending: int = 20,
    max_bytes: int = MAX_BYTES,
) -> FrameTraces:
    """`listed`: the serial numbers that are on a list in the hub."""
    return FrameTraces(
        now,
        redact_frame,
        is_listed=lambda sn: sn in listed,
        max_pending=max_pending,
        max_bytes=max_bytes,
    )
