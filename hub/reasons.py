"""Why something is so: an English sentence with values, which pages say in their language.

It is stored and handed on like that, and becomes a text where it is shown. The sentence is the id
of its translation; a test holds that each has one. What another system says is a reason without
values: pages show it as it is, unless its words are translated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct

from hub.decoders import decode_json


class Reason(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A sentence with `values` in the places of `%(name)s`, if it has any. `str()` is English."""

    sentence: str
    values: Mapping[str, Value] = {}

    def __str__(self) -> str:
        return self.told(str)

    def told(self, translate: Callable[[str], str]) -> str:
        """Return it as a text, with its sentence and those of its values translated."""
        if not self.values:
            return self.sentence and translate(self.sentence)
        values = {
            name: value.told(translate) if isinstance(value, Reason) else value
            for name, value in self.values.items()
        }
        try:
            return translate(self.sentence) % values
        except (KeyError, TypeError, ValueError):  # stored, and damaged there
            return self.sentence

    def stored(self) -> str:
        """Return what `read_reason` reads."""
        return msgspec.json.encode(self).decode()


#: What can stand in a sentence.
Value: TypeAlias = str | int | Reason


def texts(values: Mapping[str, Value]) -> dict[str, str]:
    """Return values as programs are told them."""
    return {name: str(value) for name, value in values.items()}


def because(sentence: str, /, **values: Value) -> Reason:
    """Return a reason with values."""
    return Reason(sentence, values)


def read_reason(stored: str) -> Reason:
    """Return a reason as it was stored. What is stored as a text stays that text."""
    try:
        return decode_json(stored, Reason)
    except msgspec.MsgspecError:
        return Reason(stored)
