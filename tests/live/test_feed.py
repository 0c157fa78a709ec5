from __future__ import annotations

import pytest
import trio
import trio.testing

from hub.live.feed import (
    KINDS,
    MAX_AT_ONCE,
    MAX_HELD_BYTES,
    Change,
    ChangeFeed,
    Feed,
    keys_of,
    of_kinds,
)


async def test_published_items_reach_every_subscription_in_order() -> None:
    feed: Feed[int] = Feed()
    with feed.subscribe() as one, feed.subscribe() as other:
        feed.publish([1, 2])
        feed.publish([3])
        assert await one.next() == [1, 2, 3]
        assert await other.next() == [1, 2, 3]


def test_a_feed_counts_published_items() -> None:
    feed: Feed[int] = Feed()
    feed.publish([1, 2])
    feed.publish([3])
    assert feed.published == 3


async def test_a_waiting_reader_gets_new_items(nursery: trio.Nursery) -> None:
    feed: Feed[int] = Feed()
    taken: list[list[int]] = []
    with feed.subscribe() as subscription:

        async def read() -> None:
            taken.append(await subscription.next())
            taken.append(await subscription.next())

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        feed.publish([1])
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [[1]]
        feed.publish([2])
        await trio.testing.wait_all_tasks_blocked()
    assert taken == [[1], [2]]


async def test_a_slow_reader_is_lagged_and_queues_nothing_until_it_catches_up() -> None:
    feed: Feed[int] = Feed()
    with feed.subscribe(size=2) as slow, feed.subscribe(size=9) as quick:
        feed.publish([1, 2])
        feed.publish([3])
        feed.publish([4])
        assert slow.lagged
        assert await slow.next() == []
        slow.catch_up()
        feed.publish([5])
        assert not slow.lagged
        assert await slow.next() == [5]
        assert await quick.next() == [1, 2, 3, 4, 5]


async def test_a_reader_that_holds_too_many_bytes_is_lagged_too() -> None:
    feed: Feed[bytes] = Feed(len)
    heavy = bytes(MAX_HELD_BYTES // 2)
    with feed.subscribe() as subscription:
        feed.publish([heavy, heavy])
        assert await subscription.next() == [heavy, heavy]
        feed.publish([heavy])
        feed.publish([heavy, b"x"])
        assert subscription.lagged
        assert await subscription.next() == []


def test_an_item_is_weighed_once_for_all_readers() -> None:
    weighed: list[int] = []

    def weigh(item: int) -> int:
        weighed.append(item)
        return item

    feed = Feed(weigh)
    with feed.subscribe(), feed.subscribe(), feed.subscribe():
        feed.publish([1, 2])
    assert weighed == [1, 2]


async def test_a_lagged_reader_that_waits_is_woken(nursery: trio.Nursery) -> None:
    feed: Feed[int] = Feed()
    woken = trio.Event()
    with feed.subscribe(size=1) as subscription:

        async def read() -> None:
            assert await subscription.next() == []
            woken.set()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        feed.publish([1, 2])
        with trio.fail_after(30):
            await woken.wait()
        assert subscription.lagged


async def test_publishing_has_no_checkpoint() -> None:
    feed: Feed[int] = Feed()
    with feed.subscribe(size=1), trio.testing.assert_no_checkpoints():
        for number in range(100):
            feed.publish([number])
    assert feed.published == 100


def test_a_closed_subscription_gets_nothing() -> None:
    feed: Feed[int] = Feed()
    with pytest.raises(RuntimeError, match="reader gone"), feed.subscribe() as subscription:
        raise RuntimeError("reader gone")
    feed.publish([1])
    assert subscription._items == []


async def test_many_changes_of_a_kind_are_told_as_one_of_all() -> None:
    feed = ChangeFeed()
    many = [Change("device", str(did)) for did in range(MAX_AT_ONCE + 1)]
    with feed.subscribe() as subscription:
        feed.publish([Change("site"), *many, Change("sync", "1")])
        assert await subscription.next() == [Change("site"), Change("device"), Change("sync", "1")]
        feed.publish(many[:-1])
        assert await subscription.next() == many[:-1]


async def test_many_changes_of_a_kind_one_by_one_fill_nobodys_queue() -> None:
    feed = ChangeFeed()
    with feed.subscribe() as subscription:
        feed.publish([Change("site")])
        for did in range(5_000):
            feed.publish([Change("sync", str(did))])
        assert not subscription.lagged
        changes = await subscription.next()
    assert changes == [Change("site"), Change("sync")]


async def test_a_change_that_is_told_again_and_again_waits_once() -> None:
    feed = ChangeFeed()
    with feed.subscribe(size=2) as subscription:
        for _ in range(100):
            feed.publish([Change("health")])
        assert await subscription.next() == [Change("health")]


async def test_who_falls_behind_is_told_that_everything_has_changed() -> None:
    feed = ChangeFeed()
    with feed.subscribe(size=2) as subscription:
        for key in "ab":
            feed.publish([Change("health"), Change("site"), Change("hold", key)])
        assert await subscription.next() == [Change(kind) for kind in KINDS]
        feed.publish([Change("device", "1")])
        assert await subscription.next() == [Change("device", "1")]


def test_without_a_key_all_of_a_kind_have_changed() -> None:
    changes = [Change("device", "1"), Change("sync"), Change("sync", "2"), Change("device", "3")]
    assert keys_of("device", changes) == {"1", "3"}
    assert keys_of("sync", changes) is None
    assert keys_of("person", changes) == set()


async def test_a_subscription_is_told_only_of_the_kinds_that_it_wants(
    nursery: trio.Nursery,
) -> None:
    feed = ChangeFeed()
    taken: list[Change] = []
    with feed.subscribe(wants=of_kinds("settings", "site")) as subscription:

        async def read() -> None:
            while True:
                taken.extend(await subscription.next())

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        feed.publish([Change("device", "1")])
        feed.publish([Change("settings"), Change("device", "2")])
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [Change("settings")]
        feed.restart()
        await trio.testing.wait_all_tasks_blocked()
        assert set(taken) == {Change("settings"), Change("site")}
        nursery.cancel_scope.cancel()
