"""A centre that admits hubs with codes, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from hub.central.admission import Admissions


@asynccontextmanager
async def admitting(folder: Path) -> AsyncIterator[str]:
    """Admit hubs within the block; yield where."""
    async with trio.open_nursery() as nursery:
        port = await nursery.start(Admissions(folder, ("127.0.0.1", 0)).run)
        yield f"127.0.0.1:{port}"
        nursery.cancel_scope.cancel()
