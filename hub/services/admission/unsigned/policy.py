"""From where cameras may connect without a signature: `devices.unsigned` and its networks (D12)."""

from __future__ import annotations

from typing import Literal

from hub.config import DevicesConfig
from hub.net.networks import Networks

#: Why none may connect without a signature: the site does not want it, or not from this address.
Objection = Literal["unsigned-off", "unsigned-network"]


class UnsignedPolicy:
    """The settings, as they are now."""

    def __init__(self, config: DevicesConfig) -> None:
        self.configure(config)

    def configure(self, config: DevicesConfig) -> None:
        """Take over new settings."""
        self._is_on = config.unsigned == "ask"
        self._networks = Networks(config.unsigned_networks)

    def objection(self, address: str) -> Objection | None:
        """Why a connect without a signature from this address is refused; None if it is not."""
        if not self._is_on:
            return "unsigned-off"
        return None if self._networks.include(address) else "unsigned-network"
