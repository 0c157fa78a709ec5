"""What root's commands do in a data directory whose owner may have put links into it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest

from hub.cli import sitehub as all_commands
from hub.store.disk import DIRECTORY_MODE
from tests.cli.conftest import Sitehub

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows no process changes its account"
)

_SERVICE = 54321
_Leaf = tuple[tuple[str, ...], click.Command]
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
    for name in ("own.csv", "own.pem", "own.zip"):
        (data_dir / name).write_text("SECRET of the hub")
    if os.geteuid() == 0:
        for path in (data_dir, *data_dir.glob("own.*")):
            os.chown(path, _SERVICE, _SERVICE)
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
    (tmp_path / "keys.csv").write_text("sn,code,key\nA,1,data/own.pem\n", encoding="utf-8")
    return tmp_path


_CAMERA = ("SN-1", "--code", "a code")
#: Each command that names files, with each of these: beside the data directory or in it, where the
#: hub's account decides where a path leads. And those that look into the data directory themselves.
COMMANDS = [
    ("status",),
    ("audit",),
    ("logs",),
    ("selftest",),
    ("erase", "--number", "1", "--confirm", "1"),
    ("doctor",),
    *[("doctor", f"--{way}") for way in ("rebuild", "set-aside", "bring-back", "accept-lost")],
    ("device", "export", "{}/devices.csv"),
    ("device", "import", "{}/data/own.csv"),
    ("device", "import", "{}/keys.csv"),
    *[("device", do, *_CAMERA, "--key", "{}/data/own.pem") for do in ("accept", "add", "check")],
    ("device", "replace", "1", *_CAMERA, "--key", "{}/data/own.pem"),
    ("device", "set", "1", "--key", "{}/data/own.pem"),
    ("person", "add", "--name", "Ada", "--photo", "{}/data/own.pem"),
    ("person", "set", "1", "--photo", "{}/data/own.pem"),
    ("person", "import", "{}/people.csv", "--dry-run"),
    ("person", "import", "{}/people.csv", "--refused", "{}/refused.csv"),
    ("person", "import", "{}/data/own.csv", "--photos", "{}/data/own.zip"),
    ("person", "export", "{}/people.zip"),
    ("plate-list", "add", "stolen", "--csv", "{}/data/own.csv"),
    ("plate-list", "set", "stolen", "--csv", "{}/data/own.csv"),
    ("hold", "add", "--name", "a theft", "--seq", "1"),
    ("hold", "export", "1", "{}/data/hold.zip"),
    (
        *("firmware", "add", "--ver-code", "7", "--ver-name", "v2"),
        *("--app", "{}/app.bin", "--model", "{}/app.bin"),
    ),
    *[
        ("firmware", "add", "--ver-code", "7", "--ver-name", "v2", f"--{one}", "{}/data/own.zip")
        for one in ("firmware", "app", "model", "license", "description-file")
    ],
    ("site-key", "{}/data/own.pem"),
    ("target", "add", "--file", "{}/data/own.pem"),
    *[
        (*words, "--url", "mqtts://broker", f"--{one}", "{}/data/own.pem")
        for words in (("target", "add", "mqtt"), ("target", "set", "1"))
        for one in ("ca", "cert", "key")
    ],
    ("backup", "{}/site.backup"),
    ("backup", "{}/data/site.backup"),
    ("restore", "{}/data/own.zip"),
    ("update", "{}/app.bin"),
    ("update", "{}/data/own.zip"),
    ("update", "--undo"),
    ("update", "--status"),
    ("retention", "confirm", "1"),
]
#: Groups whose other commands name no file, and give the words to the hub by `execute()`, which
#: becomes the owner first.
_WORDS_ONLY = (
    *("alarm", "apikey", "device", "firmware", "group", "hold", "person", "plate-list", "reload"),
    *("retention", "target", "user"),
)
_NOT_WALKED = {
    "central": "works on a folder of the centre, no data directory of a hub",
    "run": "becomes the owner before it reads anything",
    "service": "works on what root owns; see tests/service_manager",
    "simulate": "knows no data directory",
    "version": "opens nothing",
}


def _leaves(group: click.Group, way: tuple[str, ...] = ()) -> Iterator[_Leaf]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _leaves(command, (*way, name))
        else:
            yield (*way, name), command


def _files_of(command: click.Command) -> list[str]:
    """Return the parameters that name files: their options, "" for an argument."""
    files = [one for one in command.params if isinstance(one.type, click.Path)]
    return [
        one.opts[0] if isinstance(one, click.Option) else ""
        for one in files
        if "--data" not in one.opts
    ]


def _is_walked(way: tuple[str, ...], file: str) -> bool:
    """Whether one of COMMANDS gives the file, as an option or an argument."""
    found = [words for words in COMMANDS if words[: len(way)] == way]
    if file:
        return any(file in words for words in found)
    return any(
        "{}" in word and not before.startswith("--")
        for words in found
        for before, word in pairwise(words)
    )


def test_every_command_is_walked_with_every_file_that_it_can_name() -> None:
    for way, command in _leaves(all_commands):
        files = _files_of(command)
        if way[0] in _NOT_WALKED:
            continue
        missing = [file for file in files if not _is_walked(way, file)]
        assert not missing, f"{' '.join(way)} {missing}: add it to COMMANDS"
        is_known = way[0] in _WORDS_ONLY or any(words[: len(way)] == way for words in COMMANDS)
        assert is_known, f"{' '.join(way)}: add it to COMMANDS"


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
