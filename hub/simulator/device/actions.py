"""What a simulated camera does on its connection in response to one request from the hub."""

from __future__ import annotations

from msgspec import Struct


class Send(Struct, frozen=True):
    """Send one message: text, or binary."""

    message: str | bytes


class SendFragmented(Struct, frozen=True):
    """Send one text message as many WebSocket frames."""

    message: str


class SendTruncated(Struct, frozen=True):
    """Send half of a text message's WebSocket frame, then drop the connection."""

    message: str


class Disconnect(Struct, frozen=True):
    """Drop the connection without a close frame."""


class Wait(Struct, frozen=True):
    seconds: float


class ReconnectAs(Struct, frozen=True):
    """Connect again at once with this did, or without one (D3)."""

    did: str | None


class Restart(Struct, frozen=True):
    """Restart after a delay (1.9)."""

    seconds: float


class Reconnect(Struct, frozen=True):
    """Leave, and connect again at the address, or to the paths, that the camera was told."""


class AskForFirmware(Struct, frozen=True):
    """Ask for a release now (4.1 of edition 3)."""


Action = (
    Send
    | SendFragmented
    | SendTruncated
    | Disconnect
    | Wait
    | ReconnectAs
    | Restart
    | Reconnect
    | AskForFirmware
)
