"""Pages of cameras without a signature, and of what a camera can do (D12)."""

from __future__ import annotations

import pytest

from hub.errors import DeviceSilent, WrongSignature
from hub.live.pending_devices import ConnectAttempt
from hub.live.refusal_reasons import RefusalReason
from hub.live.registry import DeviceAnswer
from hub.services.audit import COMMAND_LINE
from hub.store.tables.devices import DeviceChange, NewDevice, UnsignedPins
from tests.support.browsing import Visitor
from tests.support.gate import FakeLink
from tests.support.page_site import PageSite

ADDRESS, MAC = "192.168.1.77", "00:1b:2c:3d:4e:5f"
PINS = UnsignedPins(ADDRESS, MAC, "3001", "ab" * 32)
MARK = DeviceChange(
    suspect="address", suspect_address="192.168.1.99", suspect_mac=MAC, suspect_at=1_795_608_000_000
)


async def enrol(hub: PageSite, did: str = "1", name: str = "Yard") -> FakeLink:
    """Enrol a camera without a signature; return its connection, on which it is online."""
    new = NewDevice(sn=f"UNSIGNED{did}", code="nobody knows", did=did, name=name, pins=PINS)
    await hub.services.cameras.devices.add(new)
    link = FakeLink(ADDRESS)
    link.did, link.sn = did, new.sn
    hub.hub.registry.attach(link)
    return link


async def test_the_page_says_what_it_cannot_prove_and_what_it_is_held_to(
    hub: PageSite, admin: Visitor
) -> None:
    await enrol(hub)
    await admin.get("/cameras/1")
    assert "cannot prove its identity" in admin.text
    assert "/cameras/1/manage#unsigned" in admin.text
    await admin.get("/cameras/1/manage")
    for text in ("VLAN", "port isolation", ADDRESS, MAC, "3001", "Send a secret address"):
        assert text in admin.text, text
    await admin.send("/preferences", language="zh", next="/cameras/1/manage")
    await admin.get("/cameras/1/manage")
    assert "端口隔离" in admin.text


async def test_of_a_camera_that_signs_nothing_of_it_is_shown(hub: PageSite, admin: Visitor) -> None:
    await hub.connect()
    await admin.get("/cameras/1/manage")
    assert 'id="unsigned"' not in admin.text
    assert (await admin.send("/cameras/1/unsigned/dismiss")).status_code == 404


async def test_nothing_of_a_signature_is_offered_for_it_without_a_warning(
    hub: PageSite, admin: Visitor
) -> None:
    await enrol(hub)
    await admin.get("/cameras/1/manage")
    assert "expects a signature and refuses this camera" in admin.text
    assert "Its clock must be accurate" not in admin.text
    before, _, after = admin.text.partition("<summary>Replace it by a camera that signs</summary>")
    assert 'name="code"' not in before
    assert 'name="code"' in after
    assert "<details open" not in admin.text
    # A fault is not hidden.
    await admin.send("/cameras/1/identity", sn="", code="")
    assert 'class="more" open' in admin.text


async def test_a_change_is_shown_and_taken_over_as_it_was_shown(
    hub: PageSite, admin: Visitor
) -> None:
    await enrol(hub)
    await hub.services.cameras.devices.change("1", MARK)
    await admin.get("/cameras/1")
    assert "does not match the approved details" in admin.text
    await admin.get("/cameras/1/manage")
    assert "192.168.1.99" in admin.text
    other = {"address": "192.168.1.98", "mac": MAC}
    assert (await admin.send("/cameras/1/unsigned/take-over", **other)).status_code == 409
    shown = {"address": "192.168.1.99", "mac": MAC}
    assert (await admin.send("/cameras/1/unsigned/take-over", **shown)).status_code == 303
    device = hub.services.cameras.devices.device("1")
    assert (device.pinned_address, device.suspect) == ("192.168.1.99", None)
    assert ("user admin", "device.take-over", "1") in await hub.audited()


async def test_other_facts_can_only_be_dismissed(hub: PageSite, admin: Visitor) -> None:
    await enrol(hub)
    await hub.services.cameras.devices.change(
        "1", DeviceChange(suspect="facts", suspect_address=ADDRESS, suspect_mac=MAC, suspect_at=1)
    )
    await admin.get("/cameras/1/manage")
    assert "/take-over" not in admin.text
    shown = {"address": ADDRESS, "mac": MAC}
    assert (await admin.send("/cameras/1/unsigned/take-over", **shown)).status_code == 409
    await admin.send("/cameras/1/unsigned/dismiss")
    assert hub.services.cameras.devices.device("1").suspect is None
    assert ("user admin", "device.dismiss", "1") in await hub.audited()


async def test_a_secret_address_is_sent_after_asking_once_and_one_at_a_time(
    hub: PageSite, admin: Visitor
) -> None:
    link, _ = await enrol(hub), await enrol(hub, "2", "Bay")
    await admin.get("/cameras/1/unsigned/address")
    assert "Send the address" in admin.text
    assert link.requests == []
    link.answers = [DeviceAnswer(0)]
    assert (await admin.send("/cameras/1/unsigned/address", confirmed="1")).status_code == 303
    ((uri, _),) = link.requests
    assert uri == "/net/advanced/server_set_param"
    assert hub.services.cameras.devices.get("1").path_state == "sent"
    await admin.get("/cameras/1/manage")
    assert "has not reconnected through it yet" in admin.text
    assert (await admin.send("/cameras/2/unsigned/address", confirmed="1")).status_code == 409
    assert "Yard was sent its secret address" in admin.text
    await admin.send("/cameras/1/unsigned/withdraw")
    assert hub.services.cameras.devices.get("1").path_state == "none"
    actions = [action for _, action, _ in await hub.audited()]
    assert actions == ["device.give-address", "device.withdraw-address"]


