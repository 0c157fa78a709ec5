"""The same setting, a restart, or their names in their pictures, for many cameras, as a job.

Cameras that are offline get settings (1.5, 1.6) when they come; they are not restarted (1.9) then,
and get no name into the picture (D12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, NoSuchPath, NoSuchResource, TooManyRequests
from hub.services.audit import Actor
from hub.store.jobs.jobs import Job
from hub.store.people.groups import CameraGroup
from hub.wire.commands.dialect import REBOOT
from web import auth
from web.language import N_, gettext, ngettext
from web.pages.camera.settings.face_and_recording import FACE, RECORDING
from web.pages.camera.settings.forms import (
    FieldGroup,
    SettingForm,
    field_groups,
    make_changes,
    read_changes,
    typical_values,
)
from web.pages.choices import group_choices
from web.pages.labels import DEVICE_STATES
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_rows import shown_state

blueprint = Blueprint("many_cameras", __name__, url_prefix="/cameras/many")

#: Cameras that a question names.
_MAX_NAMES = 5

ChangeName = Literal["face", "recording", "osd-name", "restart"]
_FORMS: Mapping[str, SettingForm] = {"face": FACE, "recording": RECORDING}
_TITLES: dict[ChangeName, str] = {
    "face": FACE.title,
    "recording": RECORDING.title,
    "osd-name": N_("Name in the picture"),
    "restart": N_("Restart"),
}


class ChangeLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


class CameraChoice(Struct, frozen=True):
    did: str
    name: str
    state: str
    state_text: str
    #: Nothing is known of its settings, so only all of them can be sent.
    is_unknown: bool
    chosen: bool


class ManyForm(Struct, frozen=True):
    """What was entered: cameras, groups of cameras, and the settings that change."""

    dids: Sequence[str] = ()
    groups: Sequence[str] = ()
    values: Mapping[str, str] | None = None
    #: Settings that the hub does not know may be overwritten, with typical ones if need be.
    may_overwrite: bool = False

    def chosen(self, groups: Sequence[CameraGroup]) -> tuple[str, ...]:
        """The cameras, each once. Raises BadParameter if there are none."""
        of_groups = [did for one in groups if str(one.id) in self.groups for did in one.dids]
        dids = tuple(dict.fromkeys((*self.dids, *of_groups)))
        if not dids:
            raise BadParameter("at least one camera is expected", field="dids")
        return dids


@blueprint.get("", role="admin")
async def show_first() -> Response:
    return await _page("face", ManyForm())


@blueprint.get("/<name>", role="admin")
async def show(name: str) -> Response:
    change = _check_name(name)
    if change in _FORMS and "typical" in request.args:
        return await _page(change, ManyForm(values=typical_values(_FORMS[change])))
    # The page of a camera links here with the settings that were changed there.
    values = read_changes(_FORMS[change], request.args) if change in _FORMS else None
    return await _page(change, ManyForm(values=values))


@blueprint.post("/<name>", role="admin")
async def start(name: str) -> Response:
    change = _check_name(name)
    form = await _read_form(change)
    try:
        dids = form.chosen(auth.services().people.groups.list())
        if not form.may_overwrite and (question := _doubt(change, form, dids)):
            return await _page(change, form, question=question)
        job = await _start(change, form, dids, auth.actor())
    except (BadParameter, NoSuchResource, TooManyRequests) as error:
        return await _page(change, form, error)
    return redirect_to(f"/jobs/{job.id}")


async def _start(change: ChangeName, form: ManyForm, dids: Sequence[str], by: Actor) -> Job:
    """Start the job. Raises BadParameter, NoSuchResource, TooManyRequests."""
    many = auth.services().cameras.many
    if change == "restart":
        return await many.restart(REBOOT.example.delay_ms, dids, by)
    if change == "osd-name":
        return await auth.services().cameras.picture_names.write(dids, by)
    changes = make_changes(_FORMS[change], form.values or {})
    whole = make_changes(_FORMS[change], _with_typical(change, form))
    unknown = [one.did for one in _unknown(change, dids)]
    return await many.apply_setting(
        change, changes, dids, by, whole=dict.fromkeys(unknown, whole) if form.may_overwrite else {}
    )


def _with_typical(change: ChangeName, form: ManyForm) -> dict[str, str]:
    """All settings: those that were entered, else typical ones."""
    given = {name: value for name, value in (form.values or {}).items() if value}
    return typical_values(_FORMS[change]) | given


def _check_name(name: str) -> ChangeName:
    for known in get_args(ChangeName):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise NoSuchPath


async def _read_form(change: ChangeName) -> ManyForm:
    sent = await request.form
    values = read_changes(_FORMS[change], sent.to_dict()) if change in _FORMS else None
    return ManyForm(sent.getlist("did"), sent.getlist("group"), values, "overwrite" in sent)


def _doubt(change: ChangeName, form: ManyForm, dids: Sequence[str]) -> str:
    """What to ask before settings are overwritten that nobody knows; "" if there are none.

    Cameras with unknown settings take all of them or none. Raises BadParameter for a value that is
    wrong.
    """
    if change not in _FORMS:
        return ""
    make_changes(_FORMS[change], form.values or {})
    unknown = [one.name for one in _unknown(change, dids)]
    if not unknown:
        return ""
    template = ngettext(
        "This hub does not know the settings of %(n)s camera: %(names)s. It gets typical values "
        "for all that is left unchanged below.",
        "This hub does not know the settings of %(n)s cameras: %(names)s. They get typical values "
        "for all that is left unchanged below.",
        len(unknown),
    )
    names = gettext(", ").join(unknown[:_MAX_NAMES]) + ("…" if len(unknown) > _MAX_NAMES else "")
    return template % {"n": len(unknown), "names": names}


def _unknown(change: ChangeName, dids: Sequence[str]) -> list[CameraChoice]:
    """Those of the cameras whose settings nobody knows."""
    return [one for one in _camera_choices(change, dids) if one.chosen and one.is_unknown]


async def _page(
    change: ChangeName, form: ManyForm, error: HubError | None = None, *, question: str = ""
) -> Response:
    hub = auth.services()
    return await page(
        "cameras/many.html",
        status=error.status if error else 200,
        question=question,
        change=change,
        title=gettext(_TITLES[change]),
        links=[
            ChangeLink(f"/cameras/many/{name}", gettext(text), name == change)
            for name, text in _TITLES.items()
            if name != "osd-name" or name == change or _camera_choices(name, ())
        ],
        cameras=_camera_choices(change, form.dids),
        camera_groups=group_choices(hub.people.groups.list(), form.groups),
        groups=_field_groups(change, form, error),
        fault=_describe(error) if error else "",
    )


def _field_groups(change: ChangeName, form: ManyForm, error: HubError | None) -> list[FieldGroup]:
    if change not in _FORMS:
        return []
    wrong = error if isinstance(error, BadParameter) else None
    return field_groups(_FORMS[change], form.values or {}, wrong, is_change=True)


def _camera_choices(change: ChangeName, chosen: Sequence[str]) -> list[CameraChoice]:
    """All cameras that can be changed so, by name."""
    names, commands = auth.services().cameras.picture_names, auth.services().cameras.commands

    def is_unknown(did: str) -> bool:
        if change not in _FORMS:
            return False
        known = getattr(commands.settings(did), change)
        return known is None or known.taken is None

    choices = [
        CameraChoice(
            device.did,
            device.name or device.sn,
            device.state,
            gettext(DEVICE_STATES[shown_state(device)]),
            is_unknown(device.did),
            device.did in chosen,
        )
        for device in auth.services().cameras.devices.list()
        if change != "osd-name" or names.is_capable(device.did)
    ]
    return sorted(choices, key=lambda one: one.name.casefold())


def _describe(error: HubError) -> str:
    if isinstance(error, BadParameter) and error.field == "dids":
        return gettext("Choose at least one camera.")
    if isinstance(error, BadParameter) and error.field == "param":
        return gettext("Change at least one setting.")
    if isinstance(error, NoSuchResource):
        return gettext("One of the cameras has been removed in the meantime.")
    if isinstance(error, TooManyRequests):
        return gettext("Too many jobs of this kind are running. Wait until one has finished.")
    return gettext("Nothing was sent: one value is not valid. It is marked below.")
