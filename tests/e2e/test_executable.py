"""What only an executable does: two processes, what it unpacks, another file in its place."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import MakeHub
from tests.e2e.hubprocess import PATIENCE_SECONDS, SITEHUB, HubProcess

pytestmark = [
    pytest.mark.skipif("SITEHUB" not in os.environ, reason="$SITEHUB names no executable"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the executable unpacks to: for root, where others could come, as `tmp_path` is not."""
    with tempfile.TemporaryDirectory(prefix="sitehub-unpacked-") as name:
        os.chmod(name, 0o755)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


def inner_of(hub: HubProcess) -> int:
    outer = hub.process.pid
    [inner] = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    return int(inner)


def ports_of(hub: HubProcess) -> list[int]:
    """Those that somebody listens at."""
    open_ports = []
    for port in (hub.web_port, hub.device_port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                open_ports.append(port)
    return open_ports


def test_after_kill_9_of_the_outer_process_nobody_holds_ports_and_data(
    make_hub: MakeHub, unpacked: Path
) -> None:
    hub = make_hub().start()
    inner = os.pidfd_open(inner_of(hub))
    hub.kill()
    # Readable once that process is gone: nobody has to ask again and again.
    ended, _, _ = select.select([inner], [], [], PATIENCE_SECONDS)
    os.close(inner)
    assert ended
    assert ports_of(hub) == []
    hub.start()
    assert hub.stop() == 0


def test_what_a_killed_run_left_is_gone_after_the_next_start(
    make_hub: MakeHub, unpacked: Path
) -> None:
    hub = make_hub().start()
    hub.kill()
    [left] = unpacked.iterdir()
    os.utime(left, (0, 0))
    hub.start()
    assert len(list(unpacked.iterdir())) == 1
    assert not left.exists()
    assert hub.stop() == 0
    assert list(unpacked.iterdir()) == []


def test_a_second_start_takes_nothing_away_from_the_hub_that_runs(
    make_hub: MakeHub, unpacked: Path, tmp_path: Path
) -> None:
    first = make_hub().start()
    [its] = unpacked.iterdir()
    os.utime(its, (0, 0))
    second = make_hub(data_dir=tmp_path / "second").start()
    assert second.stop() == 0
    assert list(unpacked.iterdir()) == [its]
    assert httpx.get(first.setup_link, verify=False).status_code == 200


def test_one_ctrl_c_is_one_though_both_processes_hear_it(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    for pid in (inner_of(hub), hub.process.pid):
        os.kill(pid, signal.SIGINT)
    assert hub.process.wait(PATIENCE_SECONDS) == 0
    assert "at once" not in hub.err


def test_another_file_in_its_place_does_not_disturb_the_hub_that_runs(
    make_hub: MakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "sitehub"
    shutil.copy2(SITEHUB[0], mine)
    monkeypatch.setattr("tests.e2e.hubprocess.SITEHUB", [str(mine)])
    hub = make_hub().start()
    (tmp_path / "new").write_bytes(os.urandom(1000))
    (tmp_path / "new").replace(mine)
    # The page of the first run is the first that asks for the names of time zones.
    assert httpx.get(hub.setup_link, verify=False).status_code == 200
    assert hub.stop() == 0


@pytest.mark.skipif(shutil.which("readelf") is None, reason="there is no readelf here")
def test_it_needs_no_library_but_that_of_c() -> None:
    told = subprocess.run(["readelf", "-d", *SITEHUB], capture_output=True, text=True, check=True)
    needed = set(re.findall(r"NEEDED.*\[(.+?)\.so", told.stdout))
    assert needed <= {"libc", "libdl", "libm", "libpthread"}


def test_without_arguments_and_terminal_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it cannot, it says what to do in both languages."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    with socket.create_server(("0.0.0.0", 0)) as taken:
        monkeypatch.setenv("SITEHUB_WEB_PORT", str(taken.getsockname()[1]))
        done = subprocess.run(SITEHUB, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is already in use" in done.stderr
    assert "sitehub did not start" in done.stderr
    assert "sitehub 没有启动" in done.stderr
