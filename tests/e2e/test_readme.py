"""The blocks of a shell in README.md: each runs here, or it is said where it does."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.browser import PASSWORD
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB
from tests.e2e.waiting import wait_until
from tests.support.ports import free_ports

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text("utf-8"), re.DOTALL)

#: A block by its beginning, and why it is not run below. The others are.
ELSEWHERE = {
    "python3 packaging/build.py": "takes minutes; .ci/run does it, and tests what it makes",
    "python3 -m venv .venv && .venv/bin/pip install -q -c packaging/constraints.txt -e '.[test]'": (
        "is the whole of the tests; .ci/run takes this line from the README"
    ),
    "py -m venv .venv; .venv\\Scripts\\pip install -q -c packaging\\constraints.txt -e '.[test]'": (
        "the same on Windows, where the workflow ci does it"
    ),
    "py -m venv .venv; .venv\\Scripts\\pip install -q -c packaging\\constraints.txt -e .;": (
        "the demo on Windows; its last command is that of Linux"
    ),
}
BACKUP, RESTORE, DEMO = "sudo sitehub backup", "sudo systemctl stop sitehub", "python3 -m venv"
RUN_HERE = (
    BACKUP,
    RESTORE,
    DEMO + " .venv && .venv/bin/pip install -q -c packaging/constraints.txt -e . ",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the blocks need a shell")


def block(beginning: str) -> str:
    [found] = [text for _, text in BLOCKS if text.startswith(beginning)]
    return str(found)


def test_each_block_is_run_here_or_elsewhere() -> None:
    for _, text in BLOCKS:
        assert len([one for one in (*ELSEWHERE, *RUN_HERE) if text.startswith(one)]) == 1, text
    assert len(BLOCKS) == len(ELSEWHERE) + len(RUN_HERE)


def make_program(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(("#!/bin/sh", *lines, "")), "utf-8")
    (folder / name).chmod(0o755)


def test_a_site_comes_back_from_its_backup_on_another_computer(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    stick = tmp_path / "usb"
    stick.mkdir()
    old, new = (make_hub(data_dir=tmp_path / name) for name in ("old", "new"))

    # What the blocks call. The service of this test is a process: the test does what the file asks.
    programs, wish = tmp_path / "bin", tmp_path / "wish"
    make_program(programs, "sudo", 'exec "$@"')
    make_program(programs, "sitehub", f'exec {shlex.join(SITEHUB)} "$@"')
    until_done = "while [ -e wish ]; do sleep 0.1; done"
    make_program(programs, "systemctl", f"cd {tmp_path}", 'echo "$*" > wish', until_done)

    def start(text: str, data: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-e", "-c", text.replace("/mnt/usb", str(stick))],
            env={"PATH": f"{programs}:/usr/bin:/bin", "SITEHUB_DATA": str(data)},
            cwd=README.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    old.start()
    old.cli("user", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    out, err = start(block(BACKUP), old.data_dir).communicate(timeout=60)
    assert "0 records" in out, err
    old.kill()
    new.start()
    process = start(block(RESTORE), new.data_dir)
    try:
        wait_until(lambda: wish.exists() and wish.read_text("utf-8") == "stop sitehub\n")
        assert new.stop() == 0
        wish.unlink()
        wait_until(lambda: wish.exists() and wish.read_text("utf-8") == "start sitehub\n")
        new.start()
        wish.unlink()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    finally:
        process.kill()
        process.communicate()
    assert "ada" in new.cli("user", "list")


def test_the_demo_runs_by_its_last_command(tmp_path: Path) -> None:
    # What comes before it installs from the network; .ci/run does so with the line of the tests.
    *_, command = block(RUN_HERE[-1]).strip().split(" && ")
    assert command == ".venv/bin/sitehub run --demo"
    web, devices = free_ports(2)
    ports = ["--set", f"web.port={web}", "--set", f"devices.port={devices}"]
    here = ["--set", "web.bind=127.0.0.1", "--set", "devices.bind=127.0.0.1"]
    words = [*SITEHUB, *command.split()[1:], "--data", str(tmp_path / "demo"), *ports, *here]
    with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            shown = next(line for line in process.stdout if "/setup/" in line)
            assert f":{web}/setup/" in shown
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
