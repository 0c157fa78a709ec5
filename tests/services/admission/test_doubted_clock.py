"""Connects and signed queries while the hub's clock is doubted: cameras come in, replays do not."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import WrongSignature
from hub.wire.signing import sign_params
from tests.support.clock import FrozenClock
from tests.support.gate import SN, FakeLink, Gate, gate, refusal

YEAR = 365 * 86_400


async def connect(site: Gate, ts: float, sn: str = SN) -> Any:
    param = site.connect_param(sn, ts=int(ts))
    await site.connect(FakeLink(), param)
    return param


async def a_year_behind(site: Gate, clock: FrozenClock) -> tuple[float, Any]:
    """Return the right time, and a connect from the time that the clock shows now."""
    await site.enrol()
    old = await connect(site, clock())
    clock.advance(YEAR)
    await connect(site, clock())
    await site.authentication.tokens.prune()
    right = clock()
    clock.advance(-YEAR)
    site.likely = right
    return right, old


async def test_a_year_old_connect_is_no_good_under_a_clock_that_is_a_year_behind(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    right, old = await a_year_behind(site, clock)
    assert not site.store.tokens.was_accepted(SN, old.ts_text)
    assert (await refusal(site, FakeLink(), old)).code == 423
    # Nor is another one that was captured then.
    unused = site.connect_param(ts=int(clock()) + 7)
    assert (await refusal(site, FakeLink(), unused)).code == 423
    # A camera whose clock is right comes in, however its clock differs a little.
    await connect(site, right + 30)
    await connect(site, right + 60)
    clock.advance(600)
    site.likely = right + 600
    await connect(site, right + 310)
    # What it sent is known when the clock is right again.
    site.likely = None
    clock.seconds = right + 600
    assert (await refusal(site, FakeLink(), site.connect_param(ts=int(right) + 310))).code == 423


async def test_a_camera_that_never_connected_comes_in_by_the_clock_that_is_shown(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await a_year_behind(site, clock)
    await site.enrol("NEW-SN")
    await connect(site, clock(), "NEW-SN")


async def test_a_camera_whose_clock_was_far_ahead_once_is_not_shut_out(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    await connect(site, clock())
    clock.advance(YEAR)
    site.likely = clock() - YEAR
    await connect(site, clock())  # it took the time from the hub
    clock.advance(-YEAR)
    site.likely = clock() + 60
    await connect(site, clock() + 60)
    site.likely = None
    await connect(site, clock() + 70)


async def test_the_newest_connect_is_known_however_old_it_is_and_no_other_is(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    for _ in range(5):
        last = await connect(site, clock())
        clock.advance(5)
    clock.advance(YEAR)
    await site.authentication.tokens.prune()
    assert site.store.rows("SELECT ts_text FROM accepted") == [(last.ts_text,)]
    # While the clock is not doubted, only the clock counts.
    await connect(site, clock())
    await connect(site, clock() - 100)


async def test_nothing_is_forgotten_while_the_clock_is_doubted(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    for _ in range(3):
        await connect(site, clock())
        clock.advance(5)
    site.forget_before = lambda: 0
    clock.advance(YEAR)
    await site.authentication.tokens.prune()
    assert len(site.store.rows("SELECT ts_text FROM accepted")) == 3


async def test_a_signed_query_from_before_the_newest_connect_is_refused(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    right, _ = await a_year_behind(site, clock)
    device = site.store.devices.by_sn(SN)

    def query(ts: float) -> dict[str, str]:
        params = {"appid": device.appid, "ts": str(int(ts))}
        return params | {"sign": sign_params(params, site.store.devices.secrets(device.did).secret)}

    assert site.authentication.by_signature(query(right - 100)).did == device.did
    with pytest.raises(WrongSignature, match="older"):
        site.authentication.by_signature(query(clock()))
    with pytest.raises(WrongSignature, match="too far"):
        site.authentication.by_signature(query(right + 301))
