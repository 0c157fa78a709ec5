"""/targets: other systems that get the site's records, alarms and gaps."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import asdict, replace

from hub.errors import BadParameter
from hub.services import Services
from hub.services.forwarding.checks import MAX_CA_LENGTH
from hub.services.forwarding.nats.identity import Identity
from web.api.endpoint import Nothing
from web.api.resource import Resource
from web.api.routes import Call, Routes, id_of, seq_of
from web.api.targets.answers import (
    AddedTarget,
    Deliveries,
    DeliveryAnswer,
    Parked,
    Secret,
    TargetAnswer,
    Targets,
    delivery_answer,
    parked_answer,
    target_answer,
)
from web.api.targets.bodies import AfterRestore, TargetBody, TargetPatch
from web.api.targets.endpoints import (
    ADD,
    CONFIRM_GAPS,
    DELIVERIES,
    EXAMPLE,
    GO_ON_RESTORED,
    PARKED,
    PATH,
    RETRY,
    SECRET,
    SEND_AGAIN,
    TAG,
    TEST,
)


def add(routes: Routes, services: Services) -> None:
    targets = services.forwarding.targets

    async def with_code(body: TargetBody) -> TargetBody:
        """Return what is added, with what a centre says of it if there is a code."""
        if not body.code and not body.centre:
            return body
        if body.kind != "nats" or body.url or body.hub or body.identity != Identity():
            raise BadParameter("leave out what the centre says, and all but NATS", field="code")
        said = asdict(await targets.of_code(body.centre, body.code))
        return replace(body, suggested=said.pop("name"), **said)

    async def add_target(call: Call[Nothing, TargetBody]) -> AddedTarget:
        body = await with_code(call.body)
        view, secret = await targets.add(
            body.kind,
            body.url,
            name=body.name,
            suggested=body.suggested,
            ca=body.ca,
            selection=body.selection,
            hub=body.hub,
            begin=body.begin,
            identity=body.identity,
            partition=body.partition,
            mqtt=body.mqtt,
            mail=body.mail,
            by=call.caller.actor,
        )
        fields = target_answer(view)
        return AddedTarget(
            **{name: getattr(fields, name) for name in TargetAnswer.__struct_fields__},
            secret=secret or UNSET,
        )

    async def test_target(call: Call[Nothing, Nothing]) -> DeliveryAnswer:
        return delivery_answer(await targets.test(id_of(call, "target"), by=call.caller.actor))

    async def retry_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        return target_answer(await targets.retry(id_of(call, "target"), by=call.caller.actor))

    async def go_on_restored(call: Call[Nothing, AfterRestore]) -> Targets:
        await targets.go_on_restored(call.body.gets, by=call.caller.actor)
        return Targets([target_answer(view) for view in targets.list()])

    async def change_secret(call: Call[Nothing, Nothing]) -> Secret:
        return Secret(await targets.change_secret(id_of(call, "target"), by=call.caller.actor))

    async def list_deliveries(call: Call[Nothing, Nothing]) -> Deliveries:
        found = targets.deliveries(id_of(call, "target"))
        return Deliveries([delivery_answer(one) for one in found])

    async def list_parked(call: Call[Nothing, Nothing]) -> Parked:
        found = await targets.dead_letters(id_of(call, "target"))
        return Parked([parked_answer(one) for one in found])

    async def send_again(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        targets.send_again(id, seq_of(call.path["seq"]))
        return target_answer(targets.get(id))

    async def confirm_gaps(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        await targets.confirm_gaps(id, by=call.caller.actor)
        return target_answer(targets.get(id))

    calls = Resource(
        routes,
        PATH,
        tag=TAG,
        example=EXAMPLE,
        get=lambda call: targets.get(id_of(call, "target")),
        show=target_answer,
        read="admin",
    )
    calls.list("The targets", Targets, targets.list)
    routes.add(ADD, add_target)
    calls.one("A target")
    calls.change(
        "PATCH",
        "Change a target",
        TargetPatch(pictures="all"),
        lambda call: targets.change(id_of(call, "target"), call.body.change, by=call.caller.actor),
        max_body_bytes=4 * MAX_CA_LENGTH,
        needs_password=True,
        right="targets",
    )
    calls.remove(
        "Remove a target",
        lambda gone, by: targets.remove(gone.target.id, by=by),
        description="Returns the removed target.",
        right="targets",
    )
    routes.add(TEST, test_target)
    routes.add(RETRY, retry_target)
    routes.add(GO_ON_RESTORED, go_on_restored)
    routes.add(SECRET, change_secret)
    routes.add(DELIVERIES, list_deliveries)
    routes.add(PARKED, list_parked)
    routes.add(SEND_AGAIN, send_again)
    routes.add(CONFIRM_GAPS, confirm_gaps)
