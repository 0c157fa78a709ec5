"""The site itself: its name, zone and language, and the addresses at which cameras reach it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

import ifaddr
from babel.localtime import get_localzone
from msgspec import Struct

from hub.config import Config
from hub.errors import BadParameter
from hub.live.feed import Change, Feed

if TYPE_CHECKING:
    from hub.store.tables.settings import SettingTable

Language = Literal["auto", "zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_LONGEST_NAME = 100
#: Interfaces of containers and virtual machines: no camera is there, most likely.
_VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "cni", "podman", "vethernet")


class SiteSettings(Struct, frozen=True):
    name: str
    #: An IANA name, "Asia/Shanghai".
    zone: str
    language: str


class Site:
    """What was set on the page counts; else the configuration; else what the host says."""

    def __init__(
        self,
        settings: SettingTable,
        config: Config,
        change_feed: Feed[Change],
        *,
        adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters,
    ) -> None:
        self._settings = settings
        self._config = config
        self._change_feed = change_feed
        self._adapters = adapters
        self._host_zone = _host_zone_name()

    def name(self) -> str:
        return self._settings.get("site.name") or self._config.site.name or socket.gethostname()

    def zone_name(self) -> str:
        return self._settings.get("site.timezone") or self._config.site.timezone or self._host_zone

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name())

    def language(self) -> Language:
        """`auto`: as each browser asks."""
        chosen = self._settings.get("site.language")
        return _language(chosen) if chosen else self._config.site.language

    def check(self, new: SiteSettings) -> None:
        """Raises BadParameter naming "name", "zone" or "language"."""
        name = new.name.strip()
        if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
            raise BadParameter(f"1 to {_LONGEST_NAME} printable characters", field="name")
        check_zone(new.zone)
        _language(new.language)

    async def set(self, new: SiteSettings) -> None:
        """Holds at once, and after a restart. Raises BadParameter as `check` does."""
        self.check(new)
        await self._settings.set("site.name", new.name.strip())
        await self._settings.set("site.timezone", new.zone)
        await self._settings.set("site.language", new.language)
        self._change_feed.publish([Change("site", "")])

    def addresses(self) -> list[str]:
        """This host's addresses on the network, the likeliest first; none of loopback."""
        bind = self._config.devices.bind
        if bind not in ("0.0.0.0", "::"):
            return [bind]
        found = [
            (_is_virtual(adapter.nice_name), address.version, str(address))
            for adapter in self._adapters()
            for address in map(_address, adapter.ips)
            if not (address.is_loopback or address.is_link_local)
            # Only "::" serves both families.
            and (address.version == 4 or bind == "::")
        ]
        return list(dict.fromkeys(text for _, _, text in sorted(found, key=lambda f: f[:2])))


def _is_virtual(interface: str) -> bool:
    return interface.lower().startswith(_VIRTUAL)


def check_zone(name: str) -> None:
    """Raises BadParameter for "zone" where `name` is no time zone that this host knows."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise BadParameter(f"no such time zone: {name!r}", field="zone") from None


def _language(text: str) -> Language:
    for known in LANGUAGES:
        if text == known:
            return known
    raise BadParameter("one of auto, zh, en", field="language")


def _address(ip: ifaddr.IP) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip)


def _host_zone_name() -> str:
    """The host's zone by its IANA name; UTC where it has none."""
    name = getattr(get_localzone(), "key", "UTC")
    try:
        check_zone(name)
    except BadParameter:
        return "UTC"
    return str(name)
