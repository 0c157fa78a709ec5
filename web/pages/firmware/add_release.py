"""Adding a release: what it is called, what cameras report of it, and its files.

A file that has come stays where the form is refused, and is named in the form from then on.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter, HubError, NotAllowed
from hub.services.firmware.releases import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    MOST_BYTES,
    MOST_COMPONENTS,
    NewComponent,
    NewRelease,
    StoredFile,
)
from hub.services.shielding import shielded
from hub.wire.coercion import MAX_NUMBER
from hub.wire.uploads.firmware import VERSION_NAMES, Versions
from web import auth
from web.forms.firmware_forms import FirmwareForm, read_firmware_form
from web.pages.firmware.labels import TYPES, VERSIONS, file_expected, form_fault, size_text
from web.pages.language import gettext
from web.pages.layout import go, page, wants_part

blueprint = Blueprint("firmware_add", __name__, url_prefix="/firmware/add")

#: What the files of a release most often are, in this order.
_USUAL_TYPES = (2, 3, 4, 5, 1)


class FileRow(Struct, frozen=True, kw_only=True):
    """A place for one file. `sha256` is empty as long as none has come."""

    number: int
    type: int
    name: str
    sha256: str = ""
    size: str = ""


class VersionField(Struct, frozen=True):
    name: str
    label: str
    value: str


@blueprint.get("")
async def show() -> Response:
    await auth.require_role("admin")
    return await _form_page({}, _rows({}, {}))


@blueprint.post("")
async def add() -> Response:
    me = await auth.require_role("admin")
    form = await read_firmware_form()
    if isinstance(form.fault, NotAllowed):
        raise form.fault
    kept = _kept(form)
    rows = _rows(form.fields, kept)
    if form.fault is not None:
        return await _form_page(form.fields, rows, form_fault(form.fault))
    await auth.check_csrf(form.fields)
    hub = auth.services()
    try:
        new = _new_release(form.fields, rows)
        with shielded():
            release = await hub.releases.add(new)
            await hub.audit.add(auth.actor(me), "firmware.add", str(release.id))
    except HubError as error:
        return await _form_page(form.fields, rows, form_fault(error))
    return go(f"/firmware/releases/{release.id}?done=release-added")


async def _form_page(fields: Mapping[str, str], rows: list[FileRow], fault: str = "") -> Response:
    return await page(
        "firmware/_form.html" if wants_part() else "firmware/add.html",
        area="firmware",
        status=400 if fault else 200,
        fault=fault,
        values=fields,
        rows=rows,
        has_files=any(row.sha256 for row in rows),
        types={number: gettext(text) for number, text in TYPES.items()},
        reports=_version_fields("reports", fields),
        least=_version_fields("least", fields),
        most_code=MAX_NUMBER,
        code_expected=form_fault(BadParameter(field="ver_code")),
        longest_name=LONGEST_NAME,
        longest_description=LONGEST_DESCRIPTION,
        most_bytes=MOST_BYTES,
        file_expected=file_expected(),
    )


def _version_fields(group: str, fields: Mapping[str, str]) -> list[VersionField]:
    return [
        VersionField(f"{group}.{name}", gettext(label), fields.get(f"{group}.{name}", ""))
        for name, label in VERSIONS.items()
    ]


class _Kept(Struct, frozen=True):
    """A file that is here, and its name where it comes from."""

    name: str
    file: StoredFile


def _kept(form: FirmwareForm) -> dict[int, _Kept]:
    """The files that came now, or came before and were named in the form, by their places."""
    stored = {file.sha256: file for file in auth.services().releases.files()}
    kept = {}
    for number in range(1, MOST_COMPONENTS + 1):
        if (sent := form.files.get(f"file_{number}")) is not None:
            kept[number] = _Kept(sent.name, sent.stored)
        elif (file := stored.get(form.fields.get(f"kept_{number}", ""))) is not None:
            kept[number] = _Kept("", file)
    return kept


def _rows(fields: Mapping[str, str], kept: Mapping[int, _Kept]) -> list[FileRow]:
    return [
        _row(number, usual, fields, kept.get(number))
        for number, usual in enumerate(_USUAL_TYPES, 1)
    ]


def _row(number: int, usual: int, fields: Mapping[str, str], kept: _Kept | None) -> FileRow:
    type_text, name = fields.get(f"type_{number}", ""), fields.get(f"name_{number}", "").strip()
    type = int(type_text) if type_text in map(str, TYPES) else usual
    if kept is None:
        return FileRow(number=number, type=type, name=name)
    return FileRow(
        number=number,
        type=type,
        name=name or _own_name(kept.name),
        sha256=kept.file.sha256,
        size=size_text(kept.file.size),
    )


def _own_name(name: str) -> str:
    """What a file is called where it comes from, as far as that is a name here too."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable()).strip()[:LONGEST_NAME].strip()


def _new_release(fields: Mapping[str, str], rows: list[FileRow]) -> NewRelease:
    """Raises BadParameter."""
    given = {name: value.strip() for name, value in fields.items()}
    return NewRelease(
        ver_code=_ver_code(given.get("ver_code", "")),
        ver_name=given.get("ver_name", ""),
        components=tuple(
            NewComponent(row.name, row.type, row.sha256) for row in rows if row.sha256
        ),
        description=given.get("description", "").replace("\r\n", "\n"),
        # A browser's field has a T in the middle.
        release_date=_seconds_added(given.get("release_date", "").replace("T", " ")) or None,
        reports=_versions("reports", given),
        least=_versions("least", given),
    )


def _ver_code(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 16:
        raise BadParameter(field="ver_code")
    return int(text)


def _seconds_added(text: str) -> str:
    return f"{text}:00" if len(text) == len("yyyy-MM-dd HH:mm") else text


def _versions(group: str, given: Mapping[str, str]) -> Versions:
    return Versions(
        **{
            name: given.get(f"{group}.{wire_name}") or None
            for name, wire_name in VERSION_NAMES.items()
        }
    )
