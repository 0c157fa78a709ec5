from __future__ import annotations

import pytest

from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import Population, make_population


@pytest.fixture(scope="session")
def cameras() -> tuple[CameraIdentity, ...]:
    """One camera for each place, of one key: keys are slow to make."""
    return make_cameras(6, seed=7, one_key=True)


@pytest.fixture(scope="session")
def population() -> Population:
    return make_population(7)
