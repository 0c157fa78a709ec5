"""Targets: other systems that records are forwarded to, how far they are, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import get_args

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter
from hub.services.forwarding.targets import (
    Delivery,
    Gap,
    ParkedRecord,
    PictureChoice,
    Selection,
    TargetChange,
    TargetState,
    TargetView,
)
from hub.wire.uploads.records import RecordKind
from web import auth
from web.pages import language
from web.pages.labels import KINDS
from web.pages.language import N_, gettext
from web.pages.layout import redirect_to
from web.pages.own_password import FIELD, check_own_password
from web.pages.site.layout import site_page

blueprint = Blueprint("site_targets", __name__, url_prefix="/site/targets")

_STATES: dict[TargetState, str] = {
    "current": N_("Up to date"),
    "behind": N_("Catching up"),
    "waiting": N_("Waiting"),
    "held": N_("Held"),
}
#: How a state looks: the classes of web.templates._macros.state.
_LOOKS: dict[TargetState, str] = {
    "current": "online",
    "behind": "offline",
    "waiting": "refused",
    "held": "refused",
}
_PICTURES: dict[PictureChoice, str] = {
    "none": N_("No pictures"),
    "alarms": N_("Only pictures of records with an alarm"),
    "all": N_("All pictures"),
}
_GAP_REASONS = {
    "age": N_("they were past the retention period"),
    "size": N_("the space for pictures was used up"),
    "disk": N_("the disk was full"),
    "confirmed": N_("someone confirmed their deletion"),
    "lost": N_("they are lost"),
}
_MAX_SHOWN_PARKED = 50


class Choice(Struct, frozen=True):
    value: str
    text: str
    chosen: bool


class TargetRow(Struct, frozen=True, kw_only=True):
    """A target as its list shows it. `since`: since when it is behind, "" if it is not."""

    id: int
    name: str
    url: str
    state: str
    look: str
    behind: str
    since: str
    reason: str
    next_try: str
    parked: int
    gaps: int
    damaged: bool


class DeliveryRow(Struct, frozen=True):
    """`url`: of the record or the alarm, "" if there is none. `id`: of the message."""

    at: str
    id: str
    text: str
    url: str
    took: str
    answer: str
    is_good: bool


class ParkedRow(Struct, frozen=True):
    seq: int
    at: str
    reason: str
    is_here: bool


class GapRow(Struct, frozen=True):
    """`records`: at most so many."""

    records: str
    reason: str
    at: str
    is_told: bool
    is_seen: bool


class Values(Struct, frozen=True, kw_only=True):
    """What is entered in the form of a target."""

    name: str = ""
    url: str = ""
    ca: str = ""
    kinds: tuple[str, ...] = ()
    pictures: str = "none"
    alarms: bool = True
    begin: str = "now"

    @property
    def selection(self) -> Selection:
        kinds = tuple(kind for kind in get_args(RecordKind) if kind in self.kinds)
        choices: tuple[PictureChoice, ...] = get_args(PictureChoice)
        pictures = next((one for one in choices if one == self.pictures), choices[0])
        return Selection(kinds=kinds, pictures=pictures, alarms=self.alarms)


class Fault(Struct, frozen=True):
    field: str
    sentence: str
    status: int = 400


@blueprint.get("")
async def targets() -> Response:
    await auth.require_role("admin")
    return await _list_page(Values())


@blueprint.post("/add")
async def add() -> Response:
    """Add a webhook, and show its secret this once. Needs the administrator's own password."""
    me = await auth.require_role("admin")
    await auth.check_csrf()
    values = await _entered()
    if (wrong := await check_own_password(me)) is not None:
        return await _list_page(values, Fault(FIELD, wrong.sentence, wrong.status))
    try:
        view, secret = await auth.services().targets.add(
            "webhook",
            values.url,
            name=values.name,
            ca=values.ca,
            selection=values.selection,
            begin="beginning" if values.begin == "beginning" else "now",
            by=auth.actor(me),
        )
    except BadParameter as error:
        return await _list_page(values, _fault(error))
    return await _secret_page(view, secret)


