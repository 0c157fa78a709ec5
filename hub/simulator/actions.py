"""What a simulated camera does on its connection, one step after another, when it is asked."""

from __future__ import annotations

from msgspec import Struct


class Say(Struct, frozen=True):
    """Send one message: text, or binary."""

    message: str | bytes


class Fragments(Struct, frozen=True):
    """Send one message in many WebSocket frames."""

    message: str


class Break(Struct, frozen=True):
    """Send half of a message's WebSocket frame, and hang up."""

    message: str


class HangUp(Struct, frozen=True):
    """End the connection without a word."""


class Wait(Struct, frozen=True):
    seconds: float


class Enrolled(Struct, frozen=True):
    """The initial parameters were taken (D3): connect again, with this did or with none."""

    did: str | None


class Restart(Struct, frozen=True):
    """Switch off after so many seconds, and on again (1.9)."""

    seconds: float


Step = Say | Fragments | Break | HangUp | Wait | Enrolled | Restart
