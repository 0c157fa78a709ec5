"""The topics under which a broker knows a hub and its cameras."""

from __future__ import annotations

from hub.wire.uploads.records import RecordKind

#: Home Assistant's prefix for discovery, and where it says that it has started.
DISCOVERY_PREFIX = "homeassistant"
HOME_ASSISTANT_STATUS = f"{DISCOVERY_PREFIX}/status"
HOME_ASSISTANT_ONLINE = b"online"

ONLINE, OFFLINE = b"online", b"offline"
ON, OFF = b"ON", b"OFF"

_RECORDS: dict[RecordKind, str] = {
    "face": "face",
    "event": "event",
    "vehicle": "plate",
    "access": "access",
    "hub": "notice",
}


class Topics:
    """The topics of one hub. In all of them, the did "" stands for the hub itself."""

    def __init__(self, hub: str) -> None:
        self._hub = hub
        self._root = f"sitehub/{hub}"
        #: Whether the hub is connected.
        self.status = f"{self._root}/status"
        #: How the hub is.
        self.state = f"{self._root}/state"
        self.test = f"{self._root}/test"
        #: Whether cameras are online; what is kept of them tells which the broker knows.
        self.any_online = f"{self._root}/+/online"
        #: Commands for the hub, and for cameras.
        self.commands = (f"{self._root}/command", f"{self._root}/+/command")

    def record(self, did: str, kind: RecordKind) -> str:
        return f"{self._base(did)}/{_RECORDS[kind]}"

    def picture(self, did: str, kind: RecordKind) -> str:
        return f"{self.record(did, kind)}/image"

    def online(self, did: str) -> str:
        return f"{self._base(did)}/online"

    def alarm(self, did: str) -> str:
        return f"{self._base(did)}/alarm"

    def alarm_state(self, did: str) -> str:
        return f"{self.alarm(did)}/state"

    def command(self, did: str) -> str:
        return f"{self._base(did)}/command"

    def discovery(self, did: str) -> str:
        return f"{DISCOVERY_PREFIX}/device/{self.device_id(did)}/config"

    def device_id(self, did: str) -> str:
        """Return what Home Assistant calls a camera."""
        return f"sitehub_{self._hub}_{did}" if did else f"sitehub_{self._hub}"

    def camera_of(self, topic: str, last: str) -> str | None:
        """Return the did of a topic `sitehub/HUB/[DID/]last`; None if it is no such topic."""
        root, _, rest = topic.partition(self._root)
        parts = rest.split("/")
        if root or parts[0] or parts[-1] != last or len(parts) not in (2, 3):
            return None
        return parts[1] if len(parts) == 3 else ""

    def _base(self, did: str) -> str:
        return f"{self._root}/{did}" if did else self._root
