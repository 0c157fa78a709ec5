"""GET /records/matches: which names or plates have the part that is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import BadParameter
from hub.services import Services
from hub.services.records.matches import MAX_MATCHES
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.records.answers import Seq
from web.api.records.filter_query import FilterQuery, filter_of
from web.api.routes import Call, Routes


class Match(Struct, frozen=True):
    """A name or plate."""

    text: Annotated[str, Meta(description="as the newest record has it")]
    records: int
    last_seq: Annotated[Seq, Meta(description="the newest record")]


class RecordMatches(Struct, frozen=True):
    """Names or plates that have a part."""

    field: Annotated[Literal["name", "plate"], Meta(description="what was asked for")]
    matches: Annotated[list[Match], Meta(description="those of the most records first")]
    more: Annotated[int, Meta(description="how many others there are")]
    exact: Annotated[
        bool,
        Meta(description="false: some are estimated, or there was no time to count all"),
    ]


READ = Endpoint(
    method="GET",
    path=f"{PREFIX}/records/matches",
    tag="Records",
    summary="Which names or plates have a part",
    description=(
        "Counts the records that `GET /records` returns for the same parameters, by name or by "
        "plate: `plate=88` tells which cars have 88 in their plate, and how often each was seen. "
        "`name` or `plate` is required; it is a part, not a whole one in quotes. Returns up to "
        f"{MAX_MATCHES}. Plates that differ only in blanks, dots and hyphens are one. With a time "
        "and very many records, the numbers are estimated (`exact` is false). What cannot be "
        "counted within 2 s is left out: then `exact` is false as well, and the newest records "
        "are counted."
    ),
    query=FilterQuery,
    answer_example=RecordMatches(
        field="plate",
        matches=[Match("京A·88015", 120, 40312), Match("沪B88K21", 93, 40298)],
        more=0,
        exact=True,
    ),
    query_example="plate=88",
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    async def record_matches(call: Call[FilterQuery, Nothing]) -> RecordMatches:
        filter = filter_of(call.query, services.people.groups)
        found = await services.records.part_matching.find(filter)
        if found is None:
            raise BadParameter("a part of a name or plate is expected", field="plate")
        return RecordMatches(
            found.field,
            [Match(one.text, one.records, one.last_seq) for one in found.found],
            found.more,
            found.is_exact,
        )

    routes.add(READ, record_matches)
