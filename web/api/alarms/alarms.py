"""/alarms: reading, acknowledging and closing alarms (D11)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Response

from hub.errors import BadParameter
from hub.services import Services
from hub.services.alarms.alarms import MAX_NOTE_LENGTH, MAX_SEQS
from hub.services.alarms.csv_export import describe_alarm, export_csv
from hub.store.alarms.alarm import AlarmKind, AlarmState, Severity
from hub.store.tables.alarms import AlarmFilter
from hub.wire.times import parse_rfc3339
from web.api.alarms import answers
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing, Seq, Text
from web.api.records.shown import renderer
from web.api.routes import Call, Routes, id_of

TAG = "Alarms"
_ALARMS = f"{PREFIX}/alarms"
_ONE = f"{_ALARMS}/{{alarm}}"
#: Alarms of one page, each with its record.
_MAX_PAGE = 200

Note = Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)]


class FilterQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    state: Annotated[AlarmState | None, Meta(description="in this state")] = None
    severity: Annotated[Severity | None, Meta(description="of this severity")] = None
    kind: Annotated[AlarmKind | None, Meta(description="of this kind")] = None
    did: Annotated[Did | None, Meta(description="seen by this camera")] = None
    since: Annotated[Text | None, Meta(description="`since` ≤ `first_at`, in RFC 3339")] = None
    until: Annotated[Text | None, Meta(description="`first_at` < `until`, in RFC 3339")] = None

    def matching(self) -> AlarmFilter:
        """Return the filter. Raises BadParameter."""
        return AlarmFilter(
            state=self.state,
            severity=self.severity,
            kind=self.kind,
            did=self.did,
            since=None if self.since is None else parse_rfc3339(self.since, "since"),
            until=None if self.until is None else parse_rfc3339(self.until, "until"),
        )


class AlarmsQuery(FilterQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    after: Annotated[Seq | None, Meta(description="alarms with higher seqs")] = None
    before: Annotated[Seq | None, Meta(description="alarms with lower seqs")] = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="by `seq`; desc: the newest first")
    ] = "asc"
    limit: Annotated[int, Meta(ge=1, le=_MAX_PAGE, description="items per page")] = 100


class NoteBody(Struct, frozen=True, forbid_unknown_fields=True):
    note: Note = ""


class SeqsBody(Struct, frozen=True, forbid_unknown_fields=True):
    seqs: Annotated[list[Seq], Meta(max_length=MAX_SEQS)]
    note: Note = ""


_LIST_EXAMPLE = answers.AlarmList([answers.EXAMPLE], None)

LIST = Endpoint(
    method="GET",
    path=_ALARMS,
    tag=TAG,
    summary="Alarms, page by page",
    description=(
        "Ascending by `seq`; `order=desc` is newest first, and goes on with `before=`. `state=new` "
        "are those that nobody has acknowledged."
    ),
    query=AlarmsQuery,
    query_example="state=new",
    answer_example=_LIST_EXAMPLE,
    role="viewer",
)
CSV = Endpoint(
    method="GET",
    path=f"{PREFIX}/alarms.csv",
    tag=TAG,
    summary="Alarms as CSV",
    description="The newest first, with who acknowledged and closed them; `again`: since when one "
    "that was acknowledged is new again. It is audited.",
    query=FilterQuery,
    query_example="kind=blacklist",
    media_type="text/csv",
    answer_example="seq,kind,severity,state,what,…\r\n4711,blacklist,critical,new,Zhang San,…\r\n",
    role="guard",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="One alarm with its history",
    answer_example=answers.EXAMPLE_WITH_HISTORY,
    role="viewer",
)
ACKNOWLEDGE = Endpoint(
    method="POST",
    path=f"{_ONE}/ack",
    tag=TAG,
    summary="Acknowledge an alarm",
    description=(
        "One that is over is closed by that. If it is acknowledged already, it takes the note; a "
        "closed one is refused."
    ),
    body_example=NoteBody("on my way"),
    is_body_optional=True,
    answer_example=answers.EXAMPLE,
    role="guard",
)
CLOSE = Endpoint(
    method="POST",
    path=f"{_ONE}/close",
    tag=TAG,
    summary="Close an alarm",
    description="One that is new is acknowledged by that as well. A repeat raises a new alarm.",
    body_example=NoteBody("on my way"),
    is_body_optional=True,
    answer_example=answers.EXAMPLE,
    role="guard",
)
ACKNOWLEDGE_MANY = Endpoint(
    method="POST",
    path=f"{_ALARMS}/ack",
    tag=TAG,
    summary="Acknowledge many alarms",
    description=(
        f"At most {MAX_SEQS:,}. Those that are closed, and seqs of no alarm, are left out; the "
        "answer has those that were changed, at most 200 of them."
    ),
    body_example=SeqsBody([4711, 4712], "a drill"),
    answer_example=_LIST_EXAMPLE,
    role="guard",
)
CLOSE_MANY = Endpoint(
    method="POST",
    path=f"{_ALARMS}/close",
    tag=TAG,
    summary="Close many alarms",
    description="As for acknowledging many.",
    body_example=SeqsBody([4711, 4712], "a drill"),
    answer_example=_LIST_EXAMPLE,
    role="guard",
)


def add(routes: Routes, services: Services) -> None:
    alarms = services.alarms.raised

    async def list_alarms(call: Call[AlarmsQuery, Nothing]) -> answers.AlarmList:
        query = call.query
        found = await alarms.page(
            query.matching(),
            after=query.after,
            before=query.before,
            newest_first=query.order == "desc",
            limit=query.limit,
        )
        return answers.AlarmList(
            await answers.alarm_list(services, found.items, renderer(call.caller)), found.next
        )

    async def export_alarms(call: Call[FilterQuery, Nothing]) -> Response:
        matching = call.query.matching()
        await services.core.audit.require(call.caller.actor, "alarm.export", "")
        body = export_csv(alarms, matching, describe_alarm)
        return Response(body, content_type="text/csv; charset=utf-8")

    async def get_alarm(call: Call[Nothing, Nothing]) -> answers.AlarmWithHistory:
        alarm = await alarms.get(id_of(call, "alarm"))
        return await answers.alarm_with_history(services, alarm, renderer(call.caller))

    async def acknowledge_alarm(call: Call[Nothing, NoteBody]) -> answers.Alarm:
        alarm = await alarms.get(id_of(call, "alarm"))
        if not alarm.is_active:
            raise BadParameter("this alarm is closed", field="alarm")
        await alarms.acknowledge([alarm.seq], call.body.note, call.caller.actor)
        return await answers.one_alarm(services, await alarms.get(alarm.seq), renderer(call.caller))

    async def close_alarm(call: Call[Nothing, NoteBody]) -> answers.Alarm:
        alarm = await alarms.get(id_of(call, "alarm"))
        await alarms.close([alarm.seq], call.body.note, call.caller.actor)
        return await answers.one_alarm(services, await alarms.get(alarm.seq), renderer(call.caller))

    async def acknowledge_alarms(call: Call[Nothing, SeqsBody]) -> answers.AlarmList:
        body = call.body
        changes = await alarms.acknowledge(body.seqs, body.note, call.caller.actor)
        changed = [change.alarm for change in changes[:_MAX_PAGE]]
        return answers.AlarmList(
            await answers.alarm_list(services, changed, renderer(call.caller)), None
        )

    async def close_alarms(call: Call[Nothing, SeqsBody]) -> answers.AlarmList:
        body = call.body
        changes = await alarms.close(body.seqs, body.note, call.caller.actor)
        changed = [change.alarm for change in changes[:_MAX_PAGE]]
        return answers.AlarmList(
            await answers.alarm_list(services, changed, renderer(call.caller)), None
        )

    routes.add(LIST, list_alarms)
    routes.add(CSV, export_alarms)
    routes.add(ONE, get_alarm)
    routes.add(ACKNOWLEDGE, acknowledge_alarm)
    routes.add(CLOSE, close_alarm)
    routes.add(ACKNOWLEDGE_MANY, acknowledge_alarms)
    routes.add(CLOSE_MANY, close_alarms)
