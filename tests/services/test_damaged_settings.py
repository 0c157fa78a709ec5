"""A setting of the browser whose row is damaged counts as not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services

JUNK = ("", "{", "-1", "nan", "Mars/Olympus", "../../etc/passwd", "\x00", "é 9", "9" * 400)


@pytest.mark.parametrize("junk", JUNK)
async def test_nothing_fails(junk: str, tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        for key in (
            "site.name",
            "site.timezone",
            "site.language",
            "setup.link",
            "backup.since",
            "backup.failure",
            "restore.from",
        ):
            await hub.store.settings.set(key, junk)
        services = hub.services
        services.core.site.zone()
        assert services.core.site.language() == "auto"
        assert not services.access.setup_links.is_valid("token")
        services.upkeep.backups.overdue_days()
        services.upkeep.backups.restored_from()
        assert services.upkeep.backups.last_failure is None
