"""What docs/many-sites.md is sized from runs, and counts what it says."""

from __future__ import annotations

import re

import pytest

from tests.bench import central

pytestmark = pytest.mark.long


def test_the_measurement_of_the_centre_runs(capfd: pytest.CaptureFixture[str]) -> None:
    central.main(hubs=3, records=20, batch=5, seconds=1, rate=5)
    told = capfd.readouterr().out
    for name in ("many hubs", "backlog"):
        assert re.search(
            rf"^{name}: [0-9,]+ records/s; the centre: \d+ µs of CPU", told, re.MULTILINE
        )
    assert re.search(r"^bytes per record: \d{3,} in NATS, \d{3,} in PostgreSQL", told, re.MULTILINE)
    assert "delay: 5 records at 5/s: median " in told
