"""The page Backups: what it says, what it does, and the download."""

from __future__ import annotations

import io

import pytest

from hub.services.backups.views import restored_setting
from hub.store.backup.archive import ArchiveSink, read_archive
from hub.store.backup.generations import Folder
from hub.store.backup.pace import Pace
from hub.store.backup.restore import opened_source
from hub.store.backup.unread import Part
from tests.support.backups import generation
from tests.support.clock import FrozenClock
from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

PATH = "/site/backups"
FORM = {"pictures": "yes", "passphrase": "", "repeated": "", "own_password": PASSWORD}


async def test_it_says_when_the_last_good_one_was_made(
    hub: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    await admin.get(PATH)
    assert "There is no valid backup yet." in admin.text
    assert "The first one will be made in a few minutes." in admin.text
    await hub.services.upkeep.backups._back_up()
    clock.advance(59)
    await admin.get(PATH)
    assert ">just now<" in admin.text
    clock.advance(5 * 3600 - 59)
    await admin.get(PATH)
    assert "The last valid backup was made on" in admin.text
    assert "5 h ago" in admin.text
    assert "Verified, complete" in admin.text
    assert "sudo sitehub restore " in admin.text
    assert "on the same disk as the hub" in admin.text


async def test_it_says_why_the_last_one_failed(
    hub: PageSite, admin: Photographer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("hub.services.backups.nightly.make_generation", fails)
    await hub.services.upkeep.backups._back_up()
    await admin.get(PATH)
    reason = f"{hub.services.upkeep.backups.folder}: the disk is read-only"
    assert admin.text.count(str(hub.services.upkeep.backups.folder) + ": ") == 1
    assert f"failed: {reason}<" in admin.text
    assert "Check that the backup folder exists" in admin.text
    await admin.send("/preferences", language="zh", next=PATH)
    await admin.get(PATH)
    assert "磁盘是只读的" in admin.text
    assert "请确认备份文件夹存在" in admin.text


async def test_it_says_from_the_start_that_no_backup_can_be_made(
    hub: PageSite, admin: Photographer
) -> None:
    folder = hub.services.upkeep.backups.folder
    folder.write_text("not a folder")
    await hub.services.upkeep.backups.look()
    await admin.get(PATH)
    sentence = f"No backup can be made: the folder {folder} cannot be used ("
    state = admin.text.partition('data-key="state"')[2].partition("</section>")[0]
    assert "health-bad" in state
    assert sentence in state
    assert 'href="/site/settings/change?name=backup.folder"' in state
    assert "on the same disk as the hub" not in admin.text
    await admin.get("/site/tiles")
    assert "No backup can be made" in admin.text
    assert f"The folder cannot be used: {folder}: this is not a folder" in admin.text
    await hub.services.upkeep.backups._back_up()
    await admin.get(PATH)
    assert sentence in admin.text
    assert "failed:" not in admin.text
    await admin.send("/preferences", language="zh", next=PATH)
    await admin.get(PATH)
    assert "无法进行备份：文件夹" in admin.text


async def test_it_says_what_an_incomplete_one_lacks(
    hub: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    found = (generation(clock() - 86_400), generation(clock() - 60, Part(0, 4096)))
    hub.services.upkeep.backups._found = Folder(found)
    await admin.get(PATH)
    assert "The last valid backup was made on" in admin.text
    assert "is incomplete. 4096 bytes of pictures from 2026-11-25 could not be read" in admin.text
    assert "this computer&#39;s disk replaced" in admin.text
    await admin.send("/preferences", language="zh", next=PATH)
    await admin.get(PATH)
    assert "无法读取" in admin.text


async def test_back_up_now_starts_one(hub: PageSite, admin: Photographer) -> None:
    await admin.get(PATH)
    await admin.send(f"{PATH}/run")
    assert admin.goes_to == PATH
    assert ("user admin", "backup.run", "") in await hub.audited()
    await admin.get(admin.goes_to)
    assert "The backup has started." in admin.text
    await hub.services.upkeep.backups._back_up()
    await admin.get(f"{PATH}/now")
    assert "The backup has started." not in admin.text
    await admin.get("/site/audit")
    assert "Started a backup" in admin.text


async def test_a_backup_of_damaged_data_says_so(
    hub: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    await hub.services.upkeep.backups._back_up()
    hub.hub.store.damaged_rows.note("record", 7)
    clock.advance(5 * 3600)  # the next day in Shanghai: of each day one is kept
    await hub.services.upkeep.backups._back_up()
    await admin.get(PATH)
    assert admin.text.count("Verified, complete; includes the damaged data") == 1
    assert admin.text.count("Verified, complete") == 2
    await admin.send("/preferences", language="zh", next=PATH)
    await admin.get(PATH)
    assert "完整；其中包含已损坏的数据" in admin.text


async def test_the_command_names_the_backup_that_was_made_last(
    hub: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    await admin.get(PATH)
    assert f'data-part="{PATH}/command" data-on="backups"' in admin.text
    for _ in range(2):
        clock.advance(60)
        await hub.services.upkeep.backups._back_up()
        await admin.get(f"{PATH}/command")
        newest = hub.services.upkeep.backups.list()[0].name
        assert f"restore {hub.services.upkeep.backups.folder / newest} --force" in admin.text


async def test_an_incomplete_backup_is_not_tried_again_before_the_night(
    hub: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    hub.services.upkeep.backups._found = Folder((generation(clock() - 60, Part(0, 4096)),))
    await admin.get(PATH)
    assert "There is no valid backup yet." in admin.text
    assert "The next one will be made tonight." in admin.text


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
async def test_a_backup_is_downloaded(passphrase: str, hub: PageSite, admin: Photographer) -> None:
    await hub.add_record(pictures=("face",))
    await admin.get(PATH)
    await admin.send(
        f"{PATH}/download", **{**FORM, "passphrase": passphrase, "repeated": passphrase}
    )
    await admin.get(admin.goes_to)
    assert admin.response.headers["Cache-Control"] == "no-store"
    assert (
        'filename="sitehub-20261125-120000.backup"' in admin.response.headers["Content-Disposition"]
    )
    file = io.BytesIO(await admin.response.get_data())
    archive = read_archive(opened_source(file, passphrase or None), ArchiveSink(), Pace())
    assert (archive.head.records, archive.head.has_pictures) == (1, True)
    assert ("user admin", "backup.download", "") in await hub.audited()


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("own_password", "not mine", "Your password is wrong."),
        ("repeated", "another one", "The passphrases do not match."),
    ],
)
async def test_a_download_needs_the_password_again(
    field: str, value: str, fault: str, hub: PageSite, admin: Photographer
) -> None:
    await admin.get(PATH)
    await admin.send(f"{PATH}/download", **{**FORM, field: value})
    assert admin.response.status_code == 400
    assert fault in admin.text
    assert await hub.audited() == []


async def test_a_short_passphrase_is_refused(admin: Photographer) -> None:
    await admin.get(PATH)
    await admin.send(f"{PATH}/download", **{**FORM, "passphrase": "short", "repeated": "short"})
    assert "Use a passphrase of at least 8 characters." in admin.text


async def test_a_download_without_permission_is_not_there(admin: Photographer) -> None:
    await admin.get(f"{PATH}/file?token=guessed")
    assert admin.response.status_code == 404


async def test_a_restored_hub_says_what_to_set_until_it_is_done(
    hub: PageSite, admin: Photographer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.services.core.site, "addresses", lambda: ["10.0.0.9"])
    (stored,) = restored_setting("2026-11-25T03:00:00.000Z", ("10.0.0.5",)).items()
    await hub.hub.store.settings.set(*stored)
    await admin.get(PATH)
    assert "Cameras reached it at 10.0.0.5, but this computer has 10.0.0.9." in admin.text
    await admin.send(f"{PATH}/acknowledge")
    await admin.get(PATH)
    assert "10.0.0.5" not in admin.text
