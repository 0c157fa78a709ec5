"""One connection to a broker, with what it is for besides records: states, and commands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from hub.folding import visible
from hub.reasons import Reason
from hub.services.forwarding.mqtt.commands import BrokerCommands
from hub.services.forwarding.mqtt.connection import Incoming, MqttConnection
from hub.services.forwarding.mqtt.discovery import Discovery
from hub.services.forwarding.mqtt.messages import Publication
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.mqtt.states import RetainedStates
from hub.services.forwarding.mqtt.topics import (
    HOME_ASSISTANT_ONLINE,
    HOME_ASSISTANT_STATUS,
    ONLINE,
    Topics,
)
from hub.services.forwarding.mqtt.window import NotTaken, Ticket
from hub.services.forwarding.sender import TryLater
from hub.store.targets.target import TargetOptions

log = logging.getLogger(__name__)

#: How long to wait for what the broker keeps, when a target is given up.
_KEPT_SECONDS = 0.3


class MqttSession:
    """Tells the hub's states, and does what the broker's messages ask for.

    All methods raise TryLater if the connection is broken.
    """

    def __init__(
        self,
        connection: MqttConnection,
        topics: Topics,
        options: TargetOptions,
        site: SiteView,
        commands: BrokerCommands | None,
        taken_back: Callable[[], Sequence[Publication]] = lambda: (),
        state: bytes = b"",
    ) -> None:
        """`commands`: None if the broker may ask for nothing. `taken_back`: what replaces faces
        that were erased. `state`: how the hub is, as far as that is known.
        """
        self.connection = connection
        #: How the broker is spoken to, and what it does not take.
        self.about = Reason(connection.about)
        self._topics = topics
        self._has_home_assistant = options.home_assistant
        self._commands = commands
        self._taken_back = taken_back
        selection = options.selection
        discovery = Discovery(
            topics,
            with_alarms=selection.alarms,
            with_pictures=selection.pictures != "none",
            with_commands=options.commands,
        )
        self._states = RetainedStates(
            site,
            topics,
            discovery if options.home_assistant else None,
            lambda did: not selection.dids or did in selection.dids,
            self.publish,
            with_alarms=selection.alarms,
            state=state,
        )

    async def tell(self, state: bytes) -> None:
        """Tell how the hub is."""
        await self._states.tell_state(state)

    async def begin(self) -> None:
        """Get what concerns this hub, and say that it is there."""
        await self._subscribe()
        await self.publish([Publication(self._topics.status, ONLINE, retain=True)])

    async def run(self) -> None:
        """Tell the states, and do what messages ask for, until the connection is closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_states)
            await self._take_messages()
            nursery.cancel_scope.cancel()

    async def forget(self) -> None:
        """Let the broker keep nothing of this hub. `run` must not run."""
        await self.connection.subscribe([self._topics.any_online])
        await self._states.forget_all()
        with trio.move_on_after(_KEPT_SECONDS):
            await self._take_messages()

    async def publish(self, messages: Sequence[Publication]) -> None:
        """Publish; return once the broker has all. What it does not take is noted in `about`."""
        tickets: list[tuple[Publication, Ticket]] = []
        for message in messages:
            try:
                tickets.append((message, await self.connection.start(message)))
            except NotTaken as refusal:
                self._note_refusal(f"{message.topic}: {refusal}")
        for message, ticket in tickets:
            try:
                await self.connection.wait(ticket)
            except NotTaken as refusal:
                self._note_refusal(f"{message.topic}: {refusal}")

    # -- the work

    async def _subscribe(self) -> None:
        topics = [self._topics.any_online]
        if self._has_home_assistant:
            topics.append(HOME_ASSISTANT_STATUS)
        if self._commands is not None:
            topics += self._topics.commands
        try:
            await self.connection.subscribe(topics)
        except NotTaken as refusal:
            self._note_refusal(str(refusal))

    def _note_refusal(self, text: str) -> None:
        log.warning("a target of MQTT: %s", visible(text))
        self.about = Reason(f"{self.connection.about}; {text}")

    async def _keep_states(self) -> None:
        with suppress(TryLater):  # whoever waits for the connection learns why
            await self._states.run()

    async def _take_messages(self) -> None:
        async for message in self.connection.inbox:
            with suppress(TryLater):
                await self._take(message)

    async def _take(self, message: Incoming) -> None:
        topics = self._topics
        if message.topic == HOME_ASSISTANT_STATUS:
            if message.payload == HOME_ASSISTANT_ONLINE and not message.is_kept:
                await self._states.tell_again()
                await self.publish(self._taken_back())
        elif (did := topics.camera_of(message.topic, "online")) is not None:
            if did and message.is_kept and message.payload and not self._states.is_known(did):
                await self._states.forget(did)
        elif (did := topics.camera_of(message.topic, "command")) is not None:
            await self._obey(did, message)

    async def _obey(self, did: str, message: Incoming) -> None:
        # One that is kept would be carried out again at each connection.
        if self._commands is not None and not message.is_kept:
            await self._commands.perform(did, message.payload)
