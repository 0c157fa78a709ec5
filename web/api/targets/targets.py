"""/targets: other systems that get the site's records, alarms and gaps."""

from __future__ import annotations

from msgspec import UNSET

from hub.services import Services
from web.api.endpoint import Nothing
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
from web.api.targets.bodies import TargetBody, TargetPatch
from web.api.targets.endpoints import (
    ADD,
    CHANGE,
    CONFIRM_GAPS,
    DELIVERIES,
    LIST,
    ONE,
    PARKED,
    REMOVE,
    RETRY,
    SECRET,
    SEND_AGAIN,
    TEST,
)


def add_targets(routes: Routes, services: Services) -> None:
    targets = services.forwarding.targets

    async def list_targets(call: Call[Nothing, Nothing]) -> Targets:
        return Targets([target_answer(view) for view in targets.list()])

    async def add_target(call: Call[Nothing, TargetBody]) -> AddedTarget:
        body = call.body
        view, secret = await targets.add(
            body.kind,
            body.url,
            name=body.name,
            ca=body.ca,
            selection=body.selection,
            hub=body.hub,
            begin=body.begin,
            identity=body.identity,
            partition=body.partition,
            mqtt=body.mqtt,
            by=call.caller.actor,
        )
        fields = target_answer(view)
        return AddedTarget(
            **{name: getattr(fields, name) for name in TargetAnswer.__struct_fields__},
            secret=secret or UNSET,
        )

    async def get_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        return target_answer(targets.get(id_of(call, "target")))

    async def change_target(call: Call[Nothing, TargetPatch]) -> TargetAnswer:
        id = id_of(call, "target")
        return target_answer(await targets.change(id, call.body.change, by=call.caller.actor))

    async def remove_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        gone = target_answer(targets.get(id_of(call, "target")))
        await targets.remove(gone.id, by=call.caller.actor)
        return gone

    async def test_target(call: Call[Nothing, Nothing]) -> DeliveryAnswer:
        return delivery_answer(await targets.test(id_of(call, "target"), by=call.caller.actor))

    async def retry_target(call: Call[Nothing, Nothing]) -> TargetAnswer:
        return target_answer(await targets.retry(id_of(call, "target"), by=call.caller.actor))

    async def change_secret(call: Call[Nothing, Nothing]) -> Secret:
        return Secret(await targets.change_secret(id_of(call, "target"), by=call.caller.actor))

    async def list_deliveries(call: Call[Nothing, Nothing]) -> Deliveries:
        found = targets.deliveries(id_of(call, "target"))
        return Deliveries([delivery_answer(one) for one in found])

    async def list_parked(call: Call[Nothing, Nothing]) -> Parked:
        found = await targets.parked(id_of(call, "target"))
        return Parked([parked_answer(one) for one in found])

    async def send_again(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        targets.send_again(id, seq_of(call.path["seq"]))
        return target_answer(targets.get(id))

    async def confirm_gaps(call: Call[Nothing, Nothing]) -> TargetAnswer:
        id = id_of(call, "target")
        await targets.confirm_gaps(id, by=call.caller.actor)
        return target_answer(targets.get(id))

    routes.add(LIST, list_targets)
    routes.add(ADD, add_target)
    routes.add(ONE, get_target)
    routes.add(CHANGE, change_target)
    routes.add(REMOVE, remove_target)
    routes.add(TEST, test_target)
    routes.add(RETRY, retry_target)
    routes.add(SECRET, change_secret)
    routes.add(DELIVERIES, list_deliveries)
    routes.add(PARKED, list_parked)
    routes.add(SEND_AGAIN, send_again)
    routes.add(CONFIRM_GAPS, confirm_gaps)