@blueprint.get("/<int:id>")
async def target(id: int) -> Response:
    await auth.require_role("admin")
    view = auth.services().targets.get(id)
    return await _target_page(view, _values_of(view))


@blueprint.post("/<int:id>")
async def change(id: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub, values = auth.services(), await _entered()
    view = hub.targets.get(id)
    if (wrong := await check_own_password(me)) is not None:
        return await _target_page(view, values, Fault(FIELD, wrong.sentence, wrong.status))
    old = view.target.options.selection
    chosen = values.selection
    selection = Selection(
        kinds=chosen.kinds,
        dids=old.dids,
        types=old.types,
        alarms=chosen.alarms,
        pictures=chosen.pictures,
    )
    changed = TargetChange(name=values.name, url=values.url, ca=values.ca, selection=selection)
    try:
        await hub.targets.change(id, changed, by=auth.actor(me))
    except BadParameter as error:
        return await _target_page(view, values, _fault(error))
    return redirect_to(f"/site/targets/{id}?done=target-changed")


@blueprint.post("/<int:id>/test")
async def test(id: int) -> Response:
    """Send a message that says nothing, and say what became of it."""
    me = await auth.require_role("admin")
    await auth.check_csrf()
    delivery = await auth.services().targets.test(id, by=auth.actor(me))
    view = auth.services().targets.get(id)
    return await _target_page(view, _values_of(view), tested=delivery)


@blueprint.post("/<int:id>/retry")
async def retry(id: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    await auth.services().targets.retry(id, by=auth.actor(me))
    return redirect_to(f"/site/targets/{id}?done=target-retried")


@blueprint.post("/<int:id>/confirm")
async def confirm_gaps(id: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    await auth.services().targets.confirm_gaps(id, by=auth.actor(me))
    return redirect_to(f"/site/targets/{id}?done=gaps-confirmed")


@blueprint.post("/<int:id>/secret")
async def change_secret(id: int) -> Response:
    """Change the secret, and show it this once. Needs the administrator's own password."""
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub = auth.services()
    view = hub.targets.get(id)
    if (wrong := await check_own_password(me)) is not None:
        fault = Fault("secret", wrong.sentence, wrong.status)
        return await _target_page(view, _values_of(view), fault)
    return await _secret_page(view, await hub.targets.change_secret(id, by=auth.actor(me)))


@blueprint.get("/<int:id>/remove")
async def ask_to_remove(id: int) -> Response:
    await auth.require_role("admin")
    view = auth.services().targets.get(id)
    return await site_page("site/target_remove.html", section="targets", row=_row(view))


@blueprint.post("/<int:id>/remove")
async def remove(id: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    await auth.services().targets.remove(id, by=auth.actor(me))
    return redirect_to("/site/targets?done=target-removed")


async def _list_page(values: Values, fault: Fault | None = None) -> Response:
    return await site_page(
        "site/targets.html",
        section="targets",
        status=200 if fault is None else fault.status,
        rows=[_row(view) for view in auth.services().targets.list()],
        fault=fault,
        **_form(values),
    )


async def _target_page(
    view: TargetView,
    values: Values,
    fault: Fault | None = None,
    *,
    tested: Delivery | None = None,
) -> Response:
    hub, shown = auth.services(), language.current()
    zone, id = hub.site.zone(), view.target.id
    parked = await hub.targets.parked(id)
    return await site_page(
        "site/target.html",
        section="targets",
        status=200 if fault is None else fault.status,
        row=_row(view),
        has_secret=view.target.kind == "webhook",
        about=view.about,
        hub_name=view.target.options.hub,
        fault=fault,
        tested=None if tested is None else _delivery_rows([tested], zone)[0],
        deliveries=_delivery_rows(hub.targets.deliveries(id), zone),
        parked=[_parked_row(one, zone) for one in parked[:_MAX_SHOWN_PARKED]],
        more_parked=max(0, len(parked) - _MAX_SHOWN_PARKED),
        gaps=[_gap_row(gap, zone) for gap in reversed(view.gaps)],
        unseen_gaps=view.unseen_gaps,
        since=shown.moment(view.target.created_at, zone),
        **_form(values),
    )


async def _secret_page(view: TargetView, secret: str) -> Response:
    return await site_page(
        "site/target_secret.html", section="targets", row=_row(view), secret=secret
    )


def _form(values: Values) -> dict[str, object]:
    return {
        "values": values,
        "kinds": [
            Choice(kind, gettext(KINDS[kind]), kind in values.kinds)
            for kind in get_args(RecordKind)
        ],
        "pictures": [
            Choice(one, gettext(text), one == values.pictures) for one, text in _PICTURES.items()
        ],
    }


async def _entered() -> Values:
    form = await request.form
    return Values(
        name=form.get("name", "").strip(),
        url=form.get("url", "").strip(),
        ca=form.get("ca", "").strip(),
        kinds=tuple(form.getlist("kinds")),
        pictures=form.get("pictures", "none"),
        alarms="alarms" in form,
        begin=form.get("begin", "now"),
    )


def _values_of(view: TargetView) -> Values:
    options = view.target.options
    chosen = options.selection
    return Values(
        name=view.target.name,
        url=options.url,
        ca=options.ca,
        kinds=chosen.kinds,
        pictures=chosen.pictures,
        alarms=chosen.alarms,
    )


def _row(view: TargetView) -> TargetRow:
    shown, zone = language.current(), auth.services().site.zone()
    target = view.target
    return TargetRow(
        id=target.id,
        name=target.name,
        url=target.options.url,
        state=gettext(_STATES[view.state]),
        look=_LOOKS[view.state],
        behind=f"{view.behind:,}" if view.behind else "",
        since=shown.moment(view.behind_since, zone) if view.behind_since and view.behind else "",
        reason=view.reason,
        next_try="" if view.next_try is None else shown.moment(view.next_try, zone),
        parked=view.parked,
        gaps=view.unseen_gaps,
        damaged=target.damaged,
    )


def _delivery_rows(deliveries: Sequence[Delivery], zone: tzinfo) -> list[DeliveryRow]:
    shown = language.current()
    return [
        DeliveryRow(
            shown.moment(one.at, zone),
            one.id,
            *_message(one.id),
            gettext("%(ms)s ms") % {"ms": f"{one.took_ms:,}"},
            (one.reason or gettext("delivered")) if one.status is None else str(one.status),
            not one.reason,
        )
        for one in deliveries
    ]


def _message(id: str) -> tuple[str, str]:
    """What a message is about, and its address, by its id: LOG-SEQ, LOG-SEQ-alarm-N and others."""
    log, _, rest = id.partition("-")
    is_here = log == auth.services().records.log_id
    seq, _, more = rest.partition("-")
    if seq == "test":
        return gettext("Test message"), ""
    if more.startswith("alarm"):
        return gettext("Alarm %(seq)s") % {"seq": seq}, f"/alarms/{seq}" if is_here else ""
    if more.startswith("gap"):
        return gettext("Gap from record %(seq)s") % {"seq": seq}, ""
    return gettext("Record %(name)s") % {"name": seq}, f"/records/{seq}" if is_here else ""


def _parked_row(parked: ParkedRecord, zone: tzinfo) -> ParkedRow:
    return ParkedRow(
        parked.seq,
        language.current().moment(parked.parked_at, zone),
        parked.reason,
        parked.log == auth.services().records.log_id,
    )


def _gap_row(gap: Gap, zone: tzinfo) -> GapRow:
    shown = language.current()
    return GapRow(
        f"{1 + gap.last_seq - gap.first_seq:,}",
        gettext(_GAP_REASONS[gap.reason]),
        shown.moment(gap.made_at, zone),
        gap.told_at is not None,
        gap.seen_at is not None,
    )


def _fault(error: BadParameter) -> Fault:
    if isinstance(error, AlreadyExists):
        return Fault("name", gettext("There is already a target with this name."), 409)
    match error.field:
        case "url":
            text = gettext(
                "Enter an address that begins with https:// or http://, without user name and "
                "password, of another system than this hub."
            )
        case "ca":
            text = gettext("Paste one or more certificates in PEM format.")
        case "name":
            text = gettext("Enter a name of at most 80 characters.")
        case "target":
            text = gettext("There are too many targets. Remove one first.")
        case _:
            text = error.message
    return Fault(error.field, text)
