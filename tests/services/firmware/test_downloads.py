"""Firmware downloads: links, slots, the rate limit, and the records."""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from hub.errors import CannotStoreNow, NoSuchPath
from hub.services.firmware.downloads import (
    MAX_BYTES_PER_SECOND,
    MAX_DOWNLOADS,
    MAX_DOWNLOADS_PER_DEVICE,
    RETRY_SECONDS,
    STEP_BYTES,
    Downloads,
)
from hub.store.tables import downloads as store_downloads
from hub.store.tables.devices import DeviceChange
from hub.store.tables.downloads import Download, joined
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.firmware import FirmwareSite, firmware_site

DATA = random.Random(0).randbytes(3 * STEP_BYTES + 100)
DAY = 86_400


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FirmwareSite]:
    async with firmware_site(tmp_path, clock, "1", "2") as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, ["1", "2"])
        yield site


async def one_link(site: FirmwareSite, did: str = "1") -> str:
    (link,) = await site.links(did)
    return link


async def test_a_link_is_valid_for_a_day(site: FirmwareSite, clock: FrozenClock) -> None:
    link = await one_link(site)
    clock.advance(DAY)
    assert await site.fetch(link) == DATA
    clock.advance(3600)
    with pytest.raises(NoSuchPath, match="expired"):
        site.downloads.find(link)


async def test_a_device_that_asks_again_soon_gets_the_same_link(
    site: FirmwareSite, clock: FrozenClock
) -> None:
    link = await one_link(site)
    clock.advance(60)
    assert await one_link(site) == link


async def test_a_link_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with firmware_site(tmp_path / "data", clock, "1") as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, ["1"])
        link = await one_link(site)
    async with firmware_site(tmp_path / "data", clock) as site:
        assert await site.fetch(link) == DATA


async def test_a_link_of_another_hub_is_not_valid(
    site: FirmwareSite, tmp_path: Path, clock: FrozenClock
) -> None:
    async with firmware_site(tmp_path / "other", clock, "1") as other:
        release = await other.add_release(DATA)
        await other.campaigns.start(release.id, ["1"])
        with pytest.raises(NoSuchPath):
            site.downloads.find(await one_link(other))


async def test_no_bit_of_a_link_can_be_changed(site: FirmwareSite) -> None:
    raw = base64.urlsafe_b64decode(await one_link(site) + "==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(NoSuchPath):
            site.downloads.find(base64.urlsafe_b64encode(changed).decode().rstrip("="))


@pytest.mark.parametrize("link", ["", "x", "a" * 42, "ä" * 43, "A" * 4000, "=" * 43, "%00" * 20])
async def test_text_that_is_no_link_is_refused(site: FirmwareSite, link: str) -> None:
    with pytest.raises(NoSuchPath):
        site.downloads.find(link)


@pytest.mark.parametrize(
    "what", ["disabled", "removed", "replaced", "stopped", "in another campaign"]
)
async def test_a_link_ends_with_its_device_release_or_campaign(
    site: FirmwareSite, what: str
) -> None:
    link = await one_link(site)
    (campaign,) = site.campaigns.campaigns()
    if what == "disabled":
        await site.devices.change("1", DeviceChange(enabled=False))
    elif what == "removed":
        await site.devices.remove("1")
    elif what == "replaced":
        await site.devices.change("1", DeviceChange(sn="NEW-SN"))
    else:
        await site.campaigns.stop(campaign.id)
    if what == "in another campaign":
        other = await site.add_release(b"another file")
        await site.campaigns.start(other.id, ["1"])
    with pytest.raises(NoSuchPath):
        site.downloads.find(link)


async def test_a_running_download_ends_with_its_campaign(site: FirmwareSite) -> None:
    (campaign,) = site.campaigns.campaigns()
    with site.downloads.find(await one_link(site)) as transfer:
        assert await transfer.read(0, 100) == DATA[:100]
        await site.campaigns.pause(campaign.id)
        assert await transfer.read(100, 200) == DATA[100:200]
        await site.campaigns.stop(campaign.id)
        assert await transfer.read(200, 300) == b""


async def test_a_running_download_ends_with_its_camera(site: FirmwareSite) -> None:
    with site.downloads.find(await one_link(site)) as transfer:
        assert await transfer.read(0, 100) == DATA[:100]
        await transfer.sent(0, 100)
        assert await transfer.read(100, 200) == DATA[100:200]
        await site.devices.change("1", DeviceChange(sn="NEW-SN"))
        await transfer.sent(100, 100)
        assert await transfer.read(200, 300) == b""
    assert site.downloads.downloads() == []


async def test_downloads_beyond_the_limit_get_a_time_to_wait(
    tmp_path: Path, clock: FrozenClock
) -> None:
    dids = [str(number) for number in range(1, MAX_DOWNLOADS + 2)]
    async with firmware_site(tmp_path, clock, *dids) as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, dids)
        await site.report("1", fwVer="2.0")
        *transfers, one_more = [site.downloads.find(await one_link(site, d)) for d in dids[1:]] + [
            site.downloads.find((await site.links("2"))[0])
        ]
        entered = [transfer.__enter__() for transfer in transfers]
        with pytest.raises(CannotStoreNow) as refused, one_more:
            raise AssertionError("there is no place")
        assert refused.value.retry_after == RETRY_SECONDS
        entered[0].__exit__(None, None, None)
        with one_more:
            pass


