"""Files that are replaced as a whole, durably, also while another process reads them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hub import durable_files
from hub.durable_files import SECRET, read_file, replacing, write_file


def fail_twice(act: Callable[..., object]) -> Callable[..., object]:
    calls = iter([True, True])

    def failing(*arguments: object) -> object:
        if next(calls, False):
            raise PermissionError(13, "The process cannot access the file")
        return act(*arguments)

    return failing


def test_a_file_that_is_open_for_a_moment_is_replaced_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable_files, "_ATTEMPTS", 3)
    monkeypatch.setattr(durable_files, "_ATTEMPT_SECONDS", 0.0)
    monkeypatch.setattr(Path, "replace", fail_twice(Path.replace))
    write_file(tmp_path / "state", b"new")
    monkeypatch.setattr(Path, "read_bytes", fail_twice(Path.read_bytes))
    assert read_file(tmp_path / "state") == b"new"


def test_patience_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_files, "_ATTEMPTS", 2)
    monkeypatch.setattr(durable_files, "_ATTEMPT_SECONDS", 0.0)
    monkeypatch.setattr(Path, "replace", fail_twice(Path.replace))
    with pytest.raises(PermissionError):
        write_file(tmp_path / "state", b"new")


def test_the_content_is_flushed_then_the_name_then_nothing_else_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flush(file: int) -> None:
        found = os.fstat(file)
        folders = {path.stat().st_ino: path.name for path in (tmp_path, tmp_path / "tls")}
        steps.append(f"flush {folders.get(found.st_ino, found.st_size)}")
        fsync(file)

    def rename(path: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    write_file(tmp_path / "tls" / "ca.key", b"secret", SECRET)
    of_folders = [f"flush {tmp_path.name}", "flush tls"] if os.name == "posix" else []
    assert steps == [*of_folders[:1], "flush 6", "rename to ca.key", *of_folders[1:]]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no permissions of this kind")
def test_a_secret_file_is_private_from_its_beginning(tmp_path: Path) -> None:
    with replacing(tmp_path / "key", SECRET) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_file(tmp_path / "state", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "state", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert read_file(tmp_path / "state") == b"old"


def test_of_two_that_overlap_the_last_one_is_there_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first " * 1000)
        second.write(b"second")
    assert read_file(path) == b"first " * 1000
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
