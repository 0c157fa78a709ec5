"""The status of a service, in the same words on every system."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ServiceState = Literal["running", "starting", "stopping", "stopped", "failed", "not installed"]


class ServiceStatus(Struct, frozen=True):
    """Whether the service runs now and starts at boot."""

    state: ServiceState
    at_boot: bool = False
