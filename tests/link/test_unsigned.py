"""Cameras without a signature, and those who pretend to be one (D12): an attack for each rule."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import (
    BadParameter,
    DeviceOffline,
    HubError,
    InvalidAppId,
    NoSuchResource,
    NotAuthorised,
    WrongSignature,
)
from hub.link.connection import DeviceLink
from hub.live.feed import Change
from hub.services.admission.unsigned.addresses import AnotherIsMoving, SecretAddresses
from hub.services.admission.unsigned.paths import hash_path
from hub.services.admission.unsigned.quarantine import MAX_CLAIMS
from hub.store.tables.devices import DeviceChange
from hub.wire.redaction import redact_frame
from hub.wire.signing import sign_params
from tests.support.gate import ADDRESS, CODE, SN, pending_codes, public_pem, refusal_codes
from tests.support.plug import Port, device_port
from tests.support.unsigned_camera import (
    ASK,
    MAC,
    UnsignedCamera,
    approved,
    approved_camera,
    is_online,
    settle,
    unsigned_camera,
)

pytestmark = pytest.mark.jumping_clock

ELSEWHERE, OUTSIDE = "10.0.0.66", "10.9.9.9"
FACTS = ["/system/device/get_info", "/net/ifconfig_get_inet"]


def device(port: Port, sn: str = SN) -> Any:
    return port.site.store.devices.by_sn(sn)


async def heartbeat(camera: UnsignedCamera) -> int:
    return int((await camera.ask("/heartbeat"))["code"])


# -- off by default


async def test_a_site_that_does_not_want_them_answers_421_and_says_what_it_is() -> None:
    async with device_port() as port:
        camera = await unsigned_camera(port)
        assert (await camera.connect())["code"] == 421
        assert pending_codes(port.site) == ["unsigned-off"]
        assert camera.asked == []


async def test_switching_it_off_disconnects_them_and_ends_their_tokens() -> None:
    async with approved_camera() as (port, camera):
        await port.nursery.start(port.site.admission.follow_settings)
        port.site.change_settings()
        await camera.closed.wait()
        assert not is_online(port.site)
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_token(camera.token, ADDRESS)
        again = await unsigned_camera(port)
        assert (await again.connect())["code"] == 423
        assert refusal_codes(port.site, device(port).did) == ["unsigned-off"]


# -- quarantine and approval


async def test_a_camera_is_approved_by_its_code_and_asked_again_when_it_connects() -> None:
    async with device_port(**ASK) as port:
        waiting = await unsigned_camera(port)
        assert (await waiting.connect())["code"] == 200
        assert await heartbeat(waiting) == 401
        await settle()
        assert waiting.asked == []
        assert pending_codes(port.site) == ["unsigned"]
        accepted = await port.site.enrolment.accept(SN, f"{CODE.lower()}", name="Gate")
        assert (accepted.device.connects, accepted.device.pinned_mac) == ("unsigned", MAC)
        assert waiting.uris == FACTS
        await waiting.closed.wait()
        camera = await unsigned_camera(port)
        await camera.connect()
        await settle()
        assert camera.uris == FACTS
        assert await heartbeat(camera) == 200
        assert port.site.authentication.by_token(camera.token, ADDRESS).sn == SN
        assert port.site.devices.device(device(port).did).fw_ver == "1.1.7_x"


async def test_the_code_is_not_stored_and_no_signature_with_it_is_good() -> None:
    async with device_port(**ASK) as port:
        await approved(port)
        stored = port.site.store.rows("SELECT * FROM device")
        assert CODE not in repr(stored)
        assert port.site.store.devices.secrets(device(port).did).code != CODE
        await port.site.devices.set_site_key(public_pem())
        signed = await port.camera()
        assert (await signed.connect())["code"] == 423
        # It was never sent its appid and secret: whoever knows them has them from elsewhere.
        secret = port.site.store.devices.secrets(device(port).did).secret
        query = {"appid": device(port).appid, "ts": str(int(port.site.clock.seconds))}
        with pytest.raises(InvalidAppId):
            port.site.authentication.by_signature({**query, "sign": sign_params(query, secret)})


async def test_many_that_wait_at_one_address_do_not_slow_each_other() -> None:
    async with device_port(**ASK) as port:
        began = trio.current_time()
        for number in range(8):
            camera = await unsigned_camera(port, sn=f"WAITS{number}")
            answer = await camera.connect()
            # It is refused its heartbeats: there need not be many.
            assert answer["result"]["interval"] == 60
        assert trio.current_time() == began
        again = await unsigned_camera(port, sn="WAITS0")
        for _ in range(6):
            await again.connect()
        assert trio.current_time() > began


@pytest.mark.parametrize("code", ["WRONG123", CODE[:-1], f"{CODE}0"])
async def test_another_code_approves_nothing(code: str) -> None:
    async with device_port(**ASK) as port:
        camera = await unsigned_camera(port)
        await camera.connect()
        with pytest.raises(WrongSignature):
            await port.site.enrolment.accept(SN, code)
        assert device(port) is None
        assert pending_codes(port.site) == ["unsigned", "label-mismatch"]
        await port.site.enrolment.accept(SN, CODE)


async def test_a_camera_that_names_another_sn_is_not_approved() -> None:
    async with device_port(**ASK) as port:
        camera = await unsigned_camera(port, sn="OTHER")
        camera.facts["sn"] = SN
        await camera.connect()
        with pytest.raises(WrongSignature):
            await port.site.enrolment.accept("OTHER", CODE)


async def test_a_camera_that_has_left_cannot_be_approved() -> None:
    async with device_port(**ASK) as port:
        camera = await unsigned_camera(port)
        await camera.connect()
        await camera.camera.socket.aclose()
        await settle()
        with pytest.raises(NoSuchResource, match="not connected"):
            await port.site.enrolment.accept(SN, CODE)
        assert device(port) is None


async def test_a_connection_that_claims_another_sn_meanwhile_is_not_approved() -> None:
    async with device_port(**ASK) as port:
        camera = await unsigned_camera(port)
        await camera.connect()
        camera.may_answer = trio.Event()
        errors: list[HubError] = []

        async def accept() -> None:
            try:
                await port.site.enrolment.accept(SN, CODE)
            except HubError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await wait_all_tasks_blocked()
            nursery.start_soon(camera.ask, "/connect", {"sn": "OTHER", "ts": "1795608000"})
            await wait_all_tasks_blocked()
            camera.may_answer.set()
        assert [isinstance(error, NoSuchResource) for error in errors] == [True]
        assert device(port) is None


async def test_a_camera_without_a_device_number_is_not_approved() -> None:
    async with device_port(**ASK) as port:
        camera = await unsigned_camera(port, devid="")
        await camera.connect()
        with pytest.raises(WrongSignature):
            await port.site.enrolment.accept(SN, CODE)
        assert pending_codes(port.site) == ["unsigned", "not-proved"]


async def test_the_token_of_quarantine_is_good_for_nothing() -> None:
    async with device_port(**ASK) as port:
        await approved(port)
        link = port.site.registry.get(device(port).did)
        assert link is not None
        link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.answers = False
        await camera.connect()
        for uri in ("/heartbeat", "/token/update", "/no/such/uri"):
            assert (await camera.ask(uri))["code"] == 401
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_token(camera.token, ADDRESS)
        assert not is_online(port.site)


# -- attacks


async def test_a_stolen_sn_from_outside_the_networks_is_refused_and_disturbs_nothing() -> None:
    async with approved_camera() as (port, camera):
        asked = list(camera.asked)
        for _ in range(3):
            thief = await unsigned_camera(port, address=OUTSIDE)
            assert (await thief.connect())["code"] == 423
        assert camera.asked == asked
        assert await heartbeat(camera) == 200
        assert device(port).suspect is None
        stranger = await unsigned_camera(port, sn="NOBODY", address=OUTSIDE)
        assert (await stranger.connect())["code"] == 421
        assert pending_codes(port.site, "NOBODY") == ["unsigned-network"]


@pytest.mark.parametrize("address", [ELSEWHERE, OUTSIDE, ""])
async def test_a_copied_token_is_refused_from_another_address_and_reported(address: str) -> None:
    async with approved_camera() as (port, camera):
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_token(camera.token, address)
        assert port.site.authentication.misuse.devices() == [device(port).did]
        assert port.site.authentication.by_token(camera.token, ADDRESS).sn == SN
        thief = await unsigned_camera(port, sn="OTHER", address=ELSEWHERE)
        await thief.connect()
        thief.token = camera.token
        assert await heartbeat(thief) == 401


async def test_a_second_connect_never_displaces_a_camera_that_is_alive() -> None:
    async with approved_camera() as (port, camera):
        for address in (ELSEWHERE, ADDRESS):
            second = await unsigned_camera(port, address=address)
            assert (await second.connect())["code"] == 423
        assert camera.uris == [*FACTS, FACTS[0], FACTS[0]]
        assert port.site.registry.get(device(port).did) is camera.link
        assert await heartbeat(camera) == 200


async def test_a_connection_that_is_silent_makes_room_for_its_camera() -> None:
    async with approved_camera() as (port, dead):
        dead.answers = False
        camera = await unsigned_camera(port)
        began = trio.current_time()
        assert (await camera.connect())["code"] == 200
        assert trio.current_time() - began == pytest.approx(5, abs=0.5)
        await settle()
        assert port.site.registry.get(device(port).did) is camera.link
        assert await heartbeat(camera) == 200


async def test_an_old_connection_is_asked_once_for_all_that_would_replace_it() -> None:
    async with approved_camera() as (port, old):
        old.answers = False
        asked, codes = len(old.asked), []

        async def connect() -> None:
            camera = await unsigned_camera(port)
            codes.append((await camera.connect())["code"])

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(connect)
        assert sorted(codes) == [200, 423, 423]
        assert len(old.asked) == asked + 1


async def test_a_device_that_is_disabled_while_its_old_connection_is_asked_is_refused() -> None:
    async with approved_camera() as (port, old):
        old.answers = False
        camera = await unsigned_camera(port)
        codes: list[int] = []

        async def connect() -> None:
            codes.append((await camera.connect())["code"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect)
            await trio.sleep(1)
            await port.site.devices.change(device(port).did, DeviceChange(enabled=False))
        assert codes == [401]
        assert camera.asked == []


async def test_a_camera_that_is_slow_is_not_displaced_by_one_that_proves_nothing() -> None:
    async with approved_camera() as (port, camera):
        camera.answers = False
        fake = await unsigned_camera(port, auth_code="GUESSED0")
        assert (await fake.connect())["code"] == 200
        await fake.closed.wait()
        assert device(port).suspect == "facts"
        assert port.site.registry.get(device(port).did) is camera.link
        assert await heartbeat(camera) == 200


async def test_of_many_connects_at_once_at_most_one_is_admitted() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        cameras = [await unsigned_camera(port) for _ in range(MAX_CLAIMS - 1)]
        async with trio.open_nursery() as nursery:
            for camera in cameras:
                nursery.start_soon(camera.connect)
        await settle()
        # Of those that were admitted and displaced, the link would still have the did.
        admitted = [camera.link for camera in cameras if camera.link.did]
        assert admitted == [port.site.registry.get(device(port).did)]


async def test_who_proves_itself_while_another_is_admitted_does_not_displace_it() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        late, camera = await unsigned_camera(port), await unsigned_camera(port)
        late.may_answer = trio.Event()
        await late.connect()
        await camera.connect()
        await settle()
        late.may_answer.set()
        await late.closed.wait()
        assert port.site.registry.get(device(port).did) is camera.link
        assert await heartbeat(camera) == 200


async def test_a_camera_that_connects_twice_is_asked_once() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(camera.connect)
            await wait_all_tasks_blocked()
            camera.may_answer.set()
        await settle()
        assert camera.uris == FACTS


@pytest.mark.parametrize(("sn", "code"), [("SECOND", 401), ("NOBODY", 421)])
async def test_a_camera_that_signed_speaks_for_no_other_one_on_its_connection(
    sn: str, code: int
) -> None:
    async with device_port(**ASK) as port:
        (await approved(port, "SECOND", "10.0.0.9", auth_code="SECOND00")).link.close("gone")
        await port.site.enrol()
        signed = await port.camera()
        assert (await signed.connect())["code"] == 200
        other = {"sn": sn, "ts": "1795608000"}
        assert (await signed.ask("/connect", other))["code"] == code
        assert (await signed.ask("/heartbeat"))["code"] == 200
        assert len(port.site.enrolment.quarantine) == 0


async def test_a_camera_that_drops_its_signature_is_refused_and_never_reclassified() -> None:
    async with device_port(**ASK) as port:
        await port.site.enrol()
        signed = await port.camera()
        assert (await signed.connect())["code"] == 200
        await signed.socket.aclose()
        await settle()
        camera = await unsigned_camera(port)
        assert (await camera.connect())["code"] == 423
        assert refusal_codes(port.site, device(port).did) == ["signature-dropped"]
        assert device(port).connects == "signed"
        with pytest.raises(HubError):
            await port.site.enrolment.accept(SN, CODE)
        assert (camera.asked, device(port).connects) == ([], "signed")


async def test_a_fake_camera_that_waits_for_people_is_asked_two_questions_and_gets_nothing() -> (
    None
):
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        fake = await unsigned_camera(port, auth_code="GUESSED0")
        assert (await fake.connect())["code"] == 200
        await settle()
        await fake.closed.wait()
        assert fake.uris == FACTS
        assert not is_online(port.site)
        assert (device(port).suspect, device(port).suspect_address) == ("facts", ADDRESS)
        with pytest.raises(BadParameter):
            await port.site.enrolment.approval.take_over(device(port).did)


async def test_a_fake_camera_that_answers_nothing_is_closed() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        fake = await unsigned_camera(port)
        fake.answers = False
        await fake.connect()
        await fake.closed.wait()
        assert refusal_codes(port.site, device(port).did) == ["not-proved"]
        assert device(port).suspect is None


@pytest.mark.parametrize(
    ("address", "facts", "suspect"),
    [
        (ELSEWHERE, {}, "address"),
        (ADDRESS, {"mac": "00:1b:2c:3d:4e:60"}, "mac"),
        (ELSEWHERE, {"mac": "00:1b:2c:3d:4e:60"}, "mac"),
        (ADDRESS, {"devid": "3002"}, "facts"),
        (ADDRESS, {"auth_code": ""}, "facts"),
        (ADDRESS, {"sn": "OTHER"}, "facts"),
    ],
)
async def test_what_differs_is_quarantine_and_a_mark_and_shuts_the_camera_not_out(
    address: str, facts: dict[str, str], suspect: str
) -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        other = await unsigned_camera(port, address=address)
        other.facts |= facts
        await other.connect()
        await other.closed.wait()
        assert not is_online(port.site)
        assert (device(port).suspect, device(port).suspect_address) == (suspect, address)
        camera = await unsigned_camera(port)
        await camera.connect()
        await settle()
        assert await heartbeat(camera) == 200
        assert device(port).suspect == suspect
        await port.site.enrolment.approval.dismiss(device(port).did)
        assert device(port).suspect is None
        assert await heartbeat(camera) == 200


async def test_a_mark_that_is_stored_late_is_told_when_it_is() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        other = await unsigned_camera(port, mac="00:1b:2c:3d:4e:60")
        port.site.store.is_slow = True
        await other.connect()
        await other.closed.wait()
        assert device(port).suspect is None
        with port.site.changes.subscribe() as feed:
            port.site.store.respond()
            assert device(port).suspect == "mac"
            with trio.fail_after(1):
                assert Change("device", device(port).did) in await feed.next()


async def test_a_token_that_is_stored_late_is_none_of_a_camera_that_was_changed_before() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        await camera.connect()
        await settle()
        for enabled in (False, True):
            await port.site.devices.change(device(port).did, DeviceChange(enabled=enabled))
        port.site.store.is_slow = True
        camera.may_answer.set()
        await camera.closed.wait()
        port.site.store.respond()
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_token(camera.token, ADDRESS)


async def test_who_differs_again_and_again_makes_the_hub_write_seldom() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        writes, marked = port.site.store.writes, []
        for end in ("60", "60", "61", "62", "63"):
            other = await unsigned_camera(port, mac=f"00:1b:2c:3d:4e:{end}")
            await other.connect()
            await other.closed.wait()
            marked.append(device(port).suspect_mac[-2:])
        assert marked == ["60", "60", "61", "62", "62"]
        assert port.site.store.writes == writes + 3


async def test_a_camera_that_was_moved_is_admitted_once_a_person_says_so() -> None:
    async with approved_camera() as (port, old):
        old.link.close("gone")
        await settle()
        moved = await unsigned_camera(port, address=ELSEWHERE)
        await moved.connect()
        await moved.closed.wait()
        await port.site.enrolment.approval.take_over(device(port).did)
        assert (device(port).suspect, device(port).pinned_address) == (None, ELSEWHERE)
        again = await unsigned_camera(port, address=ELSEWHERE)
        await again.connect()
        await settle()
        assert await heartbeat(again) == 200
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_token(old.token, ADDRESS)


async def test_what_is_online_at_the_old_address_is_disconnected_when_the_new_one_is_accepted() -> (
    None
):
    async with approved_camera() as (port, old):
        old.answers = False
        moved = await unsigned_camera(port, address=ELSEWHERE)
        await moved.connect()
        await moved.closed.wait()
        assert port.site.registry.get(device(port).did) is old.link
        await port.site.enrolment.approval.take_over(device(port).did)
        await settle()
        assert old.closed.is_set()
        assert not is_online(port.site)


async def test_another_network_adapter_is_taken_over_with_its_address() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        for _ in range(2):
            camera = await unsigned_camera(port, address=ELSEWHERE, mac="00:1b:2c:3d:4e:60")
            await camera.connect()
            await settle()
            if device(port).suspect:
                await port.site.enrolment.approval.take_over(device(port).did)
        assert (device(port).pinned_mac, device(port).suspect) == ("00:1b:2c:3d:4e:60", None)
        assert await heartbeat(camera) == 200


async def test_who_knows_an_sn_only_cannot_hide_that_the_camera_was_moved() -> None:
    async def knock(address: str, **facts: str) -> None:
        camera = await unsigned_camera(port, address=address, **facts)
        await camera.connect()
        await camera.closed.wait()

    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        for number in range(4):
            await knock(f"10.0.0.{70 + number}", auth_code="GUESSED0")
        await knock(ELSEWHERE)
        assert (device(port).suspect, device(port).suspect_address) == ("address", ELSEWHERE)
        await trio.sleep(60)
        await knock("10.0.0.70", auth_code="GUESSED0")
        assert (device(port).suspect, device(port).suspect_address) == ("address", ELSEWHERE)
        await port.site.enrolment.approval.take_over(device(port).did)


async def test_a_flood_of_claims_is_bounded_and_keeps_the_place_of_the_camera() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.answers = False
        await camera.connect()
        flood = []
        for number in range(MAX_CLAIMS + 4):
            one = await unsigned_camera(port, address=f"10.0.0.{100 + number}")
            one.answers = False
            await one.connect()
            flood.append(one)
        await wait_all_tasks_blocked()
        assert len(port.site.enrolment.quarantine) <= MAX_CLAIMS
        assert not camera.closed.is_set()
        assert sum(one.closed.is_set() for one in flood) == 5


async def test_a_device_that_is_changed_while_it_is_asked_is_not_admitted() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        await camera.connect()
        await port.site.devices.change(device(port).did, DeviceChange(enabled=False))
        camera.may_answer.set()
        await camera.closed.wait()
        assert (camera.uris, camera.link.did) == (FACTS, "")
        disabled = await unsigned_camera(port)
        assert (await disabled.connect())["code"] == 401


async def test_a_camera_that_is_being_asked_when_it_is_switched_off_is_not_admitted() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        await camera.connect()
        await port.nursery.start(port.site.admission.follow_settings)
        port.site.change_settings()
        camera.may_answer.set()
        await camera.closed.wait()
        assert camera.link.did == ""
        assert refusal_codes(port.site, device(port).did) == ["unsigned-off"]
        with pytest.raises(NotAuthorised):
            port.site.authentication.tokens.lookup(camera.token)


async def test_a_connection_that_claims_something_else_meanwhile_is_not_admitted() -> None:
    async with device_port(**ASK) as port:
        (await approved(port)).link.close("gone")
        await settle()
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        await camera.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(camera.ask, "/connect", {"sn": "OTHER", "ts": "1795608000"})
            await wait_all_tasks_blocked()
            camera.may_answer.set()
        await settle()
        assert (camera.uris, camera.link.did) == (FACTS, "")
        assert pending_codes(port.site, "OTHER") == ["unsigned"]


async def test_a_new_code_makes_it_a_camera_that_signs() -> None:
    async with approved_camera() as (port, camera):
        await port.site.devices.change(device(port).did, DeviceChange(code=CODE))
        await camera.closed.wait()
        assert (device(port).connects, device(port).auth_code_hash) == ("signed", None)
        again = await unsigned_camera(port)
        assert (await again.connect())["code"] == 423


async def test_it_is_never_sent_the_secret_of_initial_parameters() -> None:
    async with device_port(**{**ASK, "require_did": "always"}) as port:
        camera = await approved(port)
        delivery = await port.site.enrolment.provisioning.send_again(device(port).did)
        assert delivery.outcome == "not-sent"
        assert set(camera.uris) == set(FACTS)


# -- secret addresses


def addresses(port: Port) -> SecretAddresses:
    return SecretAddresses(port.site.core, port.site.registry, port.site.devices)


def sent_path(camera: UnsignedCamera) -> str:
    """The path of the address that the camera was sent last."""
    uri, param = camera.asked[-1]
    assert uri == "/net/advanced/server_set_param"
    assert param["websocket"]["enable"] is True
    scheme, path = param["websocket"]["websocket_addr"].split("://hub", 1)
    assert (scheme, param["http_addr"]) == ("ws", f"https://hub:8443{path}")
    return str(path)


async def test_after_it_came_by_its_secret_address_its_sn_is_refused_elsewhere() -> None:
    async with approved_camera() as (port, camera):
        await addresses(port).give(device(port).did)
        path = sent_path(camera)
        assert len(path) == len("/c/") + 22
        assert path[3:] not in repr(port.site.store.rows("SELECT * FROM device"))
        await camera.closed.wait()
        assert device(port).path_hash is None
        again = await unsigned_camera(port, path=f"/{path}/ws")
        await again.connect()
        await settle()
        assert is_online(port.site)
        assert (device(port).path_hash, device(port).next_path_hash) == (hash_path(path), None)
        again.link.close("gone")
        await settle()
        for wrong in ("/", "/c/" + 22 * "A", path[:-1]):
            thief = await unsigned_camera(port, path=wrong)
            assert (await thief.connect())["code"] == 423
        assert refusal_codes(port.site, device(port).did) == ["other-path"]


async def test_an_upload_by_the_secret_address_needs_no_token() -> None:
    async with approved_camera() as (port, camera):
        await addresses(port).give(device(port).did)
        path = sent_path(camera)
        await camera.closed.wait()
        find = port.site.authentication.by_path
        assert find(hash_path(path), ADDRESS) is None  # it is offline
        again = await unsigned_camera(port, path=path)
        await again.connect()
        await settle()
        found = find(hash_path(path), ADDRESS)
        assert found is not None
        assert found.sn == SN
        assert find(hash_path("/c/" + 22 * "A"), ADDRESS) is None
        assert port.site.authentication.misuse.devices() == []
        with pytest.raises(NotAuthorised):
            find(hash_path(path), ELSEWHERE)
        assert port.site.authentication.misuse.devices() == [device(port).did]
        with pytest.raises(NotAuthorised):
            port.site.authentication.by_address(SN, "", ADDRESS)


async def test_cameras_are_sent_their_addresses_one_at_a_time() -> None:
    async with approved_camera() as (port, first):
        second = await approved(port, "SECOND", "10.0.0.9", auth_code="SECOND00")
        give = addresses(port).give
        await give(device(port).did)
        for sn in ("SECOND", SN):
            with pytest.raises(AnotherIsMoving):
                await give(device(port, sn).did)
        again = await unsigned_camera(port, path=sent_path(first))
        await again.connect()
        await settle()
        await give(device(port, "SECOND").did)
        assert sent_path(second)


async def test_of_two_who_give_an_address_at_once_one_waits() -> None:
    async with approved_camera() as (port, first):
        second = await approved(port, "SECOND", "10.0.0.9", auth_code="SECOND00")
        secret_addresses, refused = addresses(port), []

        async def give(sn: str) -> None:
            try:
                await secret_addresses.give(device(port, sn).did)
            except AnotherIsMoving as moving:
                refused.append(moving.name)

        async with trio.open_nursery() as nursery:
            for sn in (SN, SN, "SECOND"):
                nursery.start_soon(give, sn)
        assert refused == [SN, SN] or refused == ["SECOND", "SECOND"]
        sent = [*first.uris, *second.uris].count("/net/advanced/server_set_param")
        assert (sent, len(secret_addresses.moving())) == (1, 1)


async def test_an_address_that_the_camera_refuses_is_forgotten() -> None:
    async with approved_camera() as (port, camera):
        camera.link.close("gone")
        await settle()
        with pytest.raises(DeviceOffline):
            await addresses(port).give(device(port).did)
        assert device(port).next_path_hash is None
        assert not addresses(port).moving()


async def test_a_camera_that_was_reset_comes_back_after_its_address_is_withdrawn() -> None:
    async with approved_camera() as (port, camera):
        await addresses(port).give(device(port).did)
        again = await unsigned_camera(port, path=sent_path(camera))
        await again.connect()
        await settle()
        again.link.close("reset")
        await settle()
        await addresses(port).withdraw(device(port).did)
        reset = await unsigned_camera(port)
        await reset.connect()
        await settle()
        assert await heartbeat(reset) == 200


async def test_until_it_came_by_its_next_address_the_one_before_is_good() -> None:
    async with device_port(**ASK) as port:
        camera, paths = await approved(port), ["/"]
        for _ in range(2):
            await addresses(port).give(device(port).did)
            paths.append(sent_path(camera))
            for path in paths[-2:]:
                camera = await unsigned_camera(port, path=path)
                await camera.connect()
                await settle()
                assert await heartbeat(camera) == 200
                if path is not paths[-1]:
                    camera.link.close("gone")
                    await settle()
        camera.link.close("gone")
        await settle()
        before = await unsigned_camera(port, path=paths[1])
        assert (await before.connect())["code"] == 423


@pytest.mark.parametrize("host", ["", "hub/evil", "hub:80@evil", "hub:1234567", "a b", "[::1"])
async def test_no_address_is_made_of_what_is_no_host(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async with approved_camera() as (port, camera):
        monkeypatch.setattr(DeviceLink, "hub_address", f"ws://{host}")
        with pytest.raises(BadParameter):
            await addresses(port).give(device(port).did)
        assert (camera.uris, device(port).next_path_hash) == (FACTS, None)


async def test_a_signed_camera_is_given_no_secret_address() -> None:
    async with device_port(**ASK) as port:
        await port.site.enrol()
        with pytest.raises(BadParameter):
            await addresses(port).give(device(port).did)


async def test_the_trace_has_no_code_and_no_secret_address() -> None:
    async with approved_camera() as (port, camera):
        await addresses(port).give(device(port).did)
        path = sent_path(camera)
        entries = port.traces.entries(SN, ADDRESS)
        shown = "\n".join(
            redact_frame(entry.kept) for entry in entries if isinstance(entry.kept, str | bytes)
        )
        assert "get_info" in shown
        assert "server_set_param" in shown
        for secret in (CODE, path[3:], str(camera.token)):
            assert secret not in shown
