"""What a check found: a code with values, whose sentences are in `texts`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from msgspec import Struct

from hub.reasons import Value
from hub.services.doctor.texts import sentences_of

State = Literal["ok", "warning", "failed"]

CheckName = Literal[
    "hub",
    "service",
    "settings",
    "ports",
    "clock",
    "disk",
    "certificate",
    "permissions",
    "sqlite",
    "database",
    "key",
    "set-aside",
    "backups",
    "integrity",
    "records",
    "counts",
    "entries",
    "pictures",
    "firmware",
]
CHECK_NAMES: tuple[CheckName, ...] = get_args(CheckName)


class Finding(Struct, frozen=True):
    """One line of the doctor. `args`: the values of its sentences."""

    check: CheckName
    state: State
    code: str
    args: Mapping[str, Value] = {}

    @property
    def text(self) -> str:
        """What was found, in English."""
        return sentences_of(self.code).found % self.args

    @property
    def advice(self) -> str:
        """What to do about it, in English; "" if nothing."""
        return sentences_of(self.code).advice % self.args


def moment_text(moment: float) -> str:
    """Return a UNIX time as the findings tell it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def ok(check: CheckName, code: str, **args: Value) -> Finding:
    return Finding(check, "ok", code, args)


def warning(check: CheckName, code: str, **args: Value) -> Finding:
    return Finding(check, "warning", code, args)


def failed(check: CheckName, code: str, **args: Value) -> Finding:
    return Finding(check, "failed", code, args)
