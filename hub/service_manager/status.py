"""How a service is, in the same words on every system."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["running", "starting", "stopping", "stopped", "failed", "not installed"]


class Status(Struct, frozen=True):
    """How the service is."""

    state: State
    #: Does it start with the system?
    at_boot: bool = False
