"""What commands and uploads know, and learn, of what a camera can do (D12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from hub.errors import NoSuchPath
from hub.live.registry import DeviceAnswer
from hub.wire.commands.capabilities import Capabilities, Edition, with_group
from hub.wire.commands.dialect import RECORD_LIST, SET_FACE, Command
from hub.wire.commands.edition_3_commands import OTA_START, PERSON_UPDATE

Learn = Callable[[Capabilities], Capabilities]
LearntFrom = Literal["get_info", "upload", "answer"]


class Abilities(Protocol):
    """Where it is kept."""

    def of(self, did: str) -> Capabilities:
        """Return what counts for this device."""

    async def learn(self, did: str, learn: Learn, source: LearntFrom) -> None:
        """Keep what follows from what the device did."""


def from_setting(name: str, edition: Edition, answer: DeviceAnswer, *, is_ok: bool) -> Learn:
    """What follows from the answer to a setting that was said in an edition.

    Any code but 404 shows that the device knows the uri of 1.5; that of 1.6 is the same in all
    editions, so only success shows its shape.
    """

    def learn(known: Capabilities) -> Capabilities:
        if name != SET_FACE.name:
            return replace(known, recording=edition) if is_ok else known
        return known if answer.code == NoSuchPath.code else replace(known, face=edition)

    return learn


def from_answer(command: Command[Any, Any], answer: DeviceAnswer) -> Learn:
    """What follows from the answer to a command that only some editions have."""
    is_known = answer.code != NoSuchPath.code

    def learn(known: Capabilities) -> Capabilities:
        if command.name == RECORD_LIST.name:
            return known if known.recording_list else replace(known, recording_list=is_known)
        if command.group is None:
            return known
        if command.name == OTA_START.name:
            # Edition 3 has it beside get_info, which tells of the group.
            return replace(known, firmware_steps=2 if is_known else 1)
        if command.name == PERSON_UPDATE.name:
            known = replace(known, people_update=is_known)
        return with_group(known, command.group, is_known=is_known)

    return learn


def from_upload(edition: Edition) -> Learn:
    """What follows from the shape of an upload."""
    return lambda known: replace(known, uploads=edition)