async def test_one_device_cannot_take_all_slots(site: FirmwareSite) -> None:
    link = await one_link(site)
    for _ in range(MAX_DOWNLOADS_PER_DEVICE):
        site.downloads.find(link).__enter__()
    with pytest.raises(CannotStoreNow), site.downloads.find(link):
        raise AssertionError("there is no place")


async def test_a_second_slot_is_given_only_while_half_of_all_are_free(
    tmp_path: Path, clock: FrozenClock
) -> None:
    dids = [str(number) for number in range(1, 8)]
    async with firmware_site(tmp_path, clock, *dids) as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, dids)
        await site.report("1", fwVer="2.0")
        links = [await one_link(site, did) for did in dids[1:]]
        for link in links[:5]:
            site.downloads.find(link).__enter__()
        for link in links[:5]:
            with pytest.raises(CannotStoreNow), site.downloads.find(link):
                raise AssertionError("it is left to those who have none")
        with site.downloads.find(links[5]):
            pass


async def test_downloads_are_recorded_and_survive_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with firmware_site(tmp_path / "data", clock, "1") as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, ["1"])
        link = await one_link(site)
        begun = clock.ms
        await site.fetch(link, 0, 1000)
        clock.advance(5)
        (half,) = site.downloads.downloads("1")
        assert (half.covered, half.is_complete) == (1000, False)
        await site.store.downloads.save()
    async with firmware_site(tmp_path / "data", clock) as site:
        assert site.downloads.downloads() == [half]
        await site.fetch(link, 500)
        (whole,) = site.downloads.downloads("1")
    sha256 = release.components[0].sha256
    size = len(DATA)
    assert whole == Download(half.id, "1", sha256, size, begun, clock.ms, size + 500, ((0, size),))
    assert whole.is_complete
    async with firmware_site(tmp_path / "data", clock) as site:
        assert site.downloads.downloads("1") == [whole]
        assert site.downloads.downloads("2") == []
        await site.devices.remove("1")
        assert site.downloads.downloads() == []


async def test_downloading_a_file_again_makes_a_new_record(
    site: FirmwareSite,
) -> None:
    link = await one_link(site)
    await site.fetch(link)
    await site.fetch(link, 0, 10)
    assert [one.is_complete for one in site.downloads.downloads("1")] == [False, True]


