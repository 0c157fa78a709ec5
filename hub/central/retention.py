"""Deletes what is older than an owner of many sites wants to keep, and hubs that are no more."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.central.months import bounds_of
from hub.errors import StartFault
from hub.services.forwarding.nats.address import HUB_NAME

#: A stream may give what was erased again for so long.
_ERASURES_KEPT = timedelta(days=90)
_PARTS = """
SELECT part.relid::regclass::text FROM pg_partition_tree('sitehub.record') AS part WHERE level > 0
ORDER BY level
"""
_TABLE = re.compile(r"sitehub\.record_(?P<year>\d{4})_(?P<month>\d\d)(_(?P<day>\d\d))?", re.ASCII)
#: Folders of pictures, and what is in them.
_PLACE = re.compile(rf"{HUB_NAME}/[0-9a-f]{{1,64}}(/\d+)?", re.ASCII)
_PICTURE = re.compile(r"\d+-[\w-]+\.\w+", re.ASCII)
_OLD = {
    "records": "DELETE FROM sitehub.record_other WHERE stored_at < %s",
    "alarms": "DELETE FROM sitehub.alarm WHERE last_at < %s",
    "gaps": "DELETE FROM sitehub.gap WHERE stored_at < %s",
    "unreadable": "DELETE FROM sitehub.unreadable WHERE stored_at < %s",
}
_OLD_ERASURES = "DELETE FROM sitehub.erasure WHERE stored_at < %s"
_OF_HUB = ("record", "alarm", "gap", "erasure", "log", "succession", "erased_person")


def prune(connection: Any, keep: timedelta, now: datetime) -> dict[str, int]:
    """Delete rows that are older; return how many, by what they are. Raises psycopg.Error.

    Of records, tables go whose month or day is over for so long: `tables`. What clocks have dated
    wrongly goes by when it was stored.
    """
    before = now - keep
    found = {"tables": 0}
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        for (table,) in connection.execute(_PARTS).fetchall():
            end = _end_of(table)
            if end is not None and end <= before:
                # Of days in a month that is gone already, nothing is there any more.
                found["tables"] += connection.execute(
                    "SELECT count(*) FROM pg_class WHERE oid = to_regclass(%s)", (table,)
                ).fetchone()[0]
                connection.execute(f"DROP TABLE IF EXISTS {table}")
    for name, sql in _OLD.items():
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            found[name] = connection.execute(sql, (before,)).rowcount
    connection.execute(_OLD_ERASURES, (min(before, now - _ERASURES_KEPT),))
    return found


def prune_pictures(root: Path, keep: timedelta, now: datetime) -> int:
    """Delete pictures that came longer ago; return how many. Raises OSError.

    Nothing that is named otherwise, in case that is another folder.
    """
    before, count = (now - keep).timestamp(), 0
    for folder, _, names in os.walk(root, topdown=False):
        place = Path(folder).relative_to(root).as_posix()
        if not _PLACE.fullmatch(place):
            continue
        for name in filter(_PICTURE.fullmatch, names):
            path = Path(folder, name)
            # Another centre may write or erase there meanwhile.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    count += 1
        with suppress(OSError):
            Path(folder).rmdir()
    return count


def forget_hub(connection: Any, hub: str, root: Path | None, *, with_records: bool) -> int:
    """Delete a hub's row, and all that it has sent if wanted; return how many rows.

    The row goes last, since a centre that notes how far the hub is waits for it. Raises
    psycopg.Error, OSError, StartFault.
    """
    if not re.fullmatch(HUB_NAME, hub, re.ASCII):
        raise StartFault(f"there is no hub {hub}")
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        count: int = 0
        for table in _OF_HUB if with_records else ():
            count += connection.execute(
                f"DELETE FROM sitehub.{table} WHERE hub = %s", (hub,)
            ).rowcount
        if with_records:
            count += connection.execute(
                "DELETE FROM sitehub.unreadable WHERE split_part(subject, '.', 3) = %s", (hub,)
            ).rowcount
        count += connection.execute("DELETE FROM sitehub.hub WHERE name = %s", (hub,)).rowcount
    if with_records and root is not None:
        with suppress(FileNotFoundError):
            shutil.rmtree(root / hub)
    return count


def _end_of(table: str) -> datetime | None:
    """Return the first moment after those of a table; None if it is of no month or day."""
    found = _TABLE.fullmatch(table)
    if found is None:
        return None
    year, month = int(found["year"]), int(found["month"])
    if found["day"]:
        day = date(year, month, int(found["day"])) + timedelta(days=1)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime.fromisoformat(bounds_of((year, month))[1])
