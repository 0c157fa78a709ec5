"""Fixtures for the pages: a site, a camera, and users of each role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services import rounds
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.photographer import Photographer
from tests.support.simulated_link import SimulatedLink


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams beat 20 times a second. Ask for it before the hub."""
    monkeypatch.setattr(rounds, "BEAT_SECONDS", 0.05)


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        yield site


@pytest.fixture
async def camera(hub: PageSite) -> SimulatedLink:
    """Camera 1, named "Gate", online."""
    return await hub.connect()


@pytest.fixture
async def admin(hub: PageSite) -> Photographer:
    return await Photographer.signed_in(hub, "admin")


@pytest.fixture
async def guard(hub: PageSite) -> Photographer:
    return await Photographer.signed_in(hub, "guard")


@pytest.fixture
async def viewer(hub: PageSite) -> Photographer:
    return await Photographer.signed_in(hub, "viewer")
