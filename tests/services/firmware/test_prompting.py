"""Cameras that do not ask for a release by themselves are told to, when a campaign reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.live.feed import Change
from hub.services.firmware.prompting import FirmwarePrompts, has_to_be_told
from hub.wire.commands.capabilities import UNKNOWN, Capabilities
from hub.wire.commands.edition_3_commands import OTA_START
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.firmware import NEW, FirmwareSite, firmware_site
from tests.support.known_abilities import KnownAbilities

OF_3 = Capabilities(connect="unsigned")


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FirmwareSite]:
    async with firmware_site(tmp_path, clock, "1", "2", "3") as site:
        yield site


def connect(site: FirmwareSite, did: str) -> AskedLink:
    link = AskedLink(did, lambda uri, param: answer(200))
    site.registry.attach(link)
    site.services.core.changes.publish([Change("device", did)])
    return link


async def start(site: FirmwareSite, nursery: trio.Nursery, **known: Capabilities) -> None:
    services = site.services
    prompts = FirmwarePrompts(
        services.core,
        site.campaigns,
        site.devices,
        services.cameras.commands,
        KnownAbilities(**known),
    )
    await nursery.start(prompts.run)


async def test_each_camera_is_told_when_its_turn_comes(
    site: FirmwareSite, nursery: trio.Nursery
) -> None:
    links = [connect(site, did) for did in ("1", "2", "3")]
    await start(site, nursery, d1=OF_3, d2=OF_3)
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1", "2", "3"])
    await wait_all_tasks_blocked()
    assert [link.uris for link in links] == [[OTA_START.uri], [], []]
    assert links[0].asked[0].param == {"type": 1}
    await site.ask("1")
    await site.report("1", fwVer=NEW.fw_ver)
    await wait_all_tasks_blocked()
    # The third one asks by itself.
    assert [link.uris for link in links] == [[OTA_START.uri], [OTA_START.uri], []]


async def test_a_camera_is_told_once_on_a_connection_and_again_on_the_next(
    site: FirmwareSite, nursery: trio.Nursery
) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    await start(site, nursery, d1=OF_3)
    first = connect(site, "1")
    await wait_all_tasks_blocked()
    site.services.core.changes.publish([Change("device", "1"), Change("firmware")])
    await wait_all_tasks_blocked()
    assert first.uris == [OTA_START.uri]
    second = connect(site, "1")
    await wait_all_tasks_blocked()
    assert second.uris == [OTA_START.uri]


async def test_nobody_is_told_while_the_campaign_is_paused_or_after_its_end(
    site: FirmwareSite, nursery: trio.Nursery
) -> None:
    release = await site.add_release()
    campaign = await site.campaigns.start(release.id, ["1"])
    await site.campaigns.pause(campaign.id)
    await start(site, nursery, d1=OF_3)
    link = connect(site, "1")
    await wait_all_tasks_blocked()
    assert link.uris == []
    await site.campaigns.resume(campaign.id)
    await wait_all_tasks_blocked()
    assert link.uris == [OTA_START.uri]
    await site.report("1", fwVer=NEW.fw_ver)
    again = connect(site, "1")
    await wait_all_tasks_blocked()
    assert again.uris == []


async def test_a_refusal_ends_nothing(site: FirmwareSite, nursery: trio.Nursery) -> None:
    release = await site.add_release()
    await site.campaigns.start(release.id, ["1"])
    await start(site, nursery, d1=OF_3)
    link = AskedLink("1", lambda uri, param: answer(404))
    site.registry.attach(link)
    site.services.core.changes.publish([Change("device", "1")])
    await wait_all_tasks_blocked()
    assert link.uris == [OTA_START.uri]
    assert connect(site, "1")
    await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (UNKNOWN, False),
        (Capabilities(connect="signed"), False),
        (OF_3, True),
        (Capabilities(groups={"information": True}), True),
        (Capabilities(connect="unsigned", firmware_steps=1), False),
        (Capabilities(connect="signed", firmware_steps=2), True),
    ],
)
def test_who_has_to_be_told(known: Capabilities, told: bool) -> None:
    assert has_to_be_told(known) == told