async def test_a_file_counts_as_downloaded_once_all_bytes_were_sent(
    site: FirmwareSite,
) -> None:
    (campaign,) = site.campaigns.campaigns()
    link = await one_link(site)
    await site.fetch(link, 1000)
    assert site.states(campaign)["1"] == "downloading"
    (one, _) = site.campaigns.campaign(campaign.id).devices
    assert one.received == len(DATA) - 1000
    await site.fetch(link, 0, 1000)
    assert site.states(campaign)["1"] == "downloaded"


async def test_a_full_disk_does_not_end_a_download(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await one_link(site)

    async def full(*args: object, **how: object) -> None:
        raise CannotStoreNow("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(site.store.campaigns, "update_target", full)
        patched.setattr(site.store.downloads, "save", full)
        assert await site.fetch(link) == DATA
    await site.store.downloads.save()
    (download,) = site.downloads.downloads()
    assert download.is_complete


async def test_a_file_that_cannot_be_read_ends_the_download(
    site: FirmwareSite, tmp_path: Path
) -> None:
    link = await one_link(site)
    (file,) = site.releases.files()
    (tmp_path / "firmware" / file.sha256).unlink()
    with site.downloads.find(link) as transfer:
        assert await transfer.read(0, 100) == b""


async def test_all_downloads_share_one_rate_limit(
    autojump_clock: MockClock,
) -> None:
    store: Any = SimpleNamespace(link_key=b"", downloads=None, firmware=None, firmware_files=None)
    nobody: Any = None
    downloads = Downloads(core_of(store, lambda: 0.0), nobody, nobody)
    began, sent = trio.current_time(), 0

    async def pull() -> None:
        nonlocal sent
        while sent < 20 * MAX_BYTES_PER_SECOND:
            await downloads.wait_for_rate_limit(STEP_BYTES)
            sent += STEP_BYTES

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(pull)
    assert trio.current_time() - began == pytest.approx(sent / MAX_BYTES_PER_SECOND, rel=0.05)


async def test_the_oldest_download_records_are_removed(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_downloads, "MAX_DOWNLOADS", 3)
    link = await one_link(site)
    for _ in range(5):
        await site.fetch(link)
    assert len(site.downloads.downloads()) == 3
    stored = await site.store.read(
        lambda c: c.execute("SELECT count(*) FROM firmware_download").fetchone()
    )
    assert stored == (3,)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=20))
def test_spans_cover_the_bytes_that_were_sent(pieces: list[tuple[int, int]]) -> None:
    spans: tuple[tuple[int, int], ...] = ()
    covered: set[int] = set()
    for start, size in pieces:
        spans = joined(spans, start, start + size)
        covered |= set(range(start, start + size))
    assert {at for start, end in spans for at in range(start, end)} == covered
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))


def test_the_spans_of_many_small_requests_are_bounded() -> None:
    spans: tuple[tuple[int, int], ...] = ()
    for number in range(1000):
        spans = joined(spans, number * 10, number * 10 + 5)
    assert len(spans) <= 64


async def test_the_progress_of_a_download_is_published(site: FirmwareSite) -> None:
    (campaign,) = site.campaigns.campaigns()
    link = await one_link(site)
    with site.services.core.changes.subscribe() as changes:
        await site.fetch(link, 0, STEP_BYTES)
        begun = [one.key for one in await changes.next() if one.kind == "firmware"]
        await site.fetch(link, STEP_BYTES, STEP_BYTES + 10)
        await site.fetch(link, STEP_BYTES + 10, 2 * STEP_BYTES)
        further = [one.key for one in await changes.next() if one.kind == "firmware"]
    # Its start and the first third are published; ten bytes are not.
    assert begun == [str(campaign.id)] * 2
    assert further == [str(campaign.id)]


async def test_a_link_is_not_valid_for_a_year_after_the_clock_was_set_back(
    site: FirmwareSite, clock: FrozenClock
) -> None:
    link = await one_link(site)
    clock.advance(-365 * DAY)
    with pytest.raises(NoSuchPath, match="expired"):
        await site.fetch(link)
