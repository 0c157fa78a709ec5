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
    machine.shell("mkdir -p /srv/root/more && chmod 700 /srv/root")
    machine.shell("mkdir /srv/data && chown 1234:1234 /srv/data")
    told = machine.shell(f"TMPDIR=/srv/root/more {_PROGRAM} user list --data /srv/data")
    assert told.out.startswith("NAME ")
    machine.shell('test -d /var/cache/sitehub/unpacked && test -z "$(ls /srv/root/more)"')


def test_root_does_not_unpack_where_somebody_else_could_change_the_program(
    machine: Machine,
) -> None:
    machine.shell("mkdir -m 777 /srv/all && mkdir -p /srv/anna/root && chown 1234:1234 /srv/anna")
    for folder in ("/srv/all", "/srv/anna", "/srv/anna/root"):
        machine.shell(f"TMPDIR={folder} {_RUN}")
        machine.wait_for(_READY)
        assert unpacked_below(machine, folder) == []
        assert len(unpacked_below(machine, "/var/cache/sitehub/unpacked")) == 1
        machine.shell(f"{_END}; rm /tmp/out")
        machine.wait_for('test -z "$(ls /var/cache/sitehub/unpacked)"')


def test_what_another_program_made_by_pyinstaller_says_of_itself_does_not_count(
    machine: Machine,
) -> None:
    machine.shell("mkdir /opt/_internal")
    theirs = "_PYI_APPLICATION_HOME_DIR=/srv _PYI_ARCHIVE_FILE=/srv/other"
    machine.shell(f"{_AS_ANNA} {theirs} {_RUN}")
    machine.wait_for(_READY)
    assert len(unpacked_below(machine, "/home/anna/.cache/sitehub/unpacked")) == 1
    machine.shell(_END)


def test_what_was_unpacked_before_the_disk_was_full_does_not_stay(machine: Machine) -> None:
    machine.shell("mkdir /srv/small && mount -t tmpfs -o size=80m,mode=755 tmpfs /srv/small")
    # A file that grows beside it, and takes what looked free.
    machine.shell(
        f"TMPDIR=/srv/small {_PROGRAM} version > /tmp/out 2>&1 & program=$!;"
        " while ! test -e /srv/small/_MEI*; do :; done;"
        " dd if=/dev/zero of=/srv/small/other bs=1M 2> /dev/null;"
        ' wait $program; echo "status $?" >> /tmp/out'
    )
    assert machine.shell("cat /tmp/out").out.endswith("status 1\n")
    assert unpacked_below(machine, "/srv/small") == []


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
        " /home/anna (programs may not run from it),"
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
