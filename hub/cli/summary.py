"""What a start prints: where everything is, and on a first run how to sign in."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hub import __version__
from hub.services import Services
from hub.services.accounts import COMMAND_LINE
from hub.services.operations import dashboard_urls, device_urls, hosts

_LABEL_WIDTH = 15


async def announce(services: Services) -> None:
    """Print the summary on stdout, at once and as a whole. A first run gets its link here."""
    token = None
    if services.accounts.needs_setup():
        token = await services.accounts.new_setup_link(by=COMMAND_LINE)
    sys.stdout.write("\n".join(_lines(services, token)) + "\n")
    sys.stdout.flush()


def _lines(services: Services, token: str | None) -> Iterator[str]:
    yield f"sitehub {__version__}: {services.site.name()}"
    yield ""
    for label, values in _rows(services):
        for index, value in enumerate(values):
            yield f"  {label if index == 0 else '':<{_LABEL_WIDTH}} {value}"
    yield ""
    if token is not None:
        yield "  Open this link once, within a day, to make yourself administrator:"
        yield f"  {dashboard_urls(services)[0]}setup/{token}"
        yield ""


def _rows(services: Services) -> Iterator[tuple[str, list[str]]]:
    config = services.config
    yield "Dashboard", dashboard_urls(services)
    yield "Cameras", device_urls(services)
    if port := config.devices.plain_ws_port:
        yield "  without TLS", [f"ws://{h}:{port}/" for h in hosts(services, config.devices.bind)]
    if port := config.devices.plain_http_port:
        yield "  uploads", [f"http://{h}:{port}/" for h in hosts(services, config.devices.bind)]
    yield "Known cameras", [str(len(services.devices.list()))]
    yield "Data", [str(services.data_dir)]
    if config.web.tls or config.devices.tls:
        whose = "your own" if config.tls.cert else f"{dashboard_urls(services)[0]}ca.crt"
        yield "Certificate", [whose, f"SHA-256 {services.certificates.fingerprint()}"]
