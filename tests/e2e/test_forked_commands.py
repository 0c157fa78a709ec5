"""A command that is forked does what one does that is started: most tests run only those."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.forked_commands import can_fork, run_forked


@pytest.mark.skipif(not can_fork(), reason="no process is forked here")
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("user", "add", "李雷", "--role", "guard", "--password-stdin"), 0),
        (("user", "list"), 0),
        (("device", "remove", "7"), 1),
        (("device", "no-such-command"), 2),
    ],
)
def test_a_forked_command_ends_and_writes_as_one_that_is_started(
    tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    stdin = "一个很长很长的句子\n"
    started = subprocess.run(
        [sys.executable, "-m", "hub", *words, "--data", str(tmp_path / "data")],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
    )
    forked = run_forked((*words, "--data", str(tmp_path / "other")), os.environ, stdin, 60)
    assert started.returncode == status
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )
