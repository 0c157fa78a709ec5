"""Generations of a backup folder that nobody made."""

from __future__ import annotations

from pathlib import Path

from hub.store.backup.archive import FORMAT, Head, StoredPack
from hub.store.backup.generations import Generation
from hub.store.backup.unread import Part
from hub.wire.times import format_rfc3339


def generation(made_at: float, *unread: Part) -> Generation:
    """Return a generation whose pack of 2026-11-25 lacks `unread`, with pictures of 3 records."""
    moment = format_rfc3339(int(made_at * 1000))
    pack = StoredPack(
        name="media/2026-11-25.pack",
        file="2026-11-25.pack",
        bytes=10_000,
        sha256="",
        version="",
        verified_at=moment,
        unread=unread,
        unread_records=3 if unread else 0,
    )
    head = Head(
        format=FORMAT,
        kind="generation",
        created_at=moment,
        hub="0.1.0",
        schema=1,
        log_id="",
        site="Harbour",
        records=10,
        last_seq=10,
        has_pictures=True,
        total_bytes=20_000,
        database_bytes=1,
        packs=(pack,),
    )
    return Generation(Path(f"sitehub-{made_at:.0f}.tar"), made_at, 1, head)
