"""Requests about the targets that the record log is forwarded to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from hub.errors import NoSuchResource
from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.forwarder import TargetState
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.sender import Delivery
from hub.services.forwarding.targets import Selection, TargetChange, TargetKind
from hub.services.forwarding.views import TargetView
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.services import Services


class AddedTarget(Struct, frozen=True):
    """A new target, and the secret that signs its webhooks, if it is one."""

    id: int
    secret: str | UnsetType = UNSET


class ListedTarget(Struct, frozen=True, kw_only=True):
    """A target as `target list` shows it; times are RFC 3339."""

    id: int
    kind: TargetKind
    name: str
    url: str
    hub: str
    partition: int | None
    user: str
    home_assistant: bool | None
    commands: bool | None
    about: str
    kinds: tuple[str, ...]
    dids: tuple[str, ...]
    types: tuple[int, ...]
    pictures: str
    state: TargetState
    behind: int
    behind_since: str | None
    reason: str
    next_try: str | None
    cursor: dict[str, str | int]
    parked: int
    gaps: int


class AddTarget(ControlRequest[AddedTarget], frozen=True, tag="target.add"):
    """Add a target."""

    kind: TargetKind
    url: str
    name: str
    ca: str
    selection: Selection
    hub: str
    begin: Literal["now", "beginning"]
    identity: Identity | None = None
    partition: int | None = None
    mqtt: MqttOptions = MqttOptions()
    suggested: str = ""
    result: ClassVar[Any] = AddedTarget

    async def perform(self, services: Services) -> AddedTarget:
        view, secret = await services.forwarding.targets.add(
            self.kind,
            self.url,
            name=self.name,
            suggested=self.suggested,
            ca=self.ca,
            selection=self.selection,
            hub=self.hub,
            begin=self.begin,
            identity=self.identity,
            partition=self.partition,
            mqtt=self.mqtt,
            by=COMMAND_LINE,
        )
        return AddedTarget(view.target.id, secret or UNSET)


class ListTargets(ControlRequest[list[ListedTarget]], frozen=True, tag="target.list"):
    """Return the targets, the oldest first."""

    result: ClassVar[Any] = list[ListedTarget]

    async def perform(self, services: Services) -> list[ListedTarget]:
        return [_listed(view) for view in services.forwarding.targets.list()]


class ChangeTarget(ControlRequest[None], frozen=True, tag="target.set"):
    """Change a target, given by its id or name. None leaves something as it is."""

    which: str
    name: str | None = None
    url: str | None = None
    ca: str | None = None
    kinds: tuple[str, ...] | None = None
    pictures: str | None = None
    identity: Identity | None = None
    mqtt: MqttOptions = MqttOptions()
    dids: tuple[str, ...] | None = None
    types: tuple[int, ...] | None = None
    result: ClassVar[Any] = type(None)

    async def perform(self, services: Services) -> None:
        change = TargetChange(
            name=self.name,
            url=self.url,
            ca=self.ca,
            identity=self.identity,
            kinds=self.kinds,  # type: ignore[arg-type]
            dids=self.dids,
            types=self.types,
            pictures=self.pictures,  # type: ignore[arg-type]
            mqtt=self.mqtt,
        )
        id = _find(services, self.which).target.id
        await services.forwarding.targets.change(id, change, by=COMMAND_LINE)


class RemoveTarget(ControlRequest[None], frozen=True, tag="target.remove"):
    """Remove a target, given by its id or name."""

    which: str
    result: ClassVar[Any] = type(None)

    async def perform(self, services: Services) -> None:
        await services.forwarding.targets.remove(
            _find(services, self.which).target.id, by=COMMAND_LINE
        )


class TestTarget(ControlRequest[Delivery], frozen=True, tag="target.test"):
    """Send a message that says nothing to a target, given by its id or name."""

    #: It is no test of ours.
    __test__: ClassVar[bool] = False
    which: str
    result: ClassVar[Any] = Delivery

    async def perform(self, services: Services) -> Delivery:
        return await services.forwarding.targets.test(
            _find(services, self.which).target.id, by=COMMAND_LINE
        )


class RetryTarget(ControlRequest[ListedTarget], frozen=True, tag="target.retry"):
    """Try at once what waits, is held or was dead-lettered."""

    which: str
    result: ClassVar[Any] = ListedTarget

    async def perform(self, services: Services) -> ListedTarget:
        id = _find(services, self.which).target.id
        return _listed(await services.forwarding.targets.retry(id, by=COMMAND_LINE))


def _find(services: Services, which: str) -> TargetView:
    """Return the target with this id, or else with this name. Raises NoSuchResource."""
    views = services.forwarding.targets.list()
    found = [one for one in views if str(one.target.id) == which] or [
        one for one in views if one.target.name == which
    ]
    if not found:
        raise NoSuchResource(f"no target {which}")
    return found[0]


def _listed(view: TargetView) -> ListedTarget:
    target, options = view.target, view.target.options
    return ListedTarget(
        id=target.id,
        kind=target.kind,
        name=target.name,
        url=options.url,
        hub=options.hub,
        partition=options.partition if target.kind == "nats" else None,
        user=options.user,
        home_assistant=options.home_assistant if target.kind == "mqtt" else None,
        commands=options.commands if target.kind == "mqtt" else None,
        about=view.about,
        kinds=options.selection.kinds,
        dids=options.selection.dids,
        types=options.selection.types,
        pictures=options.selection.pictures,
        state=view.state,
        behind=view.behind,
        behind_since=_time(view.behind_since),
        reason=view.reason,
        next_try=_time(view.next_try),
        cursor={"log": view.cursor.log, "seq": view.cursor.seq},
        parked=view.dead_letters,
        gaps=len(view.gaps),
    )


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)


#: Distinguished by their tags.
AnyTargetRequest = AddTarget | ListTargets | ChangeTarget | RemoveTarget | TestTarget | RetryTarget
