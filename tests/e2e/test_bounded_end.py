"""The hub ends within its bound even if one of its threads is in a call that does not return.

Each of these ends would take for ever. "Within" is the timeout of the wait.
"""

from __future__ import annotations

import random
import threading
from contextlib import suppress

import httpx
import trio

from tests.e2e.camera import Camera, Capture, upload, upload_sync
from tests.e2e.conftest import MakeHub
from tests.e2e.faulty_disk import FLUSH, READ, FaultyDisk
from tests.e2e.hub_process import HubProcess, terminate
from tests.e2e.load import read_all

#: The documented 10 s, a second for the last lines of the log, and a margin for a busy machine.
_BOUND_SECONDS = 14


async def test_a_flush_that_hangs_does_not_hold_up_the_end(
    make_hub: MakeHub, camera: Camera, faulty_disk: FaultyDisk
) -> None:
    hub = make_hub(environment=faulty_disk.environment).start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    rng = random.Random(1)
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        async with hub.client() as client:
            kept = Capture.random(rng, 10, 10, 10)
            assert await upload(client, token, kept.body()) == 200
        faulty_disk.hang(FLUSH, ".pack")
        sender = _upload_in_background(hub, token, Capture.random(rng, 10, 10, 10))
        await trio.to_thread.run_sync(faulty_disk.wait_for_hit)
        assert await trio.to_thread.run_sync(hub.stop, _BOUND_SECONDS) == 1
        sender.join()
    assert _last_line(hub).count("Disk.flush (hub.store.disk, line") == 1
    faulty_disk.work()
    hub.start()
    async with hub.client(headers=headers) as client:
        assert kept.uuid in [record["uuid"] for record in await read_all(client)]


async def test_a_second_signal_does_not_wait_for_a_picture_that_cannot_be_read(
    make_hub: MakeHub, camera: Camera, faulty_disk: FaultyDisk
) -> None:
    hub = make_hub(environment=faulty_disk.environment).start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        async with hub.client(headers=headers) as client:
            body = Capture.random(random.Random(2), 10, 10, 10).body()
            assert await upload(client, token, body) == 200
            [record] = await read_all(client)
        faulty_disk.hang(READ, ".pack")
        reader = _read_in_background(hub, headers, record["images"]["face"])
        await trio.to_thread.run_sync(faulty_disk.wait_for_hit)
        terminate(hub.process)
        await _until_line(hub, ": stopping")
        await trio.sleep(0.5)  # Two signals within 0.3 s count once.
        terminate(hub.process)
        assert await trio.to_thread.run_sync(hub.process.wait, _BOUND_SECONDS - 8) == 1
        reader.join()
    assert "did not end within 2 s" in _last_line(hub)


async def test_a_start_that_hangs_ends_within_the_bound_as_well(
    make_hub: MakeHub, faulty_disk: FaultyDisk
) -> None:
    hub = make_hub(environment=faulty_disk.environment).start()
    hub.kill()
    faulty_disk.hang(FLUSH, "hub.sqlite")
    hub.spawn()
    await trio.to_thread.run_sync(faulty_disk.wait_for_hit)
    assert await trio.to_thread.run_sync(hub.stop, _BOUND_SECONDS) == 1
    assert "did not end within 10 s" in _last_line(hub)


def _upload_in_background(hub: HubProcess, token: str, capture: Capture) -> threading.Thread:
    def send() -> None:
        with suppress(httpx.TransportError, ValueError), hub.sync_client() as client:
            upload_sync(client, token, capture.body())

    return _in_background(send)


def _read_in_background(hub: HubProcess, headers: dict[str, str], path: str) -> threading.Thread:
    def read() -> None:
        with suppress(httpx.TransportError), hub.sync_client(headers=headers) as client:
            client.get(path)

    return _in_background(read)


def _in_background(work: object) -> threading.Thread:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    return thread


async def _until_line(hub: HubProcess, text: str) -> None:
    with trio.fail_after(30):
        while text not in hub.err:  # noqa: ASYNC110 - another process sets no event here
            await trio.sleep(0.05)


def _last_line(hub: HubProcess) -> str:
    """The last line of the log's file: it is written before the exit."""
    log = (hub.data_dir / "logs" / "sitehub.log").read_text("utf-8")
    return log.splitlines()[-1]
