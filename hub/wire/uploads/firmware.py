"""Firmware queries of devices and their answers (2.3), and the comparison of versions (D5)."""

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

#: Kinds of components by their `type` (2.3).
COMPONENT_TYPES = {1: "description", 2: "firmware", 3: "app", 4: "model", 5: "license"}

#: What follows an underscore tells nothing of the order: edition 3 reports `1.1.57_…` (D12).
_NUMBERS = re.compile(
    r"\s*[Vv]?\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})(?:_[\w.-]{0,100})?\s*", re.ASCII
)
#: The types of components that edition 3 has.
TYPES_OF_3 = (1, 2)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_PORT = re.compile(r":[0-9]{1,5}\Z", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_MAX_FILE_NAME_LENGTH = 64


class HasVersions(Protocol):
    """A stored device, or what a device reported about itself."""

    @property
    def fw_ver(self) -> str | None: ...
    @property
    def sw_ver(self) -> str | None: ...
    @property
    def os_ver(self) -> str | None: ...
    @property
    def hw_ver(self) -> str | None: ...


class Versions(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The four versions of 2.2 and 2.3 as text; None: not reported, or not required."""

    fw_ver: str | None = None
    sw_ver: str | None = None
    os_ver: str | None = None
    hw_ver: str | None = None

    @classmethod
    def of(cls, source: HasVersions) -> Versions:
        """Copy the versions of `source`."""
        return cls(
            fw_ver=source.fw_ver,
            sw_ver=source.sw_ver,
            os_ver=source.os_ver,
            hw_ver=source.hw_ver,
        )

    def given(self) -> Iterator[tuple[str, str]]:
        """The versions that are given, each as (name on the wire, version)."""
        values = asdict(self)
        for name, wire_name in VERSION_NAMES.items():
            if values[name]:
                yield wire_name, values[name]

    def first_older_than(self, least: Versions) -> str:
        """Describe the first version that is older than in `least`; empty if none is known."""
        reported = dict(self.given())
        for name, wanted in least.given():
            if name in reported and is_older(reported[name], wanted):
                return f"{name}: {reported[name]} is older than {wanted}"
        return ""

    def matches(self, wanted: Versions) -> bool:
        """Whether each version that `wanted` gives is the same here."""
        reported = dict(self.given())
        return all(is_same(reported.get(name, ""), version) for name, version in wanted.given())


#: Field -> name on the wire.
VERSION_NAMES = dict(
    zip(Versions.__struct_fields__, Versions.__struct_encode_fields__, strict=True)
)


class OtaQuery(Struct, frozen=True):
    """A firmware query (2.3). If `ota_id` is None, the token identifies the device.

    `ver_code`: the number of what is installed, which only edition 3 sends (D12).
    """

    ota_id: str | None
    info: DeviceInfo
    ver_code: int | None = None


class OtaComponent(Struct, frozen=True, kw_only=True):
    """A file of a release (2.3). Digests in lower-case hex, `size` in bytes."""

    name: str
    type: int
    size: int
    md5: str
    sha256: str
    url: str


class OtaAnswer(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The `data` of the answer (2.3): a release. The device compares `ver_code` with its own."""

    ver_code: int
    ver_name: str
    description: str = ""
    release_date: str
    component_list: tuple[OtaComponent, ...]


class PlainComponent(Struct, frozen=True):
    """A file of a release in edition 3: 1 version file, 2 firmware."""

    type: int
    url: str


class PlainOtaAnswer(Struct, frozen=True, rename="camel"):
    """The `data` of the answer in edition 3 (D12): it has neither sizes nor digests."""

    ver_name: str
    component_list: tuple[PlainComponent, ...]


def decode_ota_query(body: bytes, *, max_depth: int) -> OtaQuery:
    """Decode a firmware query (2.3), of any edition. Raises BadParameter."""
    info = decode_device_info(body, max_depth=max_depth)
    fields = FieldReader.decode(body)
    return OtaQuery(fields.text("otaId"), info, fields.integer("verCode"))


def parse_version(text: str) -> tuple[int, ...] | None:
    """Dotted numbers, with or without a leading V (D5); 1.0 equals 1. None if unreadable."""
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_older(reported: str, wanted: str) -> bool:
    """Whether `reported` is older than `wanted`. An unreadable version is never older (D5)."""
    one, other = parse_version(reported), parse_version(wanted)
    return one is not None and other is not None and one < other


def is_same(reported: str, wanted: str) -> bool:
    """Whether two versions are equal. An unreadable version differs from all (D5)."""
    one = parse_version(reported)
    return one is not None and one == parse_version(wanted)


def check_version(text: str, field: str) -> None:
    """Raise BadParameter if a release's version is unreadable: it would differ from all others."""
    if parse_version(text) is None:
        raise BadParameter("a version as dotted numbers is expected, such as V1.2.3", field=field)


def check_ver_code(number: int, field: str) -> None:
    """Raise BadParameter unless every JSON reader can represent this version code."""
    if not 0 <= number <= MAX_NUMBER:
        raise BadParameter("a whole number from 0 to 2^53 is expected", field=field)


def base_url(scheme: str, host: str) -> str:
    """The hub's address as the device used it (D5). Raises BadParameter if `host` is invalid."""
    if not _HOST.fullmatch(host):
        raise BadParameter(
            "the hub's address is expected, as a host name or IP address", field="Host"
        )
    return f"{scheme}://{host}"


def tls_base_url(host: str, port: int) -> str:
    """The hub's address as the device used it, but over TLS on this port (D12).

    Raises BadParameter if `host` is invalid.
    """
    base_url("https", host)
    return f"https://{_PORT.sub('', host)}:{port}"


def file_name(component_name: str) -> str:
    """The file name in a component's url, reduced to characters that any device accepts."""
    plain = _UNSAFE.sub("-", component_name).strip("-.")
    return plain[:_MAX_FILE_NAME_LENGTH] or "file"
