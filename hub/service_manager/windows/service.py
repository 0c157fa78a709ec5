"""The hub as a service of Windows: the commands that make it, and what they answer."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from hub.errors import StartFault
from hub.service_manager import NAME, UNPACKED, programs
from hub.service_manager.files import copy_if_other
from hub.service_manager.status import State, Status

#: A user that exists for this service alone, has no password, and may do nothing else.
ACCOUNT = rf"NT SERVICE\{NAME}"
#: Where the service writes what nobody sees on a screen: its addresses, or why it ended.
LAST_START = "last-start.txt"

#: Windows calls its own groups by other names in other languages; never by other numbers.
_SYSTEM, _ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
_TRUSTED = (_SYSTEM, _ADMINISTRATORS)
_OWNED = ["/setowner", f"*{_ADMINISTRATORS}"]
_NO_SUCH_SERVICE = 1060
_ALREADY_RUNNING, _NOT_RUNNING = 1056, 1062

#: The numbers of SERVICE_STATUS; the words beside them are not always English.
_STATES: dict[int, State] = {
    1: "stopped",
    2: "starting",
    3: "stopping",
    4: "running",
    5: "running",
    6: "running",
    7: "stopped",
}
_STATE_LINE = re.compile(r"^ *\S+ *: ([1-7]) +\S", re.MULTILINE)
_AUTOMATIC_LINE = re.compile(r": 2 +AUTO_START\b")

_KEY = rf"HKLM\SYSTEM\CurrentControlSet\Services\{NAME}"

_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.5
#: Until a program that has stopped is not held any more.
_ENDING_SECONDS = 15.0


class WindowsService:
    """Copies the executable to Program Files; sc, reg, icacls and netsh have the rest to do."""

    def __init__(
        self,
        owner_of: Callable[[Path], str],
        environment: Mapping[str, str] = os.environ,
        run: programs.Run = programs.run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._owner_of = owner_of
        self._run = run
        self._sleep = sleep
        drive = environment.get("SYSTEMDRIVE", "C:")
        programs_dir = environment.get("PROGRAMFILES", rf"{drive}\Program Files")
        data_dir = environment.get("PROGRAMDATA", rf"{drive}\ProgramData")
        self.executable = Path(programs_dir) / NAME / f"{NAME}.exe"
        self.data = Path(data_dir) / NAME
        self._unpacked = self.data / UNPACKED

    def install(self, source: Path) -> None:
        self._refuse_what_anybody_made()
        is_there = self.status().state != "not installed"
        if is_there:
            self.stop()
        self._put_in_place(source)
        for command in registering(self.executable, is_there=is_there):
            programs.need(self._run, command)
        programs.need(self._run, unpacking_to(self._unpacked))
        self._give_the_data_to_the_service()
        self.start()
        self._open_the_firewall()

    def uninstall(self) -> None:
        if self.status().state == "not installed":
            return
        self.stop()
        programs.need(self._run, ["sc.exe", "delete", NAME])
        self._run(closing_the_firewall())
        is_gone = self._remove_the_executable()
        shutil.rmtree(self._unpacked, ignore_errors=True)
        if not is_gone:
            raise StartFault(
                f"the service is not installed any more; delete {self.executable.parent} by hand, "
                f"for the program in it is at work. Its data is still in {self.data}"
            )

    def start(self) -> None:
        answer = self._run(["sc.exe", "start", NAME])
        if answer.status not in (0, _ALREADY_RUNNING):
            raise StartFault(f"the service cannot be started: {answer.last_line}")
        if not self._comes_to("running", unless="stopped"):
            raise StartFault(f"the service did not start: {self._last_words()}")

    def stop(self) -> None:
        answer = self._run(["sc.exe", "stop", NAME])
        if answer.status not in (0, _NOT_RUNNING):
            raise StartFault(f"the service cannot be stopped: {answer.last_line}")
        if not self._comes_to("stopped"):
            raise StartFault("the service did not stop in time")

    def status(self) -> Status:
        answer = self._run(["sc.exe", "query", NAME])
        if answer.status == _NO_SUCH_SERVICE:
            return Status("not installed")
        configured = self._run(["sc.exe", "qc", NAME])
        return Status(state_in(answer.text), bool(_AUTOMATIC_LINE.search(configured.text)))

    def runs_services_now(self) -> bool:
        return True

    def has_data(self) -> bool:
        try:
            return self._owner_of(self.data) in _TRUSTED
        except OSError:
            return False

    def _refuse_what_anybody_made(self) -> None:
        """Everybody may make a folder beside it, and goes on owning it, and what it leads to."""
        try:
            owner = self._owner_of(self.data)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StartFault(f"cannot look at {self.data}: {error.strerror}") from None
        if owner not in _TRUSTED:
            raise StartFault(
                f"the service was not installed: {self.data} was not made by an administrator; "
                "move it away first"
            )

    def _put_in_place(self, source: Path) -> None:
        """A program that ended a moment ago is held for another one."""
        for _ in self._moments():
            try:
                copy_if_other(source, self.executable, mode=0o755)
                return
            except PermissionError:
                continue
            except OSError as error:
                raise StartFault(
                    f"the service was not installed: {error.filename}: {error.strerror}"
                ) from None
        raise StartFault(f"the service was not installed: {self.executable} is in use")

    def _remove_the_executable(self) -> bool:
        """Not where it is what runs just now."""
        for _ in self._moments(_ENDING_SECONDS):
            with suppress(OSError):
                self.executable.unlink(missing_ok=True)
                with suppress(OSError):  # somebody has put more into it
                    self.executable.parent.rmdir()
                return True
        return False

    def _give_the_data_to_the_service(self) -> None:
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            for command in giving_the_data(self.data):
                programs.need(self._run, command)
            # Nobody else comes in any more.
            if any(self.data.iterdir()):
                for command in renewing_what_lies_in(self.data):
                    programs.need(self._run, command)
            self._unpacked.mkdir(exist_ok=True)
        except OSError as error:
            raise StartFault(f"cannot make {self.data}: {error.strerror}") from None

    def _open_the_firewall(self) -> None:
        """Last: where its service was turned off, nothing is in the way of ours."""
        self._run(closing_the_firewall())
        answer = self._run(opening_the_firewall(self.executable))
        if answer.status:
            raise StartFault(
                "the service is installed and runs, but the firewall was not opened for it: "
                f"{answer.last_line}"
            )

    def _comes_to(self, wanted: State, *, unless: State | None = None) -> bool:
        for _ in self._moments():
            state = self.status().state
            if state in (wanted, unless):
                return state == wanted
        return False

    def _moments(self, seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        for _ in range(round(seconds / _POLL_SECONDS)):
            yield
            self._sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        try:
            lines = (self.data / LAST_START).read_text("utf-8").splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"see {self.data / 'logs'}"


def registering(executable: Path, *, is_there: bool) -> Iterator[list[str]]:
    """The service, what it is, and that it is started again after 5 s whenever it fails."""
    yield [
        *("sc.exe", "config" if is_there else "create", NAME),
        *("binPath=", f'"{executable}" service run'),
        *("start=", "auto"),
        *("obj=", ACCOUNT),
        *("DisplayName=", "sitehub"),
    ]
    yield ["sc.exe", "description", NAME, "The hub of this site's cameras"]
    again = "/".join(["restart/5000"] * 3)
    yield ["sc.exe", "failure", NAME, "reset=", "86400", "actions=", again]
    # Also where it ends by itself and says that it failed.
    yield ["sc.exe", "failureflag", NAME, "1"]
    # All that such a user has otherwise; this one lets it pass through folders on its way.
    yield ["sc.exe", "privs", NAME, "SeChangeNotifyPrivilege"]


def unpacking_to(folder: Path) -> list[str]:
    """Set the service's folder for temporary files, which the executable unpacks into."""
    variables = "|".join(f"{name}={folder}" for name in ("TMP", "TEMP"))
    value = ("/v", "Environment", "/t", "REG_MULTI_SZ", "/s", "|", "/d", variables)
    return ["reg.exe", "add", _KEY, *value, "/f"]


