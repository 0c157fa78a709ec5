"""Targets: other systems that records are forwarded to, how far they are, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import asdict, replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.forwarding.forwarder import TargetState
from hub.services.forwarding.sender import Delivery
from hub.services.forwarding.targets import TargetChange
from hub.services.forwarding.views import TargetView
from hub.store.targets.target import DeadLetter, Gap, TargetKind
from web import auth, language
from web.language import N_, gettext
from web.pages.choices import Choice
from web.pages.faults import Fault
from web.pages.labels import reason_text
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked
from web.pages.site import api_keys
from web.pages.site.new_targets import as_said, partition_of
from web.pages.site.sections import make_section, sections_page
from web.pages.site.target_form import (
    Values,
    entered,
    fault_of,
    form_of,
    new_identity,
    read_kind,
    values_of,
)

blueprint = Blueprint("site_targets", __name__, url_prefix="/site/targets")

_STATES: dict[TargetState, str] = {
    "current": N_("Up to date"),
    "behind": N_("Catching up"),
    "waiting": N_("Waiting"),
    "held": N_("On hold"),
}
#: How a state looks: the classes of web.templates._macros.state.
_LOOKS: dict[TargetState, str] = {
    "current": "online",
    "behind": "offline",
    "waiting": "refused",
    "held": "refused",
}
_WAYS: dict[TargetKind, str] = {
    "webhook": N_("Add a webhook"),
    "mail": N_("Add e-mail"),
    "mqtt": N_("Add MQTT"),
    "nats": N_("Add NATS JetStream"),
}
_ABOUT: dict[TargetKind, str] = {
    "webhook": N_("Every record is sent to a web address, for your own programs."),
    "mail": N_("Alarms reach people who have no page open."),
    "mqtt": N_(
        "Publishes what is happening now to an MQTT 5 broker; Home Assistant finds the cameras "
        "automatically. After a break, anything older than five minutes is skipped."
    ),
    "nats": N_(
        "For owners of many sites: every record of this hub goes to their central servers exactly "
        "once."
    ),
}
_GAP_REASONS = {
    "age": N_("they were past the retention period"),
    "size": N_("the space for pictures was used up"),
    "disk": N_("the disk was full"),
    "confirmed": N_("someone confirmed their deletion"),
    "lost": N_("they are lost"),
}
_MAX_SHOWN_DEAD_LETTERS = 50


class TargetRow(Struct, frozen=True, kw_only=True):
    """A target as its list shows it. `since`: since when it is behind, "" if it is not."""

    id: int
    name: str
    url: str
    state: str
    look: str
    behind: int
    since: str
    reason: str
    next_try: str
    dead_letters: int
    gaps: int


class DeliveryRow(Struct, frozen=True):
    """`url`: of the record or the alarm, "" if there is none. `id`: of the message.

    `seq`: of the record; 0 if it is none that could be sent again.
    """

    at: str
    id: str
    text: str
    url: str
    seq: int
    took: str
    answer: str
    is_good: bool


class DeadLetterRow(Struct, frozen=True):
    """`seq`: of the record; 0 if it is none that could be sent again alone."""

    text: str
    url: str
    seq: int
    at: str
    reason: str


class GapRow(Struct, frozen=True):
    """`records`: at most so many."""

    records: int
    reason: str
    at: str
    is_told: bool
    is_seen: bool


@blueprint.get("", role="admin")
async def targets() -> Response:
    """`add`: what is to be added."""
    kind = read_kind(request.args.get("add"))
    return await _list_page(Values(kind=kind, pictures="alarms" if kind == "mail" else "none"))


async def _list_page(values: Values, fault: Fault | None = None) -> Response:
    forwarding = await make_section(
        "forwarding",
        gettext("Forwarding"),
        gettext(
            "Other systems on the network that get every record in order. If one is unreachable, "
            "its records are kept and sent later."
        ),
        "site/_targets.html",
        rows=[_row(view) for view in auth.services().forwarding.targets.list()],
        waits_after_restore=auth.services().forwarding.targets.waits_after_restore,
        ways=[Choice(one, gettext(text), one == values.kind) for one, text in _WAYS.items()],
        about=gettext(_ABOUT[values.kind]),
        **form_of(values.kind, values, fault),
    )
    return await sections_page(
        forwarding,
        await api_keys.section(),
        title=gettext("Connections"),
        status=200 if fault is None else fault.status,
    )


@blueprint.post("/restored", role="admin")
async def go_on_restored() -> Response:
    """Forward again after a restore."""
    gets = (await request.form).get("gets")
    targets = auth.services().forwarding.targets
    await targets.go_on_restored("everything" if gets == "everything" else "new", by=auth.actor())
    return redirect_to("/site/targets?done=targets-restored")


@blueprint.post("/add", role="admin", password=asked(_list_page, entered))
async def add() -> Response:
    """Add a target, and show the secret of a webhook this once."""
    values = await entered()
    kind = values.kind
    try:
        values, suggested = await as_said(values)
        view, secret = await auth.services().forwarding.targets.add(
            kind,
            values.url,
            name=values.name,
            suggested=suggested,
            ca=values.ca,
            selection=values.selection,
            hub=values.hub,
            begin=values.begins,
            identity=None if kind == "webhook" else values.identity,
            partition=partition_of(values.partition),
            mqtt=values.of_kind(kind),
            mail=values.mail if kind == "mail" else None,
            by=auth.actor(),
        )
    except BadParameter as error:
        return await _list_page(values, fault_of(kind, values, error))
    if secret:
        return await _secret_page(view, secret)
    return redirect_to(f"/site/targets/{view.target.id}?done=target-added")


@blueprint.get("/<int:id>", role="admin")
async def target(id: int) -> Response:
    view = auth.services().forwarding.targets.get(id)
    return await _target_page(view, values_of(view))


async def _show_again(fault: Fault, id: int) -> Response:
    return await _target_page(auth.services().forwarding.targets.get(id), await entered(), fault)


@blueprint.post("/<int:id>", role="admin", password=asked(_show_again))
async def change(id: int) -> Response:
    hub, values = auth.services(), await entered()
    view = hub.forwarding.targets.get(id)
    try:
        changed = TargetChange(
            seen=values.seen,
            name=values.name,
            url=values.url,
            ca=values.ca,
            identity=new_identity(values, view),
            mqtt=values.of_kind(view.target.kind),
            mail=values.mail if view.target.kind == "mail" else None,
            **asdict(values.selection),
        )
        await hub.forwarding.targets.change(id, changed, by=auth.actor())
    except BadParameter as error:
        view = hub.forwarding.targets.get(id)
        values = replace(values, seen=view.target.generation)
        return await _target_page(view, values, fault_of(view.target.kind, values, error))
    return redirect_to(f"/site/targets/{id}?done=target-changed")


@blueprint.post("/<int:id>/test", role="admin")
async def test(id: int) -> Response:
    """Send a message that says nothing, and say what became of it."""
    delivery = await auth.services().forwarding.targets.test(id, by=auth.actor())
    view = auth.services().forwarding.targets.get(id)
    return await _target_page(view, values_of(view), tested=delivery)


@blueprint.post("/<int:id>/retry", role="admin")
async def retry(id: int) -> Response:
    await auth.services().forwarding.targets.retry(id, by=auth.actor())
    return redirect_to(f"/site/targets/{id}?done=target-retried")


@blueprint.post("/<int:id>/send/<int:seq>", role="admin")
async def send_again(id: int, seq: int) -> Response:
    """Send a record again, whether it was delivered or refused."""
    auth.services().forwarding.targets.send_again(id, seq)
    return redirect_to(f"/site/targets/{id}?done=record-sent-again")


@blueprint.post("/<int:id>/confirm", role="admin")
async def confirm_gaps(id: int) -> Response:
    await auth.services().forwarding.targets.confirm_gaps(id, by=auth.actor())
    return redirect_to(f"/site/targets/{id}?done=gaps-confirmed")


async def _show_secret_again(fault: Fault, id: int) -> Response:
    view = auth.services().forwarding.targets.get(id)
    return await _target_page(view, values_of(view), replace(fault, field="secret"))


@blueprint.post("/<int:id>/secret", role="admin", password=asked(_show_secret_again))
async def change_secret(id: int) -> Response:
    """Change the secret, and show it this once."""
    hub = auth.services()
    view = hub.forwarding.targets.get(id)
    return await _secret_page(view, await hub.forwarding.targets.change_secret(id, by=auth.actor()))


async def _ask_to_remove(id: int) -> Response:
    view = auth.services().forwarding.targets.get(id)
    return await page(
        "site/target_remove.html",
        row=_row(view),
        is_mqtt=view.target.kind == "mqtt",
        is_mail=view.target.kind == "mail",
    )


@blueprint.post("/<int:id>/remove", role="admin", confirm=_ask_to_remove)
async def remove(id: int) -> Response:
    await auth.services().forwarding.targets.remove(id, by=auth.actor())
    return redirect_to("/site/targets?done=target-removed")


async def _target_page(
    view: TargetView,
    values: Values,
    fault: Fault | None = None,
    *,
    tested: Delivery | None = None,
) -> Response:
    hub, shown = auth.services(), language.current()
    zone, id = language.zone(), view.target.id
    letters = await hub.forwarding.targets.dead_letters(id)
    return await page(
        "site/target.html",
        status=200 if fault is None else fault.status,
        row=_row(view),
        waits_after_restore=view.waits_after_restore,
        has_secret=view.target.kind == "webhook",
        can_send_again=view.target.kind == "webhook" and view.state != "held",
        about=reason_text(view.about),
        hub_name=view.target.options.hub,
        partition=view.target.options.partition,
        tested=None if tested is None else _delivery_rows([tested], zone)[0],
        deliveries=_delivery_rows(hub.forwarding.targets.deliveries(id), zone),
        dead_letters=[_dead_letter_row(one, zone) for one in letters[:_MAX_SHOWN_DEAD_LETTERS]],
        more_dead_letters=max(0, len(letters) - _MAX_SHOWN_DEAD_LETTERS),
        gaps=[_gap_row(gap, zone) for gap in reversed(view.gaps)],
        unseen_gaps=view.unseen_gaps,
        since=shown.moment(view.target.created_at, zone),
        **form_of(view.target.kind, values, fault),
    )


async def _secret_page(view: TargetView, secret: str) -> Response:
    return await page("site/target_secret.html", row=_row(view), secret=secret)


def _row(view: TargetView) -> TargetRow:
    shown, zone = language.current(), language.zone()
    target = view.target
    return TargetRow(
        id=target.id,
        name=target.name,
        url=target.options.url,
        state=gettext(_STATES[view.state]),
        look=_LOOKS[view.state],
        behind=view.behind,
        since=shown.moment(view.behind_since, zone) if view.behind_since and view.behind else "",
        reason=reason_text(view.reason),
        next_try="" if view.next_try is None else shown.moment(view.next_try, zone),
        dead_letters=view.dead_letters,
        gaps=view.unseen_gaps,
    )


def _delivery_rows(deliveries: Sequence[Delivery], zone: tzinfo) -> list[DeliveryRow]:
    shown = language.current()
    return [
        DeliveryRow(
            shown.moment(one.at, zone),
            one.id,
            *_message(one.id),
            gettext("%(ms)s ms") % {"ms": f"{one.took_ms:,}"},
            _answer(one),
            not one.reason,
        )
        for one in deliveries
    ]


def _answer(delivery: Delivery) -> str:
    if delivery.status is not None:
        return str(delivery.status)
    return reason_text(delivery.reason) or gettext("delivered")


def _message(id: str) -> tuple[str, str, int]:
    """What a message is about, its address, and the seq of a record, by its id.

    Ids are LOG-SEQ, LOG-SEQ-alarm-N, LOG-FIRST-LAST, LOG-other and others.
    """
    log, _, rest = id.partition("-")
    is_here = log == auth.services().records.log.log_id
    seq, _, more = rest.partition("-")
    if seq == "test":
        return gettext("Test message"), "", 0
    if more.startswith("alarm"):
        return gettext("Alarm %(seq)s") % {"seq": seq}, f"/alarms/{seq}" if is_here else "", 0
    if more.startswith("gap"):
        return gettext("Gap from record %(seq)s") % {"seq": seq}, "", 0
    if more.startswith("erasure"):
        return gettext("Erased records"), "", 0
    if not seq.isdecimal():
        return gettext("Alarms and notices"), "", 0
    if more.isdecimal():
        return gettext("Records %(first)s to %(last)s") % {"first": seq, "last": more}, "", 0
    name = gettext("Record %(name)s") % {"name": seq}
    return (name, f"/records/{seq}", int(seq)) if is_here else (name, "", 0)


def _dead_letter_row(letter: DeadLetter, zone: tzinfo) -> DeadLetterRow:
    about = "" if letter.kind == "record" else f"-{letter.kind}"
    return DeadLetterRow(
        *_message(f"{letter.log}-{letter.seq}{about}"),
        language.current().moment(letter.refused_at, zone),
        reason_text(letter.reason),
    )


def _gap_row(gap: Gap, zone: tzinfo) -> GapRow:
    shown = language.current()
    return GapRow(
        1 + gap.last_seq - gap.first_seq,
        gettext(_GAP_REASONS[gap.reason]),
        shown.moment(gap.made_at, zone),
        gap.told_at is not None,
        gap.seen_at is not None,
    )
