"""2.3: what a device asks about new firmware, how versions compare, and what it is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct
from msgspec.structs import asdict

from hub.errors import BadParameter
from hub.wire.coercion import MAX_NUMBER
from hub.wire.extra_fields import FieldReader
from hub.wire.uploads.bodies import DeviceInfo, decode_device_info

#: 2.3: what a component is, by its `type`.
COMPONENT_TYPES = {1: "description", 2: "firmware", 3: "app", 4: "model", 5: "license"}

_NUMBERS = re.compile(r"\s*[Vv]?\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})\s*", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_LONGEST_FILE_NAME = 64


class HasVersions(Protocol):
    """A device as stored, or what one told of itself."""

    @property
    def fw_ver(self) -> str | None: ...
    @property
    def sw_ver(self) -> str | None: ...
    @property
    def os_ver(self) -> str | None: ...
    @property
    def hw_ver(self) -> str | None: ...


class Versions(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The four versions of 2.2 and 2.3 as text; None: nothing is said of it."""

    fw_ver: str | None = None
    sw_ver: str | None = None
    os_ver: str | None = None
    hw_ver: str | None = None

    @classmethod
    def of(cls, source: HasVersions) -> Versions:
        return cls(
            fw_ver=source.fw_ver,
            sw_ver=source.sw_ver,
            os_ver=source.os_ver,
            hw_ver=source.hw_ver,
        )

    def told(self) -> Iterator[tuple[str, str]]:
        """(name on the wire, version) of those that something is said of."""
        values = asdict(self)
        for name, wire_name in VERSION_NAMES.items():
            if values[name]:
                yield wire_name, values[name]

    def below(self, least: Versions) -> str:
        """What of these is older than `least` allows, in words; "" where nothing is known to be."""
        reported = dict(self.told())
        for name, wanted in least.told():
            if name in reported and is_older(reported[name], wanted):
                return f"{name}: {reported[name]} is older than {wanted}"
        return ""

    def hold(self, wanted: Versions) -> bool:
        """Whether every version that `wanted` names is reported here."""
        reported = dict(self.told())
        return all(is_same(reported.get(name, ""), version) for name, version in wanted.told())


#: Field -> name on the wire.
VERSION_NAMES = dict(
    zip(Versions.__struct_fields__, Versions.__struct_encode_fields__, strict=True)
)


class OtaQuery(Struct, frozen=True):
    """The question. `ota_id` is None where it is empty or missing: the token says who asks."""

    ota_id: str | None
    info: DeviceInfo


class OtaComponent(Struct, frozen=True, kw_only=True):
    """A file of a release; digests in lower-case hex, `size` in bytes."""

    name: str
    type: int
    size: int
    md5: str
    sha256: str
    url: str


class OtaAnswer(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`data` of the answer: a release, which the device compares by `ver_code`."""

    ver_code: int
    ver_name: str
    description: str = ""
    release_date: str
    component_list: tuple[OtaComponent, ...]


def decode_ota_query(body: bytes, *, max_depth: int) -> OtaQuery:
    """Raises BadParameter."""
    info = decode_device_info(body, max_depth=max_depth)
    return OtaQuery(FieldReader.decode(body).text("otaId"), info)


def parse_version(text: str) -> tuple[int, ...] | None:
    """Dotted numbers with or without a leading V (D5); 1.0 is 1. None: it cannot be read."""
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_older(reported: str, wanted: str) -> bool:
    """D5: what cannot be read is never older."""
    one, other = parse_version(reported), parse_version(wanted)
    return one is not None and other is not None and one < other


def is_same(reported: str, wanted: str) -> bool:
    """D5: what cannot be read is different."""
    one = parse_version(reported)
    return one is not None and one == parse_version(wanted)


def check_version(text: str, field: str) -> None:
    """A release names versions that compare: another one would be different for ever."""
    if parse_version(text) is None:
        raise BadParameter("a version as dotted numbers is expected, such as V1.2.3", field=field)


def check_ver_code(number: int, field: str) -> None:
    if not 0 <= number <= MAX_NUMBER:
        raise BadParameter("a whole number from 0 to 2^53 is expected", field=field)


def base_url(scheme: str, host: str) -> str:
    """Where the device itself found the hub (D5). Raises BadParameter where that is no host."""
    if not _HOST.fullmatch(host):
        raise BadParameter("the hub's address as the device knows it is expected", field="Host")
    return f"{scheme}://{host}"


def file_name(component_name: str) -> str:
    """The last part of a component's url: plain enough for any device."""
    plain = _UNSAFE.sub("-", component_name).strip("-.")
    return plain[:_LONGEST_FILE_NAME] or "file"
