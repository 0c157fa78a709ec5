"""The addresses of the hub's ports, as people open them or enter them on a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.config import ports_of

if TYPE_CHECKING:
    from hub.config import Config, WebConfig
    from hub.services import Services
    from hub.services.settings.settings import Settings
    from hub.services.site import Site


def dashboard_urls(services: Services) -> list[str]:
    """Return the URLs of the dashboard on the site's network, at least one."""
    return web_urls(services.core.site, services.config.web)


def web_urls(site: Site, web: WebConfig) -> list[str]:
    """Return the URLs of the web port on the site's network, at least one."""
    scheme = "https" if web.tls else "http"
    return [f"{scheme}://{host}:{web.port}{web.prefix}/" for host in hosts(site, web.bind)]


def base_url(site: Site, settings: Settings) -> str:
    """Return how the hub is reached first, without a slash at the end."""
    return web_urls(site, settings.current.web)[0].rstrip("/")


def own_ports(config: Config) -> frozenset[int]:
    """Return the TCP ports of this hub."""
    return frozenset(one.port for one in ports_of(config))


def device_urls(services: Services) -> list[str]:
    """Return the URLs to enter on cameras, at least one."""
    devices = services.config.devices
    scheme = "wss" if devices.tls else "ws"
    return [
        f"{scheme}://{host}:{devices.port}/" for host in hosts(services.core.site, devices.bind)
    ]


def hosts(site: Site, bind: str) -> list[str]:
    """Return the addresses of a port bound to `bind`, as hosts of a URL."""
    found = [bind]
    if bind in ("0.0.0.0", "::"):
        both = bind == "::"
        found = [host for host in site.addresses() if both or ":" not in host]
    return [f"[{host}]" if ":" in host else host for host in found or ["localhost"]]
