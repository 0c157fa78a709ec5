"""Records that the database does not know come back from the packs, or are put aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.seeds import SEEDS
from tests.e2e.site import (
    SHM,
    WAL,
    Site,
    copy_database_alone,
    copy_while_stopped,
    copy_with_wal,
    put_back,
)


@pytest.mark.parametrize("copy", [copy_while_stopped, copy_database_alone, copy_with_wal])
async def test_after_an_older_database_a_rebuild_brings_every_record_back(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, copy: Callable[[Site, Path], None]
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(10)
    copy(site, tmp_path / "copy")
    await site.upload(10)
    log_id, records = await site.log_id(), await site.records()
    assert site.hub.stop() == 0
    put_back(tmp_path / "copy", site.data)
    assert "sitehub doctor --rebuild" in site.fails_to_start()
    assert "They raised no alarm: alarms may be missing from 2" in site.hub.cli(
        "doctor", "--rebuild"
    )
    site.hub.start()
    site.enrol_again()
    await site.check()
    await site.upload(1)
    newer = await site.records()
    assert newer[-1]["seq"] > records[-1]["seq"]
    is_same_log = await site.log_id() == log_id
    assert not is_same_log or _numbers(newer[:-1]) == _numbers(records)


def _numbers(records: list[dict[str, Any]]) -> dict[str, int]:
    return {record["uuid"]: record["seq"] for record in records}


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_put_aside_is_kept_and_numbers_go_on_above_it(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, seed: int
) -> None:
    site = Site(make_hub(), camera, seed)
    await site.upload(site.rng.randint(1, 6))
    copy_while_stopped(site, tmp_path / "copy")
    kept = list(site.acknowledged)
    await site.upload(site.rng.randint(2, 6))
    log_id = await site.log_id()
    newest = (await site.records())[-1]["seq"]
    pictures = [picture for one in site.acknowledged for picture in one.pictures.values()]
    assert site.hub.stop() == 0
    put_back(tmp_path / "copy", site.data)
    site.fails_to_start()
    site.hub.cli("doctor", "--set-aside")
    files = [path.read_bytes() for path in (site.data / "media").rglob("*") if path.is_file()]
    assert all(any(picture in file for file in files) for picture in pictures)
    site.hub.start()
    site.acknowledged = kept
    await site.check()
    await site.upload(1)
    assert (await site.records())[-1]["seq"] > newest
    assert await site.log_id() != log_id


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_lost_wal_a_rebuild_brings_every_record_back(
    make_hub: MakeHub, camera: Camera, seed: int
) -> None:
    site = Site(make_hub(), camera, seed)
    await site.upload(site.rng.randint(10, 30))
    site.hub.kill()
    (site.data / WAL).unlink()
    (site.data / SHM).unlink(missing_ok=True)
    assert "sitehub doctor --rebuild" in site.fails_to_start()
    site.hub.cli("doctor", "--rebuild")
    site.hub.start()
    site.enrol_again()
    await site.check()
