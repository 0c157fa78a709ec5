"""The image for containers keeps what its files promise, without an engine of containers."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.machine import why_no_machine

PACKAGING = Path(__file__).parents[2] / "packaging"
IMAGE = (PACKAGING / "container/Containerfile").read_text("utf-8")
COMPOSE = (PACKAGING / "container/compose.yaml").read_text("utf-8")

#: Arguments: the root of the image. A hub in it as its user, which can write to the volume alone.
_RUN = """
set -eu
cd "$1"
mount --bind . . && cd "$1"
mount -t proc proc proc
mkdir data
mount -t tmpfs -o mode=700,uid=10001,gid=10001 tmpfs data
for device in null urandom; do : > dev/$device; mount --bind /dev/$device dev/$device; done
mount -o remount,bind,ro .
ip link set lo up
! touch tmp/written
sitehub="env -i PATH=$PATH SITEHUB_DATA=/data chroot --userspec=10001:10001 . /usr/bin/sitehub"
$sitehub run >&2 &
hub=$!
for try in $(seq 300); do $sitehub status && break || sleep 0.2; done
$sitehub user setup-link
stat -c 'process %u' proc/$hub
kill $hub
wait $hub && echo "ended well"
"""


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("container", PACKAGING / "container.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_image_and_its_compose_file_say_the_same(container: ModuleType) -> None:
    assert f"\nUSER {container.USER_ID}:{container.USER_ID}\n" in IMAGE
    assert f"COPY --chown={container.USER_ID}:{container.USER_ID} data/ /data/\n" in IMAGE
    assert "\nVOLUME /data\n" in IMAGE
    assert "- data:/data\n" in COMPOSE
    for promised in ("read_only: true", "cap_drop: [ALL]", '["no-new-privileges:true"]'):
        assert promised in COMPOSE
    # podman-compose would give a check of its own to a shell, which the image lacks.
    assert "\nHEALTHCHECK " in IMAGE
    assert "healthcheck" not in COMPOSE


def test_a_hub_runs_in_it_as_a_user_that_can_write_to_the_volume_alone(
    container: ModuleType, tmp_path: Path
) -> None:
    if reason := why_no_machine(booted=False):
        pytest.skip(reason)
    program = Path(os.environ.get("SITEHUB", "none")).with_name("onedir")
    if not (program / "sitehub").exists():
        pytest.skip("there is no directory onedir beside the executable that $SITEHUB names")
    container.lay_out(program, tmp_path / "image")
    words = ["unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--propagation", "private"]
    done = subprocess.run(
        [*words, "sh", "-c", _RUN, "run", tmp_path / "image/root"],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "State       ok" in done.stdout
    assert "/setup/" in done.stdout
    assert done.stdout.endswith(f"process {container.USER_ID}\nended well\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the image is one of Linux")
def test_nothing_in_it_is_from_where_it_was_made_but_libraries_and_texts(
    container: ModuleType, tmp_path: Path
) -> None:
    program = tmp_path / "onedir"
    program.mkdir()
    (program / "sitehub").write_bytes(Path("/bin/true").read_bytes())
    container.lay_out(program, tmp_path / "image")
    root = tmp_path / "image/root"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    others = {
        name for name in files if not re.match(r"(usr/)?lib(64)?/.*\.so|usr/share/doc/", name)
    }
    assert others - {"etc/ssl/certs/ca-certificates.crt"} == {
        "usr/bin/sitehub",
        "usr/lib/sitehub/sitehub",
        "etc/passwd",
        "etc/group",
        "etc/nsswitch.conf",
    }
    assert list((tmp_path / "image/data").iterdir()) == []
