"""/people/import and /people/export: many people at once, as CSV and ZIP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from quart import Response

from hub.errors import NotAllowed
from hub.services import Services
from hub.services.people.import_export.imports import MAX_UPLOAD_BYTES, ImportPreview, PreviewRow
from hub.services.people.import_export.plan import Action, RowRefusal
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.jobs import JOB_EXAMPLE, JobFields, job_fields
from web.api.people.people import TAG
from web.api.routes import Call, FileBody, Routes
from web.forms.import_form import write_file
from web.http.bodies import TooSlow
from web.people_export import export_response

_IMPORT = f"{PREFIX}/people/import"
_TYPES = ("text/csv", "application/zip", "application/octet-stream")
_BODY = (
    "The body is a CSV file, or a ZIP of photos with the CSV file in it. Columns are named as the "
    "fields of a person, in English or Chinese, in any order; of `pid`, `work_id` and `name` one "
    "is needed, which says whom a row is about. What has no column is left as it is, and an empty "
    "cell empties the field. `groups` are names, `valid_until` includes its day, `photo` names a "
    "file of the ZIP; without it, photos are found by pid, work number or name. A ZIP without a "
    "CSV file gives its photos to people who are there. UTF-8, UTF-16 or GB18030; comma, "
    "semicolon or tab. A signed request includes the `body_md5` of the file."
)


class ImportPreviewFields(Struct, frozen=True, kw_only=True):
    """What an import would do."""

    id: Annotated[str, Meta(description="names the files for an hour")]
    rows: int
    adds: int
    changes: int
    refused: int
    photos: Annotated[int, Meta(description="rows that have one")]
    unmatched: Annotated[list[str], Meta(description="photos that belong to no row; the first 50")]
    unmatched_count: int
    unused: Annotated[list[str], Meta(description="columns that are not known")]


class RefusalFields(Struct, frozen=True, kw_only=True):
    """Why a row is refused."""

    code: str
    message: str
    field: Annotated[str, Meta(description="the column, if one is at fault")]
    other_line: Annotated[int, Meta(description="the earlier row about the same person, or 0")]


class ImportRowFields(Struct, frozen=True, kw_only=True):
    """What one row would do."""

    line: Annotated[int, Meta(description="in the file, from 1")]
    action: Action
    pid: Annotated[str, Meta(description='of the person; "": one is assigned, or not known')]
    name: str
    photo: Annotated[str, Meta(description='the file in the ZIP; "": none')]
    refusal: RefusalFields | None


class ImportRowList(Struct, frozen=True):
    """Rows in their order. `next` is the `after` of the next call; null: this is the last page."""

    items: list[ImportRowFields]
    next: int | None


class RowsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    action: Annotated[Action | None, Meta(description="such rows only")] = None
    after: Annotated[
        Seq | None, Meta(description="rows that follow: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class ExportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    language: Annotated[Literal["en", "zh"], Meta(description="of the column names and words")] = (
        "en"
    )


_ID = "0123456789abcdef0123456789abcdef"
_PREVIEW = ImportPreviewFields(
    id=_ID,
    rows=50,
    adds=47,
    changes=2,
    refused=1,
    photos=49,
    unmatched=["IMG_1.jpg"],
    unmatched_count=1,
    unused=["salary"],
)

IMPORT = Endpoint(
    method="POST",
    path=_IMPORT,
    tag=TAG,
    summary="Import people from CSV and ZIP, as a job",
    description=(
        f"{_BODY} Each row is stored as a whole or refused; the job's items are the refused rows, "
        "and `GET /jobs/{job}/refused` has them as CSV."
    ),
    body_file=_TYPES,
    max_body_bytes=MAX_UPLOAD_BYTES,
    answer_example=JOB_EXAMPLE,
    refusals=(TooSlow,),
    role="people",
)
PREVIEW = Endpoint(
    method="POST",
    path=f"{_IMPORT}/preview",
    tag=TAG,
    summary="Say what an import would do, without changing anything",
    description=f"{_BODY} What cannot be seen without decoding the photos is not told.",
    body_file=_TYPES,
    max_body_bytes=MAX_UPLOAD_BYTES,
    answer_example=_PREVIEW,
    refusals=(TooSlow,),
    role="people",
)
ROWS = Endpoint(
    method="GET",
    path=f"{_IMPORT}/{{import}}/rows",
    tag=TAG,
    summary="What each row of a preview would do",
    query=RowsQuery,
    query_example="action=refuse",
    answer_example=ImportRowList(
        [
            ImportRowFields(
                line=3,
                action="refuse",
                pid="",
                name="Li",
                photo="",
                refusal=RefusalFields(
                    code="group",
                    message="there is no group Gate",
                    field="groups",
                    other_line=0,
                ),
            )
        ],
        None,
    ),
    role="people",
)
START = Endpoint(
    method="POST",
    path=f"{_IMPORT}/{{import}}",
    tag=TAG,
    summary="Import what was previewed, as a job",
    answer_example=JOB_EXAMPLE,
    role="people",
)
EXPORT = Endpoint(
    method="GET",
    path=f"{PREFIX}/people/export",
    tag=TAG,
    summary="Everyone, as a ZIP with CSV and photos, as an import reads it",
    description=(
        "Personal numbers are in full: for administrators, the role `people` and API keys that "
        "may write. The audit log notes each export."
    ),
    query=ExportQuery,
    query_example="language=en",
    media_type="application/zip",
    role="people",
)


def add(routes: Routes, services: Services) -> None:
    imports = services.people.imports

    async def import_people(call: Call[Nothing, Any]) -> JobFields:
        preview = await received(call.body)
        return job_fields(await imports.start(preview.id, call.caller.actor))

    async def preview_import(call: Call[Nothing, Any]) -> ImportPreviewFields:
        return _preview_fields(await received(call.body))

    async def get_import_rows(call: Call[RowsQuery, Nothing]) -> ImportRowList:
        if not call.caller.may("people"):
            raise NotAllowed("a read-only key does not import")
        query = call.query
        after = -1 if query.after is None else query.after
        actions = () if query.action is None else (query.action,)
        found = await imports.rows(call.path["import"], after, query.limit + 1, actions)
        rows = found[: query.limit]
        last = rows[-1].position if len(found) > query.limit else None
        return ImportRowList([_row_fields(row) for row in rows], last)

    async def start_import(call: Call[Nothing, Nothing]) -> JobFields:
        return job_fields(await imports.start(call.path["import"], call.caller.actor))

    async def export(call: Call[ExportQuery, Nothing]) -> Response:
        if not call.caller.may("people"):
            raise NotAllowed("a read-only key does not see personal numbers")
        return await export_response(services, call.query.language, by=call.caller.actor)

    async def received(body: FileBody) -> ImportPreview:
        path = await imports.new_file(body.bytes_left)
        try:
            await write_file(path, body.next)
        except BaseException:
            await imports.discard([path])
            raise
        return await imports.stage([path])

    routes.add(IMPORT, import_people)
    routes.add(PREVIEW, preview_import)
    routes.add(ROWS, get_import_rows)
    routes.add(START, start_import)
    routes.add(EXPORT, export)


def _preview_fields(preview: ImportPreview) -> ImportPreviewFields:
    return ImportPreviewFields(
        id=preview.id,
        rows=preview.rows,
        adds=preview.adds,
        changes=preview.changes,
        refused=preview.refused,
        photos=preview.photos,
        unmatched=list(preview.unmatched),
        unmatched_count=preview.unmatched_count,
        unused=list(preview.unused),
    )


def _row_fields(row: PreviewRow) -> ImportRowFields:
    return ImportRowFields(
        line=row.line,
        action=row.action,
        pid=row.pid,
        name=row.name,
        photo=row.photo,
        refusal=None if row.refusal is None else _refusal_fields(row.refusal),
    )


def _refusal_fields(refusal: RowRefusal) -> RefusalFields:
    return RefusalFields(
        code=refusal.code,
        message=refusal.message,
        field=refusal.field,
        other_line=refusal.other_line,
    )
