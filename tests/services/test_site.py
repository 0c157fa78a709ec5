from __future__ import annotations

import socket
from types import SimpleNamespace

import ifaddr
import pytest

from hub.config import Config, DevicesConfig, SiteConfig
from hub.errors import BadParameter
from hub.live.feed import Change, Feed
from hub.services.site import Site, SiteSettings, host_zone_name
from tests.support.hub_services import HubServices


def adapter(name: str, *ips: str | tuple[str, int, int]) -> ifaddr.Adapter:
    return ifaddr.Adapter(name, name, [ifaddr.IP(ip, 24, name) for ip in ips])


def site_with(*adapters: ifaddr.Adapter, bind: str) -> Site:
    settings = SimpleNamespace(get=lambda key: None)
    config = Config(devices=DevicesConfig(bind=bind))
    return Site(settings, SimpleNamespace(current=config), Feed(), adapters=lambda: adapters)  # type: ignore[arg-type]


async def test_settings_of_the_page_override_the_configuration(
    hub: HubServices,
) -> None:
    config = Config(site=SiteConfig(name="From file", timezone="Europe/Berlin", language="en"))
    site = Site(hub.store.settings, SimpleNamespace(current=config), Feed())
    assert (site.name(), site.zone_name(), site.language()) == ("From file", "Europe/Berlin", "en")
    await site.set(SiteSettings(" North plant ", "Asia/Shanghai", "zh"))
    assert (site.name(), site.zone().key, site.language()) == ("North plant", "Asia/Shanghai", "zh")


async def test_without_settings_the_name_and_zone_of_the_host_are_used(hub: HubServices) -> None:
    site = hub.services.core.site
    assert site.name() == socket.gethostname()
    assert site.language() == "auto"
    assert site.zone().key == site.zone_name()


@pytest.mark.parametrize("fault", [LookupError("none is configured"), None])
def test_a_host_without_a_time_zone_is_in_utc(
    monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    def find() -> object:
        if fault is None:
            return object()
        raise fault

    monkeypatch.setattr("hub.services.site.get_localzone", find)
    assert host_zone_name() == "UTC"


async def test_a_change_is_published(hub: HubServices) -> None:
    with hub.services.core.changes.subscribe() as changes:
        await hub.services.core.site.set(SiteSettings("x", "UTC", "auto"))
        assert await changes.next() == [Change("site")]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (SiteSettings("  ", "UTC", "zh"), "name"),
        (SiteSettings("x" * 101, "UTC", "zh"), "name"),
        (SiteSettings("x", "Mars/Olympus", "zh"), "zone"),
        (SiteSettings("x", "../../etc/passwd", "zh"), "zone"),
        (SiteSettings("x", "", "zh"), "zone"),
        (SiteSettings("x", "UTC", "fr"), "language"),
    ],
)
async def test_an_invalid_setting_is_refused_by_its_field_and_nothing_is_stored(
    hub: HubServices, settings: SiteSettings, field: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        await hub.services.core.site.set(settings)
    assert caught.value.field == field
    assert hub.store.settings.get("site.name") is None


@pytest.mark.parametrize(
    ("bind", "addresses"),
    [
        ("0.0.0.0", ["192.168.1.10", "172.17.0.1"]),
        ("::", ["192.168.1.10", "fd00::2", "172.17.0.1"]),
        ("10.1.1.1", ["10.1.1.1"]),
    ],
)
def test_addresses_are_those_served_physical_ones_first_without_loopback(
    bind: str, addresses: list[str]
) -> None:
    site = site_with(
        adapter("lo", "127.0.0.1", ("::1", 0, 0)),
        adapter("docker0", "172.17.0.1"),
        adapter("eth0", ("fe80::1", 0, 2), ("fd00::2", 0, 0), "192.168.1.10", "169.254.3.4"),
        bind=bind,
    )
    assert site.addresses() == addresses
