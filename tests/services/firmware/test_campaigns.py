"""2.3 and campaigns: the answers to devices, and how a release is rolled out (D5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.errors import (
    AlreadyExists,
    BadParameter,
    ClientTooOld,
    NoSuchPath,
    NoSuchResource,
    NotAuthorised,
    StillStoring,
)
from hub.live.feed import Change
from hub.services.firmware import campaigns as campaigns_module
from hub.services.firmware.downloads import PATH
from hub.store.commit import group_commit
from hub.store.tables.devices import DeviceChange
from hub.wire.uploads.firmware import PlainOtaAnswer, Versions
from tests.support.clock import FrozenClock
from tests.support.firmware import BASE, FirmwareSite, firmware_site
from tests.support.stores import BlockingJob


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FirmwareSite]:
    async with firmware_site(tmp_path, clock, "1", "2", "3") as site:
        yield site


async def test_a_device_gets_its_release_with_links_to_the_host_that_it_used(
    site: FirmwareSite,
) -> None:
    release = await site.add_release(
        b"one", b"two!", description="fixes", release_date="2026-01-02"
    )
    await site.campaigns.start(release.id, ["1"])
    answer = await site.ask("1", fwVer="V1.0")
    assert answer is not None
    assert (answer.ver_code, answer.ver_name, answer.description) == (453523, "v2.0", "fixes")
    assert answer.release_date == "2026-01-02 00:00:00"
    assert [(one.name, one.type, one.size) for one in answer.component_list] == [
        ("part 1.bin", 1, 3),
        ("part 2.bin", 2, 4),
    ]
    for one in answer.component_list:
        assert one.url.startswith(f"{BASE}{PATH}")
        assert one.url.endswith(f"/part-{one.type}.bin")
    assert await site.download("1") == b"onetwo!"


@pytest.mark.expects_error("now: the disk is not responding")
async def test_what_a_camera_reached_is_told_when_it_is_stored_late(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = await site.add_release()
    campaign = await site.campaigns.start(release.id, ["1"])
    gate = BlockingJob()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.store.write, gate)
        await gate.entered.wait()
        monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 0.05)
        with pytest.raises(StillStoring):
            await site.ask("1", fwVer="V1.0")
        with site.services.core.changes.subscribe() as feed:
            gate.open()
            with trio.fail_after(10):
                while Change("firmware", str(campaign.id)) not in await feed.next():
                    pass
    assert site.states(campaign) == {"1": "offered"}


async def test_426_no_release_is_meant_for_a_device_of_no_campaign(site: FirmwareSite) -> None:
    await site.add_release()
    with pytest.raises(NoSuchResource):
        await site.ask("1", otaId="", fwVer="V1.0")


@pytest.mark.parametrize("ota_id", ["nobody's", 17])
async def test_426_an_ota_id_that_is_not_the_devices_own(
    site: FirmwareSite, ota_id: object
) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    for wrong in (ota_id, site.devices.device("2").ota_id):
        with pytest.raises(NoSuchResource, match="otaId"):
            await site.ask("1", otaId=wrong)


async def test_an_ota_id_of_its_own_or_none_means_the_device_of_the_token(
    site: FirmwareSite,
) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    for ota_id in (site.devices.device("1").ota_id, "", None, " "):
        assert await site.ask("1", otaId=ota_id) is not None


async def test_401_a_did_of_another_device(site: FirmwareSite) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    with pytest.raises(NotAuthorised):
        await site.ask("1", did="2", fwVer="V2.0")
    assert site.devices.device("1").fw_ver is None


async def test_425_a_reported_version_below_the_minimum(site: FirmwareSite) -> None:
    least = Versions(fw_ver="1.5", hw_ver="2")
    campaign = await site.campaigns.start((await site.add_release(least=least)).id, ["1"])
    with pytest.raises(ClientTooOld, match=r"hwVer: 1\.9 is older than 2"):
        await site.ask("1", fwVer="V1.5", hwVer="1.9")
    assert site.states(campaign) == {"1": "too_old"}
    assert await site.ask("1", fwVer="V1.10", hwVer="V2.0") is not None
    assert site.states(campaign) == {"1": "offered"}


async def test_a_version_that_cannot_be_read_is_different_and_never_older(
    site: FirmwareSite,
) -> None:
    least = Versions(fw_ver="1.5")
    await site.campaigns.start((await site.add_release(least=least)).id, ["1"])
    assert await site.ask("1", fwVer="release-0.1") is not None


async def test_200_without_data_if_the_device_reports_the_release_already(
    site: FirmwareSite,
) -> None:
    reports = Versions(fw_ver="V2.0", sw_ver="3.1")
    release = await site.add_release(reports=reports)
    campaign = await site.campaigns.start(release.id, ["1"])
    assert await site.ask("1", fwVer="2.0.0") is not None
    assert await site.ask("1", fwVer="2.0.0", swVer="v3.1") is None
    # It is done, and asks again the next day.
    assert site.state(campaign) == "done"
    assert await site.ask("1", fwVer="2.0") is None


async def test_one_device_goes_first_and_the_others_follow_once_it_reports_the_version(
    site: FirmwareSite,
) -> None:
    release = await site.add_release()
    campaign = await site.campaigns.start(release.id, ["2", "1", "3"])
    assert [one.did for one in campaign.devices if one.is_next] == ["2"]
    with pytest.raises(NoSuchResource):
        await site.ask("1", fwVer="V1.0")
    await site.ask("2", fwVer="V1.0")
    assert site.states(campaign) == {"2": "offered", "1": "waiting", "3": "waiting"}
    await site.download("2")
    assert site.states(campaign)["2"] == "downloaded"
    assert site.state(campaign) == "first"
    await site.report("2", fwVer="V2.0")
    assert (site.state(campaign), site.states(campaign)["2"]) == ("rest", "done")
    for did in ("1", "3"):
        assert await site.ask(did, fwVer="V1.0") is not None
        assert await site.ask(did, fwVer="V2.0") is None
    assert site.state(campaign) == "done"


async def test_a_device_is_not_done_when_it_was_offered_or_downloaded_the_release(
    site: FirmwareSite,
) -> None:
    campaign = await site.campaigns.start((await site.add_release()).id, ["1", "2"])
    await site.ask("1")
    await site.download("1")
    await site.report("1", fwVer="V1.0")
    assert site.states(campaign)["1"] == "downloaded"
    assert site.state(campaign) == "first"


async def test_a_release_without_versions_is_done_when_the_device_reports_after_the_download(
    site: FirmwareSite,
) -> None:
    release = await site.add_release(b"one", b"two", reports=Versions())
    campaign = await site.campaigns.start(release.id, ["1", "2"])
    one, two = await site.links("1")
    await site.fetch(one)
    await site.report("1", fwVer="V1.0")
    assert site.states(campaign)["1"] == "downloading"
    await site.fetch(two)
    assert site.states(campaign)["1"] == "downloaded"
    await site.report("1", fwVer="V1.0")
    assert (site.states(campaign)["1"], site.state(campaign)) == ("done", "rest")


async def test_a_replacement_camera_starts_its_download_anew(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with firmware_site(tmp_path, clock, "1", "2") as site:
        release = await site.add_release(b"one", b"two", reports=Versions())
        campaign = await site.campaigns.start(release.id, ["1", "2"])
        await site.download("1")
        assert site.states(campaign)["1"] == "downloaded"
        await site.devices.change("1", DeviceChange(sn="NEW-SN"))
        await site.report("1", fwVer="V1.0")
        assert site.states(campaign)["1"] == "waiting"
        one, two = await site.links("1")
        await site.fetch(one)
        await site.report("1", fwVer="V1.0")
        assert site.states(campaign)["1"] == "downloading"
    async with firmware_site(tmp_path, clock) as site:
        assert site.states(campaign)["1"] == "downloading"
        await site.fetch(two)
        await site.report("1", fwVer="V1.0")
        assert site.states(campaign) == {"1": "done", "2": "waiting"}
        await site.devices.change("1", DeviceChange(sn="NEWER-SN"))
        assert site.states(campaign)["1"] == "done"


async def test_a_device_that_has_the_release_already_does_not_release_the_others(
    site: FirmwareSite,
) -> None:
    await site.report("1", fwVer="2.0")
    campaign = await site.campaigns.start((await site.add_release()).id, ["1", "2", "3"])
    assert site.states(campaign) == {"1": "done", "2": "waiting", "3": "waiting"}
    assert [one.did for one in campaign.devices if one.is_next] == ["2"]
    assert await site.ask("1", fwVer="2.0") is None
    with pytest.raises(NoSuchResource):
        await site.ask("3")


async def test_a_device_upgraded_by_hand_out_of_turn_does_not_release_the_others(
    site: FirmwareSite,
) -> None:
    campaign = await site.campaigns.start((await site.add_release()).id, ["1", "2", "3"])
    await site.report("2", fwVer="2.0")
    assert site.states(campaign)["2"] == "done"
    assert site.state(campaign) == "first"


async def test_a_paused_campaign_offers_nothing_and_lets_downloads_finish(
    site: FirmwareSite,
) -> None:
    campaign = await site.campaigns.start((await site.add_release()).id, ["1", "2"])
    (link,) = await site.links("1")
    assert (await site.campaigns.pause(campaign.id)).state == "paused"
    with pytest.raises(NoSuchResource):
        await site.ask("1")
    assert await site.fetch(link) == b"firmware"
    await site.report("1", fwVer="2.0")
    assert site.states(campaign)["1"] == "done"
    with pytest.raises(NoSuchResource):
        await site.ask("2")
    assert (await site.campaigns.resume(campaign.id)).state == "rest"
    assert await site.ask("2") is not None


async def test_a_stopped_campaign_invalidates_its_links(site: FirmwareSite) -> None:
    campaign = await site.campaigns.start((await site.add_release()).id, ["1"])
    await site.links("1")
    assert (await site.campaigns.stop(campaign.id)).state == "stopped"
    with pytest.raises(NoSuchResource):
        await site.ask("1")
    await site.report("1", fwVer="2.0")
    assert site.states(campaign) == {"1": "offered"}
    for change in (site.campaigns.pause, site.campaigns.resume, site.campaigns.stop):
        with pytest.raises(BadParameter, match="has ended"):
            await change(campaign.id)


async def test_a_device_is_in_one_running_campaign_at_most(site: FirmwareSite) -> None:
    release = await site.add_release()
    first = await site.campaigns.start(release.id, ["1", "2"])
    with pytest.raises(AlreadyExists, match=f"device 2 is in campaign {first.id}"):
        await site.campaigns.start(release.id, ["3", "2"])
    await site.campaigns.stop(first.id)
    second = await site.campaigns.start(release.id, ["3", "2"])
    assert [one.id for one in site.campaigns.campaigns()] == [second.id, first.id]


async def test_the_newest_campaign_of_a_device_decides_and_a_stopped_one_means_none(
    site: FirmwareSite,
) -> None:
    old = await site.campaigns.start((await site.add_release()).id, ["1"])
    await site.report("1", fwVer="2.0")
    assert site.state(old) == "done"
    newer = await site.add_release(b"newer", reports=Versions(fw_ver="3.0"))
    campaign = await site.campaigns.start(newer.id, ["1"])
    assert await site.ask("1") is not None
    await site.campaigns.stop(campaign.id)
    with pytest.raises(NoSuchResource):
        await site.ask("1")


async def test_removing_the_newest_release_does_not_bring_back_an_older_one(
    site: FirmwareSite,
) -> None:
    await site.campaigns.start((await site.add_release()).id, ["1"])
    await site.report("1", fwVer="2.0")
    newer = await site.add_release(b"newer", reports=Versions(fw_ver="3.0"))
    await site.campaigns.start(newer.id, ["1"])
    await site.report("1", fwVer="3.0")
    await site.releases.remove(newer.id)
    with pytest.raises(NoSuchResource):
        await site.ask("1", fwVer="3.0")


async def test_the_campaign_of_a_device_survives_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with firmware_site(tmp_path / "data", clock, "1") as site:
        old = await site.campaigns.start((await site.add_release()).id, ["1"])
        await site.campaigns.stop(old.id)
        newer = await site.add_release(b"newer")
        await site.campaigns.start(newer.id, ["1"])
        await site.report("1", fwVer="2.0")
        await site.releases.remove(newer.id)
    async with firmware_site(tmp_path / "data", clock) as site:
        with pytest.raises(NoSuchResource):
            await site.ask("1")


async def test_a_removed_device_leaves_its_campaign_and_the_next_goes_first(
    site: FirmwareSite,
) -> None:
    campaign = await site.campaigns.start((await site.add_release()).id, ["1", "2", "3"])
    await site.devices.remove("1")
    assert site.states(campaign) == {"2": "waiting", "3": "waiting"}
    assert await site.ask("2") is not None
    await site.devices.remove("2")
    await site.devices.remove("3")
    assert site.state(campaign) == "done"
    await site.add_cameras("1")
    with pytest.raises(NoSuchResource):
        await site.ask("1")


async def test_a_campaign_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with firmware_site(tmp_path / "data", clock, "1", "2", "3") as site:
        campaign = await site.campaigns.start((await site.add_release()).id, ["2", "1", "3"])
        await site.download("2")
        await site.report("2", fwVer="2.0")
        await site.ask("1")
        before = site.campaigns.campaign(campaign.id)
    async with firmware_site(tmp_path / "data", clock) as site:
        assert site.campaigns.campaign(campaign.id) == before
        assert site.states(campaign) == {"2": "done", "1": "offered", "3": "waiting"}
        assert await site.ask("3") is not None


@pytest.mark.parametrize("dids", [[], ["1", "1"]])
async def test_a_campaign_needs_devices_each_once(site: FirmwareSite, dids: list[str]) -> None:
    release = await site.add_release()
    with pytest.raises(BadParameter, match="dids"):
        await site.campaigns.start(release.id, dids)


async def test_unknown_campaigns_releases_and_devices_are_426(site: FirmwareSite) -> None:
    release = await site.add_release()
    with pytest.raises(NoSuchResource, match="release"):
        await site.campaigns.start(release.id + 1, ["1"])
    with pytest.raises(NoSuchResource, match="device"):
        await site.campaigns.start(release.id, ["99"])
    with pytest.raises(NoSuchResource, match="campaign"):
        site.campaigns.campaign(1)


async def test_the_oldest_ended_campaigns_are_removed(
    site: FirmwareSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns_module, "MAX_CAMPAIGNS", 2)
    release = await site.add_release()
    ended = await site.campaigns.start(release.id, ["1"])
    await site.campaigns.stop(ended.id)
    await site.campaigns.start(release.id, ["1"])
    await site.campaigns.start(release.id, ["2"])
    assert ended.id not in [one.id for one in site.campaigns.campaigns()]
    with pytest.raises(BadParameter, match="have not ended"):
        await site.campaigns.start(release.id, ["3"])


async def test_each_step_is_published(site: FirmwareSite) -> None:
    release = await site.add_release()
    with site.services.core.changes.subscribe() as changes:
        campaign = await site.campaigns.start(release.id, ["1"])
        await site.ask("1")
        told = [one.key for one in await changes.next() if one.kind == "firmware"]
    assert told == [str(campaign.id)] * 2


async def test_an_outline_agrees_with_its_campaign(site: FirmwareSite) -> None:
    release = await site.add_release()
    started = await site.campaigns.start(release.id, ["1", "2"])
    await site.ask("1")
    await site.report("1", fwVer="2.0")
    (outline,) = site.campaigns.outlines()
    assert (outline.id, outline.release, outline.state) == (started.id, release, "rest")
    assert (outline.count, outline.done, outline.has_ended) == (2, 1, False)


async def test_the_campaign_of_a_device_can_be_read(site: FirmwareSite) -> None:
    release = await site.add_release()
    assert site.campaigns.of_device("1") is None
    started = await site.campaigns.start(release.id, ["1"])
    await site.ask("1")
    found = site.campaigns.of_device("1")
    assert found is not None
    assert (found.campaign.id, found.device.state) == (started.id, "offered")
    assert site.campaigns.of_device("2") is None


async def test_d12_edition_3_gets_types_and_addresses_that_are_good_once(
    site: FirmwareSite,
) -> None:
    release = await site.add_release(
        b'{"fwVer": "1.1.58_x"}',
        b"firmware",
        b"app",
        ver_code=58,
        ver_name="1.1.58",
        reports=Versions(fw_ver="1.1.58"),
    )
    campaign = await site.campaigns.start(release.id, ["1"])
    answer = await site.ask_as_edition_3("1", 57)
    assert isinstance(answer, PlainOtaAnswer)
    assert answer.ver_name == "1.1.58"
    assert [one.type for one in answer.component_list] == [1, 2]
    tokens = [one.url.removeprefix(BASE + PATH).split("/")[0] for one in answer.component_list]
    again = await site.ask_as_edition_3("1", 57)
    assert isinstance(again, PlainOtaAnswer)
    assert again.component_list != answer.component_list
    assert await site.fetch(tokens[1], 0, 3) == b"fir"
    assert await site.fetch(tokens[1]) == b"firmware"
    with pytest.raises(NoSuchPath, match="no longer valid"):
        await site.fetch(tokens[1])
    assert await site.fetch(tokens[0]) == b'{"fwVer": "1.1.58_x"}'
    assert site.state(campaign) != "done"
    await site.report("1", fwVer="1.1.58_x")
    assert site.states(campaign) == {"1": "done"}


async def test_d12_an_address_for_one_download_is_of_the_device_and_its_campaign(
    site: FirmwareSite,
) -> None:
    release = await site.add_release(b"a", b"firmware", ver_code=58)
    campaign = await site.campaigns.start(release.id, ["1"])
    answer = await site.ask_as_edition_3("1", 57)
    assert isinstance(answer, PlainOtaAnswer)
    token = answer.component_list[0].url.removeprefix(BASE + PATH).split("/")[0]
    await site.campaigns.stop(campaign.id)
    with pytest.raises(NoSuchPath):
        await site.fetch(token)


@pytest.mark.parametrize("running", [58, 59])
async def test_d12_a_camera_whose_number_is_not_below_that_of_the_release_gets_none(
    site: FirmwareSite, running: int
) -> None:
    release = await site.add_release(b"a", b"firmware", ver_code=58)
    await site.campaigns.start(release.id, ["1"])
    assert await site.ask_as_edition_3("1", running) is None


async def test_d12_a_query_without_tls_is_answered_with_addresses_over_tls(
    site: FirmwareSite,
) -> None:
    release = await site.add_release(b"a", b"firmware", ver_code=58)
    await site.campaigns.start(release.id, ["1"])
    answer = await site.ingest.ota_query(
        site.devices.device("1"),
        b'{"sn": "SN1", "verCode": 57}',
        base_url="http://hub.site:8080",
        tls_base_url="https://hub.site:8443",
    )
    assert isinstance(answer, PlainOtaAnswer)
    assert all(one.url.startswith("https://hub.site:8443/") for one in answer.component_list)
