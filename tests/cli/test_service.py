"""`sitehub service`, with fakes of the system's programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hub.service_manager import system
from hub.service_manager.linux.systemd import SystemdService
from hub.store.sqlite.migrate import bring_up_to_date, migrations
from tests.cli.conftest import Sitehub

if sys.platform == "win32":
    pytest.skip("these are the words for Linux", allow_module_level=True)

_PROGRAM = """\
#!/bin/sh
echo "$*" >> {root}/asked
case "$1" in
    is-active) echo active ;;
    is-enabled) echo enabled ;;
    passwd) exit 2 ;;
esac
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system below a directory, with a downloaded executable and root's rights."""
    root = tmp_path / "root"
    (root / "run/systemd/system").mkdir(parents=True)
    programs = root / "bin"
    programs.mkdir()
    for name in ("systemctl", "getent", "useradd"):
        (programs / name).write_text(_PROGRAM.format(root=root))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    executable = root / "sitehub"
    executable.write_text("the executable")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(executable))
    monkeypatch.setattr(system, "system_service", lambda: SystemdService(root))
    monkeypatch.setattr(system, "is_administrator", lambda: True)
    return root


def test_install_status_and_uninstall(sitehub: Sitehub, root: Path) -> None:
    assert sitehub("service", "status") == (4, "The service is not installed.\n", "")
    installed = sitehub("service", "install")
    assert installed.status == 0
    assert installed.out.startswith("The service runs, and starts with the system.\n")
    found = sitehub("service", "status")
    assert found.status == 0
    assert found.out.splitlines()[:2] == [
        "The service is running.",
        "It starts with the system.",
    ]
    assert f"{root}/var/lib/sitehub" in found.out
    (root / "var/lib/sitehub").mkdir(parents=True)
    gone = sitehub("service", "uninstall")
    assert gone.out == (
        f"The service is no longer installed.\nIts data is still in {root}/var/lib/sitehub.\n"
    )
    assert sitehub("service", "uninstall").status == 0
    assert "disable --now sitehub.service" in (root / "asked").read_text()


def test_a_service_that_is_not_running_is_status_3(sitehub: Sitehub, root: Path) -> None:
    sitehub("service", "install")
    (root / "bin/systemctl").write_text("#!/bin/sh\necho inactive\nexit 3\n")
    assert sitehub("service", "status") == (
        3,
        "The service is stopped.\nIt does not start with the system.\n"
        f"  Program  {root}/usr/local/bin/sitehub\n  Data     {root}/var/lib/sitehub\n",
        "",
    )


def test_a_version_older_than_the_data_is_not_installed(sitehub: Sitehub, root: Path) -> None:
    sitehub("service", "install")
    (root / "sitehub").write_text("an older executable")
    data = root / "var/lib/sitehub"
    data.mkdir(parents=True)
    newer = max(migrations()) + 1
    bring_up_to_date(data / "hub.sqlite", {newer: "CREATE TABLE a (x);"})
    (root / "asked").unlink()
    refused = sitehub("service", "install")
    assert refused.status == 1
    assert refused.err == (
        f"sitehub: {data}/hub.sqlite was written by a newer sitehub "
        f"(schema {newer}, this one knows {newer - 1}): install the newer version\n"
    )
    assert (root / "usr/local/bin/sitehub").read_text() == "the executable"
    assert not (root / "asked").exists()


@pytest.mark.parametrize("verb", ["install", "uninstall", "start", "stop"])
def test_without_rights_nothing_is_done_and_a_command_is_suggested(
    sitehub: Sitehub, root: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(system, "is_administrator", lambda: False)
    outcome = sitehub("service", verb)
    assert outcome.status == 1
    assert outcome.err == (
        f"sitehub: this needs administrator rights. Run: sudo {root}/sitehub service {verb}\n"
    )
    assert not (root / "asked").exists()


def test_every_user_can_see_the_status(
    sitehub: Sitehub, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "is_administrator", lambda: False)
    assert sitehub("service", "status").status == 4


def test_a_python_environment_cannot_be_installed(
    sitehub: Sitehub, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", False)
    outcome = sitehub("service", "install")
    assert outcome.status == 1
    assert "python packaging/build.py" in outcome.err
    assert not (root / "asked").exists()


def test_the_data_directory_of_the_service_cannot_be_changed(sitehub: Sitehub, root: Path) -> None:
    elsewhere = sitehub("service", "status", "--data", "/srv/data")
    assert elsewhere.status == 2
    assert "mount a larger disk there" in elsewhere.err
    assert sitehub("service", "status", "--data", f"{root}/var/lib/sitehub").status == 4
