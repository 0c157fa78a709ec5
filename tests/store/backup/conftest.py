"""A store that is backed up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.store.db import Store
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        yield store
