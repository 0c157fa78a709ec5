"""One process at a time uses a data directory; a second one is refused."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.process import data_directory
from hub.service_manager.linux.systemd import SystemdService

_NOBODY = 65534


def test_a_new_directory_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    data_directory.prepare(path)
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_directory_that_is_not_writable_is_named_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(StartFault, match="cannot write to the data directory"):
        data_directory.prepare(in_the_way / "data")


def test_a_network_file_system_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_directory.refuse_network(tmp_path)
    monkeypatch.setattr(data_directory, "network_type", lambda path: "nfs4")
    with pytest.raises(StartFault, match=r"on a network file system \(nfs4\).*move it"):
        data_directory.refuse_network(tmp_path)


def test_the_holder_of_a_directory_is_told_without_holding_it(tmp_path: Path) -> None:
    assert data_directory.holder_of(tmp_path) is None
    with data_directory.held(tmp_path, "command"):
        assert data_directory.holder_of(tmp_path) == data_directory.Holder("command", os.getpid())
    assert data_directory.holder_of(tmp_path) is None
    # A process that was killed leaves its number behind, which another may have by now.
    (tmp_path / data_directory.LOCK).write_text(f"hub {os.getpid()}".ljust(32))
    assert data_directory.holder_of(tmp_path) is None


def test_a_second_hub_is_refused_at_once_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    with data_directory.held_as_hub(tmp_path):
        with (
            pytest.raises(data_directory.DirectoryInUse) as error,
            data_directory.held_as_hub(tmp_path),
        ):
            pass
        assert f"a hub is already running on {tmp_path} (process {os.getpid()})" in str(error.value)


def test_a_command_learns_that_a_hub_holds_the_directory(tmp_path: Path) -> None:
    with data_directory.held_as_hub(tmp_path):
        with (
            pytest.raises(data_directory.DirectoryInUse) as error,
            data_directory.held(tmp_path, "command"),
        ):
            pass
        assert error.value.is_held_by_hub


def test_a_hub_waits_for_a_command_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    command = data_directory.held(tmp_path, "command")

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            command.__exit__(None, None, None)

    command.__enter__()
    monkeypatch.setattr("time.sleep", nap)
    with data_directory.held_as_hub(tmp_path):
        assert len(naps) == 3


def test_it_can_be_held_again_after_it_was_released(tmp_path: Path) -> None:
    for _ in range(2):
        with data_directory.held_as_hub(tmp_path):
            text = (tmp_path / "hub.lock").read_bytes()
            assert text.split()[:2] == [b"hub", str(os.getpid()).encode()]
        assert not (tmp_path / "hub.lock").read_bytes().strip()


def test_the_system_releases_it_when_a_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from hub.process import data_directory\n"
        "with data_directory.held_as_hub(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        with pytest.raises(data_directory.DirectoryInUse), data_directory.held_as_hub(tmp_path):
            pass
        process.kill()
        process.wait()
        with data_directory.held_as_hub(tmp_path):
            pass


def test_the_default_for_an_administrator_is_the_data_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rights = True
    service = SystemdService(tmp_path)
    monkeypatch.setattr(data_directory, "is_administrator", lambda: rights)
    monkeypatch.setattr(data_directory, "system_service", lambda: service)
    own = data_directory.default_path()
    assert tmp_path not in own.parents
    service.data.mkdir(parents=True)
    assert data_directory.default_path() == service.data
    assert data_directory.default_path("sitehub-demo") != service.data
    rights = False
    assert data_directory.default_path() == own


@pytest.fixture
def services_dir() -> Iterator[Path]:
    """The data directory of a service that is another user."""
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root can give a directory to another user")
    parent = Path(tempfile.mkdtemp())  # That user cannot enter tmp_path.
    parent.chmod(0o755)
    data_dir = parent / "data"
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, _NOBODY, _NOBODY)
    yield data_dir
    shutil.rmtree(parent)


def by_root(command: str, data_dir: Path) -> list[str]:
    """Run code in a process of its own, which cannot become root again."""
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from hub.process import data_directory, executable\n"
    )
    return [sys.executable, "-c", f"{program}path = Path(sys.argv[1])\n{command}", str(data_dir)]


def test_files_that_root_makes_for_a_service_belong_to_it(services_dir: Path) -> None:
    command = "data_directory.act_for_owner(path); data_directory.prepare(path)"
    subprocess.run(by_root(command, services_dir), check=True)
    assert [path.stat().st_uid for path in services_dir.iterdir()] == [_NOBODY]


def test_after_acting_for_the_service_the_process_is_root_again(services_dir: Path) -> None:
    command = """
before = os.geteuid(), os.getegid(), os.getgroups()
with data_directory.acting_for_owner(path):
    data_directory.prepare(path)
    assert os.geteuid() == path.stat().st_uid
assert (os.geteuid(), os.getegid(), os.getgroups()) == before
"""
    subprocess.run(by_root(command, services_dir), check=True)
    assert [path.stat().st_uid for path in services_dir.iterdir()] == [_NOBODY]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked to tell")
@pytest.mark.parametrize(
    "act",
    ["data_directory.act_for_owner(path)", "with data_directory.acting_for_owner(path): pass"],
)
def test_a_process_that_acts_for_the_service_still_ends_with_the_bootloader(
    services_dir: Path, act: str
) -> None:
    command = f"""
sys._MEIPASS = str(path.parent / f"_MEI{{os.getppid():08x}}ABCDEF")
os.mkdir(sys._MEIPASS)
executable.exit_with_parent(os.getppid())
{act}
print("begun", flush=True)
time.sleep(20)
print("left alone")
"""
    outer_program = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    words = [sys.executable, "-c", outer_program, *by_root(command, services_dir)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == b"begun\n"
        outer.kill()
        assert outer.stdout.read() == b""
