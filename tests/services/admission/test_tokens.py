"""Tokens (1.2) and heartbeats (1.3)."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from hub.errors import DeviceNotRegistered, NotAuthorised, WrongSignature
from hub.store.tables.devices import DeviceChange
from hub.wire.session import KeepaliveParam
from tests.support.clock import FrozenClock
from tests.support.gate import SN, FakeLink, gate

NOBODY = KeepaliveParam()


async def test_an_earlier_token_stays_valid_for_a_minute(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    link = FakeLink()
    first = (await site.connect(link, site.connect_param())).result.token
    second = (await site.admission.renew(first, NOBODY, link)).token
    third = (await site.connect(link, site.connect_param())).result.token
    clock.advance(59)
    for token in (first, second, third):
        site.authentication.by_token(token)
    clock.advance(2)
    for token in (first, second):
        with pytest.raises(NotAuthorised, match="expired"):
            site.authentication.by_token(token)
    site.authentication.by_token(third)


async def test_an_earlier_token_does_not_outlive_its_lifetime(clock: FrozenClock) -> None:
    site = gate(clock, token_ttl=30)
    await site.enrol()
    link = FakeLink()
    first = (await site.connect(link, site.connect_param())).result.token
    clock.advance(20)
    await site.admission.renew(first, NOBODY, link)
    clock.advance(11)
    with pytest.raises(NotAuthorised, match="expired"):
        site.authentication.by_token(first)


async def test_a_renewal_issues_a_token_with_its_full_lifetime(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    clock.advance(100)
    renewed = await site.admission.renew(token, NOBODY, link)
    assert renewed.token != token
    assert renewed.expire == 3600
    assert site.admission.heartbeat(renewed.token, NOBODY, link).expire == 3600


async def test_a_heartbeat_returns_the_seconds_left_of_its_token(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    first = (await site.connect(link, site.connect_param())).result.token
    clock.advance(100.5)
    own = KeepaliveParam(did=device.did, sn=SN)
    assert site.admission.heartbeat(first, own, link).expire == 3499
    second = (await site.admission.renew(first, own, link)).token
    assert site.admission.heartbeat(first, own, link).expire == 60
    assert site.admission.heartbeat(second, own, link).expire == 3600


async def test_heartbeats_write_nothing(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    written = site.store.writes
    clock.advance(30)
    with trio.testing.assert_no_checkpoints():
        site.admission.heartbeat(token, KeepaliveParam(ip="10.9.9.9"), link)
    assert site.store.writes == written
    view = site.devices.get(device.did)
    assert (view.last_seen, view.ip) == (clock.ms, "10.9.9.9")


@pytest.mark.parametrize("foreign", [KeepaliveParam(did="999"), KeepaliveParam(sn="OTHER")])
async def test_a_foreign_did_or_sn_in_a_heartbeat_is_421_and_changes_nothing(
    clock: FrozenClock, foreign: KeepaliveParam
) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    before = site.devices.get(device.did)
    clock.advance(30)
    with pytest.raises(DeviceNotRegistered):
        site.admission.heartbeat(token, replace(foreign, ip="10.9.9.9"), link)
    with pytest.raises(DeviceNotRegistered):
        await site.admission.renew(token, foreign, link)
    assert site.devices.get(device.did) == before
    assert site.admission.heartbeat(token, NOBODY, link).expire == 3570


async def test_a_missing_unknown_or_expired_token_is_401(clock: FrozenClock) -> None:
    site = gate(clock, token_ttl=100)
    await site.enrol()
    await site.enrol("OTHER-SN")
    link, other = FakeLink(), FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    foreign = (await site.connect(other, site.connect_param("OTHER-SN"))).result.token
    for wrong in (None, "", "nonsense", "x" * 1000, "\udcff", foreign):
        with pytest.raises(NotAuthorised):
            site.admission.heartbeat(wrong, NOBODY, link)
    clock.advance(100)
    with pytest.raises(NotAuthorised):
        site.admission.heartbeat(token, NOBODY, link)


async def test_the_token_of_a_disabled_or_removed_device_is_401(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    token = (await site.connect(FakeLink(), site.connect_param())).result.token
    await site.devices.change(device.did, DeviceChange(enabled=False))
    with pytest.raises(NotAuthorised):
        site.authentication.by_token(token)
    await site.devices.change(device.did, DeviceChange(enabled=True))
    await site.devices.remove(device.did)
    with pytest.raises(NotAuthorised):
        site.authentication.by_token(token)


async def test_a_clock_set_back_by_a_year_makes_no_token_valid_for_a_year(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    token = (await site.connect(FakeLink(), site.connect_param())).result.token
    clock.advance(-600)  # A correction costs nobody a token.
    site.authentication.by_token(token)
    clock.advance(-365 * 86_400)
    with pytest.raises(NotAuthorised, match="expired"):
        site.authentication.by_token(token)
    clock.advance(365 * 86_400 + 600)
    site.authentication.by_token(token)


async def test_a_clock_a_year_ahead_forgets_no_connect_while_it_is_doubted(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    site.forget_before = lambda: 0
    await site.enrol()
    param = site.connect_param()
    await site.connect(FakeLink(), param)
    clock.advance(365 * 86_400)
    await site.connect(FakeLink(), site.connect_param(ts=int(clock.seconds)))
    clock.advance(-365 * 86_400)
    with pytest.raises(WrongSignature):
        await site.connect(FakeLink(), param)
