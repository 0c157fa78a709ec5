"""Releases and their files (D5, 2.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooLarge
from hub.services.disk_space import GB
from hub.services.firmware import releases as firmware_module
from hub.services.firmware.releases import staging_path
from hub.services.site import SiteSettings
from hub.store.tables.firmware import NewComponent, NewRelease
from hub.wire.uploads.firmware import Versions
from tests.support.clock import FrozenClock
from tests.support.firmware import FirmwareSite, firmware_site


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FirmwareSite]:
    async with firmware_site(tmp_path, clock, "1") as site:
        yield site


def on_disk(path: Path) -> int:
    return sum(entry.is_file() for entry in (path / "firmware").iterdir())


async def test_a_release_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with firmware_site(tmp_path / "data", clock) as site:
        least = Versions(hw_ver="1.0")
        release = await site.add_release(b"one", b"two", description="a\nb", least=least)
    async with firmware_site(tmp_path / "data", clock) as site:
        assert site.releases.all() == (release,)
        assert site.releases.get(release.id).least == least


async def test_the_same_file_twice_is_one_file(site: FirmwareSite, tmp_path: Path) -> None:
    first = await site.receive(b"firmware")
    assert await site.receive(b"firmware") == first
    assert site.releases.files() == (first,)
    assert on_disk(tmp_path) == 1


async def test_a_file_is_removed_with_the_last_release_that_uses_it(
    site: FirmwareSite, tmp_path: Path
) -> None:
    one = await site.add_release(b"shared", b"only of the first")
    other = await site.add_release(b"shared")
    await site.releases.remove(one.id)
    assert [file.size for file in site.releases.files()] == [len(b"shared")]
    await site.releases.remove(other.id)
    assert site.releases.files() == ()
    assert on_disk(tmp_path) == 0


async def test_a_release_that_uses_a_file_twice_can_be_removed(site: FirmwareSite) -> None:
    release = await site.add_release(b"same", b"same")
    await site.releases.remove(release.id)
    assert site.releases.files() == ()


async def test_a_release_in_use_cannot_be_removed(site: FirmwareSite) -> None:
    release = await site.add_release()
    campaign = await site.campaigns.start(release.id, ["1"])
    for change in (site.campaigns.pause, site.campaigns.resume):
        with pytest.raises(BadParameter, match=f"campaign {campaign.id} distributes it"):
            await site.releases.remove(release.id)
        await change(campaign.id)
    await site.campaigns.stop(campaign.id)
    await site.releases.remove(release.id)
    assert site.campaigns.campaigns() == []
    assert site.releases.all() == ()


async def test_a_release_of_a_campaign_that_is_done_can_be_removed(site: FirmwareSite) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    await site.report("1", fwVer="2.0")
    await site.releases.remove(release.id)
    with pytest.raises(NoSuchResource):
        await site.ask("1")


async def test_a_file_in_use_cannot_be_removed(site: FirmwareSite) -> None:
    release = await site.add_release()
    sha256 = release.components[0].sha256
    with pytest.raises(BadParameter, match=f"release {release.id}"):
        await site.releases.remove_file(sha256)
    spare = await site.receive(b"spare")
    await site.releases.remove_file(spare.sha256)
    with pytest.raises(NoSuchResource):
        await site.releases.remove_file(spare.sha256)
    assert [file.sha256 for file in site.releases.files()] == [sha256]


async def test_unknown_releases_and_files_are_426(site: FirmwareSite) -> None:
    with pytest.raises(NoSuchResource):
        site.releases.get(1)
    with pytest.raises(NoSuchResource):
        await site.releases.remove(1)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("ver_code", {"ver_code": -1}),
        ("ver_code", {"ver_code": 2**53 + 1}),
        ("ver_name", {"ver_name": ""}),
        ("ver_name", {"ver_name": "v" * 65}),
        ("ver_name", {"ver_name": " v1"}),
        ("description", {"description": "x" * 2001}),
        ("description", {"description": "\x00"}),
        ("release_date", {"release_date": "yesterday"}),
        ("release_date", {"release_date": "2026-02-30"}),
        ("release_date", {"release_date": "2026-02-03T10:00:00Z"}),
        ("components", {"components": ()}),
        ("components.0.name", {"components": (NewComponent("", 1, "0"),)}),
        ("components.0.type", {"components": (NewComponent("a", 6, "0"),)}),
        ("components.0.sha256", {"components": (NewComponent("a", 1, "0" * 64),)}),
        ("reports.fwVer", {"reports": Versions(fw_ver="2.0-rc1")}),
        ("least.hwVer", {"least": Versions(hw_ver="any")}),
    ],
)
async def test_a_bad_field_of_a_release_is_named_and_nothing_is_stored(
    site: FirmwareSite, field: str, wrong: dict[str, Any]
) -> None:
    file = await site.receive(b"firmware")
    good = NewRelease(ver_code=1, ver_name="v1", components=(NewComponent("a", 1, file.sha256),))
    with pytest.raises(BadParameter) as caught:
        await site.releases.add(replace(good, **wrong))
    assert caught.value.field == field
    assert site.releases.all() == ()


async def test_six_components_are_too_many(site: FirmwareSite) -> None:
    await site.add_release(b"1", b"2", b"3", b"4", b"5")
    part = NewComponent("a", 1, site.releases.files()[0].sha256)
    with pytest.raises(BadParameter, match="1 to 5 files"):
        await site.releases.add(NewRelease(ver_code=1, ver_name="v1", components=(part,) * 6))


async def test_the_number_of_releases_and_the_size_of_all_files_are_bounded(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await site.add_release(b"12345678")
    monkeypatch.setattr(firmware_module, "MAX_RELEASES", 1)
    with pytest.raises(BadParameter, match="remove one first"):
        await site.add_release(b"12345678")
    monkeypatch.setattr(firmware_module, "MAX_TOTAL_BYTES", 10)
    with pytest.raises(TooLarge, match="all firmware together"):
        await site.receive(b"123")
    assert on_disk(tmp_path) == 1


async def test_a_file_does_not_use_space_reserved_for_records(
    site: FirmwareSite, tmp_path: Path
) -> None:
    site.free.bytes = 2 * GB + 10
    for size, chunk in ((11, b""), (0, b"12345678901")):
        with pytest.raises(TooLarge, match="2 GB of the disk are kept for records: remove a rele"):
            async with site.releases.receive(size) as upload:
                await upload.write(chunk)
    assert on_disk(tmp_path) == 0
    assert (await site.receive(b"1234567890")).size == 10


async def test_an_upload_ends_if_records_fill_the_disk_meanwhile(
    site: FirmwareSite, tmp_path: Path
) -> None:
    async with site.releases.receive(10) as upload:
        await upload.write(b"12345")
        site.free.bytes = 2 * GB
        with pytest.raises(TooLarge, match="kept for records"):
            await upload.write(b"67890")
    assert on_disk(tmp_path) == 0


async def test_no_file_remains_if_its_row_cannot_be_stored(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def full(file: object) -> None:
        raise CannotStoreNow("the disk is full")

    monkeypatch.setattr(site.store.firmware, "add_file", full)
    with pytest.raises(CannotStoreNow):
        await site.receive(b"firmware")
    assert on_disk(tmp_path) == 0


async def test_an_unused_file_is_removed_after_a_day(
    site: FirmwareSite, clock: FrozenClock, tmp_path: Path
) -> None:
    await site.add_release(b"used")
    await site.receive(b"never used")
    clock.advance(86_000)
    await site.releases.remove_unused()
    assert len(site.releases.files()) == 2
    clock.advance(1000)
    await site.releases.remove_unused()
    assert [file.size for file in site.releases.files()] == [len(b"used")]
    assert on_disk(tmp_path) == 1


async def test_a_clock_that_is_set_ahead_removes_no_file_before_its_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    steady = FrozenClock()
    async with firmware_site(tmp_path, clock, steady=steady) as site:
        await site.receive(b"just uploaded")
        clock.advance(400 * 86_400)
        await site.releases.remove_unused()
        assert len(site.releases.files()) == 1
        # Nor does one stay that was uploaded meanwhile.
        await site.receive(b"uploaded while it is ahead")
        clock.advance(-400 * 86_400)
        for one in (clock, steady):
            one.advance(86_401)
        await site.releases.remove_unused()
        assert site.releases.files() == ()


async def test_the_default_date_of_a_release_is_now_in_the_sites_time_zone(
    site: FirmwareSite, clock: FrozenClock
) -> None:
    await site.services.core.site.set(SiteSettings("Site", "Asia/Shanghai", "zh"))
    assert (await site.add_release()).release_date == "2026-11-25 20:00:00"


async def test_a_staged_file_is_taken_over(site: FirmwareSite, tmp_path: Path) -> None:
    path = staging_path(tmp_path)
    path.write_bytes(b"from the command line")
    file = await site.releases.take_staged(path.name)
    assert site.releases.files() == (file,)
    assert not path.exists()


async def test_a_staged_file_in_space_reserved_for_records_is_refused(
    site: FirmwareSite, tmp_path: Path
) -> None:
    path = staging_path(tmp_path)
    path.write_bytes(b"from the command line")
    site.free.bytes = 2 * GB - 1
    with pytest.raises(TooLarge, match="kept for records"):
        await site.releases.take_staged(path.name)
    assert site.releases.files() == ()
