"""What a heartbeat, a command, a capture and a connect cost the loop, counted and not timed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="another loop, with other system calls")
def test_no_operation_costs_more_calls_than_before() -> None:
    bench = [sys.executable, "-m", "tests.bench.costs"]
    done = subprocess.run(bench, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
