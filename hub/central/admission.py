"""Listens for hubs that have a one-time code, while the owner's hubs are being installed."""

from __future__ import annotations

import logging
import ssl
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hub.central.certificates import SERVER, SERVER_KEY
from hub.central.codes import Admission, admit
from hub.central.hubs import utc_now
from hub.decoders import decode_json
from hub.errors import StartFault
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.connection_slots import Limits
from hub.net.listener import serve_port
from hub.net.networks import network_of
from hub.net.rate_limits import Backoff
from hub.services.forwarding.nats.codes import Answer, Ask, read_line

log = logging.getLogger(__name__)

_LIMITS = Limits(connections=128, per_address=16)
_SECONDS = 10.0
#: Wrong codes of one network, and of all, within ten minutes; each further one costs up to 30 s.
_FREE, _FREE_OF_ALL, _WINDOW = 10, 300, 600.0
_ALL = "all"


class Admissions:
    """Answers hubs at one address. `run` raises StartFault if it cannot listen there."""

    def __init__(self, folder: Path, address: tuple[str, int]) -> None:
        self._folder = folder
        self._address = address
        self._of_network = Backoff(trio.current_time, free=_FREE, window=_WINDOW)
        self._of_all = Backoff(trio.current_time, free=_FREE_OF_ALL, window=_WINDOW)
        self._turn = trio.Lock()
        self._tls, self._end = _tls_of(folder)

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled; starts with the port."""
        listeners = await open_listeners(*self._address, setting="--listen")
        port: int = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(
                    serve_port,
                    "admission",
                    listeners,
                    self._answer,
                    limits=_LIMITS,
                    tls=lambda: self._tls,
                    handshake_seconds=_SECONDS,
                    handler_nursery=nursery,
                )
            )
            log.info("hubs with a code are admitted at port %d", port)
            task_status.started(port)

    async def _answer(self, stream: trio.abc.Stream, peer: Peer) -> None:
        with trio.move_on_after(_SECONDS):
            said = await read_line(stream)
            answer = await self._answer_to(said, peer.address)
            await stream.send_all(msgspec.json.encode(answer) + b"\n")
            await stream.aclose()

    async def _answer_to(self, said: bytes, address: str) -> Answer:
        network = network_of(address)
        if self._of_network.wait_seconds(network) or self._of_all.wait_seconds(_ALL):
            return Answer("often")
        try:
            ask = decode_json(said, Ask)
            async with self._turn:
                found = await self._admit(ask, utc_now())
        except (msgspec.MsgspecError, UnicodeDecodeError):
            found = Admission(Answer("unknown"))
        except StartFault as fault:
            log.error("hubs cannot be admitted: %s", fault)
            return Answer("unable")
        if found.name:
            log.info("%s is admitted, from %s", found.name, address)
        else:
            log.warning("a hub at %s is not admitted: %s", address, found.answer.refusal)
            self._of_network.failed(network)
            self._of_all.failed(_ALL)
        return found.answer

    async def _admit(self, ask: Ask, now: datetime) -> Admission:
        return await trio.to_thread.run_sync(admit, self._folder, ask, self._end, now)


def _tls_of(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    """Return the servers' certificate, to be shown, and as DER. Raises StartFault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(folder / SERVER, folder / SERVER_KEY)
        certificate = x509.load_pem_x509_certificate((folder / SERVER).read_bytes())
    except (OSError, ValueError) as error:
        raise StartFault(f"{folder / SERVER} cannot be used: {error}") from error
    return context, certificate.public_bytes(Encoding.DER)
