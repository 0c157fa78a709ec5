"""Doors and relays on the pages: who sees them, who switches them, and who sets them up (D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from hub.services.camera_functions.relays import relays
from hub.simulator.camera_web import CameraWeb, Pulse
from hub.store.tables.device_relays import RelayKind
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite

PAGE, SETTINGS = "/cameras/1/relay", "/cameras/1/relay/settings"
USER, PASSWORD = "operator", "Kl9-gate"


@pytest.fixture
async def web(hub: PageSite) -> AsyncIterator[CameraWeb]:
    """Camera 1 is online from this computer, and has its own HTTP here."""
    link = await hub.connect("North gate")
    link.address = "127.0.0.1"
    web = CameraWeb(USER, PASSWORD)
    async with trio.open_nursery() as nursery:
        await nursery.start(web.serve)
        yield web
        nursery.cancel_scope.cancel()


def form(web: CameraWeb, **changes: Any) -> dict[str, str]:
    fields = {
        "name": "Front door",
        "kind": "door",
        "seconds": "5",
        "address": "127.0.0.1",
        "port": str(web.port),
        "username": USER,
        "password": PASSWORD,
    }
    return {**fields, **changes}


async def set_up(admin: Visitor, web: CameraWeb, **changes: Any) -> None:
    await admin.get(SETTINGS)
    await admin.send(SETTINGS, **form(web, **changes))
    assert admin.goes_to == f"{SETTINGS}?done=relay-saved"


async def test_a_guard_opens_a_door_after_being_asked_which(
    hub: PageSite, admin: Visitor, guard: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await guard.get("/cameras/1")
    assert f'href="{PAGE}"' in guard.text
    await guard.get(PAGE)
    assert "Open Front door at the camera North gate?" in guard.text
    assert "for 5 seconds" in guard.text
    assert web.relay == []
    await guard.send(PAGE, switch="on")
    assert guard.goes_to == f"{PAGE}?done=relay-on"
    await guard.get(guard.goes_to)
    assert "The camera confirmed it" in guard.text
    assert web.relay == [Pulse(True, 5)]
    await guard.send(PAGE, switch="off")
    assert web.relay[1:] == [Pulse(False, 5)]
    assert await hub.audited() == [
        ("user admin", "device.relay_set", "1 Front door"),
        ("user guard", "device.relay_on", "1 Front door"),
        ("user guard", "device.relay_off", "1 Front door"),
    ]


async def test_a_viewer_sees_no_door_and_opens_none(
    admin: Visitor, viewer: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await viewer.get("/cameras/1")
    assert PAGE not in viewer.text
    assert (await viewer.get(PAGE)).status_code == 403
    assert (await viewer.send(PAGE, switch="on")).status_code == 403
    assert web.logins == 0


async def test_only_administrators_see_and_change_the_settings(
    admin: Visitor, guard: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await guard.get(PAGE)
    assert SETTINGS not in guard.text
    assert (await guard.get(SETTINGS)).status_code == 403
    assert (await guard.send(SETTINGS, **form(web))).status_code == 403
    assert (await guard.send("/cameras/1/relay/remove")).status_code == 403


async def test_a_form_without_its_token_opens_nothing(
    admin: Visitor, guard: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await guard.get(PAGE)
    assert (await guard.send(PAGE, token="0" * 64, switch="on")).status_code in (400, 403)
    assert (await guard.send(PAGE, switch="ajar")).status_code == 400
    assert web.logins == 0


async def test_a_camera_without_a_relay_has_no_such_page(
    hub: PageSite, admin: Visitor, guard: Visitor
) -> None:
    await hub.connect()
    assert (await guard.get(PAGE)).status_code == 404
    await guard.get("/cameras/1")
    assert PAGE not in guard.text
    await admin.get("/cameras/1/settings")
    assert SETTINGS in admin.text


async def test_the_password_is_never_shown_and_stays_when_it_is_left_blank(
    hub: PageSite, admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await admin.get(SETTINGS)
    assert PASSWORD not in admin.text
    assert 'value="127.0.0.1"' in admin.text
    await admin.send(SETTINGS, **form(web, password="", name="Back door", kind="sounder"))
    assert admin.goes_to == f"{SETTINGS}?done=relay-saved"
    assert hub.services.cameras.relays.get("1").name == "Back door"  # type: ignore[union-attr]
    await admin.get(PAGE)
    assert "Sound Back door" in admin.text
    await admin.send(PAGE, switch="on")
    assert web.relay == [Pulse(True, 5)]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Enter a name"),
        ("kind", "window", "There is no such choice"),
        ("seconds", "61", "from 1 to 60 seconds"),
        ("seconds", "x", "from 1 to 60 seconds"),
        ("address", "8.8.8.8", "an IP address of the site"),
        ("port", "0", "from 1 to 65535"),
        ("username", "a;b", "Enter a user name"),
        ("password", "admin", "This is a default password"),
        ("password", "", "Enter a password"),
    ],
)
async def test_a_wrong_field_is_named_and_the_others_stay(
    hub: PageSite, admin: Visitor, web: CameraWeb, field: str, value: str, sentence: str
) -> None:
    await admin.get(SETTINGS)
    response = await admin.send(SETTINGS, **form(web, **{field: value}))
    assert response.status_code == 400
    assert sentence in admin.text
    assert 'aria-invalid="true"' in admin.text
    assert field == "username" or f'value="{USER}"' in admin.text
    assert hub.services.cameras.relays.get("1") is None


async def test_another_address_needs_the_password_again(admin: Visitor, web: CameraWeb) -> None:
    await set_up(admin, web)
    await admin.send(SETTINGS, **form(web, password="", address="192.168.1.9"))
    assert "Enter the password again" in admin.text


async def test_a_camera_with_its_default_password_is_refused_and_what_to_do_is_said(
    admin: Visitor, web: CameraWeb
) -> None:
    web.fault = "unset"
    await set_up(admin, web)
    await admin.get(PAGE)
    assert (await admin.send(PAGE, switch="on")).status_code == 502
    assert "set a password on the camera" in admin.text
    assert web.relay == []


async def test_a_refused_password_is_told_with_the_answer_of_the_camera(
    admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web, password="Another-1")
    await admin.get(PAGE)
    await admin.send(PAGE, switch="on")
    assert "refused the user name or password" in admin.text
    assert "answer: 401" in admin.text


async def test_whoever_presses_twice_opens_once(
    admin: Visitor, web: CameraWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy this machine is, the second comes soon.
    monkeypatch.setattr(relays, "PAUSE_SECONDS", 600.0)
    await set_up(admin, web)
    await admin.get(PAGE)
    await admin.send(PAGE, switch="on")
    assert (await admin.send(PAGE, switch="on")).status_code == 429
    assert "was only a moment ago" in admin.text
    assert len(web.relay) == 1


async def test_a_camera_that_is_away_is_told(hub: PageSite, admin: Visitor, web: CameraWeb) -> None:
    await set_up(admin, web)
    hub.hub.registry.detach(hub.links["1"])
    await admin.get(PAGE)
    assert (await admin.send(PAGE, switch="on")).status_code == 409
    assert "The camera is not connected" in admin.text


@pytest.mark.parametrize("kind", ["door", "sounder"])
async def test_a_record_leads_to_the_relay_of_its_camera(
    hub: PageSite, admin: Visitor, guard: Visitor, viewer: Visitor, web: CameraWeb, kind: RelayKind
) -> None:
    await set_up(admin, web, kind=kind)
    seq = await hub.add_record(device_name="North gate")
    await guard.get(f"/records/{seq}")
    assert f'href="{PAGE}"' in guard.text
    await viewer.get(f"/records/{seq}")
    assert PAGE not in viewer.text


async def test_an_alarm_leads_to_the_relay_of_the_camera_that_saw_it_last(
    hub: PageSite, admin: Visitor, guard: Visitor, viewer: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    alarm = await hub.add_record(detail=FaceDetail(name="Wei", uuid="7", category=2))
    await guard.get(f"/alarms/{alarm}")
    assert f'href="{PAGE}"' in guard.text
    await viewer.get(f"/alarms/{alarm}")
    assert PAGE not in viewer.text


async def test_the_relay_is_removed_with_its_password(
    hub: PageSite, admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await admin.send("/cameras/1/relay/remove")
    assert admin.goes_to == "/cameras/1/manage?done=relay-removed"
    assert hub.hub.store.relays.get("1") is None
    await admin.get("/site/audit")
    assert "Removed the relay of the camera" in admin.text


async def test_names_of_relays_are_escaped(admin: Visitor, web: CameraWeb) -> None:
    await set_up(admin, web, name="<b>door</b>")
    await admin.get(PAGE)
    assert "<b>door" not in admin.text
    assert "&lt;b&gt;door" in admin.text
