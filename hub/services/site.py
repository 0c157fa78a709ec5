"""The site: its name, time zone and language, and the addresses at which cameras reach the hub."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

import ifaddr
from babel.localtime import get_localzone
from msgspec import Struct

from hub.errors import BadParameter
from hub.live.feed import Change, Feed

if TYPE_CHECKING:
    from hub.services.settings.settings import Settings
    from hub.store.tables.settings import SettingTable

Language = Literal["auto", "zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

MAX_NAME_LENGTH = 100
#: Interfaces of containers and virtual machines, where cameras are unlikely.
_VIRTUAL_PREFIXES = (
    *("docker", "br-", "veth", "cni", "podman"),
    *("virbr", "vmnet", "vboxnet", "vethernet"),
)


class SiteSettings(Struct, frozen=True):
    """Settings that an administrator entered, not checked yet; see Site.check()."""

    name: str
    #: An IANA name, "Asia/Shanghai".
    zone: str
    language: str


class Site:
    """Settings of the site: as set on the page, else in the configuration, else on the host."""

    def __init__(
        self,
        chosen: SettingTable,
        settings: Settings,
        change_feed: Feed[Change],
        *,
        adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters,
    ) -> None:
        self._chosen = chosen
        self._settings = settings
        self._change_feed = change_feed
        self._adapters = adapters
        self._host_zone = host_zone_name()

    def name(self) -> str:
        """Return the site's name; the host's name if none is set."""
        return (
            self._chosen.get("site.name")
            or self._settings.current.site.name
            or socket.gethostname()
        )

    def chosen(self, field: str) -> str | None:
        """Return the "name", "timezone" or "language" that was set on the page, if one was."""
        return self._chosen.get(f"site.{field}") or None

    def zone_name(self) -> str:
        """Return the IANA name of the time zone."""
        chosen = self._chosen.get("site.timezone")
        if chosen and _is_zone(chosen):
            return chosen
        return self._settings.current.site.timezone or self._host_zone

    def zone(self) -> ZoneInfo:
        """Return the time zone."""
        return ZoneInfo(self.zone_name())

    def language(self) -> Language:
        """Return the language of the pages; `auto` means that of each browser."""
        chosen = self._chosen.get("site.language")
        try:
            return _language(chosen) if chosen else self._settings.current.site.language
        except BadParameter:  # the row is damaged
            return self._settings.current.site.language

    def check(self, new: SiteSettings) -> None:
        """Raise BadParameter for the field "name", "zone" or "language" unless all are valid."""
        name = new.name.strip()
        if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise BadParameter(f"1 to {MAX_NAME_LENGTH} printable characters", field="name")
        check_zone(new.zone)
        _language(new.language)

    async def set(self, new: SiteSettings) -> None:
        """Store the settings, which apply at once. Raises BadParameter as check() does."""
        self.check(new)
        await self._chosen.set("site.name", new.name.strip())
        await self._chosen.set("site.timezone", new.zone)
        await self._chosen.set("site.language", new.language)
        self._change_feed.publish([Change("site", "")])

    def addresses(self) -> list[str]:
        """Return this host's addresses on the network, those of physical interfaces first.

        Loopback and link-local addresses are left out. Raises OSError.
        """
        bind = self._settings.current.devices.bind
        if bind not in ("0.0.0.0", "::"):
            return [bind]
        found = [
            (_is_virtual(adapter.nice_name), address.version, str(address))
            for adapter in self._adapters()
            for address in map(_address, adapter.ips)
            if not (address.is_loopback or address.is_link_local)
            # The port serves IPv6 only if it is bound to "::".
            and (address.version == 4 or bind == "::")
        ]
        return list(dict.fromkeys(text for _, _, text in sorted(found, key=lambda f: f[:2])))


def _is_virtual(interface: str) -> bool:
    return interface.lower().startswith(_VIRTUAL_PREFIXES)


def check_zone(name: str) -> None:
    """Raise BadParameter for "zone" unless the host knows this time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise BadParameter(
            f"no such time zone: {name!r}; give one such as Asia/Shanghai", field="zone"
        ) from None


def _language(text: str) -> Language:
    for known in LANGUAGES:
        if text == known:
            return known
    raise BadParameter("one of auto, zh, en", field="language")


def _address(ip: ifaddr.IP) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip)


def host_zone_name() -> str:
    """Return the IANA name of the host's time zone, or "UTC" if it has none."""
    try:
        name = str(getattr(get_localzone(), "key", "UTC"))
        check_zone(name)
    except (LookupError, BadParameter):  # A container has none.
        return "UTC"
    return name


def _is_zone(name: str) -> bool:
    """Whether this is a time zone: the row of the setting may be damaged."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
