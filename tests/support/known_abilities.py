"""What devices can do, kept in memory."""

from __future__ import annotations

from hub.services.commands.abilities import Learn
from hub.wire.commands.capabilities import UNKNOWN, Capabilities


class KnownAbilities:
    """What is known of each device, and what it was learnt from."""

    def __init__(self, **known: Capabilities) -> None:
        """`known`: by "d" and the did."""
        self.known = {did.removeprefix("d"): one for did, one in known.items()}
        self.sources: list[str] = []

    def of(self, did: str) -> Capabilities:
        return self.known.get(did, UNKNOWN)

    async def learn(self, did: str, learn: Learn, source: str) -> None:
        found = learn(self.of(did))
        if found != self.of(did):
            self.known[did] = found
            self.sources.append(source)
