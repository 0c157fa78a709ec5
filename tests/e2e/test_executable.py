"""The one-file executable: its two processes, its unpacked folder, replacing its file."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess

pytestmark = [
    pytest.mark.skipif("SITEHUB" not in os.environ, reason="$SITEHUB names no executable"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the executable unpacks below."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def hub_pid_of(hub: HubProcess) -> int:
    outer = hub.process.pid
    [hub_process] = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    return int(hub_process)


def ports_of(hub: HubProcess) -> list[int]:
    """The hub's ports that accept connections."""
    open_ports = []
    for port in (hub.web_port, hub.device_port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                open_ports.append(port)
    return open_ports


def test_kill_9_of_the_bootloader_releases_ports_and_data(
    make_hub: MakeHub, unpacked: Path
) -> None:
    hub = make_hub().start()
    hub_process = os.pidfd_open(hub_pid_of(hub))
    hub.kill()
    # Readable once that process has ended.
    ended, _, _ = select.select([hub_process], [], [], TIMEOUT_SECONDS)
    os.close(hub_process)
    assert ended
    assert ports_of(hub) == []
    hub.start()
    assert hub.stop() == 0


def test_the_next_start_removes_the_folder_of_a_killed_run(
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


def test_a_second_start_leaves_the_folder_of_a_running_hub(
    make_hub: MakeHub, unpacked: Path, tmp_path: Path
) -> None:
    first = make_hub().start()
    [folder] = unpacked.iterdir()
    os.utime(folder, (0, 0))
    second = make_hub(data_dir=tmp_path / "second").start()
    assert second.stop() == 0
    assert list(unpacked.iterdir()) == [folder]
    assert httpx.get(first.setup_link, verify=False).status_code == 200


def test_ctrl_c_counts_once_although_both_processes_receive_it(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    for pid in (hub_pid_of(hub), hub.process.pid):
        os.kill(pid, signal.SIGINT)
    assert hub.process.wait(TIMEOUT_SECONDS) == 0
    assert "at once" not in hub.err


def test_replacing_the_executable_does_not_disturb_a_running_hub(
    make_hub: MakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "sitehub"
    shutil.copy2(SITEHUB[0], mine)
    monkeypatch.setattr("tests.e2e.hub_process.SITEHUB", [str(mine)])
    hub = make_hub().start()
    (tmp_path / "new").write_bytes(os.urandom(1000))
    (tmp_path / "new").replace(mine)
    # The setup page is the first to import the list of time zones from the file.
    assert httpx.get(hub.setup_link, verify=False).status_code == 200
    assert hub.stop() == 0


@pytest.mark.skipif(shutil.which("readelf") is None, reason="there is no readelf here")
def test_it_needs_only_the_c_library_and_zlib() -> None:
    printed = subprocess.run(
        ["readelf", "-d", *SITEHUB], capture_output=True, text=True, check=True
    )
    needed = set(re.findall(r"NEEDED.*\[(.+?)\.so", printed.stdout))
    assert needed <= {"libc", "libdl", "libm", "libpthread", "libz"}


def test_a_double_click_that_cannot_start_says_what_to_do_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    with socket.create_server(("0.0.0.0", 0)) as taken:
        monkeypatch.setenv("SITEHUB_WEB_PORT", str(taken.getsockname()[1]))
        done = subprocess.run(SITEHUB, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is already in use" in done.stderr
    assert "sitehub did not start" in done.stderr
    assert "sitehub 没有启动" in done.stderr
