"""D2: tokens, their grace period, and the replay window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.errors import NoSuchResource, TooManyRequests, WrongSignature
from hub.store.db import Store
from hub.store.tables import tokens
from hub.store.tables.devices import NewDevice
from hub.store.tables.tokens import AcceptedConnect, TokenRow
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="c"), NewDevice(sn="S2", code="c")])
        yield store


async def issue(
    store: Store,
    clock: FrozenClock,
    token: bytes,
    *,
    did: str = "1",
    accepted: AcceptedConnect | None = None,
    life: int = 3_600_000,
) -> None:
    await store.tokens.issue(
        did,
        token,
        expires_at=clock.ms + life,
        grace_until=clock.ms + 60_000,
        accepted=accepted,
    )


async def test_a_token_has_a_holder_until_it_expires(store: Store, clock: FrozenClock) -> None:
    await issue(store, clock, b"a")
    assert store.tokens.holder(b"a") == TokenRow("1", clock.ms + 3_600_000)
    assert store.tokens.holder(b"b") is None


async def test_an_earlier_token_expires_with_its_grace_or_before(
    store: Store, clock: FrozenClock
) -> None:
    await issue(store, clock, b"short", life=10_000)
    await issue(store, clock, b"long")
    await issue(store, clock, b"others", did="2")
    await issue(store, clock, b"new")
    ends = {name: store.tokens.holder(name) for name in (b"short", b"long", b"new", b"others")}
    assert ends[b"short"] == TokenRow("1", clock.ms + 10_000)
    assert ends[b"long"] == TokenRow("1", clock.ms + 60_000)
    assert ends[b"new"] == TokenRow("1", clock.ms + 3_600_000)
    assert ends[b"others"] == TokenRow("2", clock.ms + 3_600_000)


async def test_tokens_and_replays_survive_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="c")])
        await issue(store, clock, b"a", accepted=AcceptedConnect("S1", "100", clock.ms + 600_000))
        await issue(store, clock, b"b")
        before = store.tokens.holder(b"a"), store.tokens.holder(b"b")
    async with opened(data, clock) as store:
        assert (store.tokens.holder(b"a"), store.tokens.holder(b"b")) == before
        assert store.tokens.was_accepted("S1", "100")
        assert not store.tokens.was_accepted("S1", "101")
        assert not store.tokens.was_accepted("S2", "100")


async def test_the_token_itself_is_in_no_file(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="c")])
        await issue(store, clock, b"hash of it")
    assert b"hash of it" in (data / "hub.sqlite").read_bytes()


async def test_an_sn_and_ts_are_accepted_once_even_by_two_concurrent_connects(
    store: Store, clock: FrozenClock
) -> None:
    accepted = AcceptedConnect("S1", "100", clock.ms + 600_000)
    outcomes: list[str] = []

    async def connect(token: bytes) -> None:
        try:
            await issue(store, clock, token, accepted=accepted)
            outcomes.append("issued")
        except WrongSignature:
            outcomes.append("replayed")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect, b"a")
        nursery.start_soon(connect, b"b")
    assert sorted(outcomes) == ["issued", "replayed"]
    assert [store.tokens.holder(t) is None for t in (b"a", b"b")].count(True) == 1


async def test_a_removed_device_gets_no_token(store: Store, clock: FrozenClock) -> None:
    with pytest.raises(NoSuchResource):
        await issue(store, clock, b"a", did="9", accepted=AcceptedConnect("S9", "1", None))
    assert store.tokens.holder(b"a") is None
    assert not store.tokens.was_accepted("S9", "1")


async def test_drop_revokes_all_tokens_of_a_device(store: Store, clock: FrozenClock) -> None:
    await issue(store, clock, b"a")
    await issue(store, clock, b"b")
    await issue(store, clock, b"c", did="2")
    await store.tokens.drop("1")
    assert [store.tokens.holder(t) is None for t in (b"a", b"b", b"c")] == [True, True, False]
    await store.tokens.drop("1")


async def test_prune_removes_expired_tokens_and_connects(store: Store, clock: FrozenClock) -> None:
    await issue(
        store, clock, b"a", accepted=AcceptedConnect("S1", "1", clock.ms + 600_000), life=1000
    )
    await issue(store, clock, b"b", accepted=AcceptedConnect("S1", "2", None))
    clock.advance(601)
    await store.tokens.prune()
    assert store.tokens.holder(b"a") is None
    assert store.tokens.holder(b"b") is not None
    assert not store.tokens.was_accepted("S1", "1")
    assert store.tokens.was_accepted("S1", "2")
    rows = await store.read(lambda c: c.execute("SELECT ts_text FROM accepted").fetchall())
    assert rows == [("2",)]
    await store.tokens.prune()


async def test_a_connect_forgets_outdated_timestamps_of_its_sn(
    store: Store, clock: FrozenClock
) -> None:
    await issue(store, clock, b"a", accepted=AcceptedConnect("S1", "1", clock.ms + 600_000))
    clock.advance(601)
    await issue(store, clock, b"b", accepted=AcceptedConnect("S1", "2", clock.ms + 600_000))
    rows = await store.read(lambda c: c.execute("SELECT ts_text FROM accepted").fetchall())
    assert rows == [("2",)]


async def test_a_remembered_timestamp_is_read_once(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 10,000 are remembered: to read all of them at each connect would hold the loop up."""
    read: list[str] = []
    seconds = tokens._seconds

    def count(ts_text: str) -> float:
        read.append(ts_text)
        return seconds(ts_text)

    monkeypatch.setattr(tokens, "_seconds", count)
    for n in range(1, 9):
        await issue(store, clock, b"%d" % n, accepted=AcceptedConnect("S1", str(n), clock.ms + n))
        assert store.tokens.newest_accepted("S1", clock()) == n
    await store.tokens.prune()
    assert sorted(read) == [str(n) for n in range(1, 9)]


