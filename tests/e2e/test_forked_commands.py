"""What is forked does what is started: most tests run only forked commands and hubs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import hub_process
from tests.e2e.conftest import MakeHub
from tests.e2e.forked_commands import ForkedProcess, can_fork, run_forked

pytestmark = pytest.mark.skipif(not can_fork(), reason="no process is forked here")

#: What differs in the lines that two hubs print: the secret of a link, and ports.
_CHANGES = re.compile(r"/setup/\S+|\d+")


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
    for name in ("data", "other"):
        (tmp_path / name / "media").mkdir(parents=True)
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


@pytest.mark.skipif("SITEHUB" in os.environ, reason="the executable is never forked")
def test_a_forked_hub_writes_and_ends_as_one_that_is_started(
    make_hub: MakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for forks in (False, True):
        monkeypatch.setattr(hub_process, "_CAN_FORK", forks)
        hub = make_hub(data_dir=tmp_path / str(forks)).start()
        assert isinstance(hub.process, ForkedProcess) == forks
        assert hub.process.poll() is None
        assert hub.stop() == 0
        assert hub.err.splitlines()[-1].endswith("the hub has stopped  [hub.app]")
        written.append(_CHANGES.sub("", hub.out.replace(str(hub.data_dir), "")))
        hub.start()
        hub.kill()
        assert hub.process.poll() == -signal.SIGKILL
    assert "Dashboard" in written[0]
    assert written[0] == written[1]
