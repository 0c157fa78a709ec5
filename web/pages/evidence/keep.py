"""Keep records: choose them, see how many they are, and say why and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, TooManyRequests
from hub.services.records.holds import HoldSelection, Selected, may_change
from hub.store.tables.holds import MAX_RECORDS_PER_HOLD
from hub.store.tables.users import User
from hub.wire.uploads.records import RECORD_KINDS
from web import auth
from web.language import gettext
from web.pages.choices import Choice
from web.pages.evidence.rows import hold_row
from web.pages.evidence.times import read_last_day
from web.pages.evidence.views import describe_hold_error
from web.pages.labels import KINDS
from web.pages.layout import page, redirect_to
from web.pages.shown.known_people import make_cards
from web.pages.times import now_here, read_time_ms, time_field

blueprint = Blueprint("evidence_keep", __name__, url_prefix="/search/kept/new")

#: Holds that records can be added to, and cards shown of what was chosen.
_MAX_CHOICES = 50
_MAX_CARDS = 12
_MAX_SEQS = 100


class KeepForm(Struct, frozen=True, kw_only=True):
    """The fields that choose records, as they were entered."""

    seqs: tuple[str, ...] = ()
    did: str = ""
    kinds: tuple[str, ...] = ()
    start: str = ""
    end: str = ""

    @property
    def is_chosen(self) -> bool:
        return bool(self.seqs or self.did or self.kinds or self.start or self.end)

    def selection(self) -> HoldSelection:
        """The records that are meant. Raises BadParameter."""
        if self.seqs:
            numbers = [int(seq) for seq in self.seqs if _is_number(seq)]
            if not numbers:  # A selection of nothing in particular would be every record.
                raise BadParameter("numbers are expected", field="seqs")
            return HoldSelection(seqs=tuple(numbers[:_MAX_SEQS]))
        return HoldSelection(
            did=self.did or None,
            since=read_time_ms(self.start, "from"),
            until=read_time_ms(self.end, "to"),
            kinds=tuple(kind for kind in RECORD_KINDS if kind in self.kinds),
        )


def _is_number(text: str) -> bool:
    """Whether this is a number that SQLite can hold."""
    return text.isascii() and text.isdigit() and len(text) < 19


@blueprint.get("", role="guard")
async def choose() -> Response:
    return await _keep_page(auth.user(), _read(request.args))


@blueprint.post("", role="guard")
async def keep() -> Response:
    values, hub = await request.form, auth.services()
    form = _read(values)
    try:
        selected = await hub.records.holds.select(form.selection())
        if selected.is_too_many:
            raise BadParameter("too many", field="records")
        if id := values.get("hold", type=int):
            await hub.records.holds.add(id, selected.seqs, by=auth.actor())
        else:
            until = read_last_day(values.get("until", ""), "until")
            added = await hub.records.holds.create(
                selected.seqs, values.get("reason", ""), until, by=auth.actor()
            )
            id = added.hold.id
    except (BadParameter, TooManyRequests) as error:
        return await _keep_page(auth.user(), form, values=values, error=error)
    return redirect_to(f"/search/kept/{id}?done=hold-added")


def _read(values: Any) -> KeepForm:
    return KeepForm(
        seqs=tuple(values.getlist("seq")),
        did=values.get("did", ""),
        kinds=tuple(values.getlist("kind")),
        start=values.get("from", ""),
        end=values.get("to", ""),
    )


async def _keep_page(
    me: User,
    form: KeepForm,
    *,
    values: Mapping[str, str] | None = None,
    error: HubError | None = None,
) -> Response:
    hub = auth.services()
    selected, fault = Selected((), 0, False), _describe(error)
    if form.is_chosen:
        try:
            selected = await hub.records.holds.select(form.selection())
        except BadParameter as bad:
            fault = describe_hold_error(bad)
    records = [await hub.records.log.get(seq) for seq in selected.seqs[:_MAX_CARDS]]
    holds = [
        hold_row(one)
        for one in await hub.records.holds.newest(limit=1_000)
        if one.is_in_force and may_change(me, one)
    ]
    cameras = sorted(hub.cameras.devices.list(), key=lambda one: (one.name or one.sn).casefold())
    start, end = _default_times()
    return await page(
        "evidence/new.html",
        status=400 if fault else 200,
        fault=fault,
        form=form,
        start=form.start or ("" if form.is_chosen else start),
        end=form.end or ("" if form.is_chosen else end),
        cameras=cameras,
        kinds=[Choice(kind, gettext(KINDS[kind]), kind in form.kinds) for kind in RECORD_KINDS],
        selected=selected,
        most=MAX_RECORDS_PER_HOLD,
        cards=await make_cards(records),
        more=len(selected.seqs) - len(records),
        holds=holds[:_MAX_CHOICES],
        values=values or {},
        today=now_here().date(),
    )


def _describe(error: HubError | None) -> str:
    if isinstance(error, TooManyRequests):
        return gettext("The limit for evidence has been reached. Release what is no longer needed.")
    return describe_hold_error(error) if isinstance(error, BadParameter) else ""


def _default_times() -> tuple[str, str]:
    """The last hour, as time fields have it."""
    now = now_here()
    return time_field(now - timedelta(hours=1)), time_field(now)
