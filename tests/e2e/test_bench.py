"""The figures of the hub are measured, and what is measured answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_load_on_the_hub_is_answered_without_an_error() -> None:
    bench = [sys.executable, "-m", "tests.bench", "--seconds", "1", "--only", "plain"]
    figures = ["captures", "commands", "latency", "cameras"]
    done = subprocess.run([*bench, *figures], capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("\n{")[0]
    assert len(re.findall(r" 0 (?:errors|failed)", table)) == 5, table
