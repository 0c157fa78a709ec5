"""The executable as a service of a real systemd, on a test machine.

SITEHUB=dist/sitehub pytest tests/e2e/test_service.py
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, why_no_machine

_DOWNLOAD = "/root/Downloads/sitehub"
_HEALTHY = "curl -sk https://127.0.0.1:8443/healthz | grep -q ok"


@pytest.fixture(scope="module")
def executable() -> Path:
    """The one-file executable, with a package beside it if one was built."""
    if "SITEHUB" not in os.environ:
        pytest.skip("SITEHUB names no executable")
    return Path(os.environ["SITEHUB"])


@pytest.fixture
def machine(tmp_path: Path, executable: Path) -> Iterator[Machine]:
    if reason := why_no_machine(booted=True):
        pytest.skip(reason)
    with Machine(tmp_path, booted=True) as machine:
        shutil.copy(executable, machine.exchange / "sitehub")
        machine.shell(f"mkdir -p {Path(_DOWNLOAD).parent} && cp /run/exchange/sitehub {_DOWNLOAD}")
        yield machine


def show(machine: Machine, name: str) -> str:
    return machine.run("systemctl", "show", "-P", name, "sitehub").out.strip()


def test_install_restart_after_a_crash_and_uninstall(machine: Machine) -> None:
    installed = machine.run(_DOWNLOAD, "service", "install")
    assert "https://localhost:8443/setup/" in installed.out
    machine.shell(_HEALTHY)
    assert machine.run("stat", "-c", "%U", "/var/lib/sitehub/hub.sqlite").out == "sitehub\n"
    assert machine.run("sitehub", "service", "status").out.startswith("The service is running.")
    bootloader = show(machine, "MainPID")

    # A second install changes nothing; the download can be deleted.
    machine.run(_DOWNLOAD, "service", "install")
    machine.run("rm", _DOWNLOAD)
    assert show(machine, "MainPID") == bootloader

    # The hub ends with its bootloader, and systemd starts both again.
    machine.run("kill", "-9", bootloader)
    machine.wait_for(f"{_HEALTHY} && systemctl is-active sitehub")
    assert show(machine, "MainPID") != bootloader
    assert machine.run("pgrep", "-c", "-u", "sitehub").out == "2\n"

    # Files that root makes belong to the service.
    machine.shell("echo correct horse | sitehub user add anna --role admin --password-stdin")
    machine.run("sitehub", "service", "stop")
    machine.shell("! pgrep -u sitehub")
    assert "anna" in machine.run("sitehub", "user", "list").out
    assert machine.shell("find /var/lib/sitehub -user root").out == ""
    assert machine.run("sitehub", "service", "status", check=False).status == 3
    machine.run("sitehub", "service", "start")
    machine.shell(_HEALTHY)

    gone = machine.run("sitehub", "service", "uninstall")
    assert "Its data is still in /var/lib/sitehub." in gone.out
    machine.shell("test -e /var/lib/sitehub/hub.sqlite && ! test -e /usr/local/bin/sitehub")
    machine.shell("! pgrep -u sitehub")


def test_a_hub_that_is_stuck_is_restarted(machine: Machine) -> None:
    machine.run(_DOWNLOAD, "service", "install")
    more = "/etc/systemd/system/sitehub.service.d"
    machine.shell(f"mkdir {more}; printf '[Service]\\nWatchdogSec=4\\n' > {more}/soon.conf")
    machine.shell("systemctl daemon-reload && systemctl restart sitehub")
    bootloader = show(machine, "MainPID")
    machine.shell(f"kill -STOP $(pgrep -P {bootloader})")
    machine.wait_for(f"test $(systemctl show -P NRestarts sitehub) = 1 && {_HEALTHY}")
    assert show(machine, "MainPID") != bootloader


def test_a_port_in_use_is_reported_and_retried(machine: Machine) -> None:
    # As if a trial run had been left running.
    machine.shell(f"{_DOWNLOAD} run --data /root/other > /dev/null 2>&1 & echo $! > /run/other")
    machine.wait_for(_HEALTHY)
    refused = machine.run(_DOWNLOAD, "service", "install", check=False)
    assert refused.status == 1
    assert "did not start: port 8443 is already in use" in refused.out
    machine.shell("kill $(cat /run/other)")
    machine.wait_for(f"{_HEALTHY} && systemctl is-active sitehub")


def test_existing_data_is_used(machine: Machine) -> None:
    machine.make_hub(_DOWNLOAD, "/root/other")
    add = "user add anna --role admin --password-stdin --data /root/other"
    machine.shell(f"echo correct horse | {_DOWNLOAD} {add}")
    machine.shell("cp -r /root/other /var/lib/sitehub")
    installed = machine.run(_DOWNLOAD, "service", "install")
    assert "/setup/" not in installed.out  # There is an administrator already.
    assert "anna" in machine.run("sitehub", "user", "list").out
    assert machine.shell("find /var/lib/sitehub -user root").out == ""


def test_foreign_accounts_and_files_stay_and_newer_data_is_refused(machine: Machine) -> None:
    # A person's account of the same name.
    machine.run("useradd", "-m", "sitehub")
    refused = machine.run(_DOWNLOAD, "service", "install", check=False)
    assert refused.status == 1
    assert refused.out.startswith("sitehub: the account sitehub is not a system account")
    machine.shell("! test -e /usr/local/bin/sitehub && userdel -r sitehub")

    # Root, in the directory of another user who made a link to a file of root.
    machine.shell("install -d -o daemon -g daemon /srv/hub && echo precious > /root/file")
    machine.run("ln", "-s", "/root/file", "/srv/hub/hub.lock")
    refused = machine.run(_DOWNLOAD, "run", "--data", "/srv/hub", check=False)
    assert "cannot write to the data directory /srv/hub: Permission denied" in refused.out
    assert machine.run("cat", "/root/file").out == "precious\n"
    machine.run("rm", "/srv/hub/hub.lock")
    machine.shell(f"{_DOWNLOAD} run --data /srv/hub > /dev/null 2>&1 & echo $! > /run/outer")
    machine.wait_for(_HEALTHY)
    assert machine.shell("find /srv/hub -not -user daemon").out == ""
    machine.shell("pgrep -u daemon && kill -9 $(cat /run/outer)")
    machine.wait_for("! pgrep -u daemon")

    # Data of a newer version whose schema number is still in the write-ahead log.
    machine.run(_DOWNLOAD, "service", "install")
    database = "sqlite3.connect('/var/lib/sitehub/hub.sqlite')"
    marked = f"import sqlite3; {database}.execute('PRAGMA user_version = 999')"
    machine.run(os.path.realpath(sys.executable), "-c", marked)
    bootloader = show(machine, "MainPID")
    machine.shell(f"echo >> {_DOWNLOAD}")
    refused = machine.run(_DOWNLOAD, "service", "install", check=False)
    assert refused.status == 1
    assert refused.out.startswith("sitehub: /var/lib/sitehub/hub.sqlite was written by a newer")
    assert show(machine, "MainPID") == bootloader
    machine.shell(f"{_HEALTHY} && ! cmp {_DOWNLOAD} /usr/local/bin/sitehub")
    assert machine.shell("find /var/lib/sitehub -user root").out == ""


def test_the_package_runs_and_is_upgraded_over_itself(machine: Machine, executable: Path) -> None:
    packages = list(executable.parent.glob("sitehub_*.deb"))
    if not packages:
        pytest.skip("no package lies beside the executable")
    shutil.copy(packages[0], machine.exchange / "sitehub.deb")
    machine.run("dpkg", "-i", "/run/exchange/sitehub.deb")
    machine.wait_for(_HEALTHY)
    assert "/setup/" in machine.run("sitehub", "user", "setup-link").out
    assert machine.run("pgrep", "-c", "-u", "sitehub").out == "1\n"
    refused = machine.run(_DOWNLOAD, "service", "install", check=False)
    assert "the package sitehub is installed" in refused.out
    machine.run("dpkg", "-i", "/run/exchange/sitehub.deb")
    machine.wait_for(_HEALTHY)
    machine.run("dpkg", "-r", "sitehub")
    machine.shell("! pgrep -u sitehub && test -e /var/lib/sitehub/hub.sqlite")

    # A copied executable uses the data, and a purge of the package does not remove it.
    machine.run(_DOWNLOAD, "service", "install")
    machine.shell("cp /var/lib/dpkg/info/sitehub.postrm /run/postrm && dpkg -P sitehub")
    machine.shell(f"{_HEALTHY} && systemctl is-enabled sitehub")
    machine.run("sitehub", "service", "uninstall")
    machine.run("sh", "/run/postrm", "purge")
    machine.shell("! test -e /var/lib/sitehub && ! id sitehub")
