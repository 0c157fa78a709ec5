"""A reverse proxy that serves a hub below a path of its own address, with the hub's certificate."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.support.ports import free_port

_PART_BYTES = 64 * 1024
#: They concern one connection only.
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")


@contextmanager
def serving_below(prefix: str, hub: HubProcess, *, strips: bool) -> Iterator[str]:
    """Serve `hub` below `prefix` within the block; yield the address, without a path.

    `strips`: the hub is asked without the prefix. All other paths are 404, as those of others.
    """

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if self.path != prefix and not self.path.startswith((f"{prefix}/", f"{prefix}?")):
                self.send_error(404, "not a path of the hub")
                return
            path = self.path.removeprefix(prefix) if strips else self.path
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            backend = http.client.HTTPSConnection(
                "127.0.0.1", hub.web_port, context=_unverified(), timeout=TIMEOUT_SECONDS
            )
            try:
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
                backend.request(self.command, path or "/", body or None, headers)
                self._answer(backend.getresponse())
            except (OSError, http.client.HTTPException):
                pass  # The browser or the hub has left.
            finally:
                backend.close()

        def _answer(self, response: http.client.HTTPResponse) -> None:
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            while part := response.read1(_PART_BYTES):
                self.wfile.write(part)

        do_GET = do_HEAD = do_POST = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            pass

    port = free_port()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.socket = _context(hub.data_dir).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _context(data_dir: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(data_dir / "tls" / "hub-ecdsa.pem")
    return context


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
