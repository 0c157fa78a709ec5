"""Whether database, write-ahead log and packs belong together, decided before anything changes.

What lies beyond the committed end of a pack was either never acknowledged, or the database is
older than its packs. The flush of a pack precedes the COMMIT, and each group names the last one
that was committed before it:

- nothing that is a group: its flush failed or was interrupted. It is cut off.
- groups that name the database's last group: they were refused, or in progress. They are cut off,
  unless the database has no write-ahead log: a hub that ended properly leaves no such groups, and
  of another one the log was lost, which may have committed them.
- groups that name a later one: that one was committed, and the database does not know it. Somebody
  put back a copy, or took the write-ahead log away. The start stops, and nothing is changed.

If the write-ahead log itself shows that it is damaged, or may be in its last transaction, nobody
has a better one: the start takes the records over from the packs, as `rebuild` does, and tells that
other changes may be missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from hub.errors import StartFault
from hub.store.disk import Disk
from hub.store.media.held_index import HELD
from hub.store.media.packs import SUFFIX, cut_pack, other_than_packs, packs_in
from hub.store.media.tails import Tail, tails_in
from hub.store.names import DATABASE, MEDIA, WAL
from hub.store.recovery.database_view import (
    DatabaseView,
    Wal,
    current_view,
    has_wal,
    is_log_damaged,
)
from hub.store.recovery.quarantine import quarantine_tail

log = logging.getLogger(__name__)

_WAYS = (
    '"sitehub doctor --rebuild" takes over the records that the packs hold, '
    '"sitehub doctor --set-aside" goes on without them'
)
_NOTHING = "nothing was changed"


class Findings(Struct, frozen=True):
    """What a start finds. `fault`: why it must stop, or "". `tails`: what goes if it does not.

    `last_number`: the highest number of a group that was seen. `is_log_damaged`: what the database
    lost is to be taken over from the packs first.
    """

    fault: str = ""
    tails: tuple[Tail, ...] = ()
    last_number: int = 0
    dropped: frozenset[str] = frozenset()
    is_log_damaged: bool = False


def check_start(data_dir: Path) -> Findings:
    """Examine a data directory; change nothing. Raises OSError, sqlite3.Error."""
    database, media = data_dir / DATABASE, data_dir / MEDIA
    if other := next(other_than_packs(media), None):
        # Opening a FIFO would wait for ever.
        return Findings(f"{other} is not a regular file, as a pack is: move it away; {_NOTHING}")
    packs = [*packs_in(media), *(media / HELD).glob(f"*{SUFFIX}")]
    if not database.exists() or database.stat().st_size == 0:
        if not packs and not has_wal(data_dir):
            return Findings()
        what = "is empty" if database.exists() else "is missing"
        return Findings(
            f"{database} {what}, but its pictures are there: take it, and only it, from a "
            f"backup, or move the folder {MEDIA} away to start anew; {_WAYS}; {_NOTHING}"
        )
    view, wal = current_view(data_dir)
    if view is None:
        if not packs:
            return Findings()
        return Findings(
            f"{database} holds no records, but there are packs of pictures: take it, and only it, "
            f"from a backup; {_WAYS}; {_NOTHING}"
        )
    tails = tuple(tails_in(media, view.ends))
    last = max((group.number for tail in tails for group in tail.groups()), default=0)
    is_damaged = wal is Wal.SOUND and is_log_damaged(data_dir, view)
    return Findings(_fault(data_dir, view, wal, tails), tails, last, view.dropped, is_damaged)


def _fault(data_dir: Path, view: DatabaseView, wal: Wal, tails: Sequence[Tail]) -> str:
    database = data_dir / DATABASE
    if wal is Wal.FOREIGN:
        return (
            f"{data_dir / WAL} does not belong to {database}: put the two files back that belong "
            f"together; without the first, {_WAYS}; {_NOTHING}"
        )
    if view.is_rebuilding:
        return (
            f'"sitehub doctor --rebuild" of {database} was interrupted: repeat it, or '
            f'"sitehub doctor --set-aside" goes on without the rest; {_NOTHING}'
        )
    unknown = [tail for tail in tails if _is_unknown(tail, view, wal)]
    if not unknown:
        return ""
    packs = _names(tail.path.name for tail in unknown)
    if any(tail.is_bare for tail in unknown):
        return (
            f"{packs} holds pictures of a day that {database} does not know: put the newest "
            f'{DATABASE} back, or "sitehub doctor --set-aside" goes on without them; {_NOTHING}'
        )
    if wal is Wal.LOST:
        return (
            f"{data_dir / WAL} is missing, or cut off, although the hub did not end properly, and "
            f"with it records whose pictures are in {packs}: put it back; {_WAYS}; {_NOTHING}"
        )
    return (
        f"{database} is older than its pictures: it does not know records of {packs}; put the "
        f"newest {DATABASE} back; {_WAYS}; {_NOTHING}"
    )


def _is_unknown(tail: Tail, view: DatabaseView, wal: Wal) -> bool:
    """Whether a tail may hold what was acknowledged."""
    if not tail.is_known and tail.day in view.dropped:
        return False
    if not tail.is_known and tail.is_bare:
        return True
    return any(
        group.log_id != view.log_id
        or group.previous > view.last_group
        or (group.number <= view.last_group and not tail.is_known)
        or (group.number > view.last_group and wal is not Wal.SOUND)
        for group in tail.groups()
    )


def _names(names: Iterator[str]) -> str:
    found = list(names)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def remove_unacknowledged(findings: Findings, disk: Disk) -> None:
    """Cut off what `check_start` found to be unacknowledged. Raises OSError."""
    for tail in findings.tails:
        name = tail.path.name
        if tail.is_known and tail.is_bare:
            aside = quarantine_tail(tail, disk)
            log.warning(
                "%s holds pictures after byte %d that were not acknowledged; they are now in %s",
                name,
                tail.start,
                aside,
            )
        elif tail.is_known:
            log.warning(
                "cut off %s after byte %d: %s, in the middle of a commit or refused",
                name,
                tail.start,
                _records(tail),
            )
            cut_pack(tail.path, disk, tail.start)
        else:
            log.warning("removed %s: %s, of no commit that was whole", name, _records(tail))
            tail.path.unlink(missing_ok=True)


def _records(tail: Tail) -> str:
    count = sum(group.records for group in tail.groups())
    return f"{count} record{'' if count == 1 else 's'} of {tail.day}"


def stop_if_unsafe(findings: Findings) -> None:
    """Raise StartFault if the start must stop."""
    if findings.fault:
        raise StartFault(findings.fault)