async def test_the_newest_connect_stays_though_it_is_outdated(
    store: Store, clock: FrozenClock
) -> None:
    now = int(clock())
    for n, ts in enumerate((now - 9, now - 5, now - 7, now + 10**6)):
        await issue(store, clock, b"%d" % n, accepted=AcceptedConnect("S1", str(ts), clock.ms + 1))
    clock.advance(1)
    await store.tokens.prune()
    assert store.tokens.was_accepted("S1", str(now - 5))
    assert not store.tokens.was_accepted("S1", str(now - 7))
    assert not store.tokens.was_accepted("S1", str(now + 10**6))
    assert store.tokens.newest_accepted("S1", clock()) == now - 5
    # Until the device connects again.
    await issue(store, clock, b"x", accepted=AcceptedConnect("S1", str(now), clock.ms + 1))
    assert not store.tokens.was_accepted("S1", str(now - 5))


async def test_the_last_connects_of_a_device_with_an_untrusted_clock_are_kept(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MAX_ACCEPTED", 3)
    for n in range(5):
        await issue(store, clock, b"%d" % n, accepted=AcceptedConnect("S1", str(n), None))
    clock.advance(10**7)
    await store.tokens.prune()
    assert [store.tokens.was_accepted("S1", str(n)) for n in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]


async def test_connects_are_refused_when_too_many_are_remembered(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MAX_ACCEPTED", 3)
    for n in range(3):
        await issue(
            store, clock, b"%d" % n, accepted=AcceptedConnect("S1", str(n), clock.ms + 1000)
        )
    with pytest.raises(TooManyRequests):
        await issue(store, clock, b"x", accepted=AcceptedConnect("S1", "x", clock.ms + 1000))
    await issue(store, clock, b"y", did="2", accepted=AcceptedConnect("S2", "x", clock.ms + 1000))
    clock.advance(2)
    await issue(store, clock, b"x", accepted=AcceptedConnect("S1", "x", clock.ms + 1000))


async def test_the_number_of_tokens_of_a_device_is_limited(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MAX_TOKENS", 3)
    for n in range(6):
        await issue(store, clock, b"%d" % n)
    assert [store.tokens.holder(b"%d" % n) is not None for n in range(6)] == [False] * 3 + [
        True
    ] * 3
    rows = await store.read(lambda c: c.execute("SELECT count(*) FROM token").fetchone())
    assert rows == (3,)


async def test_a_thousand_connects_at_once_share_a_few_commits(
    store: Store, clock: FrozenClock
) -> None:
    devices = await store.devices.add([NewDevice(sn=f"T{n}", code="c") for n in range(1000)])
    async with trio.open_nursery() as nursery:
        for device in devices:
            nursery.start_soon(
                lambda d: issue(
                    store,
                    clock,
                    d.sn.encode(),
                    did=d.did,
                    accepted=AcceptedConnect(d.sn, "1", clock.ms),
                ),
                device,
            )
    assert all(store.tokens.holder(device.sn.encode()) for device in devices)
