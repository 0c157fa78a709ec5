"""A power failure at any moment loses nothing acknowledged: a real run, and hundreds of its ends.

$POWER_FAILURES is the number of failures per run; see tests.e2e.seeds for the runs.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import trio

from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.faulty_disk import FLUSH, FaultyDisk
from tests.e2e.hub_process import HubProcess
from tests.e2e.load import UploadLoad
from tests.e2e.power_failure import Entry, RecordedDisk, failures, read_record
from tests.e2e.seeds import SEEDS

_FAILURES = int(os.environ.get("POWER_FAILURES", "6"))
#: A group makes about so many changes.
_SOON_ENTRIES = 40


class RecordedRun:
    """A hub whose disk is recorded, and the captures that it acknowledged at which point."""

    def __init__(self, hub: HubProcess, record: Path) -> None:
        self._hub = hub
        self._record = record
        self.disk = RecordedDisk(hub.data_dir)
        hub.environment |= {"DISK_ROOT": str(hub.data_dir), "DISK_RECORD": str(record)}

    def position(self) -> int:
        return self._record.stat().st_size


def choose_points(entries: Sequence[Entry], first: int, rng: Random) -> list[int]:
    """Choose entries behind the position `first`, half of them soon after a failed flush."""
    anywhere = [number for number, entry in enumerate(entries) if entry.end > first]
    soon = {
        number + behind
        for number in anywhere
        if entries[number].is_failed_flush
        for behind in range(_SOON_ENTRIES)
    }
    chosen = rng.sample(anywhere, min(_FAILURES, len(anywhere)))
    near = sorted(soon.intersection(anywhere))
    chosen[: _FAILURES // 2] = (
        rng.sample(near, min(_FAILURES // 2, len(near))) or (chosen[: _FAILURES // 2])
    )
    return sorted(set(chosen))


@pytest.mark.parametrize(
    ("seed", "faults"),
    # Before its first fault, a failing disk is a good one.
    [pytest.param(seed, True, id=f"failing disk-{seed}") for seed in SEEDS]
    + [pytest.param(SEEDS[0], False, id="good disk")],
)
async def test_after_a_power_failure_every_acknowledged_capture_is_there_once_and_whole(
    make_hub: MakeHub,
    camera: Camera,
    faulty_disk: FaultyDisk,
    tmp_path: Path,
    seed: int,
    faults: bool,
) -> None:
    rng = Random(seed)
    hub = make_hub(environment=faulty_disk.environment).start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    assert hub.stop() == 0
    run = RecordedRun(hub, tmp_path / "record")
    hub.start()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        first = run.position()
        with UploadLoad(
            hub, token, senders=4, seed=seed, retries=True, position=run.position
        ) as load:
            await trio.to_thread.run_sync(load.wait_acknowledged, 40)
            if faults:
                for _ in range(3):
                    times, skip = rng.randint(1, 3), rng.randint(0, 3)
                    path = rng.choice(("-wal", "-wal", ".pack", "hub.sqlite"))
                    error = rng.choice((errno.EIO, errno.ENOSPC))
                    faulty_disk.fail(FLUSH, path, error, skip=skip, times=times)
                    before = len(load.acknowledged)
                    await trio.to_thread.run_sync(load.wait_acknowledged, before + 20)
            await trio.to_thread.run_sync(load.wait_acknowledged, len(load.acknowledged) + 40)
            hub.kill()
    entries = read_record(tmp_path / "record")
    points = choose_points(entries, first, rng)
    for number, entry in enumerate(failures(run.disk, entries, points)):
        target = tmp_path / f"failure-{number}"
        run.disk.write_after_failure(target, rng)
        acknowledged = {
            uuid: capture
            for uuid, capture in load.acknowledged.items()
            if load.acknowledged_at[uuid] <= entry.end
        }
        other = make_hub(data_dir=target).start()
        async with other.client(headers=headers) as client:
            await load.check_stored(client, acknowledged)
        other.kill()
        shutil.rmtree(target)
