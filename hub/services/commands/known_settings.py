"""Settings that cannot be read back (1.5, 1.6, and two of edition 3): the last answers are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Raw, Struct

from hub.errors import BadParameter, HubError, NoSuchPath
from hub.live.registry import DeviceAnswer
from hub.log import limited
from hub.store.db import Store
from hub.store.tables.device_settings import DeviceSetting, SettingName
from hub.store.tables.devices import Device
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING, Command
from hub.wire.commands.edition_3_commands import SET_ADJUST, SET_DAY_NIGHT
from hub.wire.commands.param_structs import FaceParam, RecordParam
from hub.wire.commands.params import check_param

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Struct)
Setting = TypeVar("Setting", bound=Struct, covariant=True)

#: Characters of a device's message that are kept and reported.
MAX_MSG_LENGTH = 200

_NAMES: dict[str, SettingName] = {
    SET_FACE.name: "face",
    SET_RECORDING.name: "recording",
    SET_ADJUST.name: "adjust",
    SET_DAY_NIGHT.name: "day_night",
}
#: Each edition has its own words for these.
_IN_DIALECTS = (SET_FACE.name, SET_RECORDING.name)


class KnownSetting(Struct, Generic[Setting], frozen=True, kw_only=True):
    """A device's last answer to a setting, and the last setting that it accepted.

    `taken`: the accepted setting, or None. `is_taken`: whether the last answer accepted the
    setting. Times are UNIX milliseconds.
    """

    taken: Setting | None
    taken_at: int | None
    is_taken: bool
    code: int
    msg: str
    answered_at: int


class DeviceSettings(Struct, frozen=True):
    """A setting is None if the device never answered it."""

    face: KnownSetting[FaceParam] | None
    recording: KnownSetting[RecordParam] | None


class KnownSettings:
    """Remembers the answers to settings in the store, for the camera that gave them."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def of_device(self, did: str) -> DeviceSettings:
        return DeviceSettings(self.of_command(did, SET_FACE), self.of_command(did, SET_RECORDING))

    async def note(
        self,
        camera: Device | None,
        command: Command[Any, Any],
        uri: str,
        param: Raw,
        answer: DeviceAnswer,
    ) -> None:
        """Store the answer of this camera, unless it was removed or replaced."""
        if camera is None:
            return
        try:
            setting = self._setting(camera.did, command, uri, param, answer)
            await self._store.device_settings.save(setting, camera.sn)
        except HubError as error:
            # Removed or replaced meanwhile, or nothing can be stored: the answer counts anyway.
            limited(
                log,
                logging.WARNING,
                f"setting {camera.did}",
                "cannot remember the settings of device %s: %s",
                camera.did,
                error,
            )

    def of_command(self, did: str, command: Command[P, Any]) -> KnownSetting[P] | None:
        """Return the device's last answer to a setting that is kept; None if it never answered."""
        setting = self._store.device_settings.get(did, _NAMES[command.name])
        if setting is None:
            return None
        return KnownSetting(
            taken=_decoded(command, setting.taken),
            taken_at=setting.taken_at,
            is_taken=setting.code in command.ok_codes,
            code=setting.code,
            msg=setting.msg,
            answered_at=setting.answered_at,
        )

    def _setting(
        self, did: str, command: Command[Any, Any], uri: str, param: Raw, answer: DeviceAnswer
    ) -> DeviceSetting:
        at = int(self._now() * 1000)
        is_taken = answer.code in command.ok_codes
        return DeviceSetting(
            did=did,
            name=_NAMES[command.name],
            taken=bytes(param).decode() if is_taken else None,
            taken_at=at if is_taken else None,
            uri=None if answer.code == NoSuchPath.code else uri,
            code=answer.code,
            msg=answer.msg[:MAX_MSG_LENGTH],
            answered_at=at,
        )


def is_setting(command: Command[Any, Any]) -> bool:
    """Whether each edition has its own words for it."""
    return command.name in _IN_DIALECTS


def is_kept(command: Command[Any, Any]) -> bool:
    """Whether the answers to it are remembered."""
    return command.name in _NAMES


def _decoded(command: Command[P, Any], taken: str | None) -> P | None:
    """Return the setting; None also if an earlier version of the hub allowed it, but not this."""
    try:
        return None if taken is None else check_param(command, taken.encode())
    except BadParameter:
        return None
