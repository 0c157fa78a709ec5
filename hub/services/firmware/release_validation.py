"""Validation of a release's fields; each error names the field and what is allowed."""

from __future__ import annotations

import re
from datetime import datetime

from hub.errors import BadParameter
from hub.services.devices.validation import check_text
from hub.store.tables.firmware import NewComponent, NewRelease
from hub.wire.uploads.firmware import COMPONENT_TYPES, Versions, check_ver_code, check_version

MAX_COMPONENTS = 5
MAX_NAME_LENGTH = 64
MAX_DESCRIPTION_LENGTH = 2000

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?", re.ASCII)


def check_release(new: NewRelease) -> None:
    """Check all fields of a new release. Raises BadParameter that names the field."""
    check_ver_code(new.ver_code, "ver_code")
    check_text(new.ver_name, "ver_name", max_length=MAX_NAME_LENGTH)
    _check_description(new.description)
    if not 1 <= len(new.components) <= MAX_COMPONENTS:
        raise BadParameter(f"1 to {MAX_COMPONENTS} files are expected", field="components")
    for number, component in enumerate(new.components):
        _check_component(component, f"components.{number}")
    if new.release_date is not None:
        read_date(new.release_date)
    _check_versions(new.reports, "reports")
    _check_versions(new.least, "least")


def read_date(text: str) -> datetime:
    """Read yyyy-MM-dd, or yyyy-MM-dd HH:mm:ss. Raises BadParameter."""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(
            "a date as yyyy-MM-dd HH:mm:ss is expected", field="release_date"
        ) from None


def _check_component(component: NewComponent, field: str) -> None:
    check_text(component.name, f"{field}.name", max_length=MAX_NAME_LENGTH)
    if component.type not in COMPONENT_TYPES:
        raise BadParameter("a type from 1 to 5 is expected", field=f"{field}.type")


def _check_versions(versions: Versions, field: str) -> None:
    for name, version in versions.given():
        check_version(version, f"{field}.{name}")


def _check_description(text: str) -> None:
    plain = text.replace("\n", "").replace("\r", "").replace("\t", "")
    if len(text) > MAX_DESCRIPTION_LENGTH or (plain and not plain.isprintable()):
        raise BadParameter(
            f"at most {MAX_DESCRIPTION_LENGTH} printable characters", field="description"
        )
