"""Authentication of HTTP requests: by token, by the signature of 三, and by address (D8)."""

from __future__ import annotations

import pytest

from hub.errors import DeviceNotRegistered, InvalidAppId, NotAuthorised, WrongSignature
from hub.store.tables.devices import DeviceChange
from hub.wire.signing import body_md5, sign_params
from tests.support.clock import FrozenClock
from tests.support.gate import SN, FakeLink, Gate, gate


def signed(site: Gate, did: str, **params: str) -> dict[str, str]:
    device = site.store.devices.by_did(did)
    query = {"appid": device.appid, "ts": str(int(site.clock.seconds)), **params}
    return {**query, "sign": sign_params(query, site.store.devices.secrets(did).secret)}


async def test_a_signed_query_is_authenticated_by_its_appid(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    query = signed(site, device.did, page="1")
    assert site.authentication.by_signature(query).did == device.did
    with_body = signed(site, device.did, body_md5=body_md5(b"{}"))
    assert site.authentication.by_signature(with_body).did == device.did


async def test_a_wrong_signature_is_refused_with_its_code(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    query = signed(site, device.did)
    with_body = signed(site, device.did, body_md5=body_md5(b"{}"))
    for wrong in (
        {**query, "page": "2"},
        {key: value for key, value in query.items() if key != "sign"},
        signed(site, device.did, ts=str(int(clock.seconds) - 301)),
        signed(site, device.did, ts="soon"),
        {**with_body, "body_md5": body_md5(b"[]")},
    ):
        with pytest.raises(WrongSignature):
            site.authentication.by_signature(wrong)
    with pytest.raises(InvalidAppId):
        site.authentication.by_signature({**query, "appid": "NOBODY"})
    await site.devices.change(device.did, DeviceChange(enabled=False))
    with pytest.raises(NotAuthorised):
        site.authentication.by_signature(query)


async def test_a_device_is_found_by_its_address_while_it_is_online_from_there(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink("10.0.0.8")
    assert site.authentication.by_address(SN, "", "10.0.0.8") is None
    assert not site.authentication.is_address_known("10.0.0.8")
    await site.connect(link, site.connect_param())
    found = site.authentication.by_address(SN, "", "10.0.0.8")
    assert found is not None
    assert found.did == device.did
    assert site.authentication.is_address_known("10.0.0.8")
    assert site.authentication.by_address(SN, "", "10.0.0.9") is None
    site.admission.leave(link, "gone")
    assert site.authentication.by_address(SN, "", "10.0.0.8") is None


async def test_an_unknown_did_without_a_token_is_421(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    other = await site.enrol("OTHER")
    await site.connect(FakeLink("10.0.0.8"), site.connect_param())
    with pytest.raises(DeviceNotRegistered, match="did: "):
        site.authentication.by_address(SN, "999", "10.0.0.8")
    assert site.authentication.by_address(SN, "999", "10.0.0.9") is None
    # Another device's did is refused later, where the body is read.
    assert site.authentication.by_address(SN, other.did, "10.0.0.8") is not None


async def test_an_authenticated_device_counts_as_seen(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    token = (await site.connect(FakeLink(), site.connect_param())).result.token
    clock.advance(10)
    site.authentication.by_token(token)
    assert site.devices.get(device.did).last_seen == clock.ms
