from __future__ import annotations

import pytest

from hub.simulator.identity import CameraIdentity, make_cameras


@pytest.fixture(scope="session")
def cameras() -> tuple[CameraIdentity, ...]:
    """One camera for each place. They share one key, since keys are slow to make."""
    return make_cameras(6, seed=7, one_key=True)
