"""A device that is online, and callers that send it commands."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import HubError
from hub.services.commands.abilities import Abilities
from hub.services.commands.calls import Commands
from hub.wire.commands.dialect import PERSON_ADD
from tests.support.clock import FrozenClock
from tests.support.commanded_link import Asked, AskedLink, Reply, answer
from tests.support.gate import Gate, gate


class CommandedDevice:
    """A device that is online, the callers that send it commands, and what they got."""

    def __init__(self, site: Gate, did: str, link: AskedLink, nursery: trio.Nursery) -> None:
        self.site = site
        self.did = did
        self.link = link
        self.commands = commands_of(site)
        self.got: dict[object, Any] = {}
        self._nursery = nursery

    async def ask(self, name: object, call: Any, *args: Any) -> trio.CancelScope:
        """Start the call in a new task, which stores its outcome in `got` under `name`."""
        scope = trio.CancelScope()

        async def asker() -> None:
            with scope:
                try:
                    self.got[name] = await call(self.did, *args)
                except HubError as error:
                    self.got[name] = error

        self._nursery.start_soon(asker)
        await wait_all_tasks_blocked()
        return scope

    async def query(self, name: object) -> trio.CancelScope:
        """Send a command without a photo."""
        return await self.ask(name, self.commands.send, "/person/query", b'{"pid": "1"}')

    async def add(self, name: object) -> trio.CancelScope:
        """Send a command with a photo."""
        return await self.ask(name, self.commands.person_add, PERSON_ADD.example)

    async def give(self, asked: Asked, outcome: Any = None) -> None:
        asked.give(outcome or answer(0))
        await wait_all_tasks_blocked()

    def connect(self, link: AskedLink | None = None) -> AskedLink:
        """Connect the device, or connect it again."""
        self.link = link or AskedLink(self.did)
        self.site.registry.attach(self.link)
        return self.link

    def leave(self) -> None:
        """End the connection as a link does."""
        self.link.leave()
        self.site.registry.detach(self.link)


def commands_of(site: Gate, abilities: Abilities | None = None) -> Commands:
    return Commands(site.core, site.registry, site.devices, abilities or site.capabilities)


async def commanded_device(
    clock: FrozenClock, nursery: trio.Nursery, reply: Reply | None = None
) -> CommandedDevice:
    site = gate(clock)
    device = await site.enrol()
    link = AskedLink(device.did, reply)
    site.registry.attach(link)
    return CommandedDevice(site, device.did, link, nursery)
