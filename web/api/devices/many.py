"""/devices/commands and /search/photo: the same for many devices, each as a job."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, get_type_hints

import msgspec
import trio
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hub.decoders import convert
from hub.errors import BadParameter
from hub.services import Services
from hub.services.commands.photo_search import SearchSubject
from hub.services.photos.photos import MAX_FILE_MB
from hub.store.tables.device_settings import SettingName
from hub.wire.commands.dialect import REBOOT, SET_FACE, SET_RECORDING, Command
from hub.wire.commands.param_structs import Percent
from hub.wire.commands.params import check_changes, check_param, encode_param
from hub.wire.times import parse_rfc3339
from web.api.devices.commands import title_of
from web.api.endpoint import PREFIX, Did, Endpoint, Seq, Text
from web.api.jobs import JOB_EXAMPLE, TAG, JobFields, job_fields
from web.api.people.people import Photo, decoded_photo
from web.api.routes import Call, Routes

_MAX_DIDS = 5000
#: Room for the photo as base64.
_MAX_PHOTO_BODY = (MAX_FILE_MB * 4 // 3 + 2) << 20
_SETTINGS: dict[str, SettingName] = {SET_FACE.name: "face", SET_RECORDING.name: "recording"}
_COMMANDS: dict[str, Command[Any, Any]] = {
    command.uri: command for command in (SET_FACE, SET_RECORDING, REBOOT)
}

Dids = Annotated[list[Did], Meta(max_length=_MAX_DIDS, description="devices")]
Groups = Annotated[list[Seq], Meta(max_length=_MAX_DIDS, description="groups of cameras, by id")]


def _changes_of(param: type[Struct]) -> type[Struct]:
    """The type of some fields of a param; its objects may have some of theirs."""
    fields = []
    for name, kind in get_type_hints(param, include_extras=True).items():
        is_object = isinstance(kind, type) and issubclass(kind, Struct)
        given = _changes_of(kind) if is_object else kind
        fields.append((name, given | UnsetType, UNSET))
    return msgspec.defstruct(
        f"{param.__name__}Changes",
        fields,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": "The fields that change."},
    )


def _body_of(command: Command[Any, Any]) -> type[Struct]:
    """The type of the body that sends `command` to many devices."""
    fields: list[Any] = [("param", command.param)]
    if command.name in _SETTINGS:
        fields = [
            ("param", command.param | UnsetType, UNSET),
            ("change", _changes_of(command.param) | UnsetType, UNSET),
        ]
    return msgspec.defstruct(
        f"{command.param.__name__}ForMany",
        [*fields, ("dids", Dids, []), ("groups", Groups, [])],
        tag_field="uri",
        tag=command.uri,
        frozen=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": title_of(command)},
    )


_BODIES = {uri: _body_of(command) for uri, command in _COMMANDS.items()}


class PhotoSearchBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `dids` and `groups`, all cameras are searched."""

    photo: Photo
    threshold: Annotated[Percent, Meta(description="the least similarity in percent")]
    since: Annotated[Text, Meta(description="in RFC 3339")]
    until: Annotated[Text, Meta(description="in RFC 3339")]
    dids: Dids | UnsetType = UNSET
    groups: Groups | UnsetType = UNSET


COMMANDS = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/commands",
    tag="Devices",
    summary="Give many devices one setting, or restart them, as a job",
    description=(
        "`uri` and `param` are those of 1.5, 1.6 or 1.9 of the protocol; the devices are those of "
        "`dids` and of `groups`. In place of the whole `param` of a setting, `change` has the "
        "fields that change: a device gets them with the others as it last accepted them, and "
        "fails if it never accepted any. A device that is offline gets a setting when it comes, "
        "unless the job is cancelled; the job runs until then. What a later job of the same kind "
        "does not change goes with that one, and is cancelled with it. A restart is for devices "
        "that are online now. The job's items are the devices, with what each answered."
    ),
    body=reduce(or_, _BODIES.values()),
    body_examples={
        _COMMANDS[uri].name: body(param=_COMMANDS[uri].example, dids=["12", "13"])
        for uri, body in _BODIES.items()
    }
    | {
        "change_face": convert(
            {"uri": SET_FACE.uri, "change": {"reg_threshold": 88}, "groups": [1]},
            _BODIES[SET_FACE.uri],
        )
    },
    answer_example=JOB_EXAMPLE,
)
SEARCH = Endpoint(
    method="POST",
    path=f"{PREFIX}/search/photo",
    tag=TAG,
    summary="Search cameras by a photo, as a job",
    description=(
        "Asks the cameras at the same time (1.16). The job's items are the hits of all cameras, "
        "the best first; its `devices` say which cameras did not answer, and why."
    ),
    max_body_bytes=_MAX_PHOTO_BODY,
    body_example=PhotoSearchBody(
        photo="/9j/4AAQSkZJRg==",
        threshold=80,
        since="2026-11-24T08:00:00Z",
        until="2026-11-25T08:00:00Z",
    ),
    answer_example=JOB_EXAMPLE,
    role="guard",
)


def add(routes: Routes, services: Services) -> None:
    many = services.cameras.many

    async def command_many(call: Call[Any, Any]) -> JobFields:
        body = call.body
        command = _COMMANDS[type(body).__struct_config__.tag]
        dids, by = _dids(services, body.dids, body.groups), call.caller.actor
        if command is REBOOT:
            return job_fields(await many.restart(body.param.delay_ms, dids, by))
        sent = _setting(command, body.param, body.change)
        return job_fields(await many.apply_setting(_SETTINGS[command.name], sent, dids, by))

    async def search_by_photo(call: Call[Any, PhotoSearchBody]) -> JobFields:
        body = call.body
        subject = SearchSubject(
            body.threshold, parse_rfc3339(body.since, "since"), parse_rfc3339(body.until, "until")
        )
        dids = None
        if body.dids is not UNSET or body.groups is not UNSET:
            dids = _dids(services, body.dids or [], body.groups or [])
        picture = await trio.to_thread.run_sync(decoded_photo, body.photo)
        return job_fields(
            await services.people.photo_searches.start(picture, subject, call.caller.actor, dids)
        )

    routes.add(COMMANDS, command_many)
    routes.add(SEARCH, search_by_photo)


def _setting(
    command: Command[Any, Any], param: Struct | UnsetType, change: Struct | UnsetType
) -> Raw:
    """The checked fields to send. Raises BadParameter."""
    if (param is UNSET) == (change is UNSET):
        raise BadParameter("either the whole param, or change, is expected", field="param")
    if change is UNSET:
        return encode_param(command, check_param(command, msgspec.json.encode(param)))
    fields = msgspec.to_builtins(change)
    if not fields:
        raise BadParameter("at least one field is expected", field="change")
    return check_changes(command, fields)


def _dids(services: Services, dids: Sequence[str], groups: Sequence[int]) -> list[str]:
    """The devices that are named, once each. Raises NoSuchResource for an unknown group."""
    of_groups = (did for id in groups for did in services.people.groups.get(id).dids)
    return list(dict.fromkeys((*dids, *of_groups)))
