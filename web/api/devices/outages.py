"""/devices/{did}/outages: when a device was offline, for how long, and how available it was."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.services import Services
from hub.services.devices.availability import KEEP_DAYS
from hub.store.tables.outages import Outage, OutageCause
from hub.wire.times import format_rfc3339, parse_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq, Text
from web.api.routes import Call, Routes


class OutagesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[
        Text | None,
        Meta(description=f"begin of the range, in RFC 3339; {KEEP_DAYS} days ago if left out"),
    ] = None
    until: Annotated[
        Text | None, Meta(description="end of the range, in RFC 3339; now if left out")
    ] = None
    after: Annotated[Seq | None, Meta(description="outages with higher ids")] = None
    before: Annotated[Seq | None, Meta(description="outages with lower ids")] = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="by `id`; desc: the newest first")
    ] = "asc"
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class OutageAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """A time without a connection that lasted for more than a minute."""

    id: int
    from_: Annotated[Time, Meta(description="when the device was last heard from")]
    until: Annotated[Time | None, Meta(description="null: it lasts")]
    cause: Annotated[
        OutageCause,
        Meta(
            description=(
                "lost: it did not connect; refused: it tried, and was not let in; disabled: "
                "someone had disabled it; new: it had never been connected. The last two do not "
                "count as outages"
            )
        ),
    ]
    hub_off_seconds: Annotated[
        float, Meta(description="for how long of it the hub was off: nobody knows about that time")
    ]


class OutageList(Struct, frozen=True):
    """`availability`, `outages` and `out_seconds` are of the whole range, not of the page."""

    items: list[OutageAnswer]
    next: int | None
    availability: Annotated[
        float | None,
        Meta(description="percent of the time for which the hub watched; null: it never did"),
    ]
    outages: int
    out_seconds: float
    watched_seconds: float


LIST = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices/{{did}}/outages",
    tag="Devices",
    summary="When a device was offline, page by page",
    description=(
        "Ascending by `id`; `order=desc` is newest first, and goes on with `before=`. A device "
        "that is back within a minute has only reconnected, and after a start of the hub it has "
        f"three minutes. The hub keeps {KEEP_DAYS} days."
    ),
    query=OutagesQuery,
    query_example="order=desc&limit=10",
    answer_example=OutageList(
        [OutageAnswer(7, "2026-11-25T02:13:05.000Z", "2026-11-25T02:40:11.000Z", "lost", 0.0)],
        None,
        99.73,
        1,
        1626.0,
        604800.0,
    ),
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    async def list_outages(call: Call[OutagesQuery, Nothing]) -> OutageList:
        query, now = call.query, int(services.core.clock.shown_time() * 1000)
        device = services.cameras.devices.device(call.path["did"])
        oldest = now - KEEP_DAYS * 86_400_000
        history = await services.cameras.availability.history(
            device.did,
            since=oldest if query.since is None else parse_rfc3339(query.since, "since"),
            until=now if query.until is None else parse_rfc3339(query.until, "until"),
            after=query.after,
            before=query.before,
            newest_first=query.order == "desc",
            limit=query.limit,
        )
        found, page = history.availability, history.page
        return OutageList(
            [_answer(*one) for one in zip(page.items, history.hub_off, strict=True)],
            page.next,
            None if found.percent is None else round(found.percent, 3),
            found.outages,
            found.out / 1000,
            found.watched / 1000,
        )

    routes.add(LIST, list_outages)


def _answer(outage: Outage, hub_off: int) -> OutageAnswer:
    ended_at = outage.ended_at
    return OutageAnswer(
        outage.id,
        format_rfc3339(outage.began_at),
        None if ended_at is None else format_rfc3339(ended_at),
        outage.cause,
        hub_off / 1000,
    )
