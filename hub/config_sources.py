"""Where the settings come from, and how they are read and checked.

Later sources override earlier ones: built-in defaults, `sitehub.toml`, the environment
(`SITEHUB_WEB_PORT=8443`), `--set web.port=8443`. An unknown or invalid setting stops the start.
"""

from __future__ import annotations

import os
import re
import tomllib
import zoneinfo
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hub.config import (
    SECTIONS,
    SETTINGS,
    Config,
    Setting,
    Value,
    as_toml,
    ports_of,
)
from hub.decoders import convert
from hub.errors import StartFault

FILE_NAME = "sitehub.toml"
#: What `web.prefix` may be.
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*")

#: From the weakest to the strongest.
Source = Literal["default", "file", "environment", "set"]


class Sources(Struct, frozen=True):
    """Where the settings of a hub come from.

    `file` replaces the `sitehub.toml` of the data directory, and must exist. `overrides` are those
    of `--set`.
    """

    data_dir: Path
    environment: Mapping[str, str] = {}
    file: Path | None = None
    overrides: Sequence[str] = ()

    @property
    def path(self) -> Path:
        return self.file or self.data_dir / FILE_NAME

    def read_file(self) -> bytes:
        """Return the file as it is; nothing if there is none. Raises StartFault."""
        # If the directory cannot be read, preparing it will say so.
        if self.file is None and not os.path.exists(self.path):
            return b""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise StartFault(
                f"cannot read the configuration {self.path}: {error.strerror}"
            ) from None

    def load(self, file: bytes | None = None) -> Loaded:
        """Return the configuration. Raises StartFault with one line.

        `file` is used in place of the contents of the file.
        """
        in_file = _from_file(self.path, self.read_file() if file is None else file)
        environment = _from_environment(self.environment)
        overrides = _from_overrides(self.overrides)
        config = _build({**in_file, **environment, **overrides})
        _check_combinations(config)
        return Loaded(config, self, in_file, environment, overrides)


class Loaded(Struct, frozen=True):
    """A configuration, where it was read, and the values by setting that each source gave."""

    config: Config
    sources: Sources
    file: Mapping[str, Value] = {}
    environment: Mapping[str, Value] = {}
    overrides: Mapping[str, Value] = {}

    def source_of(self, name: str) -> Source:
        """Return the source that decides the value of this setting."""
        if name in self.overrides:
            return "set"
        if name in self.environment:
            return "environment"
        return "file" if name in self.file else "default"


def load(
    data_dir: Path,
    *,
    file: Path | None = None,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
) -> Config:
    """Return the configuration for `data_dir`, see `Sources`. Raises StartFault with one line."""
    return Sources(data_dir, environment, file, overrides).load().config


