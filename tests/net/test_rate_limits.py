from __future__ import annotations

import pytest

from hub.net.rate_limits import Backoff, TokenBucket, TokenBuckets
from tests.support.clock import FrozenClock


def test_a_bucket_allows_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=4, burst=8)
    assert [bucket.take(100) for _ in range(10)] == [0] * 8 + [0.25, 0.5]


def test_a_bucket_fills_up_to_its_burst_and_no_further() -> None:
    bucket = TokenBucket(rate=4, burst=8)
    bucket.take(100, 8)
    assert bucket.take(101, 4) == 0
    assert bucket.take(101) == 0.25
    assert bucket.take(1000, 8) == 0
    assert bucket.take(1000) == 0.25


def test_a_refused_request_takes_no_tokens() -> None:
    bucket = TokenBucket(rate=10, burst=1)
    assert [bucket.take(100, max_wait=0.25) for _ in range(3)] == [0, 0.1, 0.2]
    for _ in range(5):
        assert bucket.take(100, max_wait=0.25) == pytest.approx(0.3)
    assert bucket.take(100.1, max_wait=0.25) == pytest.approx(0.2)


def test_a_request_may_take_more_tokens_than_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=5)
    assert bucket.take(100, 25) == 2
    assert bucket.take(102) == pytest.approx(0.1)


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = TokenBuckets(rate=5, burst=5)
    for _ in range(5):
        assert buckets.take("12", 100) == buckets.take("13", 100) == 0
    assert buckets.take("12", 100) == 0.2
    assert buckets.take("14", 100) == 0


def test_the_oldest_bucket_makes_room() -> None:
    buckets = TokenBuckets(rate=1, burst=1, size=3)
    for key in "abcd":
        buckets.take(key, 100)
    assert len(buckets) == 3
    assert buckets.take("d", 100) == 1
    assert buckets.take("a", 100) == 0


def make_backoff(clock: FrozenClock, *, size: int = 4096) -> Backoff:
    return Backoff(clock, free=5, window=60, size=size)


def fail(backoff: Backoff, clock: FrozenClock, count: int, pause: float = 0) -> list[float]:
    """The delays of `count` failures, each after the delay before it and a pause."""
    delays = []
    for _ in range(count):
        delays.append(backoff.failed("key"))
        clock.advance(delays[-1] + pause)
    return delays


def test_the_sixth_failure_within_a_minute_is_the_first_that_delays(clock: FrozenClock) -> None:
    delays = fail(make_backoff(clock), clock, 12)
    assert delays == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_failures_that_are_far_apart_never_delay(clock: FrozenClock) -> None:
    assert set(fail(make_backoff(clock), clock, 50, pause=13)) == {0}


def test_a_minute_without_a_failure_starts_afresh(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    fail(backoff, clock, 8)
    clock.advance(61)
    assert fail(backoff, clock, 6) == [0, 0, 0, 0, 0, 1]


def test_the_longest_delay_does_not_start_afresh_by_itself(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    fail(backoff, clock, 12)
    clock.advance(59)
    assert backoff.failed("key") == 30


def test_concurrent_failures_delay_longer_and_longer(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    assert [backoff.failed("key") for _ in range(8)] == [0, 0, 0, 0, 0, 1, 2, 4]


def test_the_delay_runs_down_from_the_last_failure(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    for _ in range(8):
        backoff.failed("key")
    assert backoff.wait_seconds("key") == 4
    clock.advance(3)
    assert backoff.wait_seconds("key") == 1
    clock.advance(2)
    assert backoff.wait_seconds("key") == 0


def test_without_free_failures_the_first_one_delays(clock: FrozenClock) -> None:
    backoff = Backoff(clock, free=0, window=60)
    assert backoff.failed("key") == 1


def test_keys_do_not_delay_each_other(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    fail(backoff, clock, 10)
    assert backoff.failed("other") == 0
    assert backoff.wait_seconds("another") == 0


def test_the_key_that_failed_longest_ago_makes_room(clock: FrozenClock) -> None:
    backoff = Backoff(clock, free=0, window=60, size=3)
    for key in "abacd":
        backoff.failed(key)
    assert len(backoff) == 3
    assert backoff.wait_seconds("b") == 0
    assert backoff.wait_seconds("a") == 2


def test_a_clock_that_is_set_back_starts_afresh(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    fail(backoff, clock, 10)
    clock.advance(-3600)
    assert backoff.wait_seconds("key") == 0
    assert backoff.failed("key") == 0


def test_a_failure_can_be_undone(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    for _ in range(7):
        backoff.failed("key")
    backoff.undo("key")
    assert backoff.wait_seconds("key") == 1
    backoff.undo("key")
    assert backoff.wait_seconds("key") == 0
    assert backoff.failed("key") == 1
    for _ in range(6):
        backoff.undo("key")
    assert len(backoff) == 0
    backoff.undo("key")


def test_a_key_can_be_forgotten(clock: FrozenClock) -> None:
    backoff = make_backoff(clock)
    fail(backoff, clock, 10)
    backoff.forget("key")
    assert len(backoff) == 0
    assert backoff.failed("key") == 0
