"""What the hub does about the bootloader and its unpacked folder, on folders of the test's own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.process import executable

fcntl = pytest.importorskip("fcntl", reason="processes and locks of POSIX")

_DAY = 86_400.0


def unpacked(parent: Path, pid: int, metadata: str = "sitehub-1.0.dist-info") -> Path:
    """Make a folder as the bootloader does."""
    folder = parent / f"_MEI{pid:08x}ABCDEF"
    (folder / metadata).mkdir(parents=True)
    (folder / "libpython.so").write_bytes(b"\x7fELF")
    return folder


def test_a_program_that_is_not_frozen_has_no_unpacked_folder() -> None:
    assert executable.unpacked_folder() is None
    executable.prepare_process()
    executable.maintain_unpacked_folder()


def test_the_folder_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    own, left = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    executable.remove_left_overs(own, time.time() + _DAY)
    assert list(tmp_path.iterdir()) == [own]
    assert not left.exists()


def test_in_the_services_directory_a_half_unpacked_folder_is_removed_too(tmp_path: Path) -> None:
    ours = tmp_path / "sitehub" / "unpacked"
    own, left = unpacked(ours, 1), ours / "_MEI00000002ABCDEF"
    left.mkdir()
    executable.remove_left_overs(own, time.time() + _DAY)
    assert list(ours.iterdir()) == [own]


def test_folders_that_vanish_meanwhile_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, left = unpacked(tmp_path, 1), [unpacked(tmp_path, pid) for pid in (2, 3, 4)]

    def remove_all(folder: Path) -> None:
        for each in left:
            shutil.rmtree(each)

    monkeypatch.setattr(executable, "_remove_unless_locked", remove_all)
    executable.remove_left_overs(own, time.time() + _DAY)
    assert list(tmp_path.iterdir()) == [own]


def test_a_locked_folder_stays(tmp_path: Path) -> None:
    own, running = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    handle = os.open(running, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    executable.remove_left_overs(own, time.time() + _DAY)
    assert (running / "libpython.so").exists()
    os.close(handle)
    executable.remove_left_overs(own, time.time() + _DAY)
    assert not running.exists()


def test_a_folder_that_may_still_be_being_unpacked_stays(tmp_path: Path) -> None:
    own, young = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    executable.remove_left_overs(own, time.time())
    assert young.exists()


def test_folders_of_other_programs_and_links_stay(tmp_path: Path) -> None:
    own, other = unpacked(tmp_path, 1), unpacked(tmp_path, 2, metadata="other-1.0.dist-info")
    linked = tmp_path / "elsewhere" / "sitehub-1.0.dist-info"
    linked.mkdir(parents=True)
    (tmp_path / "_MEI00000003ABCDEF").symlink_to(linked.parent)
    executable.remove_left_overs(own, time.time() + _DAY)
    assert other.exists()
    assert linked.exists()


def test_a_hub_locks_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, next_one = unpacked(tmp_path, os.getppid()), unpacked(tmp_path, 2)
    monkeypatch.setattr(sys, "_MEIPASS", str(own), raising=False)
    assert executable.unpacked_folder() == own
    executable.lock(own)
    executable.remove_left_overs(next_one, time.time() + _DAY)
    assert own.exists()


def test_touching_renews_the_times_of_everything_in_the_folder(tmp_path: Path) -> None:
    own = unpacked(tmp_path, 1)
    for path in (own, *own.rglob("*")):
        os.utime(path, (0, 0))
    executable.touch(own)
    assert all(path.stat().st_mtime > _DAY for path in (own, *own.rglob("*")))


def test_another_user_can_read_what_only_root_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable.make_readable_for_other_users()
    own = unpacked(tmp_path, 1)
    own.chmod(0o700)
    started = tmp_path / "sitehub"
    started.write_bytes(b"\x7fELF and all modules")
    archive = SimpleNamespace(_filename=str(started))
    monkeypatch.setitem(sys.modules, "pyimod02_importers", SimpleNamespace(pyz_archive=archive))
    monkeypatch.setattr(sys, "_MEIPASS", str(own), raising=False)
    monkeypatch.setattr(executable, "_RUNNING_EXECUTABLE", str(started))
    started.chmod(0o755)
    executable.make_readable_for_other_users()
    assert archive._filename == str(started)
    started.chmod(0o700)
    executable.make_readable_for_other_users()
    assert Path(archive._filename).parent == own
    assert Path(archive._filename).read_bytes() == started.read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (own, *own.rglob("*"))} == {0o755}


def test_programs_that_we_start_load_their_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/sitehub", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importer = SimpleNamespace(pyz_archive=SimpleNamespace(_filename="/opt/sitehub/sitehub"))
    monkeypatch.setitem(sys.modules, "pyimod02_importers", importer)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/sitehub")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/oracle")
    executable.prepare_process()
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/oracle"
    executable.prepare_process()
    assert "LD_LIBRARY_PATH" not in os.environ


_INNER = """
import os, time
from hub.process import executable
executable.exit_with_parent({outer})
print("begun", flush=True)
time.sleep(20)
print("left alone")
"""
_OUTER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(sys.platform != "linux", reason="it needs prctl")
def test_the_hub_ends_with_the_bootloader() -> None:
    inner = _INNER.format(outer="os.getppid()")
    command = [sys.executable, "-c", _OUTER, inner]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == b"begun\n"
        outer.kill()
        assert outer.stdout.read() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="it needs prctl")
def test_the_hub_exits_if_the_bootloader_has_ended_already() -> None:
    done = subprocess.run([sys.executable, "-c", _INNER.format(outer=1)], capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
