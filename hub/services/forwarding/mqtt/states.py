"""What a broker keeps of a hub's cameras, so that whoever comes later knows it at once.

Only states: nothing of a person is kept by the broker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import trio

from hub.live.feed import keys_of
from hub.services.forwarding.mqtt.discovery import Discovery
from hub.services.forwarding.mqtt.messages import JSON, Publication
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.mqtt.topics import OFF, OFFLINE, ON, ONLINE, Topics

#: Publishes messages; returns once the broker has them all. Raises TryLater.
Publish = Callable[[Sequence[Publication]], Awaitable[None]]
_GROUP = 20


class RetainedStates:
    """Keeps what a broker has of the hub and its cameras as they are, in one connection.

    `wants`: whether the target gets a camera. `discovery`: None if there is no Home Assistant.
    """

    def __init__(
        self,
        site: SiteView,
        topics: Topics,
        discovery: Discovery | None,
        wants: Callable[[str], bool],
        publish: Publish,
        *,
        with_alarms: bool = True,
        state: bytes = b"",
    ) -> None:
        self._site = site
        self._topics = topics
        self._discovery = discovery
        self._wants = wants
        self._publish = publish
        self._with_alarms = with_alarms
        #: How the hub is; b"" before that is known.
        self._state = state
        self._alarmed: frozenset[str] = frozenset()
        #: did -> topic -> the hash of what the broker has. The did "" is the hub itself.
        self._sent: dict[str, dict[str, int]] = {}

    async def run(self) -> None:
        """Tell everything, and then what changes. Raises TryLater."""
        with self._site.changes() as changes:
            await self._tell_all()
            while True:
                items = await changes.next()
                dids = keys_of("device", items)
                if dids is None:
                    await self._tell_all()
                    continue
                if any(change.kind == "site" for change in items):
                    dids.add("")
                if any(change.kind == "alarm" for change in items):
                    dids |= self._newly_alarmed()
                await self._tell(dids)

    async def tell_again(self) -> None:
        """Tell all again: somebody may have missed or lost it. Raises TryLater."""
        self._sent.clear()
        await self._tell_all()

    async def tell_state(self, state: bytes) -> None:
        """Tell how the hub is. Raises TryLater."""
        self._state = state
        await self._tell([""])

    async def forget(self, did: str) -> None:
        """Let the broker keep nothing of a camera. Raises TryLater."""
        self._sent.pop(did, None)
        await self._publish([Publication(topic, b"", retain=True) for topic in self._of(did)])

    async def forget_all(self) -> None:
        """Let the broker keep nothing of the hub and its cameras. Raises TryLater."""
        for did in (*self._site.dids(), ""):
            await self.forget(did)
        await self._publish([Publication(self._topics.status, b"", retain=True)])

    def is_known(self, did: str) -> bool:
        """Whether the broker may keep something of a camera."""
        return self._wants(did) and self._site.camera(did) is not None

    async def _tell_all(self) -> None:
        self._newly_alarmed()
        await self._tell(("", *self._site.dids()))

    async def _tell(self, dids: Iterable[str]) -> None:
        """Tell what has changed of some cameras."""
        group: list[Publication] = []
        for did in dids:
            group += self._changed(did)
            if len(group) >= _GROUP:
                await self._publish(group)
                group = []
            await trio.lowlevel.checkpoint()
        if group:
            await self._publish(group)

    def _changed(self, did: str) -> list[Publication]:
        """Return what the broker does not have yet of a camera, and note that it has."""
        now = self._states(did)
        before = self._sent.pop(did, {})
        if now:
            self._sent[did] = {topic: hash(payload) for topic, payload in now.items()}
        gone = [Publication(topic, b"", retain=True) for topic in before.keys() - now.keys()]
        return gone + [
            self._publication(topic, payload)
            for topic, payload in now.items()
            if before.get(topic) != hash(payload)
        ]

    def _publication(self, topic: str, payload: bytes) -> Publication:
        content_type = JSON if payload.startswith(b"{") else ""
        return Publication(topic, payload, retain=True, content_type=content_type)

    def _states(self, did: str) -> dict[str, bytes]:
        """Return what the broker should keep of a camera, by topic; nothing if it is gone."""
        topics, found = self._topics, {}
        if not did:
            if self._discovery is not None:
                found[topics.discovery("")] = self._discovery.hub(
                    self._site.name, self._site.base_url()
                )
            if self._state:
                found[topics.state] = self._state
        else:
            camera = self._site.camera(did) if self._wants(did) else None
            if camera is None:
                return {}
            if self._discovery is not None:
                found[topics.discovery(did)] = self._discovery.camera(camera)
            found[topics.online(did)] = ONLINE if camera.is_online else OFFLINE
        if self._with_alarms:
            found[topics.alarm_state(did)] = ON if did in self._alarmed else OFF
        return found

    def _of(self, did: str) -> list[str]:
        """Return all topics under which the broker may keep something of a camera."""
        topics = [self._topics.alarm_state(did)]
        topics.append(self._topics.online(did) if did else self._topics.state)
        if self._discovery is not None:
            topics.append(self._topics.discovery(did))
        return topics

    def _newly_alarmed(self) -> frozenset[str]:
        """Note which cameras have alarms; return those where that has changed."""
        before, self._alarmed = self._alarmed, self._site.alarmed()
        return before ^ self._alarmed
