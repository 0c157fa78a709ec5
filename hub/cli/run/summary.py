"""The summary printed at start-up: all addresses and, on a first run, the setup link."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hub import __version__
from hub.errors import CannotStoreNow
from hub.services import Services
from hub.services.audit import COMMAND_LINE
from hub.services.urls import dashboard_urls, device_urls, hosts

_LABEL_WIDTH = 15


async def announce(services: Services, *, simulated: int | None) -> str:
    """Print the summary on stdout in one write, with a new setup link on a first run.

    Returns the address to open first: that link, or the dashboard.
    """
    address, lines = await _first_run(services)
    sys.stdout.write("\n".join([*_summary(services, simulated), *lines]) + "\n")
    sys.stdout.flush()
    return address


async def _first_run(services: Services) -> tuple[str, list[str]]:
    dashboard = dashboard_urls(services)[0]
    if not services.access.setup_links.is_needed():
        return dashboard, []
    try:
        token = await services.access.setup_links.create(by=COMMAND_LINE)
    except CannotStoreNow as error:
        # The hub runs anyway: an administrator may have to free disk space first.
        return dashboard, [f"  No link for the first administrator yet: {error.message}", ""]
    link = f"{dashboard}setup/{token}"
    lines = [
        "  Open this link once, within a day, to make yourself administrator:",
        f"  {link}",
        "",
    ]
    return link, lines


def _summary(services: Services, simulated: int | None) -> Iterator[str]:
    yield f"sitehub {__version__}: {services.core.site.name()}"
    yield ""
    for label, values in _rows(services, simulated):
        for index, value in enumerate(values):
            yield f"  {label if index == 0 else '':<{_LABEL_WIDTH}} {value}"
    yield ""


def _rows(services: Services, simulated: int | None) -> Iterator[tuple[str, list[str]]]:
    config = services.config
    yield "Dashboard", dashboard_urls(services)
    yield "Cameras", device_urls(services)
    cameras = hosts(services.core.site, config.devices.bind)
    if port := config.devices.plain_ws_port:
        yield "  without TLS", [f"ws://{host}:{port}/" for host in cameras]
    if port := config.devices.plain_http_port:
        yield "  uploads", [f"http://{host}:{port}/" for host in cameras]
    known = str(len(services.cameras.devices.list()))
    yield "Known cameras", [f"{known}, {simulated} of them simulated" if simulated else known]
    yield "Data", [str(services.core.data_dir)]
    if config.web.tls or config.devices.tls:
        is_site = services.upkeep.certificates.kind == "site"
        whose = f"{dashboard_urls(services)[0]}ca.crt" if is_site else "your own"
        yield "Certificate", [whose, f"SHA-256 {services.upkeep.certificates.fingerprint()}"]
        if is_site:
            leaf = services.upkeep.certificates.leaf_fingerprint
            yield "  in browsers", [f"SHA-256 {leaf}"]
