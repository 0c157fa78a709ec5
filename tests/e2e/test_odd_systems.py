"""Odd surroundings: each is one sentence and the right exit status, and never a traceback."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
import trio

from tests.e2e.conftest import MakeHub
from tests.e2e.faulty_disk import FLUSH, WRITE, FaultyDisk
from tests.e2e.hub_process import HubProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and links of POSIX")


def run_hub(hub: HubProcess, *, open_files: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a hub that cannot start, with at most so many open files."""
    before = "" if open_files is None else f"ulimit -n {open_files}; "
    return subprocess.run(
        ["/bin/sh", "-c", f'{before}exec "$@"', "sh", *hub.command()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_sentence(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 1
    *_, last = ended.stderr.splitlines()
    assert last.startswith("sitehub: ")
    assert all(word in last for word in words), last
    assert "Traceback" not in ended.stderr
    assert "please report" not in ended.stderr


def test_few_open_files_do_not_let_it_start(make_hub: MakeHub) -> None:
    hub = make_hub()
    for limit in (24, 32):
        ended = run_hub(hub, open_files=limit)
        assert_one_sentence(ended, f"may have {limit} open files", "ulimit -n")


@pytest.mark.parametrize("name", ["control.json", "hub.key", "hub.sqlite", "hub.lock"])
def test_a_folder_in_the_place_of_a_file_is_named(name: str, make_hub: MakeHub) -> None:
    hub = make_hub()
    (hub.data_dir / name).mkdir(parents=True)
    assert_one_sentence(run_hub(hub), name.replace("hub.lock", "data directory"))


async def test_a_signal_on_a_disk_that_became_read_only_ends_it_quietly(
    make_hub: MakeHub, faulty_disk: FaultyDisk
) -> None:
    hub = make_hub(environment=faulty_disk.environment).start()
    hub.cli("user", "list")
    faulty_disk.fail(WRITE | FLUSH, str(hub.data_dir), errno.EROFS)
    status = await trio.to_thread.run_sync(hub.stop)
    assert "Traceback" not in hub.err
    assert "CRITICAL" not in hub.err
    assert status == 0