async def test_a_camera_that_does_not_answer_may_have_taken_its_address(
    hub: PageSite, admin: Visitor
) -> None:
    link = await enrol(hub)
    await admin.get("/cameras/1/unsigned/address")
    link.answers = [DeviceSilent("no answer")]
    assert (await admin.send("/cameras/1/unsigned/address", confirmed="1")).status_code == 504
    assert hub.services.cameras.devices.get("1").path_state == "sent"
    await admin.send("/cameras/1/unsigned/withdraw")
    link.answers = [DeviceAnswer(404)]
    assert (await admin.send("/cameras/1/unsigned/address", confirmed="1")).status_code == 502
    assert hub.services.cameras.devices.get("1").path_state == "none"


def pend(hub: PageSite, *codes: str) -> FakeLink:
    link = FakeLink(ADDRESS)
    attempt = ConnectAttempt("NEW1", ADDRESS, ADDRESS, None, "1795608000", 0.0)
    reasons = [RefusalReason(code) for code in codes]  # type: ignore[arg-type]
    hub.hub.pending_devices.record_unknown(attempt, reasons, link)
    return link


async def test_the_installer_reads_what_an_unsigned_camera_is_and_what_to_do(
    hub: PageSite, admin: Visitor
) -> None:
    pend(hub, "unsigned-off")
    await admin.get("/cameras")
    assert "allow cameras without a signature in this hub" in admin.text
    pend(hub, "unsigned-network")
    await admin.get("/cameras")
    assert "not in the networks" in admin.text


async def test_the_form_leads_to_the_setting_that_keeps_an_unsigned_camera_out(
    hub: PageSite, admin: Visitor
) -> None:
    for code, name in (
        ("unsigned-off", "devices.unsigned"),
        ("unsigned-network", "devices.unsigned_networks"),
    ):
        pend(hub, code)
        await admin.get("/cameras")
        assert f'href="/site/settings/change?name={name}"' in admin.text
        assert "Accepted like this, it cannot connect until it signs." in admin.text
    for code in ("unsigned", "no-key"):
        pend(hub, code)
        await admin.get("/cameras")
        assert "Change the setting…" not in admin.text
        assert "Accepted like this" not in admin.text


async def test_a_missing_site_key_is_told_only_if_a_waiting_camera_needs_one(
    hub: PageSite, admin: Visitor
) -> None:
    pend(hub, "unsigned")
    await admin.get("/cameras")
    assert "No site key is set." not in admin.text
    attempt = ConnectAttempt("NEW2", ADDRESS, ADDRESS, None, "1795608000", 0.0)
    hub.hub.pending_devices.record_unknown(attempt, [RefusalReason("no-key")], FakeLink(ADDRESS))
    await admin.get("/cameras")
    assert "No site key is set." in admin.text


async def test_an_unsigned_camera_is_accepted_with_the_code_of_its_label_alone(
    hub: PageSite, admin: Visitor
) -> None:
    pend(hub, "unsigned")
    await admin.get("/cameras")
    for text in ("What a camera without a signature cannot prove", "VLAN"):
        assert text in admin.text, text
    assert "Public key" not in admin.text


async def test_a_wrong_code_is_refused_for_itself_and_not_for_the_missing_signature(
    hub: PageSite, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise WrongSignature("another code")

    pend(hub, "unsigned", "label-mismatch")
    monkeypatch.setattr(hub.services.cameras.enrolment, "accept", refuse)
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="NEW1", code="WRONG123")
    refusal = "The camera was not accepted, and nothing was saved. This code is not the one"
    assert refusal in admin.text


async def test_a_camera_that_is_away_is_approved_for_the_next_minutes(
    hub: PageSite, admin: Visitor
) -> None:
    pend(hub, "unsigned")
    # No connection of it is in quarantine.
    asks = {"devices.unsigned": "ask", "devices.unsigned_networks": "192.168.1.0/24"}
    await hub.services.core.settings.change(asks, by=COMMAND_LINE)
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="NEW1", code="SECRET01", name="Yard")
    assert admin.goes_to == "/cameras?done=approval-waits"
    await admin.get(admin.goes_to)
    assert "It is approved as soon as it connects with this code" in admin.text
    assert "Approved: it is accepted as soon as it connects with the code of its label, until" in (
        admin.text
    )
    assert "SECRET01" not in admin.text
    assert (await hub.audited())[-1:] == [("user admin", "device.expect", "NEW1")]
    expected = hub.services.cameras.enrolment.approval.expected.find("NEW1")
    assert expected is not None
    assert (expected.new.name, expected.by.who) == ("Yard", "user admin")
    await admin.send("/cameras/accept", sn="NEW1", code="SECRET01", replaces="9")
    assert admin.response.status_code != 303
    assert hub.services.cameras.enrolment.approval.expected.find("NEW1") is expected


# -- what a camera can do


async def test_what_a_camera_can_do_is_shown_with_its_source_and_set_by_an_administrator(
    hub: PageSite, admin: Visitor
) -> None:
    await hub.connect()
    page = "/cameras/1/capabilities"
    await admin.get("/cameras/1/manage")
    assert "not known yet" in admin.text
    assert (await admin.send(page, capability="face", value="3")).status_code == 303
    assert hub.services.cameras.capabilities.of("1").face == 3
    await admin.get("/cameras/1/manage")
    assert "as of 2026" in admin.text
    assert (await admin.send(page, capability="face", value="9")).status_code == 400
    assert (await admin.send(page, capability="connect", value="signed")).status_code == 400
    await admin.send(page, capability="face", value="")
    assert hub.services.cameras.capabilities.of("1").face is None
    assert ("user admin", "device.capability", "1 face=3") in await hub.audited()
