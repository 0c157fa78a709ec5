"""Cameras: the list, pending devices, and every change that an administrator can make."""

from __future__ import annotations

import html

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from hub.errors import DeviceSilent
from hub.simulator.faults import Quirks
from tests.support.browsing import Visitor
from tests.support.gate import public_pem
from tests.support.page_site import CODE, PASSWORD, PageSite

PEM = public_pem()


async def test_without_cameras_the_page_says_how_to_get_one(admin: Visitor) -> None:
    await admin.get("/cameras")
    assert "No cameras yet" in admin.text
    assert "No cameras are asking to connect" in admin.text


async def test_what_adds_cameras_is_on_one_page(admin: Visitor) -> None:
    await admin.hub.enrol()
    await admin.get("/cameras")
    for path in ("connect", "groups", "many", "firmware", "export.csv"):
        assert f'href="/cameras/{path}"' in admin.text
    await admin.get("/cameras/connect")
    assert 'href="/cameras/add"' in admin.text


async def test_the_table_shows_the_state_of_each_camera(
    admin: Visitor, nursery: trio.Nursery
) -> None:
    hub = admin.hub
    await hub.connect()
    hub.report(ip="192.168.1.11", fw_ver="V2.3.15")
    await nursery.start(hub.services.cameras.devices.run)
    seq = await hub.add_record(pictures=["face"])
    await trio.testing.wait_all_tasks_blocked()
    await hub.enrol("Bay", did="2")
    hub.refuse("2", "clock-off", seconds="28680")
    hub.report("2", clock_offset=28680.0)
    await hub.enrol("Roof", did="3", enabled=False)
    await admin.get("/cameras")
    for text in (
        "Online",
        "Offline",
        "Disabled",
        "7 h 58 min ahead",
        "never seen",
        "192.168.1.11",
        "V2.3.15",
        f"/media/{seq}/face.png",
    ):
        assert text in admin.text, text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.6, "in sync"),
        (5.0, "5 s ahead"),
        (-65.0, "1 min 5 s behind"),
        (28_680.0, "7 h 58 min ahead"),
        (28_800.4, ">8 h ahead"),
        (-200_000.0, "2 d 7 h behind"),
    ],
)
async def test_a_clock_offset_is_shown_in_words(admin: Visitor, seconds: float, words: str) -> None:
    await admin.hub.connect()
    admin.hub.report(clock_offset=seconds)
    await admin.get("/cameras/1")
    assert words in admin.text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("unknown", "Enter its security code"),
        ("code-mismatch", "The security code does not match"),
        ("no-signature", "Turn on signing in its settings"),
        ("replayed", "It repeated an earlier connection request"),
        ("no-key", "There is no key"),
        ("key-mismatch", "The key does not match"),
    ],
)
async def test_the_reasons_of_a_pending_device_are_shown(
    admin: Visitor, code: str, words: str
) -> None:
    admin.hub.pend("SN1", code)
    await admin.get("/cameras/waiting")
    assert "SN1" in admin.text
    assert words in admin.text


async def test_a_guard_sees_that_an_administrator_has_to_accept(
    hub: PageSite, guard: Visitor
) -> None:
    hub.pend("SN1")
    await guard.get("/cameras")
    assert "Waiting for approval" in guard.text
    assert "Cameras asking to connect" not in guard.text


