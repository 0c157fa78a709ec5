"""A hub on a PC whose clock is wrong, or is set while the hub runs."""

from __future__ import annotations

import time

from tests.e2e.conftest import MakeHub
from tests.e2e.faketime import YEAR, FakeClock
from tests.e2e.hub_process import HubProcess


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
        assert hours_ahead(hub) == ahead // 3600
    assert hub.stop() == 0
