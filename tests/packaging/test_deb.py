"""The Debian package: built, installed, upgraded, removed, purged; with and without systemd."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath

import pytest

from hub.service_manager.linux.unit import unit_text
from hub.store.sqlite.migrate import migrations
from tests.packaging.conftest import make_package
from tests.support.machine import Machine, why_no_machine

MakeMachine = Callable[..., Machine]


@pytest.fixture
def make_machine(tmp_path: Path, packages: Path) -> Iterator[MakeMachine]:
    """A machine with the packages in /run/exchange."""
    with ExitStack() as stack:

        def make(*, booted: bool) -> Machine:
            if reason := why_no_machine(booted=booted):
                pytest.skip(reason)
            machine = stack.enter_context(Machine(tmp_path, booted=booted))
            for package in packages.glob("*.deb"):
                shutil.copy(package, machine.exchange)
            return machine

        yield make


def test_the_same_source_gives_the_same_package(packages: Path, tmp_path: Path) -> None:
    again = make_package(tmp_path, "old")
    assert again.read_bytes() == (packages / "old.deb").read_bytes()


def test_its_files_belong_to_root_and_every_user_can_run_it(packages: Path) -> None:
    listed = subprocess.run(
        ["dpkg-deb", "--contents", str(packages / "old.deb")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    modes = {row[5]: row[0] for row in rows}
    assert modes["./usr/lib/sitehub/sitehub"] == "-rwxr-xr-x"
    assert modes["./usr/lib/systemd/system/sitehub.service"] == "-rw-r--r--"
    assert modes["./usr/share/doc/sitehub/copyright"] == "-rw-r--r--"
    assert "./usr/bin/sitehub -> ../lib/sitehub/sitehub" in modes


def test_it_names_the_glibc_that_its_binaries_need(packages: Path) -> None:
    needs = ["dpkg-deb", "--field", str(packages / "old.deb"), "Depends"]
    depends = subprocess.run(needs, capture_output=True, text=True, check=True).stdout
    assert re.match(r"libc6 \(>= 2\.\d+\), ", depends)


def test_without_a_running_systemd_it_starts_with_the_next_boot(
    make_machine: MakeMachine,
) -> None:
    machine = make_machine(booted=False)
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.run("id", "-u", "sitehub")
    assert machine.run("systemctl", "is-enabled", "sitehub").out == "enabled\n"
    unit = machine.run("cat", "/usr/lib/systemd/system/sitehub.service").out
    assert unit == unit_text(PurePosixPath("/usr/bin/sitehub"))
    machine.shell("mkdir -p /var/lib/sitehub && touch /var/lib/sitehub/hub.sqlite")

    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.run("dpkg", "-i", "/run/exchange/new.deb")
    machine.run("grep", "-q", "new", "/usr/bin/sitehub")

    removed = machine.run("dpkg", "-r", "sitehub")
    assert "all data is still in /var/lib/sitehub" in removed.out
    machine.shell("test -e /var/lib/sitehub/hub.sqlite && ! test -e /usr/bin/sitehub")
    machine.run("dpkg", "-i", "/run/exchange/new.deb")
    assert machine.run("systemctl", "is-enabled", "sitehub").out == "enabled\n"

    machine.run("dpkg", "-P", "sitehub")
    machine.shell("! test -e /var/lib/sitehub && ! test -e /usr/lib/sitehub && ! id sitehub")
    assert machine.shell("find /etc /usr /var/lib -name '*sitehub*'").out == ""


def test_with_systemd_it_starts_is_upgraded_and_stops(make_machine: MakeMachine) -> None:
    machine = make_machine(booted=True)
    installed = machine.run("dpkg", "-i", "/run/exchange/old.deb")
    assert "sudo sitehub user setup-link" in installed.out
    assert machine.run("systemctl", "is-active", "sitehub").out == "active\n"
    # Its files are private.
    assert machine.run("cat", "/var/lib/sitehub/started").out == "0077\n"
    assert machine.run("stat", "-c", "%U %a", "/var/lib/sitehub").out == "sitehub 700\n"
    first = machine.run("systemctl", "show", "-P", "MainPID", "sitehub").out

    replaced = machine.run("dpkg", "-i", "/run/exchange/new.deb")
    assert "setup-link" not in replaced.out
    assert machine.run("systemctl", "is-active", "sitehub").out == "active\n"
    assert machine.run("systemctl", "show", "-P", "MainPID", "sitehub").out != first

    machine.run("dpkg", "-i", "/run/exchange/failing.deb", check=False)
    machine.run("systemctl", "is-active", "sitehub")

    machine.run("dpkg", "-r", "sitehub")
    assert machine.shell("pgrep -u sitehub", check=False).status == 1
    machine.run("test", "-e", "/var/lib/sitehub/started")
    machine.run("dpkg", "-P", "sitehub")
    machine.shell("! test -e /var/lib/sitehub && ! id sitehub")


def test_the_service_writes_to_a_folder_for_backups_on_another_disk(
    make_machine: MakeMachine,
) -> None:
    machine = make_machine(booted=True)
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.shell("mkdir -p /mnt/second && chown sitehub: /mnt/second")
    first = machine.run("systemctl", "show", "-P", "MainPID", "sitehub").out.strip()
    # Of the file system as the service sees it, which is read-only to root too where it is.
    in_service = ("nsenter", "-t", first, "-m", "touch")
    machine.run(*in_service, "/mnt/second/backup")
    assert "Read-only" in machine.run(*in_service, "/usr/program", check=False).out


def test_a_disabled_service_stays_disabled(make_machine: MakeMachine) -> None:
    machine = make_machine(booted=True)
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.run("systemctl", "disable", "--now", "sitehub")
    machine.run("dpkg", "-i", "/run/exchange/new.deb")
    assert machine.run("systemctl", "is-enabled", "sitehub", check=False).out == "disabled\n"
    assert machine.run("systemctl", "is-active", "sitehub", check=False).out == "inactive\n"


def test_a_service_of_a_copied_executable_must_be_removed_first(make_machine: MakeMachine) -> None:
    machine = make_machine(booted=False)
    machine.run("touch", "/etc/systemd/system/sitehub.service")
    refused = machine.run("dpkg", "-i", "/run/exchange/old.deb", check=False)
    assert refused.status == 1
    assert "sudo /usr/local/bin/sitehub service uninstall" in refused.out
    machine.shell("! test -e /usr/lib/sitehub")


def test_purging_a_package_keeps_the_service_of_a_copied_executable(
    make_machine: MakeMachine,
) -> None:
    machine = make_machine(booted=False)
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.run("dpkg", "-r", "sitehub")
    unit = "/etc/systemd/system/sitehub.service"
    machine.shell(f"printf '[Install]\nWantedBy=multi-user.target\n' > {unit}")
    machine.shell("systemctl enable sitehub && mkdir -p /var/lib/sitehub/media")
    purged = machine.run("dpkg", "-P", "sitehub")
    assert "a service that was installed without the package is still there" in purged.out
    machine.shell("test -e /var/lib/sitehub/media && id sitehub")
    assert machine.run("systemctl", "is-enabled", "sitehub").out == "enabled\n"


def test_another_account_of_that_name_is_neither_used_nor_deleted(
    make_machine: MakeMachine,
) -> None:
    machine = make_machine(booted=False)
    machine.run("useradd", "-m", "sitehub")
    refused = machine.run("dpkg", "-i", "/run/exchange/old.deb", check=False)
    assert refused.status == 1
    assert "the account sitehub is not a system account" in refused.out
    machine.shell("! test -e /usr/lib/sitehub")

    machine.run("userdel", "-r", "sitehub")
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.shell("dpkg -r sitehub && userdel sitehub && useradd -m sitehub")
    machine.run("dpkg", "-P", "sitehub")
    machine.run("id", "sitehub")


def test_an_older_package_is_refused_for_data_of_a_newer_version(
    make_machine: MakeMachine,
) -> None:
    machine = make_machine(booted=False)
    newest = max(migrations())
    for version in (newest, newest + 1):
        with closing(sqlite3.connect(machine.exchange / f"{version}.sqlite")) as database:
            database.execute(f"PRAGMA user_version = {version}")
    machine.shell("mkdir /var/lib/sitehub")
    machine.shell(f"cp /run/exchange/{newest + 1}.sqlite /var/lib/sitehub/hub.sqlite")
    refused = machine.run("dpkg", "-i", "/run/exchange/old.deb", check=False)
    assert refused.status == 1
    assert f"newer sitehub (schema {newest + 1}, this one knows {newest})" in refused.out
    machine.shell("! test -e /usr/lib/sitehub")
    machine.shell(f"cp /run/exchange/{newest}.sqlite /var/lib/sitehub/hub.sqlite")
    machine.run("dpkg", "-i", "/run/exchange/old.deb")


def test_a_purge_empties_a_disk_mounted_for_the_data(make_machine: MakeMachine) -> None:
    machine = make_machine(booted=False)
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.shell("mkdir /var/lib/sitehub && mount -t tmpfs tmpfs /var/lib/sitehub")
    machine.shell("mkdir /var/lib/sitehub/media && touch /var/lib/sitehub/.hidden")
    machine.run("dpkg", "-P", "sitehub")
    assert machine.run("ls", "-A", "/var/lib/sitehub").out == ""
    machine.shell("! id sitehub")


def test_errors_of_systemd_do_not_make_an_installation_fail(make_machine: MakeMachine) -> None:
    machine = make_machine(booted=False)
    machine.run("mkdir", "-p", "/run/systemd/system")
    assert machine.run("systemctl", "daemon-reload", check=False).status != 0
    machine.run("dpkg", "-i", "/run/exchange/old.deb")
    machine.run("dpkg", "-i", "/run/exchange/new.deb")
    machine.run("dpkg", "-r", "sitehub")
    machine.run("dpkg", "-P", "sitehub")
