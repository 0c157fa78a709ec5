"""GET /backups: the nightly backups, for programs that watch over them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.services import Services
from hub.services.backups.views import KnownBackup
from hub.wire.times import format_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.routes import Call, Routes


class Backup(Struct, frozen=True, kw_only=True):
    """A backup in the folder."""

    name: Annotated[str, Meta(description="the name of its file")]
    made_at: Time
    bytes: Annotated[int, Meta(description="what a restore takes, pictures included")]
    verified: Annotated[bool, Meta(description="whether it was read back and is complete")]
    unread_bytes: Annotated[
        int,
        Meta(description="bytes that the disk of the hub could not read; the rest can be restored"),
    ]
    unread_records: Annotated[
        int, Meta(description="how many records have pictures that could not be read")
    ]
    problem: Annotated[str, Meta(description="what is wrong with it; empty: nothing")]
    has_pictures: bool
    records: int


class BackupList(Struct, frozen=True, kw_only=True):
    """The backups, the newest first."""

    items: list[Backup]
    next: Annotated[None, Meta(description="always null: all fit on one page")] = None
    last_good: Annotated[Time | None, Meta(description="when the last good one was made")]
    running: Annotated[bool, Meta(description="whether a backup is in progress")]
    failure: Annotated[str, Meta(description="why the last one failed; empty: it did not")]
    folder: Annotated[str, Meta(description="the folder on the hub's computer")]


LIST = Endpoint(
    method="GET",
    path=f"{PREFIX}/backups",
    tag="This hub",
    summary="The nightly backups",
    description="For administrators and API keys.",
    answer_example=BackupList(
        items=[
            Backup(
                name="sitehub-20261124-190000.tar",
                made_at="2026-11-24T19:00:00.000Z",
                bytes=96_000_000_000,
                verified=True,
                unread_bytes=0,
                unread_records=0,
                problem="",
                has_pictures=True,
                records=481_516,
            )
        ],
        last_good="2026-11-24T19:00:00.000Z",
        running=False,
        failure="",
        folder="/mnt/second-disk/sitehub",
    ),
)


def add(routes: Routes, services: Services) -> None:
    async def list_backups(call: Call[Nothing, Nothing]) -> BackupList:
        backups = services.upkeep.backups
        newest, failure = backups.last_complete, backups.last_failure
        return BackupList(
            items=[_backup(one) for one in backups.list()],
            last_good=None if newest is None else _time(newest.made_at),
            running=backups.running is not None,
            failure="" if failure is None else str(failure.reason),
            folder=str(backups.folder),
        )

    routes.add(LIST, list_backups)


def _backup(one: KnownBackup) -> Backup:
    return Backup(
        name=one.name,
        made_at=_time(one.made_at),
        bytes=one.bytes,
        verified=one.is_complete,
        unread_bytes=one.unread_bytes,
        unread_records=one.unread_records,
        problem=str(one.problem or ""),
        has_pictures=one.has_pictures,
        records=one.records,
    )


def _time(seconds: float) -> str:
    return format_rfc3339(int(seconds * 1000))
