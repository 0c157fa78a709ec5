"""Who has a slot at a port: when all are taken, the largest source gives one back.

A port has a number of slots, one for each connection. A source is an address that is known, or a
network of those that are not (hub.net.networks). Each source is measured by its *claim*: the slots
that it has, less those that it can count on if it is known. A newcomer to a full port takes a slot
of the source with the largest claim, if that exceeds its own: of this source the silent connections
go first, and of those the youngest. A slot that is kept is out of this: nobody takes it, and it is
not part of a claim.

Through a reverse proxy come many clients, who are not known before they ask for something. So all
trusted proxies are one source, which is known and has a limit of its own: half of the slots. It
can count on all of them, and leaves the other half to everybody who connects directly.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from msgspec import Struct

from hub.net.networks import NO_NETWORKS, Networks, network_of

#: The source of everything that comes through trusted proxies.
PROXIES = "trusted proxies"
#: Trusted proxies have 1 / PROXIES_DIVISOR of the slots.
PROXIES_DIVISOR = 2
#: An address of an enrolled camera or of a signed-in browser can count on so many slots.
SLOTS_OF_KNOWN = 16
#: How many addresses are known at most; the one that was noted longest ago is forgotten.
MAX_KNOWN = 4096


class Limits(Struct, frozen=True):
    """How many connections a port accepts, in total and from one source.

    The addresses in `proxies` are those of trusted reverse proxies.
    """

    connections: int
    per_address: int
    proxies: Networks = NO_NETWORKS

    @property
    def of_proxies(self) -> int:
        """How many connections all trusted proxies have together."""
        return max(self.connections // PROXIES_DIVISOR, 1)


class KnownAddresses:
    """Addresses from which an enrolled camera, a browser or a program has proved who it is."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        """`addresses`: those that were known before the hub was restarted."""
        self._addresses: OrderedDict[str, None] = OrderedDict()
        for address in addresses:
            self.note(address)

    def note(self, address: str) -> None:
        """Someone has just proved at this address who it is."""
        self._addresses[address] = None
        self._addresses.move_to_end(address)
        if len(self._addresses) > MAX_KNOWN:
            self._addresses.popitem(last=False)

    def source_of(self, address: str) -> str:
        """Return the source as which an address counts: itself if it is known, or its network.

        So one host with many addresses does not shut out the known ones of its IPv6 network.
        """
        return address if address in self else network_of(address)

    def __contains__(self, address: object) -> bool:
        return address in self._addresses


class Full(Exception):
    """There is no slot. `limit`: the name of the limit that was reached."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class ConnectionSlot:
    """The slot of one connection. Without a port it is nobody's, and its methods do nothing."""

    __slots__ = ("_cut", "_source", "is_kept", "is_silent")

    def __init__(
        self, source: _Source | None = None, cut: Callable[[], None] = lambda: None
    ) -> None:
        self._source = source
        self._cut = cut
        self.is_silent = True
        self.is_kept = False

    def speak(self) -> None:
        """The peer has sent a whole request or message: silent connections go before this one."""
        if self.is_silent:
            self.is_silent = False
            if self._source is not None and not self.is_kept:
                self._source.move_to_speaking(self)

    def keep(self) -> None:
        """Let nobody take this slot: it belongs to an enrolled camera that is online."""
        if not self.is_kept:
            self.is_kept = True
            if self._source is not None:
                self._source.keep(self)

    def release(self) -> None:
        """Keep it no longer: the connection is about to end. Idempotent."""
        if self.is_kept:
            self.is_kept = False
            if self._source is not None:
                self._source.release(self)

    def leave(self) -> None:
        """Give the slot back: the connection has ended. Idempotent."""
        if self._source is not None:
            self._source.leave(self)
            self._source = None

    def cut_off(self) -> None:
        """End the connection, and give the slot back."""
        self.leave()
        self._cut()


