"""GET /audit: who changed what, for programs that copy the log elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import NotAllowed
from hub.services import Services
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.audit import AuditEntry as StoredEntry
from hub.wire.times import format_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.routes import Call, Routes


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Seq, Meta(description="entries with ids above this one: `next` of the previous page")
    ] = 0
    before: Annotated[Seq | None, Meta(description="entries with lower ids, with `desc`")] = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="by `id`; desc: the newest first")
    ] = "asc"
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change, as an entry of the audit log."""

    id: Annotated[int, Meta(description="strictly increasing")]
    time: Time
    who: Annotated[
        str,
        Meta(description="`user NAME`, `key APPID`, `command line`, `set-up link`, `signal NAME`"),
    ]
    address: Annotated[str, Meta(description="where the change came from; empty: this computer")]
    action: Annotated[str, Meta(description="the code of the action, such as `device.add`")]
    target: Annotated[
        str,
        Meta(description="the object of the action, such as a did or a user's name, and details"),
    ]


class AuditList(Struct, frozen=True):
    """`next` is null on the last page."""

    items: list[AuditEntry]
    next: int | None


LIST = Endpoint(
    method="GET",
    path=f"{PREFIX}/audit",
    tag="This hub",
    summary="Who changed what, page by page",
    description=(
        "Ascending by `id`, so that a reader resumes after the last id it has; `order=desc` is "
        "newest first, and goes on with `before=`. The hub keeps the last 100,000 entries. For "
        "administrators and API keys that are not read-only."
    ),
    query=AuditQuery,
    query_example="after=0&limit=100",
    answer_example=AuditList(
        [
            AuditEntry(
                id=4711,
                time="2026-11-25T08:00:00.000Z",
                who="user mei",
                address="192.168.1.20",
                action="device.accept",
                target="12 Y3CA12348912345",
            )
        ],
        4711,
    ),
)


def add(routes: Routes, services: Services) -> None:
    async def list_audit(call: Call[AuditQuery, Nothing]) -> AuditList:
        if isinstance(call.caller.who, ApiKey) and call.caller.who.read_only:
            raise NotAllowed("a read-only API key cannot read the audit log")
        query, audit, most = call.query, services.core.audit, call.query.limit + 1
        if query.order == "desc":
            found = await audit.newest(before=query.before, limit=most)
        else:
            found = await audit.oldest(after=query.after, limit=most)
        entries = found[: query.limit]
        has_more = len(found) > len(entries)
        return AuditList([_entry(one) for one in entries], entries[-1].id if has_more else None)

    routes.add(LIST, list_audit)


def _entry(stored: StoredEntry) -> AuditEntry:
    return AuditEntry(
        id=stored.id,
        time=format_rfc3339(stored.at),
        who=stored.who,
        address=stored.address,
        action=stored.action,
        target=stored.target,
    )
