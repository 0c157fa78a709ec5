"""Answers /healthz and /metrics of a centre, in a thread of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from msgspec.structs import asdict

from hub.central import metrics
from hub.central.centre import Health
from hub.central.fleet import Fleet, exposition
from hub.errors import StartFault

_REQUEST_SECONDS = 10


class _Server(ThreadingHTTPServer):
    # On Windows it would let two centres listen at the same port.
    allow_reuse_address = sys.platform != "win32"
    daemon_threads = True


@contextmanager
def health_server(address: tuple[str, int], health: Health, fleet: Fleet) -> Iterator[int]:
    """Serve until the end of the block; yield the port. Raises StartFault."""
    try:
        server = _Server(address, _handler(health, fleet))
    except OSError as error:
        raise StartFault(f"--listen {address[0]}:{address[1]}: {error.strerror}") from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(health: Health, fleet: Fleet) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS

        def do_GET(self) -> None:
            if self.path == "/healthz":
                body = json.dumps(asdict(health)).encode()
                self._answer(200 if health.is_good else 503, "application/json", body)
            elif self.path == "/metrics":
                body = metrics.exposition() + exposition(fleet.rows())
                self._answer(200, "text/plain; version=0.0.4", body)
            else:
                self._answer(404, "text/plain", b"/healthz and /metrics are here\n")

        def _answer(self, status: int, mime: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", mime)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Write no log of requests."""

    return Handler
