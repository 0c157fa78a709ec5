"""The list of holds, one hold with its records, and its release and export."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.records.holds import may_change
from hub.store.tables.holds import Hold
from hub.store.tables.users import User
from web import auth, language
from web.language import gettext
from web.pages.evidence.rows import hold_row
from web.pages.evidence.times import read_last_day
from web.pages.faults import Forbidden
from web.pages.hold_export import response
from web.pages.labels import size_text
from web.pages.layout import make_url, page, redirect_to
from web.pages.shown.known_people import make_cards
from web.pages.times import now_here

blueprint = Blueprint("evidence", __name__, url_prefix="/search/kept")

_HOLDS_PER_PAGE = 100
_CARDS_PER_PAGE = 60
_MAX_ID = 2**63 - 1


@blueprint.get("", role="guard")
async def holds() -> Response:
    service = auth.services().records.holds
    before = request.args.get("before", type=int)
    found = await service.newest(
        None if before is None else max(0, min(before, _MAX_ID)), _HOLDS_PER_PAGE + 1
    )
    shown, more = found[:_HOLDS_PER_PAGE], len(found) > _HOLDS_PER_PAGE
    use = service.use()
    return await page(
        "evidence/holds.html",
        rows=[hold_row(one) for one in shown],
        is_first=before is None,
        older=make_url("/search/kept", before=str(shown[-1].id)) if more else "",
        held=use.records,
        size=size_text(use.bytes),
    )


@blueprint.get("/<int:id>", role="guard")
async def one_hold(id: int) -> Response:
    return await _hold_page(auth.user(), await auth.services().records.holds.get(id))


async def _hold_page(me: User, hold: Hold, fault: str = "", reason: str | None = None) -> Response:
    after = request.args.get("after", 0, type=int)
    found = await auth.services().records.holds.records(
        hold.id, after=max(0, min(after, _MAX_ID)), limit=_CARDS_PER_PAGE
    )
    return await page(
        "evidence/hold.html",
        status=400 if fault else 200,
        row=hold_row(hold),
        cards=await make_cards(found.items),
        is_first=after == 0,
        next_url=make_url(f"/search/kept/{hold.id}", after=str(found.next)) if found.next else "",
        may_change_hold=may_change(me, hold),
        fault=fault,
        reason=hold.reason if reason is None else reason,
        today=now_here().date(),
    )


@blueprint.post("/<int:id>/change", role="guard")
async def change(id: int) -> Response:
    me = auth.user()
    hold, form = await _own(me, id), await request.form
    reason = form.get("reason", "")
    try:
        until = read_last_day(form.get("until", ""), "until")
        await auth.services().records.holds.change(id, reason, until, by=auth.actor())
    except BadParameter as error:
        return await _hold_page(me, hold, describe_hold_error(error), reason)
    return redirect_to(f"/search/kept/{id}?done=hold-changed")


async def _ask_to_release(id: int) -> Response:
    hold = await _own(auth.user(), id)
    gone = await auth.services().records.holds.only_here(id)
    return await page("evidence/release.html", row=hold_row(hold), gone=gone)


@blueprint.post("/<int:id>/release", role="guard", confirm=_ask_to_release)
async def release(id: int) -> Response:
    await _own(auth.user(), id)
    try:
        await auth.services().records.holds.release(id, by=auth.actor())
    except BadParameter:
        # It has ended in the meantime, as its page shows.
        return redirect_to(f"/search/kept/{id}")
    return redirect_to("/search/kept?done=hold-released")


@blueprint.get("/<int:id>/export", role="guard")
async def export(id: int) -> Response:
    hub = auth.services()
    hold = await hub.records.holds.get(id)
    return await response.export_response(
        hub,
        hold,
        language.current().code,
        by=auth.actor(),
        sees_numbers=auth.reaches(auth.user(), "admin"),
    )


async def _own(me: User, id: int) -> Hold:
    hold = await auth.services().records.holds.get(id)
    if not may_change(me, hold):
        raise Forbidden(
            gettext(
                "Only the guard who kept these records as evidence, or an administrator, may do "
                "that."
            )
        )
    return hold


def describe_hold_error(error: BadParameter) -> str:
    """What is wrong with a hold, as a sentence."""
    texts = {
        "reason": gettext("Enter the reason, in at most 500 characters."),
        "until": gettext("The last day must be today or later."),
        "from": gettext("Enter the times as date and time."),
        "to": gettext("Enter the times as date and time."),
        "seqs": gettext("These records no longer exist."),
        "records": gettext("Too many records: at most 10,000 per entry and 200,000 in total."),
    }
    return texts.get(error.field, str(error))
