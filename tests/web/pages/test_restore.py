"""A backup in place of the set-up: what is offered, how far it is, and what it leaves."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from hub.errors import BackupFault
from hub.services.audit import COMMAND_LINE
from hub.services.upkeep import first_restore as module
from hub.store.backup.restore import complete_restore
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import HubDetail
from tests.support.backups import make_backup
from tests.support.clock import FrozenClock
from tests.support.file_sender import FileSender
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.page_site import PageSite
from tests.support.waiting import until

PASSPHRASE = "a long passphrase"


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESTART_DELAY_SECONDS", 0)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "usb"


@pytest.fixture
async def backup(tmp_path: Path, disk: Path, clock: FrozenClock) -> Path:
    """A backup on a disk of the computer, two folders deep."""
    file = disk / "backups" / "site.backup"
    await make_backup(tmp_path / "earlier", file, clock)
    return file


@pytest.fixture
async def sealed(tmp_path: Path, disk: Path, clock: FrozenClock) -> Path:
    file = disk / "sealed.backup"
    await make_backup(tmp_path / "sealed", file, clock, passphrase=PASSPHRASE)
    return file


class NewHub:
    """A hub that nobody has set up, and the holder of its link."""

    def __init__(self, hub: HubServices, site: PageSite, token: str) -> None:
        self.hub = hub
        self.visitor = FileSender(site)
        self.setup = f"/setup/{token}"
        self.address = f"{self.setup}/restore"
        self.restoring = hub.services.upkeep.first_restore
        self.data_dir = hub.services.core.data_dir

    async def choose(self, path: Path | str, passphrase: str = "") -> None:
        await self.visitor.get(self.address)
        await self.visitor.send(self.address, backup=str(path), passphrase=passphrase)

    async def upload(self, data: bytes, passphrase: str = "") -> None:
        await self.visitor.get(self.address)
        address = f"{self.address}/file"
        await self.visitor.stream_file(address, "my.backup", data, passphrase=passphrase)

    async def ended(self) -> None:
        """Wait for the end of the restore, and open its page."""
        await until(lambda: self.restoring.progress is None or self.restoring.restored is not None)
        await self.visitor.get(self.address)

    def is_new(self) -> bool:
        """Whether the hub is as it was, and its next start has nothing to complete."""
        services = self.hub.services
        is_empty = not services.access.users.all() and not self.hub.store.records.last_seq
        return is_empty and not (self.data_dir / "restoring").exists()


@asynccontextmanager
async def opened(tmp_path: Path, clock: FrozenClock, disk: Path) -> AsyncIterator[NewHub]:
    data_dir = tmp_path / "new"
    async with (
        open_hub_services(data_dir, clock, backup_disks=lambda: (disk,)) as hub,
        trio.open_nursery() as nursery,
    ):
        token = await hub.services.access.setup_links.create(by=COMMAND_LINE)
        await nursery.start(hub.services.upkeep.first_restore.run)
        yield NewHub(hub, PageSite(hub, clock), token)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def new(tmp_path: Path, clock: FrozenClock, disk: Path) -> AsyncIterator[NewHub]:
    async with opened(tmp_path, clock, disk) as hub:
        yield hub


async def content(file: Path) -> bytes:
    return await trio.Path(file).read_bytes()


async def test_the_set_up_page_leads_to_the_backups_on_the_disks(backup: Path, new: NewHub) -> None:
    await new.visitor.get(new.setup)
    assert f'href="{new.address}"' in new.visitor.text
    await new.visitor.get(new.address)
    assert "Harbour, " in new.visitor.text
    assert "2 records" in new.visitor.text
    assert f'value="{backup}" required checked' in new.visitor.text


async def test_what_the_hub_recorded_of_itself_is_nothing_to_lose(
    backup: Path, new: NewHub
) -> None:
    detail = HubDetail("disk-low", "The disk is nearly full.", {})
    await new.hub.add(CheckedUpload(kind="hub", occurred_at=0, detail=detail), did="")
    await new.choose(backup)
    await new.ended()
    assert new.restoring.restored is not None


async def test_the_newest_backup_comes_first_and_what_is_none_is_left_out(
    backup: Path, sealed: Path, disk: Path, new: NewHub
) -> None:
    await trio.Path(disk / "holiday.tar").write_bytes(b"pictures" * 1000)
    await trio.Path(disk / "empty.backup").touch()
    found = [one.path for one in (await new.restoring.look()).backups]
    assert sorted(found) == sorted([str(backup), str(sealed)])
    await new.visitor.get(new.address)
    assert "Encrypted backup" in new.visitor.text
    assert "holiday" not in new.visitor.text


async def test_a_folder_can_be_named(tmp_path: Path, clock: FrozenClock, backup: Path) -> None:
    async with opened(tmp_path, clock, tmp_path / "no disk") as new:
        await new.visitor.get(new.address)
        assert "No backup was found." in new.visitor.text
        await new.visitor.get(f"{new.address}?folder={backup.parent}")
        assert f'value="{backup}" required checked' in new.visitor.text
        await new.visitor.get(f"{new.address}?folder={backup}")
        assert f'value="{backup}" required checked' in new.visitor.text
        await new.visitor.get(f"{new.address}?folder={tmp_path}/missing%00")
        assert "There is no backup in" in new.visitor.text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
async def test_what_the_hub_may_not_read_is_told(
    tmp_path: Path, clock: FrozenClock, disk: Path, backup: Path
) -> None:
    # As `sudo sitehub backup` leaves it for the account of the service.
    await trio.Path(backup).chmod(0)
    async with opened(tmp_path, clock, disk) as new:
        for address in (new.address, f"{new.address}?folder={backup}"):
            await new.visitor.get(address)
            assert f"may not read {backup}. Restore it" in new.visitor.text
            assert "No backup was found." not in new.visitor.text
            assert "There is no backup in" not in new.visitor.text
        await trio.Path(disk).chmod(0)
        await new.visitor.get(f"{new.address}?folder={disk}")
        assert f"may not read {disk}. Restore it" in new.visitor.text
        await trio.Path(disk).chmod(0o700)


async def test_the_next_start_has_what_was_restored(
    tmp_path: Path, clock: FrozenClock, disk: Path, backup: Path
) -> None:
    async with opened(tmp_path, clock, disk) as new:
        await new.choose(backup)
        assert new.visitor.goes_to == new.address
        await new.ended()
        assert "Harbour, with 2 records." in new.visitor.text
        assert new.visitor.response.headers["Refresh"] == "20"
        await until(lambda: new.hub.services.upkeep.restart_is_due)
        assert new.hub.services.core.closing.is_set()
        # Nothing has changed before the start.
        assert new.hub.services.access.users.all() == ()
        data_dir = new.data_dir
    assert complete_restore(data_dir)
    async with open_hub_services(data_dir, clock) as hub:
        assert [user.name for user in hub.services.access.users.all()] == ["ada"]
        assert hub.store.records.last_seq == 2
        assert hub.services.core.site.name() == "Harbour"


async def test_the_page_says_how_far_it_is_and_the_link_leads_to_it(
    backup: Path, new: NewHub
) -> None:
    async with new.restoring.receiving("") as file:
        await new.visitor.get(new.setup)
        assert new.visitor.goes_to == new.address
        await new.visitor.get(new.address)
        assert "The backup is being opened." in new.visitor.text
        assert new.visitor.response.headers["Refresh"] == "2"
        data = await content(backup)
        assert await file.write(data[:-2000])
        await until(lambda: (now := new.restoring.progress) is not None and now.done_bytes > 0)
        await new.visitor.get(new.address)
        assert "<progress value=" in new.visitor.text
        assert await file.write(data[-2000:])
    await new.ended()
    assert new.restoring.restored is not None


async def test_a_sealed_file_is_sent_by_the_browser(sealed: Path, new: NewHub) -> None:
    await new.upload(await content(sealed), PASSPHRASE)
    assert new.visitor.goes_to == new.address
    await new.ended()
    assert new.restoring.restored is not None


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [("", "This backup is encrypted."), ("a wrong passphrase", "The passphrase does not fit")],
)
async def test_a_wrong_passphrase_is_told_at_its_field_and_nothing_is_lost(
    sealed: Path, new: NewHub, passphrase: str, words: str
) -> None:
    await new.choose(sealed, passphrase)
    await new.ended()
    assert words in new.visitor.text
    assert 'name="passphrase" autocomplete="off" maxlength="1024" aria-invalid="true"' in (
        new.visitor.text
    )
    assert f'value="{sealed}" required checked' in new.visitor.text
    assert new.is_new()
    await new.choose(sealed, PASSPHRASE)
    await new.ended()
    assert new.restoring.restored is not None


@pytest.mark.parametrize("size", [0, 20_000, -1])
async def test_a_file_that_is_cut_off_changes_nothing(backup: Path, new: NewHub, size: int) -> None:
    data = (await content(backup))[:size] or b"a holiday"
    await new.upload(data)
    await new.ended()
    assert "This is not a backup of a hub, or it is damaged" in new.visitor.text
    assert new.is_new()


async def test_a_browser_that_leaves_in_the_middle_changes_nothing(
    backup: Path, new: NewHub
) -> None:
    data = await content(backup)
    with trio.CancelScope() as visit:
        async with new.restoring.receiving("") as file:
            await file.write(data[:-2000])
            visit.cancel()
            await trio.sleep_forever()
    await new.ended()
    assert "the file did not arrive completely" in new.visitor.text
    assert new.is_new()


async def test_a_file_that_is_larger_than_the_disk_is_refused(backup: Path, new: NewHub) -> None:
    new.hub.free.bytes = -2_000_000
    await new.upload(await content(backup))
    assert new.visitor.response.status_code == 400
    assert "not enough free space" in new.visitor.text
    assert new.is_new()


async def test_a_generation_without_its_pictures_beside_it_is_refused(
    tmp_path: Path, clock: FrozenClock, new: NewHub
) -> None:
    async with open_hub_services(tmp_path / "earlier", clock) as hub:
        await hub.add_faces("Ann", pictures=True)
        backups = hub.services.upkeep.backups
        async with trio.open_nursery() as nursery:
            await nursery.start(backups.run)
            await backups.run_now(COMMAND_LINE)
            await until(lambda: backups.last_complete is not None)
            nursery.cancel_scope.cancel()
        (generation,) = backups.folder.glob("*.tar")
    await new.upload(await content(generation))
    await new.ended()
    assert "are in the folder packs beside it" in new.visitor.text
    assert new.is_new()
    await new.choose(generation)
    await new.ended()
    assert new.restoring.restored is not None


async def test_settings_that_cannot_be_used_here_are_told_before_anything_changes(
    tmp_path: Path, clock: FrozenClock, disk: Path, new: NewHub
) -> None:
    earlier = tmp_path / "earlier"
    await trio.Path(earlier).mkdir()
    await trio.Path(earlier / "sitehub.toml").write_text('[web]\nport = 9443\nbind = "192.0.2.1"\n')
    await make_backup(earlier, disk / "site.backup", clock)
    await new.choose(disk / "site.backup")
    await new.ended()
    assert "its settings cannot be used on this computer" in new.visitor.text
    assert new.is_new()


async def test_whoever_is_let_in_meanwhile_loses_nothing(backup: Path, new: NewHub) -> None:
    async with new.restoring.receiving("") as file:
        await new.hub.add_user("bob")
        await file.write(await content(backup))
    await until(lambda: new.restoring.fault is not None)
    assert not new.hub.services.core.closing.is_set()
    assert not (new.data_dir / "restoring").exists()
    await new.visitor.get(new.address)
    assert "This hub has users, cameras or records already." in new.visitor.text
    with pytest.raises(BackupFault):
        await new.restoring.begin(str(backup), "")


async def test_without_the_link_nothing_is_shown_or_restored(backup: Path, new: NewHub) -> None:
    await new.visitor.get(new.address)
    await new.visitor.send("/setup/older/restore", backup=str(backup))
    assert new.visitor.response.status_code == 404
    await new.visitor.get(new.address)
    data = await content(backup)
    await new.visitor.stream_file("/setup/older/restore/file", "my.backup", data)
    assert new.visitor.response.status_code == 404
    await new.visitor.get("/setup/older/restore")
    assert new.visitor.response.status_code == 404
    assert new.restoring.progress is None


async def test_an_old_link_leads_to_the_hub_that_was_restored(new: NewHub) -> None:
    await new.hub.add_user("ada")
    await new.visitor.get("/setup/older/restore")
    assert new.visitor.goes_to == "/"
