"""Whose face each camera showed last, so that it can be taken back once that record is erased."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hub.services.forwarding.sender import ErasureItem, Item, RecordItem
from hub.wire.uploads.records import Record


class LastFaces:
    """Knows the faces that whoever reads the broker may still show, one or few for each camera."""

    def __init__(
        self,
        log_id: str,
        read: Callable[[Sequence[int]], Awaitable[list[Record]]],
        wants: Callable[[Record], bool],
    ) -> None:
        """`read`: returns those of some records that are there. `wants`: whether one is told."""
        self._log_id = log_id
        self._read = read
        self._wants = wants
        #: did -> the face that the broker took last, and those on their way to it, in order.
        self._shown: dict[str, dict[int, None]] = {}
        #: The cameras whose last face was taken back.
        self.taken_back: set[str] = set()

    def telling(self, item: Item) -> None:
        """Note what is on its way to the broker."""
        if isinstance(item, RecordItem) and item.record.kind == "face":
            shown = self._shown.setdefault(item.record.did, {})
            shown.pop(item.record.seq, None)
            shown[item.record.seq] = None
            self.taken_back.discard(item.record.did)

    def told(self, item: Item) -> None:
        """Note that the broker has it, so that nobody shows those before it any more."""
        if isinstance(item, RecordItem) and item.record.kind == "face":
            shown, seq = self._shown[item.record.did], item.record.seq
            while (first := next(iter(shown), seq)) != seq:
                del shown[first]

    async def erase(self, item: ErasureItem) -> list[str]:
        """Return the cameras whose last face was erased, or may have been."""
        # Under the id of an earlier log, the same records are named once more.
        if item.log != self._log_id:
            return []
        seqs = {seq for first, last in item.seqs for seq in range(first, last + 1)}
        dids = {did for did, shown in self._shown.items() if seqs & shown.keys()}
        for record in await self._read(sorted(seqs)):
            # What was told before the hub started is not known any more.
            is_known = record.kind != "face" or record.did in self._shown
            if not is_known and self._wants(record):
                dids.add(record.did)
        self.taken_back |= dids
        return sorted(dids)
