"""From where cameras may connect without a signature: `devices.unsigned` and its networks (D12)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from hub.net.networks import Networks

if TYPE_CHECKING:
    from hub.services.settings.settings import Settings

#: Why none may connect without a signature: the site does not want it, or not from this address.
Objection = Literal["unsigned-off", "unsigned-network"]


class UnsignedPolicy:
    """The settings, as they are now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def objection(self, address: str) -> Objection | None:
        """Why a connect without a signature from this address is refused; None if it is not."""
        devices = self._settings.current.devices
        if devices.unsigned != "ask":
            return "unsigned-off"
        is_allowed = _networks(devices.unsigned_networks).include(address)
        return None if is_allowed else "unsigned-network"


@lru_cache(maxsize=1)
def _networks(text: str) -> Networks:
    return Networks(text)
