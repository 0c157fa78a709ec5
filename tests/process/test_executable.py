"""The inner of an executable's two processes, with directories and processes of the test's own."""

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


def unpacked(parent: Path, pid: int, mark: str = "sitehub-1.0.dist-info") -> Path:
    """A directory as the outer process makes it."""
    folder = parent / f"_MEI{pid:08x}ABCDEF"
    (folder / mark).mkdir(parents=True)
    (folder / "libpython.so").write_bytes(b"\x7fELF")
    return folder


def test_a_program_that_is_not_frozen_has_no_outer_process() -> None:
    assert executable.unpacked_to() is None
    executable.settle()
    executable.keep_house()


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    mine, left = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert list(tmp_path.iterdir()) == [mine]
    assert not left.exists()


def test_what_a_run_left_that_was_killed_while_it_unpacked_is_removed(tmp_path: Path) -> None:
    ours = tmp_path / "sitehub" / "unpacked"
    mine, left = unpacked(ours, 1), ours / "_MEI00000002ABCDEF"
    left.mkdir()
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert list(ours.iterdir()) == [mine]


def test_what_others_remove_at_the_same_time_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, left = unpacked(tmp_path, 1), [unpacked(tmp_path, pid) for pid in (2, 3, 4)]

    def remove_all(folder: Path) -> None:
        for each in left:
            shutil.rmtree(each)

    monkeypatch.setattr(executable, "_remove_unless_held", remove_all)
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert list(tmp_path.iterdir()) == [mine]


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    mine, running = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    handle = os.open(running, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert (running / "libpython.so").exists()
    os.close(handle)
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert not running.exists()


def test_what_is_just_being_unpacked_stays(tmp_path: Path) -> None:
    mine, young = unpacked(tmp_path, 1), unpacked(tmp_path, 2)
    executable.remove_left_overs(mine, time.time())
    assert young.exists()


def test_what_others_unpacked_stays(tmp_path: Path) -> None:
    mine, other = unpacked(tmp_path, 1), unpacked(tmp_path, 2, mark="other-1.0.dist-info")
    linked = tmp_path / "elsewhere" / "sitehub-1.0.dist-info"
    linked.mkdir(parents=True)
    (tmp_path / "_MEI00000003ABCDEF").symlink_to(linked.parent)
    executable.remove_left_overs(mine, time.time() + _DAY)
    assert other.exists()
    assert linked.exists()


def test_a_hub_holds_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, next_one = unpacked(tmp_path, os.getppid()), unpacked(tmp_path, 2)
    monkeypatch.setattr(sys, "_MEIPASS", str(mine), raising=False)
    assert executable.unpacked_to() == mine
    executable.hold(mine)
    executable.remove_left_overs(next_one, time.time() + _DAY)
    assert mine.exists()


def test_what_is_touched_is_new_to_whoever_cleans_up(tmp_path: Path) -> None:
    mine = unpacked(tmp_path, 1)
    for path in (mine, *mine.rglob("*")):
        os.utime(path, (0, 0))
    executable.touch(mine)
    assert all(path.stat().st_mtime > _DAY for path in (mine, *mine.rglob("*")))


def test_what_root_alone_could_read_is_read_on_by_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable.let_others_read()
    mine = unpacked(tmp_path, 1)
    mine.chmod(0o700)
    started = tmp_path / "sitehub"
    started.write_bytes(b"\x7fELF and all modules")
    archive = SimpleNamespace(_filename=str(started))
    monkeypatch.setitem(sys.modules, "pyimod02_importers", SimpleNamespace(pyz_archive=archive))
    monkeypatch.setattr(sys, "_MEIPASS", str(mine), raising=False)
    monkeypatch.setattr(executable, "_STARTED_FILE", str(started))
    started.chmod(0o755)
    executable.let_others_read()
    assert archive._filename == str(started)
    started.chmod(0o700)
    executable.let_others_read()
    assert Path(archive._filename).parent == mine
    assert Path(archive._filename).read_bytes() == started.read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (mine, *mine.rglob("*"))} == {0o755}


def test_programs_that_we_start_find_their_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/sitehub", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importer = SimpleNamespace(pyz_archive=SimpleNamespace(_filename="/opt/sitehub/sitehub"))
    monkeypatch.setitem(sys.modules, "pyimod02_importers", importer)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/sitehub")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/oracle")
    executable.settle()
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/oracle"
    executable.settle()
    assert "LD_LIBRARY_PATH" not in os.environ


_INNER = """
import os, time
from hub.process import executable
executable.end_with({outer})
print("begun", flush=True)
time.sleep(20)
print("left alone")
"""
_OUTER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked to tell")
def test_the_inner_process_ends_with_the_outer_one() -> None:
    inner = _INNER.format(outer="os.getppid()")
    command = [sys.executable, "-c", _OUTER, inner]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == b"begun\n"
        outer.kill()
        assert outer.stdout.read() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked to tell")
def test_an_outer_process_that_ended_before_is_noticed_too() -> None:
    done = subprocess.run([sys.executable, "-c", _INNER.format(outer=1)], capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