class ConnectionSlots:
    """The slots of one port.

    `known` has the addresses that can count on some. `on_cut` is called with the source of each
    connection that is cut off.
    """

    def __init__(
        self,
        limits: Limits,
        known: KnownAddresses | None = None,
        *,
        on_cut: Callable[[str], None] = lambda source: None,
    ) -> None:
        self._limits = limits
        self._on_cut = on_cut
        self._known = KnownAddresses() if known is None else known
        self._sources: dict[str, _Source] = {}
        self._taken = 0
        #: The sources by their claim, without those whose slots are all kept.
        self._by_claim: dict[int, dict[_Source, None]] = {}
        self._largest = 0

    @property
    def taken(self) -> int:
        return self._taken

    def take(self, address: str, cut: Callable[[], None]) -> ConnectionSlot:
        """Take a slot for a connection, which `cut` ends if the slot goes to another one.

        Raises Full.
        """
        source = self._source_of(address)
        if source.total >= source.most:
            raise Full(source.limit)
        source.update()
        if self._taken >= self._limits.connections:
            self._make_room(source.claim + 1)
        self._sources[source.name] = source
        self._taken += 1
        slot = ConnectionSlot(source, cut)
        source.enter(slot)
        return slot

    def _source_of(self, address: str) -> _Source:
        """The source of a newcomer, with what it can count on now."""
        is_proxy = self._limits.proxies.include(address)
        name = PROXIES if is_proxy else self._known.source_of(address)
        source = self._sources.get(name) or _Source(self, name)
        if is_proxy:
            source.limit, source.most = "proxies", self._limits.of_proxies
            source.reserve = source.most
        else:
            source.limit, source.most = "per_address", self._limits.per_address
            source.reserve = SLOTS_OF_KNOWN if address in self._known else 0
        return source

    def _make_room(self, claim: int) -> None:
        """Cut a connection of the largest source, if its claim exceeds `claim`. Raises Full."""
        while self._largest > claim and self._largest not in self._by_claim:
            self._largest -= 1
        if self._largest <= claim:
            raise Full("connections")
        source = next(iter(self._by_claim[self._largest]))
        source.first_to_go().cut_off()
        self._on_cut(source.name)

    # Called by the sources

    def moved(self, source: _Source, old: int | None, new: int | None) -> None:
        """The claim of a source has changed; None: it has no slot that could be taken."""
        if old is not None:
            others = self._by_claim[old]
            del others[source]
            if not others:
                del self._by_claim[old]
        if new is not None:
            self._by_claim.setdefault(new, {})[source] = None
            self._largest = max(self._largest, new)

    def left(self, source: _Source) -> None:
        self._taken -= 1
        if not source.total:
            del self._sources[source.name]


class _Source:
    """The connections of one source: silent ones, those that have spoken, and the kept ones."""

    __slots__ = (
        "_kept",
        "_listed",
        "_silent",
        "_slots",
        "_speaking",
        "limit",
        "most",
        "name",
        "reserve",
    )

    def __init__(self, slots: ConnectionSlots, name: str) -> None:
        self.name = name
        #: How many slots it can count on.
        self.reserve = 0
        #: How many it can have, and the name of this limit.
        self.most, self.limit = 0, ""
        self._slots = slots
        # In the order of their arrival.
        self._silent: dict[ConnectionSlot, None] = {}
        self._speaking: dict[ConnectionSlot, None] = {}
        self._kept = 0
        #: The claim under which it is listed.
        self._listed: int | None = None

    @property
    def total(self) -> int:
        return len(self._silent) + len(self._speaking) + self._kept

    @property
    def claim(self) -> int:
        return len(self._silent) + len(self._speaking) - self.reserve

    def update(self) -> None:
        """Put this source into the list of its present claim (see `claim`), or of none."""
        claim = self.claim if self._silent or self._speaking else None
        if claim != self._listed:
            listed, self._listed = self._listed, claim
            self._slots.moved(self, listed, claim)

    def first_to_go(self) -> ConnectionSlot:
        return next(reversed(self._silent or self._speaking))

    def enter(self, slot: ConnectionSlot) -> None:
        self._silent[slot] = None
        self.update()

    def move_to_speaking(self, slot: ConnectionSlot) -> None:
        del self._silent[slot]
        self._speaking[slot] = None

    def keep(self, slot: ConnectionSlot) -> None:
        self._forget(slot)
        self._kept += 1
        self.update()

    def release(self, slot: ConnectionSlot) -> None:
        self._kept -= 1
        self._speaking[slot] = None
        self.update()

    def leave(self, slot: ConnectionSlot) -> None:
        if slot.is_kept:
            self._kept -= 1
        else:
            self._forget(slot)
            self.update()
        self._slots.left(self)

    def _forget(self, slot: ConnectionSlot) -> None:
        self._silent.pop(slot, None)
        self._speaking.pop(slot, None)
