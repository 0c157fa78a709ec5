"""The doctor inside the hub: checks in threads, each kind once at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from hub.services.doctor import health_checks
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import CheckName, Finding, failed, ok
from hub.services.doctor.health_checks import HealthChecks, RunningCheck
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.waiting import until

Progress = Callable[[CheckName, float | None], None]


@pytest.fixture
def checks(tmp_path: Path, clock: FrozenClock) -> HealthChecks:
    site: Any = SimpleNamespace(zone_name=lambda: "UTC")
    backups: Any = SimpleNamespace(last_failure=None)
    return HealthChecks(core_of(None, clock, data_dir=tmp_path, site=site), backups)


async def test_quick_findings_are_kept_for_a_moment(
    checks: HealthChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[CheckContext] = []

    def run(context: CheckContext) -> list[Finding]:
        runs.append(context)
        return [ok("sqlite", "sqlite-ok", version=str(len(runs)))]

    monkeypatch.setattr(health_checks, "run_quick", run)
    first = await checks.quick()
    assert await checks.quick() == first
    assert len(runs) == 1
    assert await checks.quick(fresh=True) != first


async def test_everything_is_checked_in_the_background_once_at_a_time(
    checks: HealthChecks, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def run(context: CheckContext, progress: Progress) -> Iterator[Finding]:
        progress("pictures", 0.5)
        go.wait(10)
        yield failed("records", "records-bad", bad="1", count="2", named="7")

    monkeypatch.setattr(health_checks, "run_slow", run)
    async with trio.open_nursery() as nursery:
        await nursery.start(checks.run)
        assert checks.start()
        assert not checks.start()
        await until(lambda: checks.running == RunningCheck("pictures", 0.5))
        assert checks.last_full is None
        go.set()
        await until(lambda: checks.running is None)
        assert checks.last_full is not None
        assert checks.last_full.ended_at == clock.ms
        assert [one.code for one in checks.last_full.findings] == ["records-bad"]
        assert checks.start()
        nursery.cancel_scope.cancel()


async def test_the_end_of_the_hub_ends_the_checks(
    checks: HealthChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def run(context: CheckContext, progress: Progress) -> Iterator[Finding]:
        try:
            while True:
                progress("pictures", None)
                threading.Event().wait(0.001)
        finally:
            ended.set()
        yield ok("records", "records-ok", count="1")

    monkeypatch.setattr(health_checks, "run_slow", run)
    async with trio.open_nursery() as nursery:
        await nursery.start(checks.run)
        checks.start()
        await until(lambda: checks.running == RunningCheck("pictures", None))
        nursery.cancel_scope.cancel()
    assert await trio.to_thread.run_sync(ended.wait, 10)
