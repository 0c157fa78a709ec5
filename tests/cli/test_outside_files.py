"""What root's commands do in a data directory whose owner may have put links into it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.store.disk import DIRECTORY_MODE
from tests.cli.conftest import Sitehub

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows no process changes its account"
)

_SERVICE = 54321
_FILE_EVENTS = (
    *("open", "sqlite3.connect", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link"),
    *("os.symlink", "os.chmod", "os.chown", "os.truncate", "os.utime", "os.listdir", "os.scandir"),
)

# -- a root that only the test sees


class Root:
    """Makes this process take itself for root, and notes what root does below a folder."""

    def __init__(self, folder: Path) -> None:
        self._below = f"{folder}{os.sep}"
        self.uid = 0
        self.done: list[str] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.uid == 0 and event in _FILE_EVENTS:
            paths = [os.fsdecode(one) for one in arguments if isinstance(one, str | bytes | Path)]
            self.done += [f"{event} {path}" for path in paths if path.startswith(self._below)]


_watching: list[Root] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for root in _watching:
        root.note(event, arguments)


@pytest.fixture(scope="module", autouse=True)
def _audited() -> None:
    """A hook cannot be removed, so there is one, which does nothing unless a test watches."""
    sys.addaudithook(_hook)


@pytest.fixture
def root(sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    """This process seems to be root, and the hub's account to own the data directory."""
    assert sitehub("user", "list").status == 0
    if os.geteuid() == 0:
        os.chown(data_dir, _SERVICE, _SERVICE)
    root = Root(data_dir)

    def become(uid: int) -> None:
        root.uid = uid

    for name in ("setuid", "seteuid"):
        monkeypatch.setattr(os, name, become)
    for name in ("setgid", "setegid", "setgroups"):
        monkeypatch.setattr(os, name, lambda ids: None)
    monkeypatch.setattr(os, "geteuid", lambda: root.uid)
    _watching.append(root)
    yield root
    _watching.remove(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with what a person names in commands."""
    (tmp_path / "people.csv").write_text("name\nAda\n,\n", encoding="utf-8")
    (tmp_path / "app.bin").write_bytes(b"an app")
    return tmp_path


COMMANDS = [
    ("status",),
    ("audit",),
    ("logs",),
    ("doctor",),
    ("doctor", "--rebuild"),
    ("doctor", "--set-aside"),
    ("device", "export", "{}/devices.csv"),
    ("person", "import", "{}/people.csv", "--dry-run"),
    ("person", "import", "{}/people.csv", "--refused", "{}/refused.csv"),
    ("person", "export", "{}/people.zip"),
    ("hold", "add", "--name", "a theft", "--seq", "1"),
    (
        *("firmware", "add", "--ver-code", "7", "--ver-name", "v2"),
        *("--app", "{}/app.bin", "--model", "{}/app.bin"),
    ),
    ("backup", "{}/site.backup"),
    ("backup", "{}/data/site.backup"),
    ("update", "{}/app.bin"),
    ("update", "--undo"),
    ("update", "--status"),
    ("retention",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_root_does_nothing_in_the_data_directory_with_its_own_rights(
    root: Root, sitehub: Sitehub, outside: Path, words: tuple[str, ...]
) -> None:
    sitehub(*(word.format(outside) for word in words))
    assert root.done == []


def test_root_restores_a_backup_with_the_rights_of_the_owner(
    root: Root, sitehub: Sitehub, outside: Path
) -> None:
    file = str(outside / "site.backup")
    assert sitehub("backup", file).status == 0
    root.uid = 0
    assert sitehub("restore", file, "--force").status == 0
    assert root.done == []


def test_the_test_would_notice(root: Root, data_dir: Path) -> None:
    (data_dir / "made by root").mkdir()
    assert root.done == [f"os.mkdir {data_dir / 'made by root'}"]


# -- root itself, with real links

_STAGE = """
import sys
from pathlib import Path
from hub.cli.outside_files import new_file_outside, open_source, staged
from hub.errors import HubError
data, source, path = map(Path, sys.argv[2:5])
try:
    if sys.argv[1] == "stage":
        with open_source(data, source) as opened, staged(data, opened, path, 1000):
            pass
    else:
        with new_file_outside(data, path) as file:
            file.write(b"what the hub says")
except (HubError, OSError) as error:
    print(error)
"""


@pytest.fixture
def service_data() -> Iterator[Path]:
    """The data directory of a service, beside a folder of root."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        data.mkdir(mode=DIRECTORY_MODE)
        (Path(folder) / "cron.hourly").mkdir()
        (Path(folder) / "people.csv").write_text("name\nAda\n")
        (Path(folder) / "people.csv").chmod(0o600)
        yield data


def _own(path: Path) -> None:
    os.lchown(path, _SERVICE, _SERVICE)


def _state_of(folder: Path) -> list[tuple[str, int, int]]:
    found = [folder, *folder.rglob("*")]
    return [(str(one), one.lstat().st_uid, one.lstat().st_mode) for one in found]


def _by_root(data: Path, act: str, path: Path) -> str:
    words = [sys.executable, "-c", _STAGE, act, str(data), str(data.parent / "people.csv"), path]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("link", ["imports", "imports/staged", "imports/staged/name", "hub.lock"])
def test_root_follows_no_link_of_the_hubs_account(service_data: Path, link: str) -> None:
    crons = service_data.parent / "cron.hourly"
    (crons / "staged").mkdir()
    for folder in Path(link).parents[:-1][::-1]:
        (service_data / folder).mkdir(mode=DIRECTORY_MODE)
        _own(service_data / folder)
    (service_data / link).symlink_to(crons / "new" if link.endswith(("name", "lock")) else crons)
    _own(service_data / link)
    _own(service_data)
    before = _state_of(crons)
    told = _by_root(service_data, "stage", service_data / "imports" / "staged" / "name")
    assert _state_of(crons) == before
    assert told.startswith("cannot ")


def test_root_stages_a_file_that_only_root_can_read(service_data: Path) -> None:
    _own(service_data)
    path = service_data / "imports" / "staged" / "name"
    assert _by_root(service_data, "stage", path) == ""
    assert [one.stat().st_uid for one in (path.parent, path.parent.parent)] == [_SERVICE] * 2
    assert not path.exists()


@pytest.mark.parametrize(
    "named", [lambda data: data / "backups", lambda data: data.parent / "shortcut"]
)
def test_root_writes_into_a_folder_of_the_hubs_account_as_that_account(
    service_data: Path, named: Callable[[Path], Path]
) -> None:
    """Whoever owns the folder on the way decides where it leads."""
    crons = service_data.parent / "cron.hourly"
    (service_data.parent / "shortcut").symlink_to(service_data / "backups")
    (service_data / "backups").symlink_to(crons)
    _own(service_data / "backups")
    _own(service_data)
    assert "denied" in _by_root(service_data, "write", named(service_data) / "job").lower()
    assert list(crons.iterdir()) == []


def test_root_writes_elsewhere_as_root(service_data: Path) -> None:
    _own(service_data)
    path = service_data.parent / "cron.hourly" / "site.backup"
    assert _by_root(service_data, "write", path) == ""
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o600)