def giving_the_data(data: Path) -> Iterator[list[str]]:
    """Others than the service and administrators have no business in there."""
    full, change = "(OI)(CI)F", "(OI)(CI)M"
    grants = (f"*{_SYSTEM}:{full}", f"*{_ADMINISTRATORS}:{full}", f"{ACCOUNT}:{change}")
    yield ["icacls.exe", str(data), *_OWNED]
    yield ["icacls.exe", str(data), "/inheritance:r", "/grant:r", *grants]


def renewing_what_lies_in(data: Path) -> Iterator[list[str]]:
    """Whoever laid it there, it gets the rights of the folder, and nobody has others on it."""
    # /L: not what a link in there leads to.
    for change in (_OWNED, ["/reset"]):
        yield ["icacls.exe", str(data / "*"), *change, "/T", "/L", "/Q"]


def opening_the_firewall(executable: Path) -> list[str]:
    """For whatever ports the configuration names, now and later: it is this program that may."""
    return [
        *("netsh.exe", "advfirewall", "firewall", "add", "rule", f"name={NAME}"),
        *("dir=in", "action=allow", "protocol=TCP", "profile=any", f"program={executable}"),
    ]


def closing_the_firewall() -> list[str]:
    return ["netsh.exe", "advfirewall", "firewall", "delete", "rule", f"name={NAME}"]


def state_in(text: str) -> State:
    """What `sc query` says; its first line with one digit is the state in every language."""
    found = _STATE_LINE.search(text)
    return _STATES[int(found[1])] if found else "stopped"
