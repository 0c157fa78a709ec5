"""A hub and the clients of its API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart.testing import QuartClient

from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.web.api.test_api import Client
from web.app import create_app


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
async def api(hub: HubServices) -> Client:
    """A program that may change everything."""
    return Client(hub, await hub.bearer())


@pytest.fixture
async def reader(hub: HubServices) -> Client:
    """A program that may only read."""
    return Client(hub, await hub.bearer(read_only=True))


@pytest.fixture
def client(hub: HubServices) -> QuartClient:
    """A client without a key."""
    return create_app(hub.services).test_client(use_cookies=False)
