"""The pages about what only cameras of later editions can do (D12)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hub.errors import DeviceSilent
from hub.simulator.faults import Quirks
from hub.wire.commands.capabilities import Capabilities
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink

THIRD = Quirks(edition=3)
PAGES = [""]


@pytest.fixture
async def modern(hub: PageSite) -> SimulatedLink:
    """Camera 1, named "Gate", of edition 3, online."""
    link = await hub.connect(quirks=THIRD)
    await hub.services.capabilities.learn(
        "1", lambda known: replace(known, connect="unsigned"), "connect"
    )
    return link


async def test_what_the_camera_says_of_itself_is_asked_when_the_page_is_opened(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1")
    assert ">Device</a>" in admin.text
    assert modern.asked == []
    await admin.get("/cameras/1/device")
    asked = sorted(uri for uri, _ in modern.asked)
    assert asked == ["/net/ifconfig_get_inet", "/system/device/get_info"]
    for text in ("SIM-C3", "255.255.255.0", modern.state.identity.mac, "DHCP", "not connected"):
        assert text in admin.text, text
    assert "Read from the camera on " in admin.text
    assert modern.state.identity.code not in admin.text
    await admin.get("/cameras/1/device")
    assert len(modern.asked) == 2
    await admin.get("/cameras/1/device?again=1")
    assert len(modern.asked) == 4


async def test_a_camera_that_does_not_answer_is_shown_as_it_was(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device")
    modern.outcome = DeviceSilent("no answer")
    await admin.get("/cameras/1/device?again=1")
    assert "did not respond in time" in admin.text
    assert "Shown is what the camera said on " in admin.text
    assert "SIM-C3" in admin.text


async def test_the_page_is_translated(admin: Visitor, modern: SimulatedLink) -> None:
    await admin.get("/cameras/1/device")
    await admin.send("/preferences", language="zh", next="/cameras/1/device")
    await admin.get("/cameras/1/device")
    for text in ("子网掩码", "网关", "型号"):
        assert text in admin.text, text


@pytest.mark.parametrize("path", PAGES)
async def test_a_camera_of_the_first_edition_has_no_such_page(
    hub: PageSite, admin: Visitor, path: str
) -> None:
    link = await hub.connect()
    await admin.get("/cameras/1")
    assert ">Device</a>" not in admin.text
    assert (await admin.get(f"/cameras/1/device{path}")).status_code == 404
    assert link.asked == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_camera_that_answered_404_loses_the_page(
    hub: PageSite, admin: Visitor, modern: SimulatedLink, path: str
) -> None:
    def nothing(known: Capabilities) -> Capabilities:
        groups = dict.fromkeys(("information", "image", "media", "network"), False)
        return replace(known, groups=groups)  # type: ignore[arg-type]

    await hub.services.capabilities.learn("1", nothing, "answer")
    assert (await admin.get(f"/cameras/1/device{path}")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_are_for_administrators(
    guard: Visitor, modern: SimulatedLink, path: str
) -> None:
    await guard.get("/cameras/1")
    assert ">Device</a>" not in guard.text
    assert (await guard.get(f"/cameras/1/device{path}")).status_code == 403
