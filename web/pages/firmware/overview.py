"""The page Firmware: releases, campaigns and downloads; and adding a release.

If the form is refused, files that were uploaded are kept, and the form refers to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter, HubError, NotAllowed
from hub.services.firmware.release_validation import (
    MAX_COMPONENTS,
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
)
from hub.store.firmware_files import MAX_FILE_BYTES
from hub.store.tables.firmware import NewComponent, NewRelease, StoredFile
from hub.wire.coercion import MAX_NUMBER
from hub.wire.uploads.firmware import VERSION_NAMES, Versions
from web import auth
from web.forms.firmware_forms import FirmwareForm, read_firmware_form
from web.language import gettext
from web.pages.firmware.downloads import list_downloads
from web.pages.firmware.labels import TYPES, VERSIONS, describe_form_error, file_expected, size_text
from web.pages.firmware.release_holders import ReleaseHolders
from web.pages.firmware.rows import campaign_row, release_rows
from web.pages.layout import page, redirect_to, wants_part

blueprint = Blueprint("firmware", __name__, url_prefix="/cameras/firmware")

#: The usual types of the files of a release, in order.
_USUAL_TYPES = (2, 3, 4, 5, 1)


class ReleaseFileRow(Struct, frozen=True, kw_only=True):
    """The fields of one file. `sha256` is empty until it is uploaded."""

    number: int
    type: int
    name: str
    sha256: str = ""
    size: str = ""


class VersionInput(Struct, frozen=True):
    name: str
    label: str
    value: str


@blueprint.get("", role="viewer")
async def overview() -> Response:
    return await _overview({}, _file_rows({}, {}))


@blueprint.get("/now", role="viewer")
async def now() -> Response:
    """The part of the page that is refreshed."""
    return await page("firmware/_overview.html", **_overview_values())


def _overview_values() -> dict[str, Any]:
    campaigns = [campaign_row(one) for one in auth.services().firmware.campaigns.outlines()]
    holders = ReleaseHolders()
    return {
        "releases": release_rows(holders),
        "running": [row for row in campaigns if not row.campaign.has_ended],
        "ended": [row for row in campaigns if row.campaign.has_ended],
        "cameras": holders.cameras,
    }


@blueprint.post("/add", role="admin", check="file")
async def add() -> Response:
    form = await read_firmware_form()
    if isinstance(form.fault, NotAllowed):
        raise form.fault
    kept = _find_kept_files(form)
    rows = _file_rows(form.fields, kept)
    if form.fault is not None:
        return await _overview(form.fields, rows, describe_form_error(form.fault))
    hub = auth.services()
    try:
        new = _new_release(form.fields, rows)
        release = await hub.firmware.releases.add(new)
        await hub.core.audit.add(auth.actor(), "firmware.add", str(release.id))
    except HubError as error:
        return await _overview(form.fields, rows, describe_form_error(error))
    return redirect_to(f"/cameras/firmware/releases/{release.id}?done=release-added")


async def _overview(
    fields: Mapping[str, str], rows: list[ReleaseFileRow], fault: str = ""
) -> Response:
    """The page; with a fault, of its form at least."""
    form = {
        "fault": fault,
        "values": fields,
        "rows": rows,
        "has_files": any(row.sha256 for row in rows),
        "types": {number: gettext(text) for number, text in TYPES.items()},
        "reports": _version_fields("reports", fields),
        "least": _version_fields("least", fields),
        "most_code": MAX_NUMBER,
        "code_expected": describe_form_error(BadParameter(field="ver_code")),
        "max_name_length": MAX_NAME_LENGTH,
        "max_description_length": MAX_DESCRIPTION_LENGTH,
        "most_bytes": MAX_FILE_BYTES,
        "file_expected": file_expected(),
    }
    if wants_part():
        return await page("firmware/_form.html", status=400, **form)
    return await page(
        "firmware/overview.html",
        status=400 if fault else 200,
        downloads=list_downloads(),
        **_overview_values(),
        **form,
    )


def _version_fields(group: str, fields: Mapping[str, str]) -> list[VersionInput]:
    return [
        VersionInput(f"{group}.{name}", gettext(label), fields.get(f"{group}.{name}", ""))
        for name, label in VERSIONS.items()
    ]


class _KeptFile(Struct, frozen=True):
    """An uploaded file; `name` is empty if it came with an earlier form."""

    name: str
    file: StoredFile


def _find_kept_files(form: FirmwareForm) -> dict[int, _KeptFile]:
    """The files that came with this form or with an earlier one, by number."""
    stored = {file.sha256: file for file in auth.services().firmware.releases.files()}
    kept = {}
    for number in range(1, MAX_COMPONENTS + 1):
        if (sent := form.files.get(f"file_{number}")) is not None:
            kept[number] = _KeptFile(sent.name, sent.stored)
        elif (file := stored.get(form.fields.get(f"kept_{number}", ""))) is not None:
            kept[number] = _KeptFile("", file)
    return kept


def _file_rows(fields: Mapping[str, str], kept: Mapping[int, _KeptFile]) -> list[ReleaseFileRow]:
    return [
        _file_row(number, usual, fields, kept.get(number))
        for number, usual in enumerate(_USUAL_TYPES, 1)
    ]


def _file_row(
    number: int, usual: int, fields: Mapping[str, str], kept: _KeptFile | None
) -> ReleaseFileRow:
    type_text, name = fields.get(f"type_{number}", ""), fields.get(f"name_{number}", "").strip()
    type = int(type_text) if type_text in map(str, TYPES) else usual
    if kept is None:
        return ReleaseFileRow(number=number, type=type, name=name)
    return ReleaseFileRow(
        number=number,
        type=type,
        name=name or _clean_file_name(kept.name),
        sha256=kept.file.sha256,
        size=size_text(kept.file.size),
    )


def _clean_file_name(name: str) -> str:
    """The base name of the file, without characters that are not allowed."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable()).strip()[:MAX_NAME_LENGTH].strip()


def _new_release(fields: Mapping[str, str], rows: list[ReleaseFileRow]) -> NewRelease:
    """Build the release from the form. Raises BadParameter."""
    values = {name: value.strip() for name, value in fields.items()}
    return NewRelease(
        ver_code=_parse_ver_code(values.get("ver_code", "")),
        ver_name=values.get("ver_name", ""),
        components=tuple(
            NewComponent(row.name, row.type, row.sha256) for row in rows if row.sha256
        ),
        description=values.get("description", "").replace("\r\n", "\n"),
        # Browsers put a T between date and time.
        release_date=_add_seconds(values.get("release_date", "").replace("T", " ")) or None,
        reports=_read_versions("reports", values),
        least=_read_versions("least", values),
    )


def _parse_ver_code(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 16:
        raise BadParameter(field="ver_code")
    return int(text)


def _add_seconds(text: str) -> str:
    return f"{text}:00" if len(text) == len("yyyy-MM-dd HH:mm") else text


def _read_versions(group: str, values: Mapping[str, str]) -> Versions:
    return Versions(
        **{
            name: values.get(f"{group}.{wire_name}") or None
            for name, wire_name in VERSION_NAMES.items()
        }
    )
