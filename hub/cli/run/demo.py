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
from hub.services.people.register import PersonChange, PersonPut
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import Quirks
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity, from_json, make_cameras, to_json
from hub.simulator.scenario.population import Person, make_population

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
    is_first_start = not path.exists()
    cameras = await trio.to_thread.run_sync(_load_cameras, path, count)
    if is_first_start:
        await _fill_register(services)
    enrolled = await _enrol(services, cameras)
    await run_fleet(
        enrolled,
        _own_ports(services),
        rate=_CAPTURES_PER_SECOND * count,
        quirks=(_QUIRKS,),
        task_status=task_status,
    )


async def _fill_register(services: Services) -> None:
    """Add the people whom the simulated cameras know to the register, with their photos."""
    people = make_population().known
    pictures = await trio.to_thread.run_sync(lambda: [face_jpeg(person, 0) for person in people])
    photos = [await services.person_photos.prepare(picture) for picture in pictures]
    puts = [_person_put(person, photo) for person, photo in zip(people, photos, strict=True)]
    await services.people.put_many(puts, by=_DEMO)


def _person_put(person: Person, photo: bytes) -> PersonPut:
    """Describe a known person for the register, as the face libraries of the cameras do."""
    return PersonPut(
        pid=person.uuid,
        change=msgspec.convert(
            {
                "name": person.name,
                "work_id": person.work_id,
                "gender": person.gender,
                "age": person.age,
                "department": person.department,
                "category": person.category,
                "photo": photo,
            },
            PersonChange,
        ),
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
