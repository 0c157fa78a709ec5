"""The simulated cameras of `run --demo`: enrolled, and the same ones at every start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from hub.errors import StartFault
from hub.services import Services
from hub.services.access.audit import Actor
from hub.services.devices.directory import NewDevice
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import Quirks
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity, from_json, make_cameras, to_json

FILE_NAME = "demo-cameras.json"
#: For each camera at the busiest hour: a new picture every few seconds.
_CAPTURES_PER_SECOND = 0.1
#: Bodies as real cameras send them (D8): they describe people in more detail.
_QUIRKS = Quirks(bodies="real")
_DEMO = Actor("demo")


async def run_demo_cameras(
    count: int, services: Services, *, task_status: trio.TaskStatus[None]
) -> None:
    """Enrol `count` simulated cameras, unless already enrolled, and run them on the hub's ports."""
    path = services.data_dir / FILE_NAME
    cameras = await trio.to_thread.run_sync(_load_cameras, path, count)
    enrolled = await _enrol(services, cameras)
    await run_fleet(
        enrolled,
        _own_ports(services),
        rate=_CAPTURES_PER_SECOND * count,
        quirks=(_QUIRKS,),
        task_status=task_status,
    )


async def _enrol(services: Services, cameras: Sequence[CameraIdentity]) -> list[CameraIdentity]:
    dids = {device.sn: device.did for device in services.devices.list()}
    for camera in cameras:
        if camera.sn not in dids:
            new = NewDevice(
                sn=camera.sn, code=camera.code, name=camera.name, key=camera.public_pem()
            )
            dids[camera.sn] = (await services.devices.add(new)).did
            await services.audit.add(_DEMO, "device.add", dids[camera.sn])
    return [msgspec.structs.replace(camera, did=dids[camera.sn]) for camera in cameras]


def _own_ports(services: Services) -> HubEndpoint:
    web, devices = services.config.web, services.config.devices
    return HubEndpoint(
        "127.0.0.1" if devices.bind in ("0.0.0.0", "::") else devices.bind,
        ws_port=devices.port,
        http_port=web.port,
        ws_tls=devices.tls,
        http_tls=web.tls,
        ca_pem=services.certificates.ca_pem() if services.certificates.kind == "site" else None,
    )


def _load_cameras(path: Path, count: int) -> tuple[CameraIdentity, ...]:
    """Return the first `count` cameras of the file, after adding the missing ones to it."""
    kept: tuple[CameraIdentity, ...] = ()
    if path.exists():
        try:
            kept = from_json(path.read_bytes())
        except msgspec.DecodeError as error:
            raise StartFault(f"{path} cannot be read ({error}): delete it to start anew") from None
    if len(kept) < count:
        kept += make_cameras(count)[len(kept) :]
        # Private: it contains the cameras' private keys.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(to_json(kept))
    return kept[:count]
