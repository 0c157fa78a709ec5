"""A whole site in one nursery: it reports itself, and goes on reporting."""

from __future__ import annotations

from collections import Counter

import trio

from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity
from tests.support.fake_hub import INFO, FakeHub


async def test_every_camera_tells_of_itself_first_and_then_what_it_sees(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    hub = FakeHub(nursery)
    told: Counter[str] = Counter()

    def tell(one: object) -> None:
        told[getattr(one, "kind", "")] += 1

    async with trio.open_nursery() as site:
        await site.start(
            lambda task_status: run_fleet(
                cameras,
                hub,
                rate=600,
                seed=3,
                now=lambda: 1764028800.0,
                on_event=tell,
                task_status=task_status,
            )
        )
        await hub.until(lambda: len(hub.posts) >= 40)
        site.cancel_scope.cancel()
    paths = Counter(path for _, path, _, _ in hub.posts)
    assert [path for path, _ in hub.reports].count(INFO) == len(cameras)
    assert paths["/api/v1/adapter/lenfocus/face/capture"] > 5
    assert told["online"] == len(cameras)
    assert told["sent"] >= 39
    assert all(token.startswith("Bearer token-") for *_, token in hub.posts)


async def test_a_site_lives_on_without_a_hub(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    hub = FakeHub(nursery)
    hub.away = True
    offline = trio.Event()

    async with trio.open_nursery() as site:
        site.start_soon(
            lambda: run_fleet(cameras, hub, rate=600, seed=3, on_event=lambda _: offline.set())
        )
        await offline.wait()
        assert hub.posts == []
        hub.away = False
        await hub.until(lambda: bool(hub.posts))
        site.cancel_scope.cancel()
