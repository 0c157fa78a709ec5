"""How a device's connection ends: the close codes of WebSocket (RFC 6455, 7.4.1), and a reason."""

from __future__ import annotations

from msgspec import Struct

NORMAL = 1000
GOING_AWAY = 1001
NO_STATUS = 1005
ABNORMAL = 1006
NO_TEXT = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013


class Ending(Struct, frozen=True):
    """How a connection ends: the WebSocket close code and the reason in a few words.

    `limit`: the name of the limit that the peer reached, if that is the reason.
    """

    code: int
    reason: str
    limit: str = ""
