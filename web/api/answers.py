"""Structs that several answers of the API share.

All answers are structs. Their docstrings and field descriptions appear in openapi.json.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.store.people.person_rows import PersonName

Time = Annotated[str, Meta(description="RFC 3339 in UTC with milliseconds")]
Did = Annotated[str, Meta(description="a decimal string from 1 to 2^64 - 1")]
Pid = Annotated[str, Meta(description="a decimal string from 1 to 2^64 - 1")]


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


class KnownAs(Struct, frozen=True):
    """What the register says of a person whom a camera names by `uuid` or `pid`."""

    pid: Pid
    name: str
    category: Annotated[int, Meta(description="1 whitelist, 2 blacklist, 3 VIP, 4 visitor")]


def known_as_fields(person: PersonName) -> KnownAs:
    return KnownAs(person.pid, person.name, person.category)
