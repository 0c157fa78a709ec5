"""/firmware/releases: sets of files that devices install together."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.services import Services
from hub.services.audit import Actor
from hub.services.firmware.release_validation import (
    MAX_COMPONENTS,
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
)
from hub.store.tables.firmware import NewComponent, NewRelease, Release
from hub.wire.uploads.firmware import Versions
from web.api.answers import Versions as VersionsAnswer
from web.api.endpoint import PREFIX, Nothing
from web.api.firmware import answers
from web.api.firmware.fields import release_fields
from web.api.firmware.files import MD5, SHA256, TAG
from web.api.resource import Resource
from web.api.routes import Call, Routes, id_of

_MAX_CODE = 2**53
_Version = Annotated[str, Meta(max_length=100)]


class VersionsBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Dotted numbers, such as V1.2.3. Versions that are not given are not compared."""

    fwVer: _Version | None = None
    swVer: _Version | None = None
    osVer: _Version | None = None
    hwVer: _Version | None = None


class ComponentBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
    type: Annotated[
        int,
        Meta(ge=1, le=5, description="1 description, 2 firmware, 3 app, 4 model, 5 license"),
    ]
    sha256: Annotated[str, Meta(max_length=64, description="of an uploaded file")]


class NewReleaseBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    ver_code: Annotated[
        int, Meta(ge=0, le=_MAX_CODE, description="the number that devices compare")
    ]
    ver_name: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
    components: Annotated[
        list[ComponentBody],
        Meta(description=f"1 to {MAX_COMPONENTS}, each with name, type and sha256"),
    ]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION_LENGTH)] = ""
    release_date: Annotated[
        Annotated[str, Meta(max_length=19)] | None,
        Meta(description="yyyy-MM-dd HH:mm:ss in the site's time; default: now"),
    ] = None
    reports: Annotated[
        VersionsBody | None,
        Meta(description="the versions of a device that installed it: `fwVer`, `swVer`, ..."),
    ] = None
    least: Annotated[
        VersionsBody | None, Meta(description="the lowest versions it can be installed over")
    ] = None


_RELEASE_EXAMPLE = answers.Release(
    id=3,
    ver_code=453523,
    ver_name="v2.3.0",
    description="Sees better at night.",
    release_date="2026-11-25 16:00:00",
    components=[answers.Component("app.bin", 3, 31_457_280, MD5, SHA256)],
    reports=VersionsAnswer(swVer="V2.3.0"),
    least=VersionsAnswer(hwVer="V1.0"),
    created_at="2026-11-25T08:00:00.000Z",
)


def add(routes: Routes, services: Services) -> None:
    releases, audit = services.firmware.releases, services.core.audit

    async def add_release(call: Call[Nothing, NewReleaseBody]) -> Release:
        added = await releases.add(_new_release(call.body))
        await audit.add(call.caller.actor, "firmware.add", str(added.id))
        return added

    async def remove_release(gone: Release, by: Actor) -> None:
        await releases.remove(gone.id)
        await audit.add(by, "firmware.remove", str(gone.id))

    calls = Resource(
        routes,
        f"{PREFIX}/firmware/releases/{{release}}",
        tag=TAG,
        example=_RELEASE_EXAMPLE,
        get=lambda call: releases.get(id_of(call, "release")),
        show=release_fields,
    )
    calls.list("Releases", answers.ReleaseList, releases.all, description="Newest first.")
    calls.one("One release")
    calls.add(
        "Create a release",
        NewReleaseBody(
            ver_code=453523,
            ver_name="v2.3.0",
            components=[ComponentBody("app.bin", 3, SHA256)],
            description="Sees better at night.",
            reports=VersionsBody(swVer="V2.3.0"),
            least=VersionsBody(hwVer="V1.0"),
        ),
        add_release,
    )
    calls.remove(
        "Remove a release",
        remove_release,
        description=(
            "Also removes files that belong to no other release, and its campaigns that have "
            "ended. Refused (400) while a campaign rolls it out."
        ),
    )


def _new_release(body: NewReleaseBody) -> NewRelease:
    return NewRelease(
        ver_code=body.ver_code,
        ver_name=body.ver_name,
        components=tuple(NewComponent(c.name, c.type, c.sha256) for c in body.components),
        description=body.description,
        release_date=body.release_date,
        reports=_new_versions(body.reports),
        least=_new_versions(body.least),
    )


def _new_versions(body: VersionsBody | None) -> Versions:
    if body is None:
        return Versions()
    return Versions(fw_ver=body.fwVer, sw_ver=body.swVer, os_ver=body.osVer, hw_ver=body.hwVer)
