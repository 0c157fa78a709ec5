"""All checks of the doctor: quick ones, and slow ones that read everything that is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from hub.services.doctor.backups import check_backups
from hub.services.doctor.certificate import check_certificate
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.clock import check_clock
from hub.services.doctor.database import check_database, check_key, check_set_aside, check_sqlite
from hub.services.doctor.disk import check_disk
from hub.services.doctor.findings import CheckName, Finding, failed
from hub.services.doctor.permissions import check_permissions
from hub.services.doctor.ports import check_ports
from hub.services.doctor.service import check_hub, check_service
from hub.services.doctor.stored import (
    check_counts,
    check_entries,
    check_firmware,
    check_integrity,
    check_pictures,
    check_records,
)
from hub.store.offline.inspection import Progress, Stopped

log = logging.getLogger(__name__)

QuickCheck = Callable[[CheckContext], Iterator[Finding]]
SlowCheck = Callable[[CheckContext, Progress], Iterator[Finding]]
#: Called with the check that works now, and the part done, from 0 to 1, if it is known.
CheckProgress = Callable[[CheckName, float | None], None]

#: Each takes at most a few seconds. They block.
QUICK: dict[CheckName, QuickCheck] = {
    "hub": check_hub,
    "service": check_service,
    "ports": check_ports,
    "clock": check_clock,
    "disk": check_disk,
    "certificate": check_certificate,
    "permissions": check_permissions,
    "sqlite": check_sqlite,
    "database": check_database,
    "key": check_key,
    "set-aside": check_set_aside,
    "backups": check_backups,
}
#: They take minutes to hours on a full disk, and leave half of it to a hub beside them.
SLOW: dict[CheckName, SlowCheck] = {
    "integrity": check_integrity,
    "records": check_records,
    "counts": check_counts,
    "entries": check_entries,
    "pictures": check_pictures,
    "firmware": check_firmware,
}


def run_quick(context: CheckContext) -> list[Finding]:
    """Run the quick checks. Blocks for a few seconds."""
    found: list[Finding] = []
    for name, check in QUICK.items():
        found += _guarded(name, lambda check=check: check(context))  # type: ignore[misc]
    return found


def run_slow(context: CheckContext, progress: CheckProgress) -> Iterator[Finding]:
    """Run the slow checks; yield each finding as soon as it is there. Blocks for long.

    What `progress` raises ends the checks.
    """
    for name, check in SLOW.items():
        progress(name, 0.0)
        yield from _guarded(
            name,
            lambda name=name, check=check: check(  # type: ignore[misc]
                context, lambda part: progress(name, part)
            ),
        )


def _guarded(name: CheckName, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what a check found. A fault in one must not hide what the others find."""
    try:
        return list(check())
    except Stopped:
        raise
    except Exception as error:
        log.debug("the check %s failed", name, exc_info=error)
        return [failed(name, "check-failed", error=f"{type(error).__name__}: {error}")]
