"""What a form offers to choose from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from hub.store.people.groups import CameraGroup
from web.language import gettext

Code = TypeVar("Code", bound=str)


class Choice(Struct, frozen=True):
    value: str
    text: str
    chosen: bool = False


class GroupChoice(Struct, frozen=True):
    """A group of cameras. `cameras`: how many it has."""

    id: int
    name: str
    cameras: int
    chosen: bool


def choices(texts: Mapping[Code, str], chosen: str = "") -> list[Choice]:
    """The texts by value, in the language of the request."""
    return [Choice(value, gettext(text), value == chosen) for value, text in texts.items()]


def group_choices(groups: Sequence[CameraGroup], chosen: Collection[str]) -> list[GroupChoice]:
    return [GroupChoice(one.id, one.name, len(one.dids), str(one.id) in chosen) for one in groups]