def write_default(data_dir: Path, chosen: Mapping[str, Value] | None = None) -> None:
    """Write `sitehub.toml` with every setting as a comment, unless the file exists.

    `chosen`: settings that the new file sets. If that fails, for example because the disk is full,
    the next start tries again.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        with suppress(OSError):
            path.write_text(default_file(chosen), encoding="utf-8")


def default_file(chosen: Mapping[str, Value] | None = None) -> str:
    """Return the text of a new `sitehub.toml`, which sets what is chosen."""
    values = chosen or {}
    lines = [
        "# The configuration of this hub. Lines that begin with # are comments and show the",
        "# defaults. To change a setting, remove the # and edit the value, and then run",
        "# sitehub reload, which says whether a restart is needed.",
    ]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for setting in SETTINGS.values():
            if setting.section == section:
                lines += [
                    f"# {setting.meaning}. Allowed: {setting.allowed}.",
                    _line(setting, values.get(setting.name)),
                ]
    return "\n".join(lines) + "\n"


def _line(setting: Setting, value: Value | None) -> str:
    if value is None:
        return f"#{setting.key} = {as_toml(setting.default)}"
    return f"{setting.key} = {as_toml(value)}"


def _from_file(path: Path, text: bytes) -> dict[str, Value]:
    try:
        document = tomllib.loads(text.decode("utf-8-sig"))
    except ValueError as error:  # not TOML, or not UTF-8
        raise StartFault(f"the configuration {path} is not valid TOML: {error}") from None
    values: dict[str, Value] = {}
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise StartFault(
                f"unknown setting {section} (in {path}): "
                f"allowed are the sections [{'], ['.join(SECTIONS)}]"
            )
        for key, value in table.items():
            setting = _find_setting(section, key, f"in {path}")
            values[setting.name] = setting.check(value, f"in {path}")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for variable, value in environment.items():
        prefix, _, rest = variable.partition("_")
        section, _, key = rest.lower().partition("_")
        if prefix == "SITEHUB" and section in SECTIONS and key:
            source = f"from {variable} in the environment"
            setting = _find_setting(section, key, source)
            values[setting.name] = setting.check(value, source, from_text=True)
    return values


def _from_overrides(overrides: Sequence[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for override in overrides:
        name, equals, value = override.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not dot:
            raise StartFault(
                f"bad setting {override} (from --set): allowed is SECTION.KEY=VALUE, "
                "such as web.port=8443"
            )
        setting = _find_setting(section, key, "from --set")
        values[setting.name] = setting.check(value.strip(), "from --set", from_text=True)
    return values


def _find_setting(section: str, key: str, source: str) -> Setting:
    if setting := SETTINGS.get(f"{section}.{key}"):
        return setting
    if section not in SECTIONS:
        allowed = f"the sections {', '.join(SECTIONS)}"
    else:
        keys = (other.key for other in SETTINGS.values() if other.section == section)
        allowed = f"{section}.{{{', '.join(keys)}}}"
    raise StartFault(f"unknown setting {section}.{key} ({source}): allowed are {allowed}")


def _build(values: Mapping[str, Value]) -> Config:
    sections: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for name, value in values.items():
        sections[SETTINGS[name].section][SETTINGS[name].key] = value
    return convert(sections, Config)


def _check_combinations(config: Config) -> None:
    """Check the rules that involve several settings."""
    _check_ports(config)
    if bool(config.tls.cert) != bool(config.tls.key):
        there, missing = ("cert", "key") if config.tls.cert else ("key", "cert")
        raise StartFault(f"bad setting tls.{there}: allowed only together with tls.{missing}")
    if config.web.upload_budget_mb < config.web.max_body_mb:
        raise StartFault(
            f"bad setting web.upload_budget_mb = {config.web.upload_budget_mb}: allowed is at "
            f"least web.max_body_mb ({config.web.max_body_mb}), to accept the largest body"
        )
    if not _PREFIX.fullmatch(config.web.prefix):
        raise StartFault(
            f"bad setting web.prefix = {config.web.prefix}: allowed is a path such as /hub, of "
            "letters, digits, - and _, without / at the end"
        )
    _check_networks("web.trusted_proxies", config.web.trusted_proxies)
    _check_networks("devices.unsigned_networks", config.devices.unsigned_networks)
    if config.site.timezone:
        try:
            zoneinfo.ZoneInfo(config.site.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise StartFault(
                f"bad setting site.timezone = {config.site.timezone}: "
                "allowed is an IANA name such as Asia/Shanghai or Europe/Berlin"
            ) from None


def _check_networks(name: str, value: str) -> None:
    try:
        for part in value.replace(",", " ").split():
            ip_network(part, strict=False)
    except ValueError:
        raise StartFault(
            f"bad setting {name} = {value}: allowed are "
            "addresses and networks such as 127.0.0.1 or 10.0.0.0/8, separated by commas"
        ) from None


def _check_ports(config: Config) -> None:
    everywhere = ("0.0.0.0", "::", "")
    ports = ports_of(config)
    for index, (name, bind, port) in enumerate(ports):
        for other, other_bind, other_port in ports[:index]:
            same_address = bind == other_bind or bind in everywhere or other_bind in everywhere
            if port == other_port and same_address:
                raise StartFault(
                    f"bad setting {name} = {port}: allowed is a port of its own, "
                    f"and {other} is {port} too"
                )
