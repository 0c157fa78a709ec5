"""Whatever the hub's clock shows, and whenever it is set: nothing that was acknowledged goes."""

from __future__ import annotations

import time
from random import Random

import pytest
import trio

from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.faketime import DAY, YEAR, FakeClock
from tests.e2e.seeds import SEEDS
from tests.e2e.site import Site

_MOVES = 6


def ahead_of(rng: Random) -> float:
    """By how much the clock is ahead: right, off by hours, days or years, or at 1970."""
    return rng.choice((0, 0, -time.time(), -YEAR, -40 * DAY, -7200, 31 * DAY, 400 * DAY, 3 * YEAR))


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_walk_of_the_clock_takes_a_record_with_it(
    make_hub: MakeHub, camera: Camera, fake_clock: FakeClock, seed: int
) -> None:
    rng = Random(seed)
    hub = make_hub("store.keep_days=1", environment=fake_clock.environment)
    site = Site(hub, camera, seed, "--no-clock-check")
    for move in [*(ahead_of(rng) for _ in range(_MOVES)), 0]:
        how = rng.choice(("while it runs", "stopped", "killed"))
        if how == "killed":
            hub.kill()
        elif how == "stopped":
            assert hub.stop() == 0
        fake_clock.set_ahead(move)
        if how != "while it runs":
            hub.start(accept_unwell=True)
        await site.upload(rng.randint(1, 3))
        await trio.sleep(3.5)  # Days went within three seconds of a start.
        await site.check()
    assert not site.refused
