"""/erasures: erasing one person's records, and what was erased."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.errors import BadParameter, NotAllowed
from hub.services import Services
from hub.services.records.erasures import MAX_SEQS
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.erasures import Erasure
from hub.wire.times import format_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq, Text
from web.api.records.holds import TAG
from web.api.routes import Call, Routes, id_of

_ERASURES = f"{PREFIX}/erasures"


class ErasureAnswer(Struct, frozen=True, kw_only=True):
    """What was erased. It does not tell whose records they were."""

    id: int
    created_by: str
    created_at: Time
    finished_at: Annotated[Time | None, Meta(description="null: it is not finished")]
    manner: Annotated[str, Meta(description="`person`: by number or name; `records`: by hand")]
    records: Annotated[int, Meta(description="erased so far")]
    pictures: int
    bytes: int
    first_day: Annotated[str, Meta(description="of the records, in UTC: `2026-11-25`")]
    last_day: str
    kept: Annotated[int, Meta(description="records that stay because they are held")]
    dids: Annotated[
        list[str],
        Meta(description="cameras that sent the records or hold the person, and may still"),
    ]
    copies: Annotated[list[str], Meta(description="older copies that still hold the records")]
    targets: Annotated[
        list[str],
        Meta(description="other systems that may have the records, and are told to erase"),
    ]


class ErasureList(Struct, frozen=True):
    """Newest first. `next` is the `after` of the next call; null: this is the last page."""

    items: list[ErasureAnswer]
    next: int | None


class ErasuresQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Seq | None, Meta(description="erasures that follow this id: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class FindQuery(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[Text | None, Meta(description="exactly; case is ignored")] = None
    number: Annotated[Text | None, Meta(description="the `uuid` of records")] = None


class FoundPerson(Struct, frozen=True, kw_only=True):
    """Records of one number, or of a name without a number (`number` is empty)."""

    name: str
    number: str
    records: int
    pictures: int
    held: Annotated[int, Meta(description="records that are held: erased only with `with_held`")]
    first_day: str
    last_day: str
    newest_seq: Annotated[int, Meta(description="0: there are no records")]
    in_register: Annotated[
        bool, Meta(description="a person of the register, who is removed from it as well")
    ]
    told: Annotated[
        list[str],
        Meta(description="targets that are told the number, to erase what this hub has no longer"),
    ]


class FoundPersons(Struct, frozen=True):
    items: list[FoundPerson]


class ErasureBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Give one of `number`, `name` (the records with this name and no number) and `seqs`."""

    number: Text = ""
    name: Text = ""
    seqs: Annotated[list[Seq], Meta(description=f"at most {MAX_SEQS:,}")] = []
    with_held: bool = False
    confirm: Annotated[
        Seq, Meta(description="how many records will be erased; otherwise nothing is")
    ]


_EXAMPLE = ErasureAnswer(
    id=3,
    created_by="user mei",
    created_at="2026-11-25T08:00:00.000Z",
    finished_at="2026-11-25T08:00:02.000Z",
    manner="person",
    records=42,
    pictures=126,
    bytes=9_437_184,
    first_day="2026-11-01",
    last_day="2026-11-24",
    kept=0,
    dids=["12"],
    copies=["sitehub-2026-11-24.backup"],
    targets=["Centre"],
)
LIST = Endpoint(
    method="GET",
    path=_ERASURES,
    tag=TAG,
    summary="Erasures, newest first",
    query=ErasuresQuery,
    query_example="limit=100",
    answer_example=ErasureList([_EXAMPLE], None),
)
ONE = Endpoint(
    method="GET",
    path=f"{_ERASURES}/{{erasure}}",
    tag=TAG,
    summary="One erasure, and what it could not reach",
    answer_example=_EXAMPLE,
)
FIND = Endpoint(
    method="GET",
    path=f"{PREFIX}/erasable",
    tag=TAG,
    summary="What there is of a person",
    description=(
        "By `number`, or by `name`, which several people may have. A number that this hub does not "
        "know is found, without records, if there are targets of NATS. Not for read-only keys."
    ),
    query=FindQuery,
    query_example="number=1001",
    answer_example=FoundPersons(
        [
            FoundPerson(
                name="Li Lei",
                number="1001",
                records=42,
                pictures=126,
                held=0,
                first_day="2026-11-01",
                last_day="2026-11-24",
                newest_seq=4711,
                in_register=True,
                told=["Centre"],
            )
        ]
    ),
)
ERASE = Endpoint(
    method="POST",
    path=_ERASURES,
    tag=TAG,
    summary="Erase a person's records",
    description=(
        "Names, numbers and pictures go for good; each record stays as an empty shell "
        "(`erased: true`), so that no seq is missing. `confirm` must be the number of records that "
        "are erased now. A person of the register with this `number` is removed from it, and so "
        "from all cameras. Targets of NATS are told the number, even if this hub knows nothing of "
        "it: `confirm` is 0 then. Carried out in the background: ask for it until `finished_at` is "
        "set."
    ),
    body_example=ErasureBody(number="1001", confirm=42),
    answer_example=_EXAMPLE,
)


