"""The simulated cameras of `run --demo`: enrolled, and the same ones at every start.

They speak the three editions of the protocol in turn (D12), as the cameras of a grown site do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from hub.cli.run.demo_door import serve_door
from hub.decoders import convert
from hub.errors import StartFault
from hub.services import Services
from hub.services.admission.unsigned.approval import unknown_code
from hub.services.admission.unsigned.facts import Facts
from hub.services.audit import Actor
from hub.simulator.camera import Timing
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import Quirks
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity, from_json, make_cameras, to_json
from hub.simulator.scenario.population import SimulatedPerson, make_population
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.tables.devices import NewDevice
from hub.wire.commands.capabilities import EDITIONS, Edition

FILE_NAME = "demo-cameras.json"
#: For each camera at the busiest hour: a new picture every few seconds.
_CAPTURES_PER_SECOND = 0.1
#: Bodies as real cameras send them (D8): they describe people in more detail.
_QUIRKS: dict[Edition, Quirks] = {one: Quirks(edition=one, bodies="real") for one in EDITIONS}
#: A camera that the hub refuses for lack of a did (D2) is back at once: people look at the demo.
_TIMING = Timing(connect_retry_seconds=1)
_DEMO = Actor("demo")


async def run_demo_cameras(
    count: int, services: Services, *, task_status: trio.TaskStatus[None]
) -> None:
    """Enrol `count` simulated cameras, unless already enrolled, and run them on the hub's ports."""
    path = services.core.data_dir / FILE_NAME
    is_first_start = not path.exists()
    cameras = await trio.to_thread.run_sync(_load_cameras, path, count)
    if is_first_start:
        await _fill_register(services)
    endpoint = _own_ports(services)
    editions = _choose_editions(services, cameras, endpoint.host)
    enrolled = await _enrol(services, cameras, editions, endpoint.host)
    async with trio.open_nursery() as nursery:
        if 3 in editions:
            did = enrolled[editions.index(3)].did or ""
            await nursery.start(serve_door, services, did, endpoint.host, _DEMO)
        await run_fleet(
            enrolled,
            endpoint,
            rate=_CAPTURES_PER_SECOND * count,
            quirks=[_QUIRKS[edition] for edition in editions],
            timing=_TIMING,
            task_status=task_status,
        )


def _choose_editions(
    services: Services, cameras: Sequence[CameraIdentity], address: str
) -> list[Edition]:
    """Return the editions that the cameras speak, in their order.

    A camera connects without a signature only if the hub lets it, and never if it was enrolled with
    one.
    """
    signed = {one.sn for one in services.cameras.devices.list() if one.connects == "signed"}
    is_allowed = services.cameras.enrolment.policy.objection(address) is None

    def choose(number: int, camera: CameraIdentity) -> Edition:
        edition = EDITIONS[number % len(EDITIONS)]
        may_be_3 = is_allowed and camera.sn not in signed
        return edition if edition != 3 or may_be_3 else 1

    return [choose(number, camera) for number, camera in enumerate(cameras)]


async def _fill_register(services: Services) -> None:
    """Add the people whom the simulated cameras know to the register, with their photos."""
    people = make_population().known
    pictures = await trio.to_thread.run_sync(lambda: [face_jpeg(person, 0) for person in people])
    photos = [await services.people.photos.prepare(picture) for picture in pictures]
    puts = [_person_put(person, photo) for person, photo in zip(people, photos, strict=True)]
    await services.people.register.put_many(puts, by=_DEMO)


def _person_put(person: SimulatedPerson, photo: bytes) -> PersonPut:
    """Describe a known person for the register, as the face libraries of the cameras do."""
    return PersonPut(
        pid=person.uuid,
        change=convert(
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


async def _enrol(
    services: Services,
    cameras: Sequence[CameraIdentity],
    editions: Sequence[Edition],
    address: str,
) -> list[CameraIdentity]:
    dids = {device.sn: device.did for device in services.cameras.devices.list()}
    for camera, edition in zip(cameras, editions, strict=True):
        if camera.sn not in dids:
            new = _approved(services, camera, address) if edition == 3 else _signed(camera)
            dids[camera.sn] = (await services.cameras.devices.add(new)).did
            await services.core.audit.add(_DEMO, "device.add", dids[camera.sn])
    return [msgspec.structs.replace(camera, did=dids[camera.sn]) for camera in cameras]


def _signed(camera: CameraIdentity) -> NewDevice:
    return NewDevice(sn=camera.sn, code=camera.code, name=camera.name, key=camera.public_pem())


def _approved(services: Services, camera: CameraIdentity, address: str) -> NewDevice:
    """Return the camera as approved by somebody who read the code on its label (D12)."""
    facts = Facts(sn=camera.sn, devid=camera.devid, mac=camera.mac, auth_code=camera.code)
    pins = services.cameras.enrolment.approval.pins(facts, address)
    return NewDevice(sn=camera.sn, code=unknown_code(), name=camera.name, pins=pins)


def _own_ports(services: Services) -> HubEndpoint:
    web, devices = services.config.web, services.config.devices
    return HubEndpoint(
        "127.0.0.1" if devices.bind in ("0.0.0.0", "::") else devices.bind,
        ws_port=devices.port,
        http_port=web.port,
        ws_tls=devices.tls,
        http_tls=web.tls,
        ca_pem=services.upkeep.certificates.ca_pem()
        if services.upkeep.certificates.kind == "site"
        else None,
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
