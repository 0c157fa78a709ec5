"""A fleet of cameras: they report themselves, then upload sightings until cancelled."""

from __future__ import annotations

from collections import Counter

import trio

from hub.simulator.events import CameraEvent
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity
from tests.support.fake_hub import INFO, FakeHub


async def test_every_camera_reports_itself_and_then_uploads_sightings(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    hub = FakeHub(nursery)
    kinds: Counter[str] = Counter()

    def count(event: CameraEvent) -> None:
        kinds[event.kind] += 1

    async with trio.open_nursery() as fleet:
        await fleet.start(
            lambda task_status: run_fleet(
                cameras,
                hub,
                rate=600,
                seed=3,
                now=lambda: 1764028800.0,
                on_event=count,
                task_status=task_status,
            )
        )
        await hub.until(lambda: len(hub.posts) >= 40)
        fleet.cancel_scope.cancel()
    paths = Counter(path for _, path, _, _ in hub.posts)
    assert [path for path, _ in hub.reports].count(INFO) == len(cameras)
    assert paths["/api/v1/adapter/lenfocus/face/capture"] > 5
    assert kinds["online"] == len(cameras)
    assert kinds["sent"] >= 39
    assert all(token.startswith("Bearer token-") for *_, token in hub.posts)


async def test_a_fleet_waits_for_a_hub_that_is_away(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    hub = FakeHub(nursery)
    hub.away = True
    offline = trio.Event()

    async with trio.open_nursery() as fleet:
        fleet.start_soon(
            lambda: run_fleet(cameras, hub, rate=600, seed=3, on_event=lambda _: offline.set())
        )
        await offline.wait()
        assert hub.posts == []
        hub.away = False
        await hub.until(lambda: bool(hub.posts))
        fleet.cancel_scope.cancel()