async def test_a_camera_is_accepted_in_one_step(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN1", code=CODE, name="Gate", back="/cameras")
    assert admin.goes_to == "/cameras?done=accepted-taken&did=1"
    await admin.get(admin.goes_to)
    assert "has applied its initial parameters" in admin.text
    assert "Gate" in admin.text
    assert await admin.hub.audited() == [("user admin", "device.accept", "1")]


async def test_a_wrong_code_is_reported_beside_its_field(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    admin.hub.pend("SN2")
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN2", code="wrong", name="My gate", back="/cameras")
    assert admin.response.status_code == 400
    assert "nothing was saved" in admin.text
    assert 'value="My gate"' in admin.text
    assert "wrong" not in admin.text.split('name="code"')[1][:60]
    assert await admin.hub.audited() == []


async def test_the_latest_pending_device_is_first_and_further_attempts_do_not_reorder(
    admin: Visitor,
) -> None:
    for sn in ("SN1", "SN2", "SN1"):
        admin.hub.pend(sn)
        admin.hub.clock.advance(1)
    await admin.get("/cameras/waiting")
    assert admin.text.index("SN2") < admin.text.index("SN1")


async def test_a_refusal_is_shown_beside_its_form_with_the_focus(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    admin.hub.pend("SN2")
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN2", code="wrong", back="/cameras")
    assert admin.text.count("autofocus") == 1
    assert "autofocus" in admin.text.split('data-key="SN2"')[1].split("</form>")[0]


async def test_switching_the_language_on_a_refused_form_leads_back_to_it(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    await admin.get("/cameras")
    await admin.send(
        "/cameras/accept",
        referer="https://localhost/cameras?x=1",
        sn="SN1",
        code="wrong",
        back="/cameras",
    )
    assert 'name="next" value="/cameras?x=1"' in admin.text


async def test_an_invalid_key_is_reported_on_the_page_of_its_form(admin: Visitor) -> None:
    admin.hub.pend("SN1")
    await admin.get("/cameras/connect")
    await admin.send("/cameras/accept", sn="SN1", code=CODE, key="no key", back="/cameras/connect")
    assert "This is not an RSA public key" in admin.text
    assert "Fingerprint" in admin.text


async def test_a_device_that_is_no_longer_pending_cannot_be_accepted(admin: Visitor) -> None:
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN1", code=CODE, back="/cameras")
    assert "is no longer asking to connect" in admin.text


async def test_a_camera_is_added_in_advance(admin: Visitor) -> None:
    await admin.get("/cameras/add")
    await admin.send("/cameras/add", sn="SN7", code=CODE, name="Gate", key=PEM, did="")
    assert admin.goes_to == "/cameras/1?done=added"
    assert await admin.hub.audited() == [("user admin", "device.add", "1")]
    await admin.get("/cameras/add")
    await admin.send("/cameras/add", sn="SN7", code=CODE, name="Again")
    assert "There is already a camera" in admin.text
    assert 'value="Again"' in admin.text


async def test_a_camera_is_renamed(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/name", name="北门")
    assert admin.goes_to == "/cameras/1/manage?done=changed"
    await admin.get("/cameras/1/manage")
    assert "北门" in admin.text
    assert await admin.hub.audited() == [("user admin", "device.rename", "1")]


async def test_empty_code_and_key_stay_unchanged(admin: Visitor) -> None:
    hub = admin.hub
    await hub.enrol(sn="SN1")
    secrets = hub.hub.store.devices.secrets
    before = secrets("1")
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/identity", sn="SN1", code="", key="")
    assert secrets("1") == before
    await admin.send("/cameras/1/identity", sn="SN1", code="new", key="")
    assert secrets("1").code == "new"
    assert not hub.services.cameras.devices.get("1").has_own_key
    await admin.send("/cameras/1/identity", sn="SN2", code="", key=PEM)
    device = hub.services.cameras.devices.get("1")
    assert (device.sn, device.has_own_key, secrets("1").code) == ("SN2", True, "new")


async def test_a_code_that_the_replacement_camera_does_not_sign_with_is_refused(
    admin: Visitor,
) -> None:
    await admin.hub.set_site_key()
    await admin.hub.enrol(sn="SN1")
    admin.hub.pend("SN2")
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/identity", sn="SN2", code="wrong", key="")
    assert admin.response.status_code == 400
    assert "Nothing was changed. The security code does not match the camera" in admin.text
    assert 'value="SN2"' in admin.text
    assert await admin.hub.audited() == []


async def test_a_bad_key_keeps_what_was_entered(admin: Visitor) -> None:
    await admin.hub.enrol(sn="SN1")
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/identity", sn="SN1", key="nonsense")
    assert admin.response.status_code == 400
    assert "This is not an RSA public key" in admin.text
    assert "nonsense" in admin.text
    assert await admin.hub.audited() == []


async def test_a_camera_is_disabled_and_enabled(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/disable")
    assert admin.goes_to == "/cameras/1/manage?done=disabled"
    devices = admin.hub.services.cameras.devices
    assert devices.get("1").state == "disabled"
    await admin.send("/cameras/1/enable")
    assert devices.get("1").enabled


async def test_the_clock_check_is_switched_off(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.get("/cameras/1")
    await admin.send("/cameras/1/clock", trusted="no")
    await admin.get("/cameras/1/manage")
    assert "Its clock is not checked" in admin.text


async def test_removing_asks_once_and_names_what_is_removed(admin: Visitor) -> None:
    await admin.hub.enrol(sn="SN1")
    await admin.get("/cameras/1/remove")
    for text in ("Remove Gate?", "SN1", "are kept until their retention period ends"):
        assert text in admin.text
    assert len(admin.hub.services.cameras.devices.list()) == 1
    await admin.send("/cameras/1/remove")
    assert admin.goes_to == "/cameras?done=removed"
    assert admin.hub.services.cameras.devices.list() == []
    assert await admin.hub.audited() == [("user admin", "device.remove", "1")]


async def test_only_a_camera_that_was_connected_once_is_said_to_keep_its_people(
    admin: Visitor,
) -> None:
    await admin.hub.enrol(sn="SN1")
    await admin.get("/cameras/1/remove")
    assert "The people on the camera stay on it" not in admin.text
    await admin.hub.connect(did="2")
    await admin.get("/cameras/2/remove")
    assert "The people on the camera stay on it" in admin.text


async def test_a_camera_that_leaves_can_be_made_to_forget_its_people(admin: Visitor) -> None:
    camera = await admin.hub.connect(quirks=Quirks(edition=3))
    await admin.hub.services.cameras.capabilities.override("1", "group:people", "yes")
    await admin.get("/cameras/1/remove")
    assert "First delete all people" in admin.text
    await admin.send("/cameras/1/remove", clear="yes", typed="Gate")
    assert admin.goes_to == "/cameras?done=removed-cleared"
    assert camera.asked == [("/person/clear", {})]
    assert admin.hub.services.cameras.devices.list() == []
    assert await admin.hub.audited() == [
        ("user admin", "device.person_clear", "1"),
        ("user admin", "device.remove", "1"),
    ]


async def test_people_are_cleared_only_if_the_name_of_the_camera_was_typed(
    admin: Visitor,
) -> None:
    camera = await admin.hub.connect(quirks=Quirks(edition=3))
    await admin.hub.services.cameras.capabilities.override("1", "group:people", "yes")
    await admin.get("/cameras/1/remove")
    await admin.send("/cameras/1/remove", clear="yes", typed="Yard")
    assert admin.response.status_code == 400
    assert "This is not the camera&#39;s name. Nothing was erased." in admin.text
    assert 'name="clear" value="yes" checked' in admin.text
    assert camera.asked == []
    assert len(admin.hub.services.cameras.devices.list()) == 1


async def test_a_camera_that_does_not_forget_its_people_is_not_removed(admin: Visitor) -> None:
    camera = await admin.hub.connect(quirks=Quirks(edition=3))
    await admin.hub.services.cameras.capabilities.override("1", "group:people", "yes")
    await admin.get("/cameras/1/remove")
    people = admin.hub.hub.store.device_people
    await people.save(replace(people.get("1"), must_check=False), camera.sn)
    camera.outcome = DeviceSilent("nothing")
    await admin.send("/cameras/1/remove", clear="yes", typed="Gate")
    assert admin.response.status_code == 504
    assert "The camera was not removed." in admin.text
    assert len(admin.hub.services.cameras.devices.list()) == 1
    # It may have done so, and then gets its people again.
    assert people.get("1").must_check
    camera.outcome = None
    await admin.send("/cameras/1/remove")
    assert admin.hub.services.cameras.devices.list() == []


async def test_a_camera_that_cannot_forget_its_people_is_said_to_keep_them(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.get("/cameras/1/remove")
    assert "reset it to its factory settings" in admin.text
    assert 'name="clear"' not in admin.text


@pytest.mark.parametrize("path", ["/cameras/9", "/cameras/9/state", "/cameras/9/remove"])
async def test_an_unknown_camera_is_not_found(admin: Visitor, path: str) -> None:
    await admin.get(path)
    assert admin.response.status_code == 404


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_a_guard_sees_the_cameras_and_no_way_to_change_them(hub: PageSite, role: str) -> None:
    await hub.connect()
    hub.pend("SN1")
    await hub.add_record()
    visitor = await Visitor.signed_in(hub, role)
    for path in ("/", "/cameras", "/cameras/1", "/records/1"):
        await visitor.get(path)
        assert visitor.response.status_code == 200
        # Everybody marks for themselves what they have reviewed.
        own = ('action="/preferences"', 'action="/reviewed"', 'method="dialog"')
        forms = visitor.text.count("<form") - sum(map(visitor.text.count, own))
        allowed = visitor.text.count('action="/sign-out"') + visitor.text.count('method="get"')
        assert forms == allowed, path
    for path in ("/cameras/add", "/cameras/connect", "/cameras/1/remove"):
        await visitor.get(path)
        assert visitor.response.status_code == 403


# Connecting cameras


async def test_the_addresses_are_shown_as_text_and_as_qr_code(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["192.168.1.5", "10.0.0.5"]
    monkeypatch.setattr(admin.hub.services.core.site, "addresses", lambda: hosts)
    await admin.get("/cameras/connect")
    for text in ("wss://192.168.1.5:8444/", "http://192.168.1.5:8443/", "10.0.0.5", "3F:A2:09"):
        assert text in admin.text, text
    for picture in ("devices", "web", "page"):
        await admin.get(f"/cameras/connect/{picture}.svg")
        assert admin.response.content_type == "image/svg+xml"
        assert "<svg" in admin.text
    await admin.get("/cameras/connect/other.svg")
    assert admin.response.status_code == 404


async def test_a_stolen_session_sets_no_site_key(admin: Visitor) -> None:
    """Whoever has its private key signs as any camera of the site whose code is known."""
    await admin.get("/cameras/connect")
    for wrong in ({}, {"own_password": "a guess"}):
        await admin.send("/cameras/connect/site-key", key=PEM, **wrong)
        assert admin.response.status_code == 400
        assert "Your password is wrong." in admin.text
        assert html.escape(PEM.strip().splitlines()[1]) in admin.text
    assert admin.hub.services.cameras.devices.site_key() is None


async def test_the_site_key_is_set_from_text(admin: Visitor) -> None:
    await admin.get("/cameras/connect")
    await admin.send("/cameras/connect/site-key", key="nonsense", own_password=PASSWORD)
    assert "This is not an RSA public key" in admin.text
    await admin.send("/cameras/connect/site-key", key=PEM, own_password=PASSWORD)
    assert admin.goes_to == "/cameras/connect?done=site-key"
    assert admin.hub.services.cameras.devices.site_key() == PEM.strip()
    assert await admin.hub.audited() == [("user admin", "site-key.set", "")]
    await admin.get("/cameras/connect")
    assert "A site key is set." in admin.text
