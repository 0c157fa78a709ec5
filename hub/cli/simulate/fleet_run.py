"""One run of simulated cameras: enrol them, report what they do, remove them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
import msgspec
import trio
from msgspec import Struct

from hub.cli.output import print_line
from hub.decoders import decode_json
from hub.errors import StartFault
from hub.process.signals import STOP_SIGNALS
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity, make_cameras

_DEVICES = "/api/hub/v1/devices"
_REMOVAL_SECONDS = 30.0
_REPORT_SECONDS = 10.0
_ACCEPT_SECONDS = 2.0
#: Frequent events, which are counted; the others are printed.
_COUNTED_EVENTS = ("sent", "not-sent")


class ApiKey(Struct, frozen=True):
    """An API key in the format of `sitehub apikey add`."""

    appid: str
    secret: str


@dataclass(frozen=True)
class FleetRun:
    """The options of a run. Without `api_key` the cameras connect without being enrolled."""

    endpoint: HubEndpoint
    web_url: str
    count: int
    rate: float
    seed: int
    api_key: ApiKey | None
    csv_file: Path | None
    #: The cameras have them in turn.
    quirks: Sequence[Quirks] = (FAULTLESS,)


def read_api_key(path: Path) -> ApiKey:
    try:
        return decode_json(path.read_bytes(), ApiKey)
    except OSError as error:
        raise StartFault(f"cannot read the API key {path}: {error.strerror}") from None
    except msgspec.DecodeError:
        raise StartFault(
            f'{path} is not an API key: use the output of "sitehub apikey add"'
        ) from None


def simulate_cameras(simulation: FleetRun) -> None:
    trio.run(_simulate, simulation)


async def _simulate(simulation: FleetRun) -> None:
    cameras = await trio.to_thread.run_sync(make_cameras, simulation.count, simulation.seed)
    if simulation.csv_file is not None:
        _write_csv(simulation.csv_file, cameras)
    counts: Counter[str] = Counter()

    def report(event: CameraEvent) -> None:
        counts[event.kind] += 1
        if event.kind not in _COUNTED_EVENTS:
            said = f": {event.text}" if event.text else ""
            print_line(f"{event.identity.sn} ({event.identity.name}) is {event.kind}{said}")

    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_on_signal, nursery.cancel_scope)
        async with _enrolled(simulation, cameras) as known:
            nursery.start_soon(_report_regularly, counts)
            nursery.start_soon(_accept_unsigned, simulation, known)
            await run_fleet(
                known,
                simulation.endpoint,
                rate=simulation.rate,
                seed=simulation.seed,
                quirks=simulation.quirks,
                on_event=report,
            )
    click.echo(_summary(counts))


async def _stop_on_signal(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


async def _report_regularly(counts: Counter[str]) -> None:
    while True:
        await trio.sleep(_REPORT_SECONDS)
        click.echo(_summary(counts))


def _summary(counts: Counter[str]) -> str:
    refused = f", {counts['not-sent']} not accepted" if counts["not-sent"] else ""
    return f"{counts['sent']} uploads accepted{refused}"


@asynccontextmanager
async def _enrolled(
    simulation: FleetRun, cameras: Sequence[CameraIdentity]
) -> AsyncIterator[Sequence[CameraIdentity]]:
    """Yield the cameras with the dids that the hub assigned; removes them at the end."""
    if simulation.api_key is None:
        yield cameras
        return
    async with _client(simulation.web_url, simulation.api_key) as client:
        known: list[CameraIdentity] = []
        try:
            for number, camera in enumerate(cameras):
                is_unsigned = _is_unsigned(simulation, number)
                known.append(camera if is_unsigned else await _enrol(client, camera))
            yield known
        finally:
            with trio.move_on_after(_REMOVAL_SECONDS, shield=True):
                await _remove(client, await _with_dids(client, known))


def _is_unsigned(simulation: FleetRun, number: int) -> bool:
    """Whether this camera connects without a signature: to be enrolled, it must be connected."""
    return simulation.quirks[number % len(simulation.quirks)].edition == 3


async def _accept_unsigned(simulation: FleetRun, cameras: Sequence[CameraIdentity]) -> None:
    """Accept the cameras that connect without a signature, once the hub lets them wait."""
    if simulation.api_key is None:
        return
    waiting = [one for number, one in enumerate(cameras) if _is_unsigned(simulation, number)]
    async with _client(simulation.web_url, simulation.api_key) as client:
        while waiting:
            await trio.sleep(_ACCEPT_SECONDS)
            waiting = [one for one in waiting if not await _is_accepted(client, one)]


async def _is_accepted(client: httpx.AsyncClient, camera: CameraIdentity) -> bool:
    body = {"code": camera.code, "name": camera.name}
    try:
        await _call(client, "POST", f"{_DEVICES}/waiting/{camera.sn}/accept", body)
    except StartFault:
        # It is between two connections, or the hub does not accept such cameras.
        return False
    return True


async def _with_dids(
    client: httpx.AsyncClient, cameras: Sequence[CameraIdentity]
) -> list[CameraIdentity]:
    """The cameras that the hub knows, with the dids of those that were accepted meanwhile."""
    if all(camera.did for camera in cameras):
        return list(cameras)
    try:
        items = (await _call(client, "GET", f"{_DEVICES}?limit=1000")).json()["items"]
    except StartFault as fault:
        print_line(f"some cameras were not removed: {fault.message}", err=True)
        items = []
    dids = {one["sn"]: one["did"] for one in items}
    found = [
        msgspec.structs.replace(camera, did=camera.did or dids.get(camera.sn)) for camera in cameras
    ]
    return [camera for camera in found if camera.did]


async def _remove(client: httpx.AsyncClient, cameras: Sequence[CameraIdentity]) -> None:
    """Remove the cameras; one that is already removed does not stop the others."""
    for camera in cameras:
        try:
            await _call(client, "DELETE", f"{_DEVICES}/{camera.did}")
        except StartFault as fault:
            print_line(f"{camera.sn} was not removed: {fault.message}", err=True)


def _client(url: str, key: ApiKey) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key.appid}:{key.secret}"}
    # Like the cameras, do not check the hub's certificate: its own authority signed it.
    return httpx.AsyncClient(base_url=url, headers=headers, verify=False)


async def _enrol(client: httpx.AsyncClient, camera: CameraIdentity) -> CameraIdentity:
    body = {
        "sn": camera.sn,
        "code": camera.code,
        "name": camera.name,
        "key": camera.public_pem(),
    }
    response = await _call(client, "POST", _DEVICES, body)
    return msgspec.structs.replace(camera, did=response.json()["did"])


async def _call(
    client: httpx.AsyncClient, method: str, path: str, body: object = None
) -> httpx.Response:
    """Call the integrator API. Raises StartFault with the hub's message."""
    try:
        response = await client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise StartFault(
            f"cannot reach the hub at {client.base_url}: {error}; "
            "is it running, and are --hub and --web-port right?"
        ) from None
    if response.is_error:
        raise StartFault(f"the hub refused {method} {path}: {response.text.strip()}")
    return response


def _write_csv(path: Path, cameras: Sequence[CameraIdentity]) -> None:
    """Write a file for `device import`, and the public keys in files beside it."""
    from hub.services.csv_cells import as_text

    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("sn", "code", "did", "name", "key"))
            for camera in cameras:
                key = path.with_name(f"{camera.sn}.pem")
                key.write_text(camera.public_pem(), encoding="ascii")
                sn, name = as_text(camera.sn), as_text(camera.name)
                writer.writerow((sn, camera.code, "", name, key.name))
    except OSError as error:
        raise StartFault(f"cannot write {path}: {error.strerror}") from None
