"""The time from accepting a pending camera to its first capture on the page.

An unknown camera connects and waits. It is accepted by API, takes its initial parameters, connects
with its did, and uploads a capture, which arrives in the stream of the page.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.wire.signing import sign_connect
from tests.bench import bodies
from tests.bench.cameras import UPGRADE, Plan, request, text_frame
from tests.bench.hub_process import HOST, Hub

_SN = "BENCHNEWCOMER01"
_TIMEOUT_SECONDS = 20.0
_ADDRESS = "192.168.100.169"


class _Param(msgspec.Struct):
    did: str = ""
    token: str = ""


class _Data(msgspec.Struct):
    uri: str = ""
    code: int | None = None
    param: _Param | None = None
    result: _Param | None = None


class _Frame(msgspec.Struct):
    msgid: str
    data: _Data


class NewCamera:
    """An unknown camera with a blocking socket."""

    def __init__(self, plan: Plan, web: httpx.Client) -> None:
        key = load_pem_private_key(plan.key.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._plan, self._key, self._web = plan, key, web
        self._socket: socket.socket = socket.create_connection((HOST, plan.port), _TIMEOUT_SECONDS)
        if plan.tls:
            self._socket = _unverified_context().wrap_socket(self._socket)
        self._received = b""

    def connect(self) -> None:
        """Connect, and be answered that it must wait (421)."""
        self._socket.sendall(UPGRADE)
        while b"\r\n\r\n" not in self._received:
            self._receive()
        self._received = self._received.partition(b"\r\n\r\n")[2]
        self._connect("")
        if (code := self._frame().data.code) != 421:
            raise SystemExit(f"the camera was answered {code}")

    def enrol(self) -> None:
        """Take the initial parameters, connect with the did, and upload a capture."""
        init = self._frame()
        taken = {"msgid": init.msgid, "data": {"uri": init.data.uri, "code": 200, "msg": "OK"}}
        self._socket.sendall(text_frame(msgspec.json.encode(taken)))
        assert init.data.param is not None
        self._connect(init.data.param.did)
        answer = self._frame().data.result
        assert answer is not None
        capture = bodies.capture(bodies.capture_parts(int(time.time())), 1)
        headers = {"Authorization": f"Bearer {answer.token}"}
        self._web.post(bodies.CAPTURE_PATH, content=capture, headers=headers).raise_for_status()

    def close(self) -> None:
        self._socket.close()

    def _connect(self, did: str) -> None:
        ts = int(time.time())
        sign = sign_connect(self._key, sn=_SN, code=self._plan.code, ts=ts)
        self._socket.sendall(
            request("/connect", None, did=did, sn=_SN, ip=_ADDRESS, ts=ts, sign=sign)
        )

    def _frame(self) -> _Frame:
        while True:
            if len(self._received) >= 2:
                size, start = self._received[1], 2
                if size == 126:
                    size, start = int.from_bytes(self._received[2:4], "big"), 4
                if len(self._received) >= start + size:
                    payload = self._received[start : start + size]
                    self._received = self._received[start + size :]
                    return msgspec.json.decode(payload, type=_Frame)
            self._receive()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise SystemExit("the hub ended the camera's connection")
        self._received += data


def accept_to_first_capture(hub: Hub) -> float:
    """Return the time in seconds."""
    plan = hub.plan(1)
    with _client(hub) as web, _signed_in(hub) as browser:
        bearer = {"Authorization": hub.bearer()}
        camera = NewCamera(plan, web)
        camera.connect()
        with browser.stream("GET", "/stream") as page:
            events = page.iter_lines()
            next(events)
            enrol = threading.Thread(target=camera.enrol)
            enrol.start()
            started = time.perf_counter()
            accept = threading.Thread(target=_accept, args=(hub, plan.code, bearer))
            accept.start()
            for line in events:
                if line == "event: card":
                    break
            lasted = time.perf_counter() - started
        enrol.join()
        accept.join()
        camera.close()
    return lasted


def _accept(hub: Hub, code: str, bearer: dict[str, str]) -> None:
    path = f"/api/hub/v1/devices/waiting/{_SN}/accept"
    with _client(hub) as api:
        api.post(path, json={"code": code}, headers=bearer).raise_for_status()


@contextmanager
def _client(hub: Hub) -> Iterator[httpx.Client]:
    scheme = "https" if hub.tls else "http"
    with httpx.Client(
        base_url=f"{scheme}://{HOST}:{hub.web_port}", verify=False, timeout=_TIMEOUT_SECONDS
    ) as client:
        yield client


@contextmanager
def _signed_in(hub: Hub) -> Iterator[httpx.Client]:
    name, password = hub.administrator()
    with _client(hub) as browser:
        page = browser.get("/sign-in").text
        (token,) = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
        fields = {"name": name, "password": password, "csrf_token": token}
        answer = browser.post("/sign-in", data=fields)
        if answer.status_code != 302 and answer.status_code != 303:
            raise SystemExit(f"sign-in: {answer.status_code}")
        yield browser


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
