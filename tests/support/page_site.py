"""A site for the tests of the pages: real services on a real store, simulated cameras, users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hub.config import Config, Web
from hub.services.access.audit import COMMAND_LINE
from hub.services.devices.directory import DeviceChange, NewDevice
from hub.services.site.health import HealthReason
from hub.services.site.site import SiteSettings
from hub.simulator.faults import FAULTLESS, Quirks
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.simulated_link import SimulatedLink

#: The password of `admin`, `guard` and `viewer`.
PASSWORD = "a long sentence"
CODE = "12345678"
FINGERPRINT = ":".join(["3F", "A2", "09", "D7"] * 8)


class PageSite:
    """`links` are the connections of cameras that are online, by did."""

    def __init__(self, hub: HubServices, clock: FrozenClock) -> None:
        self.hub = hub
        self.clock = clock
        self.health_reasons: list[HealthReason] = []
        self.links: dict[str, SimulatedLink] = {}
        self._uploads = 0
        self.services = replace(
            hub.services,
            health=cast(Any, SimpleNamespace(reasons=lambda: self.health_reasons)),
            certificates=cast(
                Any,
                SimpleNamespace(
                    ca_pem=lambda: b"-----BEGIN CERTIFICATE-----\n",
                    fingerprint=lambda: FINGERPRINT,
                ),
            ),
        )

    async def enrol(
        self, name: str = "Gate", *, did: str = "1", sn: str = "", enabled: bool = True
    ) -> str:
        """Enrol a camera that is offline; return its serial number."""
        sn = sn or f"Y3CA9PGDTKM{int(did):04d}"
        await self.services.devices.add(NewDevice(sn=sn, code=CODE, did=did, name=name))
        if not enabled:
            await self.services.devices.change(did, DeviceChange(enabled=False))
        return sn

    async def connect(
        self, name: str = "Gate", quirks: Quirks = FAULTLESS, *, did: str = "1"
    ) -> SimulatedLink:
        """Enrol a camera that is online and answers, with these quirks."""
        sn = await self.enrol(name, did=did)
        link = SimulatedLink(did, sn, self.clock, quirks=quirks)
        self.hub.registry.attach(link)
        self.links[did] = link
        return link

    def disconnect(self, did: str = "1") -> None:
        self.hub.registry.detach(self.links.pop(did))

    async def audited(self) -> list[tuple[str, str, str]]:
        """Who did what to which device or setting, oldest first; without the users' sign-ins."""
        entries = await self.services.audit.oldest()
        return [(e.who, e.action, e.target) for e in entries if not e.action.startswith("user.")]


@asynccontextmanager
async def open_page_site(data_dir: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_hub_services(data_dir, clock, Config(web=Web(tls=False))) as hub:
        site = PageSite(hub, clock)
        settings = SiteSettings("Harbour East", "Asia/Shanghai", "auto")
        await site.services.site.set(settings)
        for role in ("admin", "guard", "viewer"):
            await site.services.users.add(role, role, PASSWORD, by=COMMAND_LINE)
        yield site
