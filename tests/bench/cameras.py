"""A thousand cameras in one process, with so little overhead that the hub is measured.

Run as `python -m tests.bench.cameras`. The first line on stdin is a `Plan`; each further line is
"connect", "beat SECONDS", "answer SECONDS", "people COUNT SECONDS" or "tokens", and is answered by
one line of JSON on stdout. The cameras stay connected until stdin ends. Signatures and frames are
made before the measurement starts. Cameras hold nobody.
"""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.wire.signing import sign_connect

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_CONNECT_SECONDS = 60.0


class Identity(msgspec.Struct):
    did: str
    sn: str


class Plan(msgspec.Struct):
    """Which cameras connect where. `key` is the private key that they share (PEM)."""

    host: str
    port: int
    tls: bool
    key: str
    code: str
    cameras: list[Identity]


class ConnectedResult(msgspec.Struct):
    """The time until the last camera had its token, and how many got none."""

    seconds: float
    failed: int


class HeartbeatResult(msgspec.Struct):
    seconds: float
    beats: int


class AnsweredResult(msgspec.Struct):
    """The number of commands that the cameras answered."""

    commands: int


class PeopleResult(msgspec.Struct):
    """The time from the first person that was sent to the last, and how many there were."""

    seconds: float
    people: int


class _Param(msgspec.Struct):
    token: str = ""


class _Data(msgspec.Struct):
    code: int = 0
    msg: str = ""
    result: _Param | None = None


class _Frame(msgspec.Struct):
    data: _Data


_FRAME = msgspec.json.Decoder(_Frame)


#: The beginning of a command from the hub, and the answer (1.14) that follows its msgid.
_COMMAND = b'{"msgid":"'
_ANSWER = (
    b'","data":{"uri":"/person/query","code":0,"msg":"OK","result":{"pid":"1001","name":"Li Lei",'
    b'"work_id":"w-17","id_card_no":"","ic_card_no":"","gender":1,"age":31,"department":"Gate",'
    b'"photo":"/mnt/face/1001.jpg","category":1}}}'
)


#: The answers to 1.12, and to 1.13 of a camera that holds nobody.
_DONE = b'","data":{"uri":"/person/add","code":0,"msg":"OK"}}'
_NOBODY = b'","data":{"uri":"/person/list","code":0,"msg":"OK","result":{"total":0,"list":[]}}}'
_LIST = b'"uri":"/person/list"'


def text_frame(payload: bytes) -> bytes:
    """Make a client's WebSocket frame. A mask of zeros is valid, and free of cost."""
    if len(payload) < 126:
        head = bytes([0x81, 0x80 | len(payload)])
    else:
        head = bytes([0x81, 0x80 | 126]) + len(payload).to_bytes(2, "big")
    return head + bytes(4) + payload


def request(uri: str, token: str | None, **param: str | int) -> bytes:
    data = {"uri": uri, "param": param}
    frame = {"msgid": "1", "data": data} | ({"token": token} if token else {})
    return text_frame(msgspec.json.encode(frame))


