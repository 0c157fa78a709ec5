"""Keys are replaced without a gap: the one that a device signs with stays valid for a while."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hub.errors import HubError, NotAuthorised
from hub.services.devices.keys import GRACE_MS
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.gate import (
    CODE,
    SN,
    FakeLink,
    Gate,
    gate,
    private_key,
    public_pem,
    refusal_codes,
)

WEEK_SECONDS = GRACE_MS // 1000


async def is_admitted(site: Gate, key: int, sn: str = SN) -> bool:
    try:
        await site.connect(FakeLink(), site.connect_param(sn, key=key, ts=int(site.clock.seconds)))
    except HubError:
        return False
    finally:
        site.clock.advance(1)
    return True


async def test_a_new_key_alone_keeps_the_connection(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    link = FakeLink()
    token = (await site.connect(link, site.connect_param(key=1))).result.token
    view = await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    assert link.closed is None
    site.authentication.by_token(token)
    assert view.previous_key_until == clock.ms + GRACE_MS


async def test_the_earlier_key_is_valid_until_the_device_signs_with_the_new_one(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    clock.advance(1)
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    assert await is_admitted(site, key=1)
    assert await is_admitted(site, key=1)
    assert await is_admitted(site, key=2)
    assert site.devices.get(device.did).previous_key_until is None
    assert not await is_admitted(site, key=1)
    assert (
        refusal_codes(site, device.did) == []
    )  # it is online; the impostor's failure is not its own


async def test_the_earlier_key_is_valid_for_a_week_at_most(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    clock.advance(WEEK_SECONDS - 1)
    assert await is_admitted(site, key=1)
    assert not await is_admitted(site, key=1)
    assert site.devices.get(device.did).previous_key_until is None
    assert await is_admitted(site, key=2)


async def test_replacing_an_unused_key_keeps_the_one_in_use(
    clock: FrozenClock,
) -> None:
    """The wrong file was set first, then the right one; the camera signs with the old key."""
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    clock.advance(1)
    for wrong_then_right in (2, 3):
        await site.devices.change(device.did, DeviceChange(key=public_pem(wrong_then_right)))
    assert await is_admitted(site, key=1)
    assert not await is_admitted(site, key=2)
    assert await is_admitted(site, key=3)


async def test_a_connect_does_not_drop_a_key_if_another_was_set_meanwhile(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    did = (await site.enrol(key=public_pem(1))).did
    await site.devices.change(did, DeviceChange(key=public_pem(2)))
    seen_at_its_connect = site.store.devices.by_did(did)
    await site.devices.change(did, DeviceChange(key=public_pem(3)))
    await site.devices.keys.settle(seen_at_its_connect, public_pem(2))
    assert site.devices.get(did).previous_key_until is not None


async def test_setting_the_key_in_use_again_drops_the_other(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    view = await site.devices.change(device.did, DeviceChange(key=public_pem(1)))
    assert view.previous_key_until is None


async def test_switching_between_own_key_and_site_key_has_no_gap(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    clock.advance(1)
    await site.devices.change(device.did, DeviceChange(key=None))
    assert await is_admitted(site, key=1)
    assert await is_admitted(site, key=0)
    await site.devices.change(device.did, DeviceChange(key=public_pem(1)))
    assert await is_admitted(site, key=0)
    assert await is_admitted(site, key=1)


@pytest.mark.parametrize("change", [DeviceChange(code="NEWCODE1"), DeviceChange(sn="NEW-SN")])
async def test_a_new_sn_or_code_drops_the_earlier_key(
    clock: FrozenClock, change: DeviceChange
) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    view = await site.devices.change(device.did, change)
    assert view.previous_key_until is None


async def test_an_earlier_key_can_be_dropped_at_once(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    clock.advance(1)
    link = FakeLink()
    token = (await site.connect(link, site.connect_param(key=1))).result.token
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    await site.devices.change(device.did, DeviceChange(previous_key=None))
    assert link.closed == "the device was changed"
    with pytest.raises(NotAuthorised):
        site.authentication.by_token(token)
    assert not await is_admitted(site, key=1)


async def test_an_expired_certificate_is_accepted_for_its_key(clock: FrozenClock) -> None:
    """A camera keeps its key for life; nobody renews a certificate for it."""
    site = gate(clock)
    await site.enrol(key=ended_certificate(1))
    assert await is_admitted(site, key=1)


def ended_certificate(number: int) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private_key(number).public_key(),
        serial_number=1,
        not_valid_before=datetime(2010, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2012, 1, 1, tzinfo=UTC),
    )
    return builder.sign(private_key(number), SHA256()).public_bytes(Encoding.PEM).decode()


async def test_the_site_key_is_replaced_without_a_gap_camera_by_camera(clock: FrozenClock) -> None:
    site = gate(clock)
    first, second = await site.enrol("SN-1"), await site.enrol("SN-2")
    own = await site.enrol("SN-3", key=public_pem(1))
    clock.advance(1)
    await site.devices.set_site_key(public_pem(2))
    assert await is_admitted(site, key=0, sn="SN-1")
    assert await is_admitted(site, key=2, sn="SN-1")
    assert not await is_admitted(site, key=0, sn="SN-1")
    assert await is_admitted(site, key=0, sn="SN-2")
    untils = [site.devices.get(one.did).previous_key_until for one in (first, second, own)]
    assert [until is not None for until in untils] == [False, True, False]
    clock.advance(WEEK_SECONDS)
    assert not await is_admitted(site, key=0, sn="SN-2")


async def test_setting_the_same_site_key_changes_nothing(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.devices.set_site_key(f"\n{public_pem()}\n")
    assert site.devices.get(device.did).previous_key_until is None


async def test_removing_the_site_key_disconnects_the_devices_that_need_it(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    relying, own = await site.enrol("SN-1"), await site.enrol("SN-2", key=public_pem(1))
    clock.advance(1)
    links = FakeLink(), FakeLink()
    await site.connect(links[0], site.connect_param("SN-1"))
    await site.connect(links[1], site.connect_param("SN-2", key=1))
    await site.devices.remove_site_key()
    assert [link.closed for link in links] == ["the site key was removed", None]
    assert site.store.rows("SELECT 1 FROM token WHERE did = ?", relying.did) == []
    site.admission.leave(links[0], "gone")
    assert not await is_admitted(site, key=0, sn="SN-1")
    assert refusal_codes(site, relying.did) == ["no-key"]
    assert site.devices.get(own.did).state == "online"


async def test_a_new_site_key_updates_the_reasons_of_pending_devices(clock: FrozenClock) -> None:
    site = gate(clock)
    enrolled = (await site.devices.add(NewDevice(sn="SN-1", code=CODE))).did
    assert not await is_admitted(site, key=0, sn="SN-1")
    assert not await is_admitted(site, key=0, sn="SN-2")

    def told() -> tuple[list[str], list[str]]:
        waiting = site.pending.find("SN-2")
        assert waiting is not None
        return refusal_codes(site, enrolled), [reason.code for reason in waiting.reasons]

    assert told() == (["no-key"], ["no-key"])
    await site.devices.set_site_key(public_pem(1))
    assert told() == (["key-mismatch"], ["key-mismatch"])
    await site.devices.set_site_key(public_pem(0))
    assert told() == ([], ["unknown"])


async def test_an_earlier_key_is_not_valid_for_a_year_after_the_clock_was_set_back(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol(key=public_pem(1))
    await site.devices.change(device.did, DeviceChange(key=public_pem(2)))
    clock.advance(-365 * 86_400)
    assert not await is_admitted(site, key=1)
