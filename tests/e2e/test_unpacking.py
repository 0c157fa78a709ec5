"""Where the executable of one file unpacks to, and what it says where nothing takes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, why_no_machine

pytestmark = pytest.mark.skipif("SITEHUB" not in os.environ, reason="$SITEHUB names no executable")

_PROGRAM = "/opt/sitehub"
_AS_ANNA = "setpriv --reuid 1234 --regid 1234 --clear-groups env -i HOME=/home/anna"
#: What one looks at while it runs: PyInstaller's own folder of a hub that waits for its end.
_RUN = f"{_PROGRAM} run --data /tmp/data > /tmp/out 2>&1 & echo $! > /tmp/pid"
_READY = "grep -q /setup/ /tmp/out"
_END = "kill $(cat /tmp/pid)"
#: As much as packaging/bootloader/entry.c asks for.
_ROOM_KB = 64 * 1024


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := why_no_machine(booted=False):
        pytest.skip(reason)
    with Machine(tmp_path, booted=False) as machine:
        shutil.copy(os.environ["SITEHUB"], machine.exchange / "sitehub")
        machine.shell(f"cp /run/exchange/sitehub {_PROGRAM}")
        machine.shell("mkdir -p /home/anna && chown 1234:1234 /home/anna")
        yield machine


def unpacked_below(machine: Machine, folder: str) -> list[str]:
    return machine.shell(f"ls -d {folder}/_MEI* 2> /dev/null", check=False).out.split()


def test_root_unpacks_where_programs_of_the_system_keep_things(machine: Machine) -> None:
    machine.shell(_RUN)
    machine.wait_for(_READY)
    [folder] = unpacked_below(machine, "/var/cache/sitehub/unpacked")
    size = int(machine.run("du", "-sk", folder).out.split()[0])
    assert size < _ROOM_KB
    machine.shell(_END)
    machine.wait_for('test -z "$(ls /var/cache/sitehub/unpacked)"')


def test_a_user_unpacks_at_home_and_not_where_temporary_files_are_swept(machine: Machine) -> None:
    machine.shell(f"{_AS_ANNA} {_RUN}")
    machine.wait_for(_READY)
    assert len(unpacked_below(machine, "/home/anna/.cache/sitehub/unpacked")) == 1
    assert unpacked_below(machine, "/tmp") == unpacked_below(machine, "/var/tmp") == []
    machine.shell(_END)


def test_who_sets_tmpdir_has_it_there(machine: Machine) -> None:
    machine.shell(f"mkdir /srv/here && TMPDIR=/srv/here {_RUN}")
    machine.wait_for(_READY)
    assert len(unpacked_below(machine, "/srv/here")) == 1
    machine.shell(_END)


def test_root_does_not_unpack_where_the_owner_of_the_data_could_not_read_it(
    machine: Machine,
) -> None:
    machine.shell("mkdir -m 700 /srv/root && mkdir /srv/data && chown 1234:1234 /srv/data")
    told = machine.shell(f"TMPDIR=/srv/root {_PROGRAM} user list --data /srv/data")
    assert told.out.startswith("NAME ")
    machine.shell('test -d /var/cache/sitehub/unpacked && test -z "$(ls /srv/root)"')


def test_without_a_home_it_unpacks_among_temporary_files(machine: Machine) -> None:
    machine.shell("rm -r /home/anna")
    assert machine.shell(f"{_AS_ANNA} {_PROGRAM} version").out.startswith("sitehub ")
    machine.shell("! test -e /home/anna")


def test_where_nothing_takes_it_one_line_says_why_of_each_and_nothing_is_changed(
    machine: Machine,
) -> None:
    machine.shell("mount -t tmpfs -o noexec tmpfs /home/anna && chown 1234:1234 /home/anna")
    machine.shell("mount -t tmpfs -o ro tmpfs /var/tmp && mount -t tmpfs -o size=20m tmpfs /tmp")
    refused = machine.shell(f"{_AS_ANNA} TMPDIR=/no/where {_PROGRAM} version", check=False)
    assert refused.status == 1
    assert refused.out == (
        "sitehub: nowhere to unpack to: /no/where (No such file or directory),"
        " /home/anna/.cache/sitehub/unpacked (programs may not run from it),"
        " /var/tmp (Read-only file system), /tmp (less than 64 MB free);"
        " set TMPDIR to a folder that takes 64 MB\n"
    )
    assert unpacked_below(machine, "/tmp") == []
    machine.shell("! test -e /no")
    clicked = machine.shell(f"{_AS_ANNA} {_PROGRAM}", check=False)
    assert clicked.status == 1
    assert "sitehub 没有启动" in clicked.out


def test_the_directory_needs_no_place_to_unpack_to(machine: Machine) -> None:
    directory = Path(os.environ["SITEHUB"]).parent / "onedir"
    if not directory.is_dir():
        pytest.skip("no directory lies beside the executable")
    shutil.copytree(directory, machine.exchange / "onedir")
    machine.shell("for folder in /tmp /var/tmp; do mount -t tmpfs -o ro tmpfs $folder; done")
    told = machine.shell(f"{_AS_ANNA} HOME=/ /run/exchange/onedir/sitehub version")
    assert told.out.startswith("sitehub ")
