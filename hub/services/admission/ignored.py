"""Devices whose connect attempts an administrator does not want to see (D3)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hub.decoders import decode_json
from hub.errors import BadParameter, NoSuchResource
from hub.services.devices.validation import MAX_SN_LENGTH
from hub.store.tables.settings import SettingTable

#: The oldest is shown again when another one is ignored.
MAX_IGNORED = 200
_SETTING = "ignored_attempts"


class IgnoredDevices:
    """The serial numbers that are ignored: they connect and are refused as before, unlisted."""

    def __init__(self, settings: SettingTable, publish: Callable[[str], None]) -> None:
        """`publish` is called with an SN that is ignored, or shown again."""
        self._settings = settings
        self._publish = publish
        self._sns = _read(settings.get(_SETTING))

    def sns(self) -> list[str]:
        """The serial numbers, the one that was ignored last first."""
        return self._sns[::-1]

    def __contains__(self, sn: str) -> bool:
        return sn in self._sns

    async def add(self, sn: str) -> None:
        """Ignore a device. Raises BadParameter."""
        if not 1 <= len(sn) <= MAX_SN_LENGTH:
            raise BadParameter(f"1 to {MAX_SN_LENGTH} characters", field="sn")
        others = [one for one in self._sns if one != sn]
        await self._save([*others, sn][-MAX_IGNORED:])
        self._publish(sn)

    async def remove(self, sn: str) -> None:
        """Show a device again. Raises NoSuchResource."""
        if sn not in self._sns:
            raise NoSuchResource(f"{sn} is not ignored")
        await self._save([one for one in self._sns if one != sn])
        self._publish(sn)

    async def _save(self, sns: list[str]) -> None:
        await self._settings.set(_SETTING, msgspec.json.encode(sns).decode() if sns else None)
        self._sns = sns


def _read(text: str | None) -> list[str]:
    """What was stored; nothing if it cannot be read."""
    try:
        return decode_json(text or "[]", list[str])
    except msgspec.DecodeError:
        return []
