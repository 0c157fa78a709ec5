"""The systemd service: its files, and the calls of systemctl."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from hub.errors import StartFault
from hub.process.bounded_end import END_SECONDS
from hub.service_manager.linux.systemd import SystemdService
from hub.service_manager.linux.unit import unit_text
from hub.service_manager.programs import ProgramResult
from hub.service_manager.status import ServiceStatus

if sys.platform == "win32":
    pytest.skip("systemd is there on Linux alone", allow_module_level=True)

_ACCOUNT = "getent passwd sitehub"


class System:
    """A system below a directory, with the results that its programs return."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[str] = []
        self.results: dict[str, ProgramResult] = {_ACCOUNT: ProgramResult(2, "")}
        self.service = SystemdService(root, self.run, now=lambda: 1_700_000_000.25)
        self.download = root / "home/anna/Downloads/sitehub"
        self.put(self.download, "version 1")

    def run(self, words: Sequence[str]) -> ProgramResult:
        command = " ".join(words)
        self.commands.append(command)
        return self.results.get(command, ProgramResult(0, ""))

    def boot(self) -> None:
        (self.root / "run/systemd/system").mkdir(parents=True)

    def add_package(self) -> None:
        self.put(self.root / "usr/lib/systemd/system/sitehub.service", "packaged")
        self.put(self.root / "usr/lib/sitehub/sitehub", "packaged")
        (self.root / "usr/bin").mkdir()
        (self.root / "usr/bin/sitehub").symlink_to("../lib/sitehub/sitehub")

    def take_commands(self) -> list[str]:
        commands, self.commands = self.commands, []
        return commands

    @staticmethod
    def put(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @property
    def unit(self) -> Path:
        return self.root / "etc/systemd/system/sitehub.service"

    @property
    def program(self) -> Path:
        return self.root / "usr/local/bin/sitehub"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    made = System(tmp_path)
    made.put(tmp_path / "bin/systemctl", "")
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return made


def test_install_makes_user_executable_and_unit_and_starts_the_service(
    system: System,
) -> None:
    system.boot()
    system.service.install(system.download)
    assert system.program.read_text() == "version 1"
    assert stat.S_IMODE(system.program.stat().st_mode) == 0o755
    assert system.unit.read_text() == unit_text(PurePosixPath("/usr/local/bin/sitehub"))
    assert stat.S_IMODE(system.unit.stat().st_mode) == 0o644
    assert system.commands == [
        _ACCOUNT,
        "useradd --system --user-group --home-dir /var/lib/sitehub --no-create-home "
        "--shell /usr/sbin/nologin sitehub",
        "systemctl --quiet daemon-reload",
        "systemctl --quiet enable sitehub.service",
        "systemctl restart sitehub.service",
    ]


def test_a_second_install_changes_nothing(system: System) -> None:
    system.boot()
    system.service.install(system.download)
    account = "sitehub:x:998:998::/var/lib/sitehub:/usr/sbin/nologin\n"
    system.results[_ACCOUNT] = ProgramResult(0, account)
    system.take_commands()
    before = system.program.stat()
    system.service.install(system.download)
    # Comparing reads the file, and so changes its access time.
    after = system.program.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [words for words in system.take_commands() if "start" in words] == [
        "systemctl start sitehub.service"
    ]


def test_a_newer_version_replaces_the_older_and_is_started(system: System) -> None:
    system.boot()
    system.service.install(system.download)
    system.take_commands()
    system.put(system.download, "version 2")
    with system.program.open() as running:
        system.service.install(system.download)
        assert running.read() == "version 1"
    assert system.program.read_text() == "version 2"
    assert system.take_commands()[-1] == "systemctl restart sitehub.service"
    assert [path.name for path in system.program.parent.iterdir()] == ["sitehub"]


def test_the_installed_executable_can_install_itself_again(system: System) -> None:
    system.service.install(system.download)
    system.download.unlink()
    system.service.install(system.program)
    assert system.program.read_text() == "version 1"


def test_without_a_running_systemd_the_service_starts_with_the_next_boot(system: System) -> None:
    system.service.install(system.download)
    assert system.commands[-1] == "systemctl --quiet enable sitehub.service"
    with pytest.raises(StartFault, match="systemd is not running"):
        system.service.start()


def test_without_systemd_nothing_is_changed(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StartFault, match="no systemd"):
        system.service.install(system.download)
    assert not system.unit.exists()
    assert not system.program.exists()


def test_a_read_only_disk_is_named_and_nothing_is_changed(system: System) -> None:
    system.put(system.program.parent, "not a directory")
    with pytest.raises(StartFault, match=r"the service was not installed: .*usr/local/bin"):
        system.service.install(system.download)
    assert not system.unit.exists()
    assert system.commands == [_ACCOUNT]


@pytest.mark.parametrize("account", ["1000:1000::/var/lib/sitehub", "998:998::/home/sitehub"])
def test_an_account_of_that_name_that_is_not_the_services_is_refused(
    system: System, account: str
) -> None:
    system.results[_ACCOUNT] = ProgramResult(0, f"sitehub:x:{account}:/bin/bash\n")
    with pytest.raises(StartFault, match="the account sitehub is not a system account"):
        system.service.install(system.download)
    assert not system.unit.exists()
    assert not system.program.exists()
    assert system.commands == [_ACCOUNT]


def test_a_start_that_fails_says_why(system: System) -> None:
    system.boot()
    system.results["systemctl restart sitehub.service"] = ProgramResult(
        1, "Job failed. See journalctl."
    )
    # Only the output of this start.
    said = "journalctl -u sitehub.service --since=@1700000000.250000 -o cat --no-pager"
    system.results[said] = ProgramResult(
        0, "Starting\nsitehub: port 8443 is taken by another program\nFailed\n"
    )
    with pytest.raises(StartFault, match=r"did not start: port 8443 is taken by another program$"):
        system.service.install(system.download)


def test_a_failure_of_systemctl_is_reported_with_its_message(system: System) -> None:
    system.results["systemctl --quiet enable sitehub.service"] = ProgramResult(
        1, "Unit is masked.\n"
    )
    with pytest.raises(StartFault, match=r"systemctl --quiet enable failed: Unit is masked\.$"):
        system.service.install(system.download)


def test_uninstall_leaves_the_data(system: System) -> None:
    system.boot()
    system.service.install(system.download)
    system.put(system.service.data / "hub.sqlite", "records")
    system.take_commands()
    system.service.uninstall()
    assert system.take_commands() == [
        "systemctl --quiet disable --now sitehub.service",
        "systemctl --quiet daemon-reload",
    ]
    assert not system.unit.exists()
    assert not system.program.exists()
    assert (system.service.data / "hub.sqlite").read_text() == "records"


def test_uninstall_without_an_installed_service_does_nothing(system: System) -> None:
    system.service.uninstall()
    assert system.commands == []


def test_start_and_stop_call_systemctl(system: System) -> None:
    system.boot()
    system.service.install(system.download)
    system.take_commands()
    system.service.stop()
    system.service.start()
    assert system.commands == [
        "systemctl --quiet stop sitehub.service",
        "systemctl start sitehub.service",
    ]


def test_start_without_an_installed_service_is_refused(system: System) -> None:
    system.boot()
    for verb in (system.service.start, system.service.stop):
        with pytest.raises(StartFault, match="the service is not installed"):
            verb()


@pytest.mark.parametrize(
    ("active", "state"),
    [
        ("active", "running"),
        ("activating", "starting"),
        ("deactivating", "stopping"),
        ("failed", "failed"),
        ("inactive", "stopped"),
    ],
)
def test_the_status_is_that_of_systemctl(system: System, active: str, state: str) -> None:
    system.boot()
    assert system.service.status() == ServiceStatus("not installed")
    system.service.install(system.download)
    system.results["systemctl is-active sitehub.service"] = ProgramResult(3, f"{active}\n")
    asked = "systemctl is-enabled --root=/ sitehub.service"
    system.results[asked] = ProgramResult(0, "enabled\n")
    assert system.service.status() == ServiceStatus(state, at_boot=True)  # type: ignore[arg-type]


def test_the_service_of_a_package_is_changed_by_the_package_only(system: System) -> None:
    system.boot()
    system.add_package()
    with pytest.raises(StartFault, match="the package sitehub is installed"):
        system.service.install(system.download)
    with pytest.raises(StartFault, match="sudo apt remove sitehub"):
        system.service.uninstall()
    assert not system.program.exists()
    system.service.install(system.root / "usr/lib/sitehub/sitehub")
    assert not system.unit.exists()
    assert system.commands[-1] == "systemctl start sitehub.service"
    assert system.service.executable == system.root / "usr/bin/sitehub"


def test_systemd_waits_longer_for_the_end_than_it_may_take() -> None:
    text = unit_text(PurePosixPath("/usr/local/bin/sitehub"))
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) >= 2 * END_SECONDS
