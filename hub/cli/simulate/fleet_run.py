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
        return msgspec.json.decode(path.read_bytes(), type=ApiKey)
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
            for camera in cameras:
                known.append(await _enrol(client, camera))
            yield known
        finally:
            with trio.move_on_after(_REMOVAL_SECONDS, shield=True):
                await _remove(client, known)


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
        raise StartFault(f"cannot reach the hub at {client.base_url}: {error}") from None
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
