"""A disposable copy of this machine, for tests of installations.

Its files are an overlay over those of this machine; processes, network and host name are its own.
If it is booted, a real systemd is its first process. It needs Linux and root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

_TOOLS = ("unshare", "nsenter", "pivot_root", "mount", "ip")
_SYSTEMD = "/usr/lib/systemd/systemd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.1

#: Arguments: the directory of the machine, its exchange directory, the first process.
_START = """
set -eu
base=$1 exchange=$2; shift 2
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for place in run tmp dev var/tmp; do
    mount -t tmpfs -o mode=755 tmpfs $place
done
chmod 1777 tmp var/tmp
mkdir dev/pts dev/shm run/exchange
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --bind "$exchange" run/exchange
: > etc/machine-id
# These would change settings of the kernel that both machines share.
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-udev-trigger \
        systemd-tmpfiles-setup-dev systemd-tmpfiles-setup-dev-early; do
    ln -sf /dev/null "etc/systemd/system/$unit.service"
done
# Images of containers use it to prevent packages from starting services.
rm -f usr/sbin/policy-rc.d
ip link set lo up
pivot_root . .
umount -l .
exec env -i container=test PATH="$PATH" "$@"
"""


class CommandResult(NamedTuple):
    status: int
    out: str


class Machine:
    """A context manager; the directory `exchange` is /run/exchange inside."""

    def __init__(self, base: Path, *, booted: bool) -> None:
        self.exchange = base / "exchange"
        self._root = base / "machine"
        self._cgroup = _cgroups() / f"sitehub-test-{os.getpid()}-{base.name}"
        first = [_SYSTEMD, "--unit=basic.target"] if booted else ["sleep", "infinity"]
        self._first = first
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        self.exchange.mkdir(parents=True)
        self._root.mkdir()
        self._cgroup.mkdir()
        spaces = ["-m", "-p", "-C", "-i", "-u", "-n", "--propagation", "private"]
        start = ["sh", "-c", _START, "start", str(self._root), str(self.exchange), *self._first]
        inside = f'echo 0 > {self._cgroup}/cgroup.procs; exec "$@"'
        words = ["sh", "-c", inside, "in", "unshare", *spaces, "--fork", "--kill-child", *start]
        with (self.exchange / "console").open("wb") as console:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={"PATH": _PATH},
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        # All other processes and the mounts ended with the first process.
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while self._cgroup.exists() and time.monotonic() < deadline:
            for group in sorted(self._cgroup.rglob("*/"), reverse=True):
                _remove(group)
            _remove(self._cgroup)
            time.sleep(_POLL_SECONDS)

    def run(self, *words: str, check: bool = True) -> CommandResult:
        """Run a command as root in the machine."""
        enter = ["nsenter", "-t", str(self._first_pid()), "-m", "-p", "-C", "-i", "-u", "-n"]
        done = subprocess.run(
            [*enter, "-r", "-w", "env", "-i", f"PATH={_PATH}", "HOME=/root", "LANG=C", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=_TIMEOUT_SECONDS,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}"
        return CommandResult(done.returncode, done.stdout)

    def shell(self, script: str, *, check: bool = True) -> CommandResult:
        return self.run("sh", "-c", script, check=check)

    def make_hub(self, program: str, folder: str) -> None:
        """Run a hub on a new data directory until it answers, and stop it."""
        self.shell(
            f"{program} run --data {folder} > /dev/null 2>&1 & "
            f"until {program} user list --data {folder} > /dev/null 2>&1; do sleep 0.2; done; "
            "kill $!; wait $!"
        )

    def wait_for(self, script: str) -> None:
        """Repeat the script until it succeeds."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while self.shell(script, check=False).status:
            assert time.monotonic() < deadline, script
            time.sleep(_POLL_SECONDS)

    def _wait_until_up(self) -> None:
        assert self._process is not None
        is_up = "systemctl is-active basic.target" if self._first[0] == _SYSTEMD else "true"
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not self._has_started() or self.shell(is_up, check=False).status:
            console = (self.exchange / "console").read_text("utf-8", "replace")
            assert self._process.poll() is None, console
            assert time.monotonic() < deadline, console
            time.sleep(_POLL_SECONDS)

    def _has_started(self) -> bool:
        """Return whether the first process has replaced the script that starts it."""
        try:
            command = Path(f"/proc/{self._first_pid()}/cmdline").read_bytes()
        except (IndexError, OSError):
            return False
        return command.split(b"\0")[0].decode() == self._first[0]

    def _first_pid(self) -> int:
        assert self._process is not None
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def why_no_machine(*, booted: bool) -> str | None:
    """Return why no machine can run here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a test machine needs Linux and root"
    if missing := [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]:
        return f"a test machine needs {', '.join(missing)}"
    probe = subprocess.run(["unshare", "-m", "-n", "-C", "true"], capture_output=True)
    if probe.returncode:
        return "a test machine is not permitted here"
    if booted and not Path(_SYSTEMD).exists():
        return "there is no systemd here"
    return None


def _cgroups() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(place)
    raise FileNotFoundError("no cgroup2 is mounted here")


def _remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        return  # A process in it is still ending.
