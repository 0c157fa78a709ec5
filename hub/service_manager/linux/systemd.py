"""The hub as a service of systemd."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from hub.errors import StartFault
from hub.service_manager import NAME, programs
from hub.service_manager.files import copy_if_different, write_if_different
from hub.service_manager.linux.unit import DATA, unit_text
from hub.service_manager.status import ServiceState, ServiceStatus

UNIT = f"{NAME}.service"
EXECUTABLE = PurePosixPath("/usr/local/bin") / NAME
#: The lowest user id of a person's account (UID_MIN in login.defs).
_MIN_PERSON_UID = 1000

_STATES: dict[str, ServiceState] = {
    "active": "running",
    "reloading": "running",
    "activating": "starting",
    "deactivating": "stopping",
    "failed": "failed",
}


class SystemdService:
    """Installs files below `root`, and calls systemctl for the rest."""

    def __init__(
        self,
        root: Path = Path("/"),
        run: programs.RunProgram = programs.run,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._now = now
        self._unit = root / "etc/systemd/system" / UNIT
        self._packaged_unit = root / "usr/lib/systemd/system" / UNIT
        self._packaged_executable = root / "usr/bin" / NAME
        self._own_executable = root / EXECUTABLE.relative_to("/")
        self._booted = root / "run/systemd/system"
        self.data = root / DATA.relative_to("/")

    @property
    def executable(self) -> Path:
        return self._packaged_executable if self._is_packaged() else self._own_executable

    def install(self, source: Path) -> None:
        self._refuse_without_systemd()
        if self._is_packaged():
            self._refuse_unless_packaged(source)
            changed = False
        else:
            has_user = self._has_user()
            with _start_faults("the service was not installed"):
                copied = copy_if_different(source, self._own_executable, mode=0o755)
                if not has_user:
                    self._make_user()
                written = write_if_different(unit_text(EXECUTABLE), self._unit, mode=0o644)
            changed = copied or written
        self._reload()
        self._systemctl("enable", UNIT)
        if self.runs_services_now():
            self._start_and_wait("restart" if changed else "start")

    def uninstall(self) -> None:
        if self._is_packaged():
            raise StartFault(f"the service belongs to the package {NAME}: sudo apt remove {NAME}")
        if not self._unit.exists():
            return
        now = ["--now"] if self.runs_services_now() else []
        self._systemctl("disable", *now, UNIT)
        with _start_faults("the service was not removed"):
            self._unit.unlink()
            self._own_executable.unlink(missing_ok=True)
        self._reload()

    def start(self) -> None:
        self._refuse_unless_it_can_run()
        self._start_and_wait("start")

    def stop(self) -> None:
        self._refuse_unless_it_can_run()
        self._systemctl("stop", UNIT)

    def status(self) -> ServiceStatus:
        if not self._is_installed():
            return ServiceStatus("not installed")
        # From the links of enabled units: without a running systemd or a bus that the hub may ask.
        asked = ["systemctl", "is-enabled", "--root=/", UNIT]
        at_boot = self._run(asked).text.strip() == "enabled"
        if not self.runs_services_now():
            return ServiceStatus("stopped", at_boot)
        active = self._run(["systemctl", "is-active", UNIT]).text.strip()
        return ServiceStatus(_STATES.get(active, "stopped"), at_boot)

    def runs_services_now(self) -> bool:
        return self._booted.is_dir()

    def has_data(self) -> bool:
        return self.data.is_dir()

    def _is_packaged(self) -> bool:
        return self._packaged_unit.exists()

    def _is_installed(self) -> bool:
        return self._unit.exists() or self._is_packaged()

    def _refuse_without_systemd(self) -> None:
        if shutil.which("systemctl") is None:
            raise StartFault(
                "this system has no systemd: let its service manager run 'sitehub run'"
            )

    def _refuse_unless_packaged(self, source: Path) -> None:
        if source.resolve() != self._packaged_executable.resolve():
            raise StartFault(
                f"the package {NAME} is installed, and has a service of its own: "
                f"install the newer package, or first: sudo apt remove {NAME}"
            )

    def _refuse_unless_it_can_run(self) -> None:
        if not self._is_installed():
            raise StartFault("the service is not installed")
        if not self.runs_services_now():
            raise StartFault("systemd is not running: the service starts with the next boot")

    def _has_user(self) -> bool:
        """Return whether the service's user exists. Raises StartFault if it is not a service's."""
        answer = self._run(["getent", "passwd", NAME])
        if answer.status:
            return False
        _, _, uid, _, _, home, _ = answer.text.strip().split(":")
        if not 0 < int(uid) < _MIN_PERSON_UID or home != str(DATA):
            raise StartFault(
                f"the account {NAME} is not a system account with the home {DATA}, "
                "and the service needs one of that name: rename or remove it"
            )
        return True

    def _make_user(self) -> None:
        home = ("--home-dir", str(DATA), "--no-create-home")
        shell = ("--shell", "/usr/sbin/nologin")
        self._run_checked("useradd", "--system", "--user-group", *home, *shell, NAME)

    def _reload(self) -> None:
        if self.runs_services_now():
            self._systemctl("daemon-reload")

    def _start_and_wait(self, verb: str) -> None:
        """Start the service, and return when the hub has notified systemd that it is ready."""
        since = f"--since=@{self._now():.6f}"
        if self._run(["systemctl", verb, UNIT]).status == 0:
            return
        said = self._run(["journalctl", "-u", UNIT, since, "-o", "cat", "--no-pager"])
        words = [line for line in said.text.splitlines() if line.startswith(f"{NAME}: ")]
        why = words[-1].removeprefix(f"{NAME}: ") if words else f"see journalctl -u {NAME}"
        raise StartFault(f"the service is installed, but did not start: {why}")

    def _systemctl(self, *words: str) -> None:
        self._run_checked("systemctl", "--quiet", *words)

    def _run_checked(self, *words: str) -> None:
        programs.run_checked(self._run, words)


@contextmanager
def _start_faults(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartFault(f"{what}: {error.filename}: {error.strerror}") from None
