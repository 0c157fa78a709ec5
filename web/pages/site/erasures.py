"""Erase a person: find, look at what would go, confirm, and the reports of what went."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, NoSuchResource
from hub.services.records.erasures import MAX_SEQS, Erasable
from hub.store.records.erasing import PersonMatch, Preview
from hub.store.tables.erasures import Erasure, Subject
from web import auth, language
from web.language import gettext, ngettext
from web.pages.actors import actor_text
from web.pages.labels import size_text
from web.pages.layout import make_url, page, redirect_to
from web.pages.shown.camera_names import CameraName, camera_name

blueprint = Blueprint("site_erasures", __name__, url_prefix="/site/erasures")

_PER_PAGE = 50
_MAX_ID = 2**63 - 1
_MAX_LENGTH = 256


class ErasureForm(Struct, frozen=True):
    """Who or what is meant, as entered: a number, a name, or the numbers of records."""

    number: str = ""
    name: str = ""
    seqs: str = ""

    @property
    def typed(self) -> str:
        """What must be typed again."""
        return self.number or self.name or str(len(self.chosen()))

    def chosen(self) -> list[int]:
        """The records chosen by hand. Raises BadParameter."""
        texts = [text for text in re.split(r"[\s,;、，；]+", self.seqs) if text]
        if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
            raise BadParameter("numbers are expected", field="seqs")
        return sorted({int(text) for text in texts})


class ErasedPersonRow(Struct, frozen=True):
    """Records that can be erased together, and what there is of them."""

    match: PersonMatch | None
    form: ErasureForm
    preview: Preview
    cameras: list[CameraName]
    in_register: bool
    #: Targets that are told the number.
    told: tuple[str, ...]


class ErasureRow(Struct, frozen=True, kw_only=True):
    """An erasure in words. `finished` is empty while it runs."""

    id: int
    url: str
    by: str
    since: str
    finished: str
    records: int
    pictures: int
    size: str
    first_day: str
    last_day: str
    kept: int
    kept_seqs: tuple[int, ...]
    cameras: list[CameraName]
    copies: tuple[str, ...]
    targets: tuple[str, ...]


@blueprint.get("", role="admin")
async def erasures() -> Response:
    return await _list_page(ErasureForm())


async def _list_page(form: ErasureForm, fault: str = "") -> Response:
    before = request.args.get("before", type=int)
    found = await auth.services().records.erasures.newest(
        None if before is None else max(0, min(before, _MAX_ID)), _PER_PAGE + 1
    )
    shown, more = found[:_PER_PAGE], len(found) > _PER_PAGE
    days = auth.services().config.store.keep_days
    return await page(
        "site/erasures.html",
        status=400 if fault else 200,
        fault=fault,
        form=form,
        rows=[_erasure_row(one) for one in shown],
        kept=ngettext("Records are kept for %(n)s day.", "Records are kept for %(n)s days.", days)
        % {"n": days},
        older=make_url("/site/erasures", before=str(shown[-1].id)) if more else "",
    )


@blueprint.post("/find", role="admin")
async def find() -> Response:
    form = _read(await request.form)
    try:
        rows = await _find(form)
    except BadParameter as error:
        return await _list_page(form, _describe(error))
    return await page("site/erasures_found.html", form=form, rows=rows)


@blueprint.post("/confirm", role="admin")
async def confirm() -> Response:
    form = _read(await request.form)
    try:
        return await _confirm_page(form)
    except BadParameter as error:
        return await _list_page(form, _describe(error))


async def _confirm_page(form: ErasureForm, fault: str = "", held: str = "") -> Response:
    erasures = auth.services().records.erasures
    subject = await _subject(form)
    preview = await erasures.preview(subject)
    match = await erasures.find_match(number=form.number) if form.number else None
    return await page(
        "site/erasures_confirm.html",
        status=400 if fault else 200,
        fault=fault,
        form=form,
        row=_person_row(Erasable(match, subject, preview, erasures.told(subject)), form),
        held=held or ("closed" if preview.of_closed.count else "stay"),
        copies=await erasures.copies(),
    )


@blueprint.post("", role="admin")
async def erase() -> Response:
    values = await request.form
    form, held = _read(values), values.get("held", "stay")
    try:
        if values.get("typed", "").strip() != form.typed:
            fault = gettext("The entries do not match. Nothing was erased.")
            return await _confirm_page(form, fault, held)
        subject = replace(await _subject(form), of_closed=held == "closed")
        begun = await auth.services().records.erasures.begin(
            subject, with_held=held == "all", by=auth.actor()
        )
    except (BadParameter, NoSuchResource) as error:
        return await _list_page(form, _describe(error))
    return redirect_to(f"/site/erasures/{begun.id}")


@blueprint.get("/<int:id>", role="admin")
async def report(id: int) -> Response:
    row = _erasure_row(await auth.services().records.erasures.get(id))
    return await page("site/erasure.html", row=row)


@blueprint.get("/<int:id>/now", role="admin")
async def report_now(id: int) -> Response:
    """The part of the report that is refreshed."""
    row = _erasure_row(await auth.services().records.erasures.get(id))
    return await page("site/_erasure.html", row=row)


def _read(values: Any) -> ErasureForm:
    number, name = (values.get(field, "").strip()[:_MAX_LENGTH] for field in ("number", "name"))
    return ErasureForm(number, name, values.get("seqs", "").strip())


async def _find(form: ErasureForm) -> list[ErasedPersonRow]:
    if [bool(form.number), bool(form.name), bool(form.seqs)].count(True) != 1:
        raise BadParameter("one is expected", field="name")
    found = await auth.services().records.erasures.find_erasable(
        number=form.number, name=form.name, seqs=form.chosen()
    )
    return [_person_row(one, _form_of(one.match) or form) for one in found]


def _form_of(match: PersonMatch | None) -> ErasureForm | None:
    """By number wherever there is one: a name may belong to several people."""
    if match is None:
        return None
    return ErasureForm(number=match.uuid) if match.uuid else ErasureForm(name=match.name)


async def _subject(form: ErasureForm) -> Subject:
    try:
        return await auth.services().records.erasures.find_subject(
            number=form.number, name=form.name, seqs=form.chosen()
        )
    except NoSuchResource:
        raise BadParameter("there are no such records", field="gone") from None


def _person_row(found: Erasable, form: ErasureForm) -> ErasedPersonRow:
    return ErasedPersonRow(
        found.match,
        form,
        found.preview,
        _cameras(found.preview.dids),
        found.in_register,
        found.told,
    )


def _cameras(dids: Iterable[str]) -> list[CameraName]:
    return [camera_name(auth.services(), did) for did in dids]


def _erasure_row(erasure: Erasure) -> ErasureRow:
    words, zone = language.current(), language.zone()
    finished, report = erasure.finished_at, erasure.report
    return ErasureRow(
        id=erasure.id,
        url=f"/site/erasures/{erasure.id}",
        by=actor_text(erasure.created_by),
        since=words.moment(erasure.created_at, zone),
        finished="" if finished is None else words.moment(finished, zone),
        records=erasure.records,
        pictures=erasure.pictures,
        size=size_text(erasure.bytes),
        first_day=report.first_day,
        last_day=report.last_day,
        kept=report.kept,
        kept_seqs=report.kept_seqs,
        cameras=_cameras(report.dids),
        copies=report.copies,
        targets=report.targets,
    )


def _describe(error: HubError) -> str:
    field = error.field if isinstance(error, BadParameter) else "held"
    texts = {
        "name": gettext("Enter a name, a number or record numbers, but only one of them."),
        "number": gettext("Cameras send this number for every stranger."),
        "seqs": gettext("Enter 1 to %(most)s record numbers, separated by spaces.")
        % {"most": MAX_SEQS},
        "gone": gettext("These records no longer exist."),
        "held": gettext("Nothing to erase: all these records are kept by alarms or as evidence."),
    }
    return texts.get(field, str(error))
