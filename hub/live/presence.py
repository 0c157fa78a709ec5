"""What is known of cameras only while the hub runs."""

from __future__ import annotations

from dataclasses import dataclass

from hub.live.frame_trace import FrameTraces
from hub.live.pending_devices import PendingDevices
from hub.live.registry import Registry


@dataclass(frozen=True)
class Presence:
    """Who is connected, who tries to, and what was said."""

    registry: Registry
    pending: PendingDevices
    traces: FrameTraces
