"""/devices/waiting, accepting devices, their initial parameters, and import and export by CSV."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from quart import Response

from hub.services import Services
from hub.services.devices.csv_import import MAX_CSV_BYTES, MAX_ROWS, DeviceCsv, ImportRow
from hub.services.devices.validation import MAX_KEY_LENGTH
from hub.store.tables.devices import NewDevice
from web.api.devices import answers
from web.api.devices.devices import DEVICE_EXAMPLE, TAG, Code, Name, Pem
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing
from web.api.routes import Call, Routes


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`did` is assigned unless given; without `key` the site-wide key applies."""

    code: Code
    key: Pem | None = None
    name: Name = ""
    did: Did | None = None
    replaces: Annotated[
        Did | None, Meta(description="did of the broken camera that the device replaces")
    ] = None


class CheckBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Without `key` the device's own key applies, or the site-wide one."""

    code: Code
    key: Pem | None = None


#: Not the bounds of each field: `validation` names every row with a wrong one.
_Cell = Annotated[str, Meta(max_length=MAX_KEY_LENGTH)]


class ImportRowBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields as for a single device. An error names each row that is incomplete or wrong."""

    sn: _Cell = ""
    code: _Cell = ""
    did: _Cell | None = None
    name: _Cell = ""
    key: _Cell | None = None


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row per device; `text/csv` begins with a line that names the columns."""

    rows: Annotated[list[ImportRowBody], Meta(max_length=MAX_ROWS)]


class ImportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: Annotated[bool, Meta(description="check all rows, enrol none")] = False


_WAITING_EXAMPLE = answers.WaitingDevice(
    sn="Y3CA12348912346",
    ip="192.168.1.21",
    first_seen="2026-11-25T08:00:00.000Z",
    last_seen="2026-11-25T08:00:30.000Z",
    reason="it is not known here: accept it with its security code",
    reasons=["unknown"],
    tries=2,
    clock_offset=0.3,
    slowed_until=None,
)

WAITING = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices/waiting",
    tag=TAG,
    summary="Devices that try to connect and are not enrolled",
    answer_example=answers.WaitingList([_WAITING_EXAMPLE]),
    role="viewer",
)
CHECK = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/waiting/{{sn}}/check",
    tag=TAG,
    summary="Check a code against a device that is refused",
    description=(
        "Whether code and key match the last signature of a waiting device, or of an enrolled one "
        "whose connects fail. Nothing is stored or sent."
    ),
    body_example=CheckBody(code="AB12CD34"),
    answer_example=answers.CodeCheck(
        outcome="code-mismatch",
        reasons=["code-mismatch"],
        reason="the code does not match the signature",
        sign_form=None,
    ),
)
ACCEPT = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/waiting/{{sn}}/accept",
    tag=TAG,
    summary="Accept a waiting device",
    description=(
        "Enrols it and sends it the initial parameters; `init` is the outcome. If code and key do "
        "not match its last signature, nothing is stored, and it stays waiting (423)."
    ),
    body_example=AcceptBody(code="AB12CD34", name="Gate"),
    answer_example=DEVICE_EXAMPLE,
)
INIT = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/{{did}}/init",
    tag=TAG,
    summary="Send a device its initial parameters again",
    description=(
        "Sent at once if it is online, else after its next connect without a did (`not-sent`). If "
        "a device does not accept them, enter the did on it by hand."
    ),
    answer_example=answers.Init("refused", "refused with 404 no such uri"),
)
IMPORT = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/import",
    tag=TAG,
    summary="Enrol many devices, all or none",
    description=(
        "As JSON, or as `text/csv` with the columns sn, code, did, name, key; sn and code are "
        "required, and key is PEM text in quotes. A body has at most "
        f"{MAX_CSV_BYTES >> 20} MB, and {MAX_ROWS} rows. If a row is wrong, nothing is "
        "enrolled, and `msg` names each wrong row by its line, in JSON by its position from 1."
    ),
    query=ImportQuery,
    query_example="dry_run=true",
    body_text="text/csv",
    max_body_bytes=MAX_CSV_BYTES,
    body_example=ImportBody([ImportRowBody(sn="Y3CA12348912345", code="AB12CD34", name="Gate")]),
    answer_example=answers.ImportedDevices(1, ["12"]),
)
EXPORT = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices/export",
    tag=TAG,
    summary="All devices as CSV",
    description=(
        "With the columns of an import. `code` is empty, since the codes are sealed; fill it in "
        "before you import the file."
    ),
    media_type="text/csv",
)


def add(routes: Routes, services: Services) -> None:
    devices, enrolment, audit = (
        services.cameras.devices,
        services.cameras.enrolment,
        services.core.audit,
    )

    async def list_waiting(call: Call[Nothing, Nothing]) -> answers.WaitingList:
        return answers.WaitingList([answers.waiting_fields(one) for one in enrolment.waiting()])

    async def check_code(call: Call[Nothing, CheckBody]) -> answers.CodeCheck:
        found = enrolment.check_code(call.path["sn"], call.body.code, call.body.key)
        return answers.CodeCheck(
            outcome=found.outcome,
            reasons=[reason.code for reason in found.reasons],
            reason="; ".join(reason.sentence for reason in found.reasons),
            sign_form=found.form,
        )

    async def accept_device(call: Call[Nothing, AcceptBody]) -> answers.Device:
        body = msgspec.structs.asdict(call.body)
        accepted = await enrolment.accept(call.path["sn"], body.pop("code"), **body)
        view = accepted.device
        await audit.add(call.caller.actor, "device.accept", f"{view.did} {view.sn}")
        init = answers.Init(accepted.outcome, accepted.message)
        return msgspec.structs.replace(answers.device_fields(view), init=init)

    async def send_parameters(call: Call[Nothing, Nothing]) -> answers.Init:
        did = call.path["did"]
        delivery = await enrolment.provisioning.send_again(did)
        await audit.add(call.caller.actor, "device.init", f"{did} {delivery.outcome}")
        return answers.Init(delivery.outcome, delivery.message)

    async def import_devices(call: Call[ImportQuery, Any]) -> answers.ImportedDevices:
        body: ImportBody | str = call.body
        table = await devices.read_csv(body) if isinstance(body, str) else _csv_of(body)
        if call.query.dry_run:
            await devices.check_import(table)
            dids = [row.device.did for row in table.rows]
            return answers.ImportedDevices(len(dids), dids)
        added = await devices.import_csv(table)
        targets = [f"{device.did} {device.sn}" for device in added]
        await audit.add_each(call.caller.actor, "device.add", targets)
        return answers.ImportedDevices(len(added), [device.did for device in added])

    async def export_devices(call: Call[Nothing, Nothing]) -> Response:
        response = Response(devices.export_csv(), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="cameras.csv"'
        return response

    routes.add(WAITING, list_waiting)
    routes.add(CHECK, check_code)
    routes.add(ACCEPT, accept_device)
    routes.add(INIT, send_parameters)
    routes.add(IMPORT, import_devices)
    routes.add(EXPORT, export_devices)


def _csv_of(body: ImportBody) -> DeviceCsv:
    return DeviceCsv(
        tuple(
            ImportRow(position, NewDevice(**msgspec.structs.asdict(row)))
            for position, row in enumerate(body.rows, 1)
        )
    )
