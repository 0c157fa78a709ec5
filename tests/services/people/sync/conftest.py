"""A site whose cameras are kept in step."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.support.synced_site import SyncedSite


@pytest.fixture
async def site(nursery: trio.Nursery, autojump_clock: MockClock) -> SyncedSite:
    site = SyncedSite(nursery)
    await site.start()
    return site