def add(routes: Routes, services: Services) -> None:
    erasures = services.records.erasures

    async def list_erasures(call: Call[ErasuresQuery, Nothing]) -> ErasureList:
        found = await erasures.newest(call.query.after, call.query.limit + 1)
        items = found[: call.query.limit]
        return ErasureList(
            [erasure_fields(one) for one in items],
            items[-1].id if len(found) > len(items) else None,
        )

    async def get_erasure(call: Call[Nothing, Nothing]) -> ErasureAnswer:
        return erasure_fields(await erasures.get(id_of(call, "erasure")))

    async def find_person(call: Call[FindQuery, Nothing]) -> FoundPersons:
        if isinstance(call.caller.who, ApiKey) and call.caller.who.read_only:
            raise NotAllowed("a read-only API key cannot look for a person to erase")
        query = call.query
        found = await erasures.find_erasable(number=query.number or "", name=query.name or "")
        return FoundPersons(
            [
                FoundPerson(
                    name=one.match.name,
                    number=one.match.uuid,
                    records=one.preview.records,
                    pictures=one.preview.pictures,
                    held=one.preview.held,
                    first_day=one.preview.first_day,
                    last_day=one.preview.last_day,
                    newest_seq=one.match.last_seq,
                    in_register=one.in_register,
                    told=list(one.told),
                )
                for one in found
                if one.match is not None
            ]
        )

    async def erase(call: Call[Nothing, ErasureBody]) -> ErasureAnswer:
        body = call.body
        if [bool(body.number), bool(body.name), bool(body.seqs)].count(True) != 1:
            raise BadParameter("one of number, name and seqs is expected", field="number")
        subject = await erasures.find_subject(number=body.number, name=body.name, seqs=body.seqs)
        preview = await erasures.preview(subject)
        count = preview.records - (0 if body.with_held else preview.held)
        if count != body.confirm:
            raise BadParameter(f"{count} records would be erased", field="confirm")
        begun = await erasures.begin(subject, with_held=body.with_held, by=call.caller.actor)
        return erasure_fields(begun)

    routes.add(LIST, list_erasures)
    routes.add(ONE, get_erasure)
    routes.add(FIND, find_person)
    routes.add(ERASE, erase)


def erasure_fields(erasure: Erasure) -> ErasureAnswer:
    """An erasure as the API shows it."""
    report = erasure.report
    return ErasureAnswer(
        id=erasure.id,
        created_by=erasure.created_by,
        created_at=format_rfc3339(erasure.created_at),
        finished_at=None if erasure.finished_at is None else format_rfc3339(erasure.finished_at),
        manner=erasure.manner,
        records=erasure.records,
        pictures=erasure.pictures,
        bytes=erasure.bytes,
        first_day=report.first_day,
        last_day=report.last_day,
        kept=report.kept,
        dids=list(report.dids),
        copies=list(report.copies),
        targets=list(report.targets),
    )
