"""The disk of the data directory: its file system, its free space, and the speed of a flush."""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hub.services.disk_space import GB, shortage_of
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, ok, warning
from hub.store.disk import Disk
from hub.store.file_system import network_type

#: A disk is slow only if each of so many measurements says so: another program may use it now.
_MEASUREMENTS = 3
_FLUSHES = 15
_FLUSH_BYTES = 16 * 1024
#: Give up measuring after this time.
_MEASURE_SECONDS = 1.5
#: Each group of uploads waits for three flushes.
_SLOW_SECONDS = 0.1
#: A measuring file this old was left by a process that was killed. Measuring takes seconds.
_LEFT_SECONDS = 3_600


def check_disk(context: CheckContext) -> Iterator[Finding]:
    """Check the disk."""
    if kind := network_type(context.data_dir):
        yield failed("disk", "disk-network", type=kind)
    yield from _check_space(context)
    _remove_left(context.data_dir, context.now())
    yield _check_flush(context.data_dir)


def _check_space(context: CheckContext) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(context.data_dir).free
    except OSError as error:
        yield failed("disk", "disk-unreadable", reason=error.strerror or str(error))
        return
    wanted = context.config.store.min_free_gb
    shortage = shortage_of(free, wanted)
    check = ok if shortage is None else warning
    code = "disk-ok" if shortage is None else "disk-low"
    yield check("disk", code, free=f"{free / GB:.1f}", wanted=f"{wanted:g}")


def _remove_left(data_dir: Path, now: float) -> None:
    """Remove the files of measurements that were killed. `now`: UNIX seconds."""
    for path in data_dir.glob("doctor-*.tmp"):
        with suppress(OSError):
            # The clock may have gone back since.
            if path.is_file() and abs(now - path.stat().st_mtime) > _LEFT_SECONDS:
                path.unlink()


def _check_flush(data_dir: Path) -> Finding:
    try:
        seconds = _steady_flush_seconds(data_dir)
    except OSError as error:
        return failed("disk", "flush-failed", reason=error.strerror or str(error))
    args = {"ms": f"{seconds * 1000:.1f}"}
    if seconds > _SLOW_SECONDS:
        return warning("disk", "flush-slow", **args)
    return ok("disk", "flush-ok", **args)


def _steady_flush_seconds(folder: Path) -> float:
    """Measure until one measurement is not slow; return the fastest. Raises OSError."""
    fastest = flush_seconds(folder)
    for _ in range(_MEASUREMENTS - 1):
        if fastest <= _SLOW_SECONDS:
            break
        fastest = min(fastest, flush_seconds(folder))
    return fastest


def flush_seconds(folder: Path) -> float:
    """Measure how long the disk takes to make a small write durable: the median. Raises OSError."""
    disk, path = Disk(), folder / f"doctor-{secrets.token_hex(4)}.tmp"
    times: list[float] = []
    deadline = time.monotonic() + _MEASURE_SECONDS
    file = disk.open(path)
    try:
        for number in range(_FLUSHES):
            disk.write(file, [os.urandom(_FLUSH_BYTES)], number * _FLUSH_BYTES)
            began = time.perf_counter()
            disk.flush(file)
            times.append(time.perf_counter() - began)
            if time.monotonic() > deadline:
                break
    finally:
        disk.close(file)
        with suppress(OSError):
            path.unlink()
    return statistics.median(times)
