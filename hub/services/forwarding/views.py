"""A target as people and programs see it: how far it is, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.reasons import Reason
from hub.services.forwarding.forwarder import REFUSES_ERASURE, TargetState
from hub.services.forwarding.webhooks.address import masked
from hub.store.targets.target import Cursor, Gap, Target

if TYPE_CHECKING:
    from hub.services.forwarding.forwarders import Running
    from hub.store.db import Store


#: Until then, a mail server may only be busy.
_MAIL_SECONDS = 60.0


class TargetView(Struct, frozen=True, kw_only=True):
    """A target as it is now. Times in UNIX milliseconds. What is secret in an address is masked.

    `behind`: how many records of the log it has not had; `behind_since`: when the first of them
    arrived, if it is known. `reason`: why it waits or is held; `waiting_seconds`: for how long it
    has waited; `next_try`: when it is tried again. `dead_letters`: how much it refused for
    ever. `about`: what the other side is, None if it is not known. `gaps`: what it will never get.
    """

    target: Target
    state: TargetState
    cursor: Cursor
    behind: int
    behind_since: int | None
    reason: Reason | None
    waiting_seconds: float
    next_try: int | None
    dead_letters: int
    about: Reason | None
    gaps: tuple[Gap, ...]

    @property
    def refuses_erasure(self) -> bool:
        """Whether it is held because it keeps what was erased here."""
        held = self.target.held
        return held is not None and held.sentence == REFUSES_ERASURE.sentence

    @property
    def waits_after_restore(self) -> bool:
        """Whether it gets nothing until somebody says what, now that the hub was restored."""
        return self.target.waits_after_restore

    @property
    def mail_failure(self) -> Reason | None:
        """Why somebody gets no mail of alarms, unless that is a matter of seconds."""
        if self.target.kind != "mail":
            return None
        is_waiting = self.state == "waiting" and self.waiting_seconds > _MAIL_SECONDS
        return self.reason if is_waiting else self.about

    @property
    def unseen_gaps(self) -> int:
        """How many gaps nobody has confirmed."""
        return sum(gap.seen_at is None for gap in self.gaps)

    @property
    def unseen_lost(self) -> int:
        """How many records these gaps have at most."""
        return sum(1 + gap.last_seq - gap.first_seq for gap in self.gaps if gap.seen_at is None)


def view_of(target: Target, running: Running | None, store: Store) -> TargetView:
    """Return a target as it is now. `running`: its forwarder, if it has one."""
    forwarder = None if running is None else running.forwarder
    waiting = None if forwarder is None else forwarder.waiting
    cursor = target.cursor if forwarder is None else forwarder.cursor
    # Mail tells of alarms alone.
    is_mail = target.kind == "mail"
    behind = 0 if is_mail else max(0, store.records.last_seq - cursor.seq)
    state: TargetState = "behind" if behind else "current"
    if forwarder is not None:
        state = forwarder.state
    if target.held:
        state = "held"
    return TargetView(
        target=replace(target, options=replace(target.options, url=masked(target.options.url))),
        state=state,
        cursor=cursor,
        behind=behind,
        behind_since=forwarder.behind_since if forwarder is not None and behind else None,
        reason=target.held or (waiting.reason if waiting else None),
        waiting_seconds=trio.current_time() - waiting.since if waiting else 0.0,
        next_try=waiting.next_try if waiting else None,
        dead_letters=store.targets.dead_letter_count(target.id),
        about=None if running is None else running.sender.about,
        gaps=store.targets.gaps(target.id),
    )
