"""A site for the tests of the pages: real services on a real store, simulated cameras, users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Raw

from hub.config import Config, WebConfig
from hub.live.pending_devices import ConnectAttempt, RefusalCode, RefusalReason
from hub.live.registry import DeviceAnswer
from hub.services.audit import COMMAND_LINE
from hub.services.problems import HealthReason
from hub.services.site import SiteSettings
from hub.simulator.faults import FAULTLESS, Quirks
from hub.store.commit.record_batch import RecordBatch
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.pictures import Picture
from hub.wire.signing import sign_connect
from hub.wire.uploads.bodies import CheckedUpload, DeviceInfo
from hub.wire.uploads.records import Detail, FaceDetail, RecordKind
from tests.support.clock import FrozenClock
from tests.support.gate import FakeLink, private_key, public_pem
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
        #: Draws the picture with this name for the record with this number.
        self.draw: Callable[[str, int], bytes] = lambda name, number: b"\x89PNG"
        upkeep = replace(
            hub.services.upkeep,
            health=cast(
                Any,
                SimpleNamespace(
                    reasons=lambda: self.health_reasons,
                    faults=lambda: [one for one in self.health_reasons if one.is_fault],
                ),
            ),
            certificates=cast(
                Any,
                SimpleNamespace(
                    ca_pem=lambda: b"-----BEGIN CERTIFICATE-----\n",
                    fingerprint=lambda: FINGERPRINT,
                    leaf_fingerprint=FINGERPRINT[::-1],
                    kind="site",
                    names=frozenset({"localhost", "gate-pc", "10.0.0.5"}),
                    issuer="CN=sitehub CA",
                    starts_at=clock() - 86_400,
                    expires_at=clock() + 396 * 86_400,
                    problem="",
                    context=lambda: None,
                ),
            ),
        )
        self.services = replace(hub.services, upkeep=upkeep)

    async def enrol(
        self, name: str = "Gate", *, did: str = "1", sn: str = "", enabled: bool = True
    ) -> str:
        """Enrol a camera that is offline; return its serial number."""
        sn = sn or _sn(did)
        await self.services.cameras.devices.add(NewDevice(sn=sn, code=CODE, did=did, name=name))
        if not enabled:
            await self.services.cameras.devices.change(did, DeviceChange(enabled=False))
        return sn

    async def connect(
        self, name: str = "Gate", quirks: Quirks = FAULTLESS, *, did: str = "1"
    ) -> SimulatedLink:
        """Enrol a simulated camera that is online, with these quirks."""
        sn = await self.enrol(name, did=did)
        link = SimulatedLink(did, sn, self.clock, quirks=quirks)
        self.hub.registry.attach(link)
        self.links[did] = link
        return link

    async def enrol_many(self, names: Sequence[str], *, online: bool = False) -> None:
        """Enrol cameras 1, 2, ... with these names."""
        rows = [
            NewDevice(sn=_sn(str(did)), code=CODE, did=str(did), name=name)
            for did, name in enumerate(names, 1)
        ]
        for device in await self.hub.store.devices.add(rows):
            if online:
                link = FakeLink(f"192.168.1.{int(device.did) % 200 + 10}")
                link.did, link.sn = device.did, device.sn
                self.hub.registry.attach(link)

    def report(self, did: str = "1", **fields: Any) -> None:
        """Report versions, name or address, as the camera does."""
        devices = self.services.cameras.devices
        ip, offset = fields.pop("ip", None), fields.pop("clock_offset", None)
        device = devices.device(did)
        if fields:
            devices.note_report(device, DeviceInfo(**fields))
        if ip is not None or offset is not None:
            devices.note(device.sn, ip=ip, clock_offset=offset)

    def attempt(self, sn: str, *, key: int = 0, **args: str) -> ConnectAttempt:
        """A connect that is signed with CODE and this key of `tests.support.gate`."""
        ts = int(self.clock())
        return ConnectAttempt(
            sn=sn,
            ip="192.168.1.77",
            address="192.168.1.77",
            sign=sign_connect(private_key(key), sn=sn, code=CODE, ts=ts, form="md5-digestinfo"),
            ts_text=str(ts),
            clock_offset=float(args.get("seconds", "0.4")),
        )

    def pend(
        self, sn: str, *codes: RefusalCode, tries: int = 1, slowed: float = 0, **args: str
    ) -> FakeLink:
        """Refuse a device that is not enrolled for these reasons.

        The connection stays open; it accepts the initial parameters.
        """
        link = FakeLink("192.168.1.77")
        link.answers = [DeviceAnswer(200, "OK")]
        reasons = [RefusalReason(code, args) for code in codes or ("unknown",)]
        for _ in range(tries):
            attempt = self.attempt(sn, **args)
            self.hub.pending_devices.record_unknown(attempt, reasons, link, slowed_seconds=slowed)
        return link

    def refuse(self, did: str, *codes: RefusalCode, **args: str) -> None:
        """Refuse a connect of an enrolled device for these reasons."""
        attempt = self.attempt(self.services.cameras.devices.get(did).sn, **args)
        reasons = [RefusalReason(code, args) for code in codes]
        self.hub.pending_devices.record_failure(did, attempt, reasons)

    async def name_site(self, language: str = "auto") -> None:
        settings = SiteSettings("Harbour East", "Asia/Shanghai", language)
        await self.services.core.site.set(settings)

    async def set_site_key(self, number: int = 0) -> None:
        await self.services.cameras.devices.set_site_key(public_pem(number))

    async def add_record(
        self,
        kind: RecordKind = "face",
        detail: Detail | None = None,
        *,
        did: str = "1",
        device_name: str = "Main gate",
        pictures: Sequence[str] = (),
        extra: bytes = b"{}",
        occurred_at: int | None = None,
    ) -> int:
        """Store one record, a second later than the one before; return its seq."""
        (seq,) = await self.add_records(
            1,
            kind,
            detail,
            did=did,
            device_name=device_name,
            pictures=pictures,
            extra=extra,
            occurred_at=occurred_at,
        )
        return seq

    async def add_records(
        self,
        count: int,
        kind: RecordKind = "face",
        detail: Detail | None = None,
        *,
        did: str = "1",
        device_name: str = "Main gate",
        pictures: Sequence[str] = (),
        extra: bytes = b"{}",
        occurred_at: int | None = None,
    ) -> tuple[int, ...]:
        uploads = []
        for _ in range(count):
            self._uploads += 1
            happened = self.clock.ms + self._uploads * 1000 if occurred_at is None else occurred_at
            uploads.append(
                CheckedUpload(
                    kind=kind,
                    occurred_at=happened,
                    detail=FaceDetail() if detail is None else detail,
                    extra=Raw(extra),
                    pictures=tuple(
                        Picture(name, "image/png", self.draw(name, self._uploads))
                        for name in pictures
                    ),
                )
            )
        device = self.hub.store.devices.by_did(did)
        batch = RecordBatch(
            uploads,
            did=did,
            sn=_sn(did) if device is None else device.sn,
            device_name=device_name,
            digest=self._uploads.to_bytes(16, "big"),
            arrived_at=self.clock.ms,
        )
        return (await self.hub.store.records.append(batch)).seqs

    async def audited(self) -> list[tuple[str, str, str]]:
        """Audit entries as (who, action, target), oldest first; without sign-ins."""
        entries = await self.services.core.audit.oldest()
        return [(e.who, e.action, e.target) for e in entries if not e.action.startswith("user.")]


def _sn(did: str) -> str:
    """The serial number of a camera unless another is given; "" for the hub itself."""
    return f"Y3CA9PGDTKM{int(did):04d}" if did else ""


@asynccontextmanager
async def open_page_site(
    data_dir: Path,
    clock: FrozenClock,
    *,
    users: Sequence[str] = ("admin", "guard", "viewer"),
    web: WebConfig | None = None,
    update_key: Ed25519PublicKey | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[PageSite]:
    """`users` are named after their roles. `transport`: what webhooks are sent through."""
    config = Config(web=web or WebConfig(tls=False))
    opened = open_hub_services(data_dir, clock, config, update_key=update_key, transport=transport)
    async with opened as hub:
        site = PageSite(hub, clock)
        await site.name_site()
        for role in users:
            await site.services.access.users.add(role, role, PASSWORD, by=COMMAND_LINE)
        yield site
