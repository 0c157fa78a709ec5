"""The audit log as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from hub.services.audit import Audit
from hub.services.csv_cells import as_text
from hub.store.tables.audit import AuditEntry, AuditFilter
from hub.wire.times import format_rfc3339

HEAD = ("id", "time", "who", "address", "action", "description", "target")
_PART = 1000


async def export_csv(
    audit: Audit, matching: AuditFilter, describe: Callable[[str], str]
) -> AsyncIterator[bytes]:
    """Yield the matching entries as CSV, the newest first, part by part.

    `describe` turns the code of an action into words.
    """
    # Excel takes a file without this mark for one in the code page of the PC.
    yield "\ufeff".encode() + _lines([HEAD])
    before: int | None = None
    while entries := await audit.newest(before=before, limit=_PART, matching=matching):
        yield _lines(_cells(entry, describe(entry.action)) for entry in entries)
        before = entries[-1].id


def _cells(entry: AuditEntry, description: str) -> Sequence[str]:
    time = format_rfc3339(entry.at)
    texts = (entry.who, entry.address, entry.action, description, entry.target)
    return (str(entry.id), time, *(as_text(text) for text in texts))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")
