"""A site whose cameras are kept in step."""

from __future__ import annotations

import pytest
import trio

from tests.support.synced_site import SyncedSite


@pytest.fixture
async def site(nursery: trio.Nursery) -> SyncedSite:
    site = SyncedSite(nursery)
    await site.start()
    return site
