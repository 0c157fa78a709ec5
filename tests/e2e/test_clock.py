"""A hub on a PC whose clock is wrong, or is set while the hub runs."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from random import Random

import trio

from tests.e2e.camera import Camera, Capture, try_connect, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.faketime import DAY, YEAR, FakeClock
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import read_all
from tests.support.ports import free_port

#: From 1900 to 1970.
_EPOCH_SECONDS = 2_208_988_800


def hours_ahead(hub: HubProcess) -> int:
    """How far the hub's clock is ahead, by what it tells the cameras."""
    with hub.sync_client() as client:
        told: int = client.get("/api/v1/server/time").json()["data"]["time"]
    return round((told - time.time()) / 3600)


def test_the_clock_can_be_set_by_a_year_in_either_direction_while_the_hub_runs(
    make_hub: MakeHub, fake_clock: FakeClock
) -> None:
    hub = make_hub(environment=fake_clock.environment).start()
    for ahead in (0, YEAR, -YEAR, 0):
        fake_clock.set_ahead(ahead)
        # Cameras are told the expected time if the clock is behind it.
        assert hours_ahead(hub) == max(ahead, 0) // 3600
    assert hub.stop() == 0


async def test_no_record_goes_because_of_a_wrong_clock_at_a_start(
    make_hub: MakeHub, camera: Camera, fake_clock: FakeClock
) -> None:
    """31 days ahead, a year ahead, and what was taken 40 days behind or in 1970, then right."""
    hub = make_hub(environment=fake_clock.environment)
    bodies = captures()
    acknowledged: list[bytes] = []
    for ahead in (0, -40 * DAY, -time.time(), 31 * DAY, YEAR, -40 * DAY, 0):
        fake_clock.set_ahead(ahead)
        hub.start(accept_unwell=True)
        if not acknowledged:
            did = camera.enrol(hub, "--no-clock-check")
            headers = hub.add_api_key()
        async with (
            camera.connect(hub.device_url, hub.trust(), did) as (_, token),
            hub.client(headers=headers) as client,
        ):
            for _ in range(3):
                body = next(bodies)
                assert await upload(client, token, body) == 200
                acknowledged.append(body)
            await trio.sleep(3.5)  # Days went within three seconds.
            records = await read_all(client)
            assert len(records) == len(acknowledged)
            seqs = [record["seq"] for record in records]
            assert seqs == sorted(set(seqs))
            for record in records:
                for path in record["images"].values():
                    assert (await client.get(path)).status_code == 200
        assert hub.stop() == 0


async def test_a_camera_whose_clock_is_right_connects_while_the_hubs_is_wrong(
    make_hub: MakeHub, camera: Camera, fake_clock: FakeClock
) -> None:
    hub = make_hub(environment=fake_clock.environment).start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    trust = hub.trust()
    bodies = captures()
    count = 0
    async with hub.client(headers=headers) as client:
        for ahead in (YEAR, -YEAR):
            async with camera.connect(hub.device_url, trust, did) as (_, token):
                assert await upload(client, token, next(bodies)) == 200
                count += 1
                fake_clock.set_ahead(ahead)
                # The token ends when it is due, by either step neither sooner nor later.
                assert await upload(client, token, next(bodies)) == 200
                count += 1
            await trio.sleep(1.1)  # Connects of the same second are repeats.
            accepted = camera.connect_frame(did)
            assert await try_connect(hub.device_url, trust, accepted) == 200
            # What was accepted stays known whatever the clock shows: it is not taken again.
            for shown in (ahead, 0, ahead, 0):
                fake_clock.set_ahead(shown)
                assert await try_connect(hub.device_url, trust, accepted) == 423
            await trio.sleep(1.1)
        async with camera.connect(hub.device_url, trust, did) as (_, token):
            assert await upload(client, token, next(bodies)) == 200
        assert len(await read_all(client)) == count + 1
    assert hub.stop() == 0


async def test_a_clock_set_back_lengthens_no_token(
    make_hub: MakeHub, camera: Camera, fake_clock: FakeClock
) -> None:
    hub = make_hub("devices.token_ttl=4", environment=fake_clock.environment).start()
    did = camera.enrol(hub)
    bodies = captures()
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client() as client,
    ):
        assert await upload(client, token, next(bodies)) == 200
        fake_clock.set_ahead(-DAY)
        await trio.sleep(4.1)
        assert await upload(client, token, next(bodies)) == 401
    fake_clock.set_ahead(0)
    await trio.sleep(1.1)
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        pass
    assert hub.stop() == 0
    # Off for longer than the token lives, and the clock set back meanwhile.
    await trio.sleep(4.1)
    fake_clock.set_ahead(-3600)
    hub.start(accept_unwell=True)
    async with hub.client() as client:
        assert await upload(client, token, next(bodies)) == 401
    assert hub.stop() == 0


def test_cameras_get_the_time_unless_the_clock_is_doubted(
    make_hub: MakeHub, fake_clock: FakeClock
) -> None:
    port = free_port()
    hub = make_hub(f"time.sntp_port={port}", environment=fake_clock.environment).start()
    answer = ask_for_time(port)
    assert len(answer) == 48
    assert abs(struct.unpack_from("!I", answer, 40)[0] - _EPOCH_SECONDS - time.time()) < 60
    fake_clock.set_ahead(YEAR)
    assert ask_for_time(port) == b""
    hub.cli("retention", "confirm-clock")
    told = struct.unpack_from("!I", ask_for_time(port), 40)[0] - _EPOCH_SECONDS
    assert abs(told - YEAR - time.time()) < 60
    fake_clock.set_ahead(-YEAR)
    assert ask_for_time(port) == b""
    fake_clock.set_ahead(0)
    assert len(ask_for_time(port)) == 48
    assert hub.stop() == 0


def test_a_port_for_the_time_that_is_in_use_stops_the_start(make_hub: MakeHub) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        hub = make_hub(f"time.sntp_port={port}")
        assert hub.spawn().wait(TIMEOUT_SECONDS) == 1
    (line,) = [line for line in hub.err.splitlines() if line.startswith("sitehub:")]
    assert f"port {port} is already in use" in line
    assert "set another time.sntp_port" in line


def ask_for_time(port: int) -> bytes:
    """Send the request of an SNTP client; b"" if nothing answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(bytes([0x23]) + bytes(47), ("127.0.0.1", port))
        try:
            return sock.recv(4096)
        except TimeoutError:
            return b""


def captures() -> Iterator[bytes]:
    random = Random(10)
    while True:
        yield Capture.random(random, 10, 10, 10).body()
