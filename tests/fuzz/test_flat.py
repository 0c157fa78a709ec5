"""What counts as flat: memory may rise at first, but not go on rising in a run of hours."""

from __future__ import annotations

import pytest

from tests.bench.soak.trend import is_flat, trend_of

FILES = trend_of([(float(second), 90.0) for second in range(4_320)])


@pytest.mark.parametrize(
    ("minutes", "kib_a_minute", "expected"),
    [
        (1, 1_024, True),
        (14, 1_024, True),
        (14, 2_048, False),
        # The 72 minutes after the warm-up of a run of two hours.
        (72, 50, True),
        (72, 256, False),
    ],
)
def test_memory_is_flat_by_what_it_gains_after_the_warm_up(
    minutes: int, kib_a_minute: int, expected: bool
) -> None:
    memory = trend_of(
        [(float(at), 120 * 1024 + at * kib_a_minute / 60) for at in range(minutes * 60 + 1)]
    )
    assert is_flat(memory, FILES) is expected
