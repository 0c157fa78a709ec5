"""Where the one-file executable unpacks to, and what PyInstaller's bootloader says if it cannot."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, why_no_machine

pytestmark = pytest.mark.skipif("SITEHUB" not in os.environ, reason="$SITEHUB names no executable")

_PROGRAM = "/opt/sitehub"
_AS_ANNA = "setpriv --reuid 1234 --regid 1234 --clear-groups env -i HOME=/home/anna"
_RUN = f"{_PROGRAM} run --data /tmp/data > /tmp/out 2>&1 & echo $! > /tmp/pid"
_READY = "grep -q /setup/ /tmp/out"
_END = "kill $(cat /tmp/pid)"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := why_no_machine(booted=False):
        pytest.skip(reason)
    with Machine(tmp_path, booted=False) as machine:
        shutil.copy(os.environ["SITEHUB"], machine.exchange / "sitehub")
        machine.shell(f"cp /run/exchange/sitehub {_PROGRAM}")
        yield machine


def unpacked_below(machine: Machine, folder: str) -> list[str]:
    return machine.shell(f"ls -d {folder}/_MEI* 2> /dev/null", check=False).out.split()


def refuse_temporary_files(machine: Machine, options: str) -> None:
    """Mount /tmp and /var/tmp with options that the bootloader cannot work with."""
    for folder in ("/tmp", "/var/tmp"):
        machine.shell(f"mount -t tmpfs -o {options} tmpfs {folder}")


@pytest.mark.parametrize("user", ["", _AS_ANNA], ids=["root", "anna"])
def test_it_unpacks_into_a_private_folder_and_removes_it_at_the_end(
    machine: Machine, user: str
) -> None:
    machine.shell(f"{user} {_RUN}")
    machine.wait_for(_READY)
    [folder] = unpacked_below(machine, "/tmp")
    assert machine.run("stat", "-c", "%a", folder).out == "700\n"
    machine.shell(_END)
    machine.wait_for(f"! test -e {folder}")


def test_tmpdir_names_another_directory(machine: Machine) -> None:
    machine.shell(f"mkdir /srv/here && TMPDIR=/srv/here {_RUN}")
    machine.wait_for(_READY)
    assert len(unpacked_below(machine, "/srv/here")) == 1
    machine.shell(_END)


def test_root_can_work_on_the_data_of_another_user(machine: Machine) -> None:
    machine.shell("mkdir /srv/data && chown 1234:1234 /srv/data")
    machine.make_hub(_PROGRAM, "/srv/data")
    listed = machine.shell(f"{_PROGRAM} user list --data /srv/data")
    assert listed.out.startswith("NAME ")


def test_without_a_writable_directory_it_says_so(machine: Machine) -> None:
    refuse_temporary_files(machine, "ro")
    refused = machine.shell(f"{_AS_ANNA} TMPDIR=/no/where {_PROGRAM} version", check=False)
    assert refused.status == 255
    assert re.fullmatch(r"\[PYI-\d+:ERROR\] Could not create temporary directory!\n", refused.out)


def test_where_programs_may_not_run_it_names_the_library_that_was_not_loaded(
    machine: Machine,
) -> None:
    refuse_temporary_files(machine, "noexec,mode=1777")
    refused = machine.shell(f"{_AS_ANNA} {_PROGRAM} version", check=False)
    assert refused.status == 127
    assert refused.out == (
        f"{_PROGRAM}: error while loading shared libraries: libz.so.1:"
        " failed to map segment from shared object\n"
    )
    assert unpacked_below(machine, "/tmp") == []


def test_on_a_full_disk_it_names_the_file_that_was_not_written(machine: Machine) -> None:
    refuse_temporary_files(machine, "size=20m,mode=1777")
    refused = machine.shell(f"{_AS_ANNA} {_PROGRAM} version", check=False)
    assert refused.status == 255
    assert re.search(r"\[PYI-\d+:ERROR\] Failed to extract entry: .+\.\n", refused.out)


def test_the_directory_build_unpacks_nothing(machine: Machine) -> None:
    directory = Path(os.environ["SITEHUB"]).parent / "onedir"
    if not directory.is_dir():
        pytest.skip("there is no directory build beside the executable")
    shutil.copytree(directory, machine.exchange / "onedir")
    refuse_temporary_files(machine, "ro")
    shown = machine.shell(f"{_AS_ANNA} HOME=/ /run/exchange/onedir/sitehub version")
    assert shown.out.startswith("sitehub ")
