"""What a camera can do, learnt part by part: the editions of its firmware mix (D12).

An edition is 1 (2024-09, which docs/protocol.md describes), 2 (2025) or 3 (2026-02). None of the
functions here changes a `Capabilities`: each returns what is known afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Edition = Literal[1, 2, 3]
EDITIONS: tuple[Edition, ...] = (1, 2, 3)

#: Of what a camera calls its firmware; the rest is cut off.
MAX_FIRMWARE_LENGTH = 100

#: How a camera connects (1.1): signed and with a did, signed without one, or unsigned.
ConnectShape = Literal["did", "signed", "unsigned"]
#: The commands that only later editions know, by what they are for (D12).
CommandGroup = Literal["information", "people", "media", "image", "network", "ptz", "storage"]
COMMAND_GROUPS: tuple[CommandGroup, ...] = (
    "information",
    "people",
    "media",
    "image",
    "network",
    "ptz",
    "storage",
)


class Capabilities(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one camera; None, and a group that is not listed: not known yet.

    `face`, `recording`: the edition whose uri and shape of 1.5 and 1.6 it took. `uploads`: the
    edition of the shapes that it uploads. `firmware_steps`: 1 if it asks for releases by itself
    (2.3), 2 if it waits to be told. `recording_list`, `recording_files`: whether it lists
    recordings (1.8), and whether they can be read from it. `groups`: whether it knows a group of
    commands. `firmware`: the version for which all this was learnt, as the camera names it; ""
    before it has named one.
    """

    connect: ConnectShape | None = None
    face: Edition | None = None
    recording: Edition | None = None
    uploads: Edition | None = None
    people_update: bool | None = None
    firmware_steps: Literal[1, 2] | None = None
    recording_list: bool | None = None
    recording_files: bool | None = None
    groups: Mapping[CommandGroup, bool] = {}
    firmware: str = ""

    def knows(self, group: CommandGroup) -> bool | None:
        """Whether the camera knows the group; None if that is not known."""
        return self.groups.get(group)


#: Nothing is known.
UNKNOWN = Capabilities()


def connect_shape(*, sign: object, did: object) -> ConnectShape:
    """The shape of a connect by which of its fields are given (1.1)."""
    if not sign:
        return "unsigned"
    return "did" if did else "signed"


def supposed_edition(known: Capabilities) -> Edition:
    """The edition that a camera most likely has: a guess, for what to try first.

    Only edition 3 connects without a signature, and answers `get_info`; a signed connect without a
    did occurs in editions 1 and 2.
    """
    if known.connect == "unsigned" or known.groups.get("information"):
        return 3
    return known.uploads or 1


def may_know(known: Capabilities, group: CommandGroup) -> bool:
    """Whether to offer what needs a group: it is known, or likely as long as nothing is learnt.

    Edition 2 has the group of people, edition 3 all of them.
    """
    is_known = known.groups.get(group)
    if is_known is not None:
        return is_known
    return supposed_edition(known) >= (2 if group == "people" else 3)


def editions_to_try(learnt: Edition | None, known: Capabilities) -> tuple[Edition, ...]:
    """In which order to try the editions of a setting: the next one only after a 404.

    `learnt`: the edition that this camera took this setting in. A camera that is supposed to have
    edition 1 is tried upwards, any other downwards from 3.
    """
    first = learnt or supposed_edition(known)
    rest = EDITIONS if first == 1 else tuple(reversed(EDITIONS))
    return (first, *(edition for edition in rest if edition != first))


def with_connect(known: Capabilities, shape: ConnectShape) -> Capabilities:
    """What is known after a connect of this shape: nothing else, if it differs from the last."""
    if known.connect in (None, shape):
        return replace(known, connect=shape)
    return Capabilities(connect=shape)


def with_firmware(known: Capabilities, firmware: str) -> Capabilities:
    """What is known after the camera named its firmware: its connect only, if it is another one."""
    if not firmware or known.firmware in ("", firmware):
        return replace(known, firmware=firmware or known.firmware)
    return Capabilities(connect=known.connect, firmware=firmware)


def with_group(known: Capabilities, group: CommandGroup, *, is_known: bool) -> Capabilities:
    """What is known after a command of the group was answered, or refused with 404.

    A group that answered stays known: a 404 then concerns the one command.
    """
    if known.groups.get(group):
        return known
    return replace(known, groups={**known.groups, group: is_known})


def needs_inquiry(known: Capabilities) -> bool:
    """Whether `get_info` should be sent: the read that tells edition 3 from the others.

    It should if the camera has not answered it, and shows signs of edition 2 or 3.
    """
    is_later = known.connect in ("signed", "unsigned") or (known.uploads or 1) > 1
    return is_later and "information" not in known.groups
