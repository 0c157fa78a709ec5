"""Backups and the erasure of a person: what is erased in which of them, and what is restored."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.config import BackupConfig, Config
from hub.errors import BackupFault
from hub.services.audit import Actor
from hub.store.backup import generations
from hub.store.backup.making import (
    SiteDescription,
    take_working_copy,
    working_folder,
    write_backup,
)
from hub.store.backup.pace import Pace
from hub.store.backup.restore import RestoreReport, restore
from hub.store.health import StoreHealth
from hub.store.tables.erasures import Subject
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.stores import opened

ADMIN = Actor("user anna")
DAY = 86_400


@pytest.fixture(params=["same disk", "other disk"])
def is_same_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    is_same: bool = request.param == "same disk"
    monkeypatch.setattr(generations, "is_on_same_disk", lambda folder, data_dir: is_same)
    return is_same


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock, is_same_disk: bool) -> AsyncIterator[HubServices]:
    config = Config(backup=BackupConfig(folder=str(tmp_path / "backups")))
    async with open_hub_services(tmp_path / "data", clock, config) as hub:
        yield hub


async def erase(hub: HubServices, *seqs: int) -> None:
    await hub.services.records.erasures.begin(Subject(seqs=seqs), with_held=True, by=ADMIN)
    await hub.services.records.erasures.carry_out()


def put_back(path: Path, target: Path) -> RestoreReport:
    target.mkdir()
    with path.open("rb") as file:
        return restore(file, path, target, passphrase=None, force=False, pace=Pace())


async def test_every_generation_restores_after_an_erasure(
    hub: HubServices, is_same_disk: bool, clock: FrozenClock, tmp_path: Path
) -> None:
    await hub.add_faces("Ann", "Bo", "Cy", pictures=True)
    await hub.services.upkeep.backups._back_up()
    await erase(hub, 2)
    # Links reach older generations as well, which then have the person's records as erased ones.
    before = put_back(next((tmp_path / "backups").glob("*.tar")), tmp_path / "before")
    assert before.erased == (1 if is_same_disk else 0)
    clock.advance(DAY)
    await hub.services.upkeep.backups._back_up()
    older, newer = sorted((tmp_path / "backups").glob("*.tar"))
    for path, name in ((older, "older"), (newer, "newer")):
        put_back(path, tmp_path / name)
        async with opened(tmp_path / name, clock) as store:
            assert store.health == StoreHealth()
            records = [await store.records.get(seq) for seq in (1, 2, 3)]
            assert [one.erased for one in records if one] == [
                False,
                name == "newer" or is_same_disk,
                False,
            ]
            for seq in (1, 3):
                assert await store.pictures.read(seq, "face") is not None
            assert store.health == StoreHealth()


async def test_a_generation_whose_pictures_are_damaged_is_not_restored(
    hub: HubServices, tmp_path: Path
) -> None:
    await hub.add_faces("Ann", pictures=True)
    await hub.services.upkeep.backups._back_up()
    (pack,) = (tmp_path / "backups" / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[data.index(b"\xff\xd8\xff") + 1] ^= 1
    pack.write_bytes(data)
    with pytest.raises(BackupFault, match="checksum"):
        put_back(next((tmp_path / "backups").glob("*.tar")), tmp_path / "new")


async def test_a_backup_during_which_records_are_erased_is_made_again(hub: HubServices) -> None:
    await hub.add_faces("Ann", "Bo", pictures=True)
    data, pace = hub.services.core.data_dir, Pace()
    with working_folder(data) as folder:
        copy = take_working_copy(data, folder, pace, 0)
        await erase(hub, 2)
        site = SiteDescription("Harbour", (), 0)
        with pytest.raises(BackupFault, match="erased while the backup was made"):
            write_backup(io.BytesIO(), data, copy, site, pictures=True, passphrase=None, pace=pace)
