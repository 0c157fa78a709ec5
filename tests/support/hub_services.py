"""A hub on a store of its own, without its edges and background parts, as the product makes it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ifaddr
import trio

from hub.app import open_hub
from hub.config import Config
from hub.config_sources import Loaded, Sources
from hub.outside import Cost, Outside
from hub.services import Services
from hub.services.audit import COMMAND_LINE
from hub.services.disk_space import GB
from hub.store.commit.record_batch import RecordBatch
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail
from tests.support.clock import FrozenClock
from web.pages.reports.files import render_report
from web.pages.shown.alarm_mail import write_mail

#: Makes password hashes fast.
CHEAP = Cost(memory_kib=8, iterations=1)
PASSWORD = "correct horse"


class FreeBytes:
    """The free disk space; tests set `bytes`."""

    def __init__(self) -> None:
        self.bytes = 100 * GB

    def __call__(self, folder: Path) -> int:
        return self.bytes


def outside(clock: FrozenClock, **fields: Any) -> Outside:
    """A world in which time passes with `clock`, and in which no test waits."""
    card = ifaddr.Adapter("eth0", "eth0", [ifaddr.IP("10.0.0.5", 24, "eth0")])
    given: dict[str, Any] = {
        "now": clock,
        "steady_now": clock,
        "random": lambda: 0.0,
        "free_bytes": FreeBytes(),
        "copy_speed": 0,
        "backup_disks": tuple,
        "adapters": lambda: [card],
        "password_cost": CHEAP,
        "update_key": None,
        "update_obstacle": "",
    }
    return Outside(**given | fields)


class HubServices:
    """The services of a hub, and shortcuts to fill its store."""

    def __init__(self, services: Services, free: FreeBytes) -> None:
        self.store = services.core.store
        self.services = services
        self.pending_devices = services.cameras.presence.pending
        #: The devices that are online: attach a `tests.support.commanded_link.AskedLink`.
        self.registry = services.cameras.presence.registry
        self.free = free

    async def add_faces(self, *names: str, did: str = "1", pictures: bool = False) -> list[int]:
        """Store a capture for each name, each from a separate upload; returns their seqs."""
        return [await self.add(face(name, pictures=pictures), did=did) for name in names]

    async def add(self, upload: CheckedUpload, *, did: str = "1") -> int:
        """Store one record of a device; returns its seq."""
        batch = RecordBatch(
            [upload],
            did=did,
            sn=f"SN{did}",
            device_name="Gate",
            digest=secrets.token_bytes(16),
            arrived_at=0,
        )
        (seq,) = (await self.store.records.append(batch)).seqs
        return seq

    async def add_user(self, name: str, role: str = "admin") -> str:
        """Add a user who is signed in; returns the session's token."""
        await self.services.access.users.add(name, role, PASSWORD, by=COMMAND_LINE)
        return (await self.services.access.sessions.sign_in(name, PASSWORD, "10.0.0.1")).token

    async def bearer(self, *, read_only: bool = False) -> dict[str, str]:
        """Make an API key; returns the header with it."""
        key = await self.services.access.api_keys.add(
            "test", read_only, targets=not read_only, by=COMMAND_LINE
        )
        return {"Authorization": f"Bearer {key.appid}:{key.secret}"}


def face(name: str, *, pictures: bool = False, at: int = 0) -> CheckedUpload:
    return CheckedUpload(
        kind="face",
        occurred_at=at,
        detail=FaceDetail(name=name),
        pictures=(Picture("face", "image/jpeg", b"\xff\xd8\xff" + name.encode()),)
        if pictures
        else (),
    )


@asynccontextmanager
async def open_hub_services(
    data_dir: Path, clock: FrozenClock, config: Config | Loaded | None = None, **fields: Any
) -> AsyncIterator[HubServices]:
    """A `Loaded` says where settings are read again, and written; else in `data_dir`.

    `fields` of `Outside` are replaced; without `steady_now`, advancing `clock` is time that
    passes, not a step.
    """
    loaded = config if isinstance(config, Loaded) else Loaded(config or Config(), Sources(data_dir))
    free = FreeBytes()
    world = outside(clock, **{"free_bytes": free} | fields)
    opened = open_hub(
        loaded,
        data_dir,
        closing=trio.Event(),
        outside=world,
        has_demo=True,
        render_report=render_report,
        write_mail=write_mail,
    )
    async with opened as services, trio.open_nursery() as nursery:
        # Without it, no reader of a stream gets anything.
        await nursery.start(services.records.rounds.run)
        yield HubServices(services, free)
        nursery.cancel_scope.cancel()
