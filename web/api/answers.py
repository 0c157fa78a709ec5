"""Structs that several answers of the API share.

All answers are structs. Their docstrings and field descriptions appear in openapi.json.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Time = Annotated[str, Meta(description="RFC 3339 in UTC with milliseconds")]
Did = Annotated[str, Meta(description="a decimal string from 1 to 2^64 - 1")]


class Versions(Struct, frozen=True):
    """Versions as a device reports them (2.2); null: not given."""

    fwVer: str | None = None
    swVer: str | None = None
    osVer: str | None = None
    hwVer: str | None = None


class Refusal(Struct, frozen=True):
    """The answer to a request that failed."""

    code: Annotated[int, Meta(description="the protocol's error code")]
    msg: Annotated[str, Meta(description="names the field and what is allowed")]