class Camera:
    """One connection. `step` handles the next event in its current phase.

    Each step returns the selector events to wait for next.
    """

    def __init__(self, identity: Identity, connect: bytes) -> None:
        self.identity = identity
        self.connect = connect
        self.socket: socket.socket | ssl.SSLSocket = socket.socket()
        self.socket.setblocking(False)
        self.step = self.on_connected
        self.received = b""
        self.token = ""
        self.beat = b""
        self.beats = 0
        self.answered = 0
        self.first = self.last = 0.0

    def start(self, host: str, port: int) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.socket.connect_ex((host, port))
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            raise OSError(code, "connect")

    def on_connected(self) -> int:
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "connect")
        if isinstance(self.socket, ssl.SSLSocket):
            self.step = self.on_handshake
            return self.on_handshake()
        return self.upgrade()

    def on_handshake(self) -> int:
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        return self.upgrade()

    def upgrade(self) -> int:
        self.socket.send(UPGRADE)
        self.step = self.on_upgraded
        return selectors.EVENT_READ

    def on_upgraded(self) -> int:
        self.receive()
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if end:
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise ConnectionError(head.decode("latin-1"))
            self.received = rest
            self.socket.send(self.connect)
            self.step = self.on_answer
        return selectors.EVENT_READ

    def on_answer(self) -> int:
        for payload in self.frames():
            if self.tells_people(payload):
                continue
            data = _FRAME.decode(payload).data
            if data.code != 200 or data.result is None:
                raise ConnectionError(f"{data.code} {data.msg}")
            self.token = data.result.token
            self.beat = request(
                "/heartbeat",
                self.token,
                did=self.identity.did,
                sn=self.identity.sn,
                ip="192.168.100.168",
            )
            self.step = self.on_beat
        return selectors.EVENT_READ

    def on_beat(self) -> int:
        for payload in self.frames():
            if self.tells_people(payload):
                continue
            if b'"code":200' not in payload.replace(b" ", b""):
                raise ConnectionError(payload.decode())
            self.beats += 1
            self.socket.send(self.beat)
        return selectors.EVENT_READ

    def on_command(self) -> int:
        """Answer every command at once, with the same answer."""
        for payload in self.frames():
            start = len(_COMMAND)
            if self.tells_people(payload):
                continue
            if not payload.startswith(_COMMAND) or b'"code":' in payload:
                raise ConnectionError(payload.decode())
            msgid = payload[start : payload.index(b'"', start)]
            self.socket.send(text_frame(_COMMAND + msgid + _ANSWER))
            self.answered += 1
        return selectors.EVENT_READ

    def on_person(self) -> int:
        """Take every person at once."""
        for payload in self.frames():
            if self.tells_people(payload):
                continue
            start = len(_COMMAND)
            msgid = payload[start : payload.index(b'"', start)]
            self.socket.send(text_frame(_COMMAND + msgid + _DONE))
            self.answered += 1
            self.last = time.perf_counter()
            self.first = self.first or self.last
        return selectors.EVENT_READ

    def tells_people(self, payload: bytes) -> bool:
        """Answer the question whom it holds (1.13); return whether it was asked."""
        if _LIST not in payload[:200]:
            return False
        start = len(_COMMAND)
        msgid = payload[start : payload.index(b'"', start)]
        self.socket.send(text_frame(_COMMAND + msgid + _NOBODY))
        return True

    def frames(self) -> list[bytes]:
        """The payloads of complete text frames; other frames are skipped."""
        self.receive()
        found = []
        while len(self.received) >= 2:
            size, start = self.received[1], 2
            if size == 126:
                size, start = int.from_bytes(self.received[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(self.received[2:10], "big"), 10
            if len(self.received) < start + size:
                break
            if self.received[0] & 0x0F == 1:
                found.append(self.received[start : start + size])
            self.received = self.received[start + size :]
        return found

    def receive(self) -> None:
        try:
            while chunk := self.socket.recv(65536):
                self.received += chunk
                if len(chunk) < 16384:
                    return
            raise ConnectionError("the hub ended the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            return


class CameraPool:
    """All cameras of a plan, in one selector loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.selector = selectors.DefaultSelector()
        key = load_pem_private_key(plan.key.encode(), None)
        assert isinstance(key, RSAPrivateKey)
        ts = int(time.time())
        self.cameras = [Camera(one, self.connect_frame(one, key, ts)) for one in plan.cameras]
        if plan.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["http/1.1"])
            for camera in self.cameras:
                camera.socket = context.wrap_socket(camera.socket, do_handshake_on_connect=False)

    def connect_frame(self, one: Identity, key: RSAPrivateKey, ts: int) -> bytes:
        sign = sign_connect(key, sn=one.sn, code=self.plan.code, ts=ts)
        return request(
            "/connect", None, did=one.did, sn=one.sn, ip="192.168.100.168", ts=ts, sign=sign
        )

    def connect(self) -> ConnectedResult:
        started = time.perf_counter()
        for camera in self.cameras:
            camera.start(self.plan.host, self.plan.port)
            self.selector.register(camera.socket, selectors.EVENT_WRITE, camera)
        failed = self.drive(started + _CONNECT_SECONDS, lambda: all(c.token for c in self.cameras))
        return ConnectedResult(time.perf_counter() - started, failed)

    def beat(self, seconds: float) -> HeartbeatResult:
        """Each camera sends its next heartbeat as soon as the last one is answered."""
        for camera in self.cameras:
            camera.beats = 0
            camera.socket.send(camera.beat)
        started = time.perf_counter()
        self.drive(started + seconds, lambda: False)
        lasted = time.perf_counter() - started
        return HeartbeatResult(lasted, sum(camera.beats for camera in self.cameras))

    def answer(self, seconds: float) -> AnsweredResult:
        """Each camera answers commands."""
        for camera in self.cameras:
            camera.answered = 0
            camera.step = camera.on_command
        self.drive(time.perf_counter() + seconds, lambda: False)
        return AnsweredResult(sum(camera.answered for camera in self.cameras))

    def take_people(self, count: int, seconds: float) -> PeopleResult:
        """Connect, and take people until each camera has so many."""
        self.connect()
        for camera in self.cameras:
            camera.step = camera.on_person
        total = count * len(self.cameras)
        self.drive(
            time.perf_counter() + seconds,
            lambda: sum(camera.answered for camera in self.cameras) >= total,
        )
        first = min(camera.first or time.perf_counter() for camera in self.cameras)
        last = max(camera.last for camera in self.cameras)
        return PeopleResult(last - first, sum(camera.answered for camera in self.cameras))

    def drive(self, deadline: float, is_over: Callable[[], bool]) -> int:
        """Run the cameras until the time, or until `is_over`; return how many failed."""
        failed = 0
        while (left := deadline - time.perf_counter()) > 0 and not is_over():
            for key, _ in self.selector.select(min(left, 0.05)):
                camera: Camera = key.data
                try:
                    wanted = camera.step()
                except (OSError, ConnectionError) as error:
                    print(f"camera {camera.identity.sn}: {error}", file=sys.stderr)
                    self.selector.unregister(camera.socket)
                    camera.token = camera.token or "-"
                    failed += 1
                else:
                    if wanted != key.events:
                        self.selector.modify(camera.socket, wanted, camera)
        return failed


def main() -> None:
    pool = CameraPool(msgspec.json.decode(sys.stdin.readline(), type=Plan))
    print("{}", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["connect"]:
                answer: object = pool.connect()
            case ["beat", seconds]:
                answer = pool.beat(float(seconds))
            case ["answer", seconds]:
                answer = pool.answer(float(seconds))
            case ["people", count, seconds]:
                answer = pool.take_people(int(count), float(seconds))
            case ["tokens"]:
                answer = [camera.token for camera in pool.cameras]
            case _:
                raise SystemExit(f"unknown command: {line}")
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main()
