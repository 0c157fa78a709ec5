"""The server side of wsproto, with access to private attributes that the hub needs.

wsproto may change its private attributes. They are checked when this module is imported, so that an
unsuitable version prevents the start instead of failing on a connection.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter

from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection, ConnectionState
from wsproto.events import AcceptConnection, Event, RejectConnection
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

#: The versions that are known to have the attributes below; pyproject.toml allows the same.
WSPROTO_VERSIONS = ">=1.2,<1.4"


def check_attributes(probe: object, *paths: str) -> None:
    """Raise ImportError, which names the versions that work, unless `probe` has all `paths`."""
    for path in paths:
        try:
            attrgetter(path)(probe)
        except AttributeError as error:
            raise ImportError(
                f"this version of wsproto does not fit the hub: {error}. "
                f"Install wsproto{WSPROTO_VERSIONS}",
                name="wsproto",
            ) from None


check_attributes(WSConnection(ConnectionType.SERVER), "handshake._h11_connection.trailing_data")
check_attributes(
    Connection(ConnectionType.SERVER),
    "_proto._frame_decoder.buffer.buffer",
    "_proto._frame_decoder.header",
    "_proto._message_decoder.opcode",
)


class ServerProtocol(WSConnection):
    """One connection's protocol state, tolerant of clients that plain wsproto fails on."""

    def __init__(self) -> None:
        # Not that of wsproto, which makes a parser of HTTP that most connections do without.
        self.client = False
        self.connection = None

    @cached_property
    def handshake(self) -> H11Handshake:  # type: ignore[override]
        """What reads an upgrade and answers it."""
        return H11Handshake(ConnectionType.SERVER)

    @property
    def is_new(self) -> bool:
        """Whether it was told of nothing yet."""
        return self.connection is None and "handshake" not in self.__dict__

    def open_at_once(self) -> None:
        """The upgrade was read and is answered without it."""
        self.connection = Connection(ConnectionType.SERVER)

    def is_between_frames(self) -> bool:
        """Whether the next byte begins a message, so that wsproto need not see that message."""
        connection = self.connection
        if connection is None or connection.state is not ConnectionState.OPEN:
            return False
        frames, messages = connection._proto._frame_decoder, connection._proto._message_decoder
        return not frames.buffer.buffer and frames.header is None and messages.opcode is None

    def receive_data(self, data: bytes | None) -> None:
        """Feed the peer's bytes. Raises RemoteProtocolError, also if a header is not text."""
        try:
            super().receive_data(data)
        except UnicodeError:
            raise RemoteProtocolError(
                "a header of the upgrade is not text", event_hint=RejectConnection()
            ) from None

    def send(self, event: Event) -> bytes:
        """Encode an event. Raises LocalProtocolError if the state does not allow it."""
        data = super().send(event)
        if isinstance(event, AcceptConnection) and self.connection is not None:
            # Some clients send their first frame without waiting for the 101.
            early, _ = self.handshake._h11_connection.trailing_data
            self.connection.receive_data(early)
        return data
