"""Doors and relays on the pages: who sees them, who switches them, and who sets them up (D12)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import pytest
import trio

from hub.services.camera_functions.relays import relays
from hub.simulator.camera_web import CameraWeb, Pulse
from hub.store.tables.device_relays import RelayKind
from hub.store.tables.devices import DeviceChange
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Events, Visitor
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


def relay_url(visitor: Visitor) -> str:
    """Where the button of the relay leads to; on Live the one below the alarms."""
    return unescape(re.findall(rf'href="({PAGE}\?next=[^"]*)"', visitor.text)[-1])


def back_of(visitor: Visitor) -> str:
    """Where the last page, which asks before it switches the relay, goes on to."""
    form = visitor.text.partition(f'action="{PAGE}"')[2]
    return unescape(re.findall(r'name="next" value="([^"]*)"', form)[0])


async def alarm_in(stream: Events) -> str:
    """The card of the next alarm that a stream tells of."""
    with trio.fail_after(30):
        while True:
            name, data = await stream.next()
            if name == "alarm":
                return str(data["html"])


async def set_up(admin: Visitor, web: CameraWeb, **changes: Any) -> None:
    await admin.get(SETTINGS)
    await admin.send(SETTINGS, **form(web, **changes))
    assert admin.goes_to == f"{SETTINGS}?done=relay-saved"


async def test_a_guard_opens_a_door_after_being_asked_which(
    hub: PageSite, admin: Visitor, guard: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await guard.get("/cameras/1")
    await guard.get(relay_url(guard))
    assert "Open Front door at the camera North gate?" in guard.text
    assert "for 5 seconds" in guard.text
    assert web.relay == []
    await guard.send(PAGE, switch="on", next=back_of(guard))
    assert guard.goes_to == "/cameras/1?done=relay-on&of=1"
    await guard.get(guard.goes_to)
    assert "The camera confirmed it: Front door was opened." in guard.text
    assert web.relay == [Pulse(True, 5)]
    await guard.send(PAGE, switch="off")
    await guard.get(guard.goes_to)
    assert "The camera confirmed it: Front door was switched off." in guard.text
    await guard.get("/cameras/1?done=relay-on&of=2")
    assert "The camera confirmed it" not in guard.text
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
    assert "was switched a moment ago" in admin.text
    assert len(web.relay) == 1


async def test_of_a_camera_that_is_away_nothing_is_offered_and_it_is_told_why(
    hub: PageSite, admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    alarm = await hub.add_record(detail=FaceDetail(name="Wei", uuid="7", category=2))
    hub.hub.registry.detach(hub.links["1"])
    for path in ("/", "/?did=1", "/cameras/1", f"/records/{alarm}", f"/alarms/{alarm}"):
        await admin.get(path)
        assert PAGE not in admin.text, path
    await admin.get(PAGE)
    assert "The camera is not connected" in admin.text
    assert 'name="switch"' not in admin.text
    assert (await admin.send(PAGE, switch="on")).status_code == 409
    assert "The camera is not connected" in admin.text


async def test_a_disabled_camera_opens_no_door_wherever_that_is_wired(
    hub: PageSite, admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web, address="192.168.1.9")
    hub.hub.registry.detach(hub.links["1"])
    await admin.get("/cameras/1")
    assert PAGE in admin.text  # It is not the camera that has to be there.
    await hub.services.cameras.devices.change("1", DeviceChange(enabled=False))
    await admin.get("/cameras/1")
    assert PAGE not in admin.text


async def places_of(hub: PageSite) -> tuple[str, ...]:
    """Pages where the relay of camera 1 is offered."""
    seq = await hub.add_record(detail=FaceDetail(name="Wei", uuid="7", category=2))
    return (
        f"/records/{seq}?kind=face",
        f"/alarms/{seq}",
        "/?kind=face&did=1",
        "/cameras/1/recordings",
    )


@pytest.mark.parametrize("kind", ["door", "sounder"])
async def test_a_relay_is_offered_where_its_camera_is_seen_and_leads_back_there(
    hub: PageSite, admin: Visitor, guard: Visitor, viewer: Visitor, web: CameraWeb, kind: RelayKind
) -> None:
    await set_up(admin, web, kind=kind)
    for path in await places_of(hub):
        await viewer.get(path)
        assert PAGE not in viewer.text
        await guard.get(path)
        await guard.get(relay_url(guard))
        assert f'class="button" href="{escape(path)}">Cancel<' in guard.text
        assert back_of(guard) == path
        await guard.send(PAGE, switch="off", next=path)
        assert guard.goes_to == f"{path}{'&' if '?' in path else '?'}done=relay-off&of=1"
        await guard.get(guard.goes_to)
        assert "The camera confirmed it" in guard.text
        # Whoever opens it again comes back to the same place.
        await guard.get(relay_url(guard))
        await guard.send(PAGE, switch="off", next=back_of(guard))
        assert guard.goes_to.count("done=") == 1


async def test_a_new_alarm_on_live_leads_to_the_relay_and_back_to_live(
    hub: PageSite, admin: Visitor, guard: Visitor, viewer: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    link = f'href="{PAGE}?next=/"'
    async with guard.listening("/stream") as told, viewer.listening("/stream") as shown:
        for stream in (told, shown):
            await stream.next()
        await hub.add_record(detail=FaceDetail(name="Wei", uuid="7", category=2))
        assert link in await alarm_in(told)
        assert PAGE not in await alarm_in(shown)
    await guard.get("/")
    assert link in guard.text
    await viewer.get("/")
    assert PAGE not in viewer.text


async def test_a_fault_keeps_the_way_back_and_another_site_is_none(
    admin: Visitor, web: CameraWeb
) -> None:
    web.fault = "unset"
    await set_up(admin, web)
    await admin.get(f"{PAGE}?next=/alarms/7")
    await admin.send(PAGE, switch="on", next="/alarms/7")
    assert back_of(admin) == "/alarms/7"
    for other in ("https://example.com/", "//example.com", "/\\example.com", "javascript:0"):
        await admin.get(f"{PAGE}?{urlencode({'next': other})}")
        assert back_of(admin) == "/"
        web.fault = "none"
        await admin.send(PAGE, switch="off", next=other)
        assert admin.goes_to == "/?done=relay-off&of=1"


async def test_live_shows_the_camera_of_the_filter_with_its_picture_and_state(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect("North gate")
    await hub.add_record(pictures=("face",))
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.services.cameras.devices.run)
        await guard.get("/?did=1")
        nursery.cancel_scope.cancel()
    assert 'data-last-picture-of="1"' in guard.text
    assert PAGE not in guard.text  # It has no relay.
    hub.hub.registry.detach(hub.links["1"])
    hub.refuse("1", "key-mismatch")
    await guard.get("/strip/camera?did=1")
    assert '<a href="/cameras/1">North gate</a>' in guard.text
    assert 'data-key="all" href="/"' in guard.text
    assert "state-refused" in guard.text
    assert "camera-reason" in guard.text
    for other in ("", "?did=2"):
        await guard.get(f"/{other}")
        assert 'class="wall-camera"' not in guard.text
        await guard.get(f"/strip/camera{other}")
        assert guard.text.strip() == ""


async def test_the_relay_is_removed_with_its_password(
    hub: PageSite, admin: Visitor, web: CameraWeb
) -> None:
    await set_up(admin, web)
    await admin.send("/cameras/1/relay/remove")
    assert admin.goes_to == f"{SETTINGS}?done=relay-removed"
    assert hub.hub.store.relays.get("1") is None
    await admin.get("/site/audit")
    assert "Removed the relay of the camera" in admin.text


async def test_names_of_relays_are_escaped(admin: Visitor, web: CameraWeb) -> None:
    await set_up(admin, web, name="<b>door</b>")
    await admin.get(PAGE)
    assert "<b>door" not in admin.text
    assert "&lt;b&gt;door" in admin.text
