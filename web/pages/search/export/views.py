"""What is found, for others: as CSV, as a ZIP with pictures, and to print."""

from __future__ import annotations

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.services.people.masking import masked_record
from hub.store.tables.users import User
from hub.wire.uploads.records import Record
from web import auth, language
from web.language import gettext
from web.pages.hold_export import export, response
from web.pages.layout import page
from web.pages.search.chips import question_text
from web.pages.search.export import csv_export
from web.pages.search.export.found_records import FoundRecords
from web.pages.search.export.printed import printed_records
from web.pages.search.question import Question, read_question, read_sent
from web.pages.times import now_here

blueprint = Blueprint("search_export", __name__, url_prefix="/search/export")

#: With three pictures each, about as much as a USB stick of today holds.
MOST_IN_ZIP = 20_000
#: More would be a book, and its pictures too many for one page of a browser.
MOST_PRINTED = 100
_MOST_NOTED = 300


@blueprint.get("/csv", role="guard")
async def csv() -> Response:
    me, question = await _begin("csv")
    parts = csv_export.export_csv(
        _found(question, me, csv_export.MOST_RECORDS),
        language.current(),
        language.zone(),
        newest_first=question.is_newest_first,
    )
    return response.file_response(parts, f"{_name()}.csv", "text/csv; charset=utf-8")


@blueprint.get("/zip", role="guard")
async def zip() -> Response:
    me, question = await _begin("zip")
    asked = await question_text(question) or gettext("All records")
    most = gettext("at most %(n)s, the oldest first") % {"n": MOST_IN_ZIP}
    about = export.About(
        folder=_name(),
        title=asked,
        lines=((gettext("Search"), asked), (gettext("Limit"), most)),
        manifest={"search": question.query().removeprefix("?"), "limit": MOST_IN_ZIP},
    )
    found = _found(question, me, MOST_IN_ZIP)
    return response.zip_response(auth.services(), found, about, language.current(), by=auth.actor())


@blueprint.get("/print", role="guard")
async def print_page() -> Response:
    me, question = await _begin("print")
    asked = await question_text(question) or gettext("All records")
    found = _found(question, me, MOST_PRINTED)
    records = [one async for one in found.each(newest_first=question.is_newest_first)]
    return await _print_page(asked, records, back=question.url(), is_cut=found.is_cut)


@blueprint.get("/print/<int:seq>", role="guard")
async def print_record(seq: int) -> Response:
    services = auth.services()
    record = await services.records.log.get(seq)
    await services.core.audit.require(auth.actor(), "record.export", f"print seq={seq}")
    shown = record if auth.reaches(auth.user(), "admin") else masked_record(record)
    asked = gettext("Record %(name)s") % {"name": seq}
    return await _print_page(asked, [shown], back=f"/records/{seq}")


async def _print_page(
    asked: str, records: list[Record], *, back: str, is_cut: bool = False
) -> Response:
    return await page(
        "search/print.html",
        asked=asked,
        records=await printed_records(records),
        is_cut=is_cut,
        most=MOST_PRINTED,
        exported_at=int(auth.services().core.clock.likely_time() * 1000),
        zone_name=auth.services().core.site.zone_name(),
        back=back,
    )


async def _begin(form: str) -> tuple[User, Question]:
    """The question of this request, of a guard, with fixed times; noted in the audit log.

    The log has no name, plate or number of a person, because it is never erased.
    """
    services = auth.services()
    asked = read_question(read_sent(request.args), language.zone())
    question = asked.as_of_now(services)
    hidden = {field: "…" for field in ("name", "plate", "uuid") if getattr(question, field)}
    noted = replace(question, **hidden).pairs()
    text = " ".join([form, *(f"{name}={value}" for name, value in noted)])
    await services.core.audit.require(auth.actor(), "record.export", text[:_MOST_NOTED])
    return auth.user(), question


def _found(question: Question, me: User, most: int) -> FoundRecords:
    services = auth.services()
    sees_numbers = auth.reaches(me, "admin")
    return FoundRecords(services, question.filter(services), most=most, sees_numbers=sees_numbers)


def _name() -> str:
    """The name of the file, by the time at the site."""
    return f"sitehub-search-{now_here():%Y%m%d-%H%M%S}"
