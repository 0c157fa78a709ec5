"""A site with cameras and firmware on real services, and requests of its cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hub.services.firmware.campaign_views import Campaign
from hub.services.firmware.downloads import PATH, Transfer
from hub.store.tables.devices import NewDevice
from hub.store.tables.firmware import NewComponent, NewRelease, Release, StoredFile
from hub.wire.uploads.firmware import OtaAnswer, PlainOtaAnswer, Versions
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

BASE = "https://hub.site:8443"
NEW = Versions(fw_ver="V2.0")


class FirmwareSite:
    """The services of a site with firmware. `ask` and `report` act as a camera (2.3, 2.2)."""

    def __init__(self, hub: HubServices, clock: FrozenClock) -> None:
        services = hub.services
        self.store = hub.store
        self.free = hub.free
        self.registry = hub.registry
        self.services = services
        self.releases = services.firmware.releases
        self.campaigns = services.firmware.campaigns
        self.downloads = services.firmware.downloads
        self.devices = services.cameras.devices
        self.ingest = services.records.ingest

    async def add_cameras(self, *dids: str) -> None:
        for did in dids:
            await self.devices.add(NewDevice(sn=f"SN{did}", code="12345678", did=did, name=did))

    async def receive(self, data: bytes) -> StoredFile:
        async with self.releases.receive() as upload:
            await upload.write(data)
            return await upload.finish()

    async def add_release(self, *files: bytes, **fields: Any) -> Release:
        """Add a release of these files, each of a different type. Updated devices report NEW."""
        stored = [await self.receive(data) for data in files or (b"firmware",)]
        components = tuple(
            NewComponent(f"part {number}.bin", number, file.sha256)
            for number, file in enumerate(stored, 1)
        )
        given = {"ver_code": 453523, "ver_name": "v2.0", "reports": NEW, **fields}
        return await self.releases.add(NewRelease(components=components, **given))

    async def ask(self, camera: str, /, **fields: object) -> OtaAnswer | None:
        """Ask for a release, as a camera does (2.3)."""
        answer = await self._ask(camera, fields)
        assert not isinstance(answer, PlainOtaAnswer)
        return answer

    async def ask_as_edition_3(self, camera: str, ver_code: int) -> PlainOtaAnswer | None:
        """Ask for a release, as a camera of edition 3 does (D12)."""
        sn = self.devices.device(camera).sn
        answer = await self._ask(camera, {"otaId": "", "sn": sn, "did": "", "verCode": ver_code})
        assert not isinstance(answer, OtaAnswer)
        return answer

    async def _ask(
        self, camera: str, fields: dict[str, object]
    ) -> OtaAnswer | PlainOtaAnswer | None:
        device = self.devices.device(camera)
        return await self.ingest.ota_query(device, msgspec.json.encode(fields), base_url=BASE)

    async def report(self, camera: str, /, **fields: object) -> None:
        """Report versions, as a camera does (2.2)."""
        await self.ingest.device_info(self.devices.device(camera), msgspec.json.encode(fields))

    async def links(self, did: str) -> list[str]:
        """Return the tokens of the links that a camera gets now."""
        answer = await self.ask(did)
        assert answer is not None
        return [one.url.removeprefix(BASE + PATH).split("/")[0] for one in answer.component_list]

    async def download(self, did: str) -> bytes:
        """Download all files of the release that is meant for a camera."""
        return b"".join([await self.fetch(token) for token in await self.links(did)])

    async def fetch(self, token: str, start: int = 0, end: int | None = None) -> bytes:
        transfer: Transfer = self.downloads.find(token)
        fetched = b""
        with transfer:
            at, end = start, end or transfer.file.size
            while at < end:
                data = await transfer.read(at, end)
                await transfer.sent(at, len(data))
                fetched, at = fetched + data, at + len(data)
        return fetched

    def states(self, campaign: Campaign) -> dict[str, str]:
        return {one.did: one.state for one in self.campaigns.campaign(campaign.id).devices}

    def state(self, campaign: Campaign) -> str:
        return self.campaigns.campaign(campaign.id).state


@asynccontextmanager
async def firmware_site(
    data: Path, clock: FrozenClock, *dids: str, steady: FrozenClock | None = None
) -> AsyncIterator[FirmwareSite]:
    async with open_hub_services(data, clock, steady_now=steady or clock) as hub:
        site = FirmwareSite(hub, clock)
        await site.add_cameras(*dids)
        yield site
