"""The hub that is fuzzed: a real process with devices, users and keys, for nobody else's use."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import httpx

from hub.simulator.identity import CameraIdentity, make_cameras
from hub.wire.signing import sign_connect
from tests.e2e.hub_process import HubProcess
from tests.fuzz.case import Port
from tests.fuzz.peer import ANSWER_SECONDS, HOST, Peer, strict_json
from tests.support.new_data import make_data
from tests.support.ports import free_ports

PASSWORD = "a fuzz of many hours"
USERS = {"ada": "admin", "mei": "guard", "vic": "viewer"}
_NEIGHBOURS, _VICTIMS, _FODDER = 6, 24, 40
#: The dids of neighbours and victims: no change of a few characters makes one of another did.
_FIRST_DID = 7_300_001


class _SmallCacheHub(HubProcess):
    def command(self) -> list[str]:
        words = super().command()
        if "SITEHUB" in os.environ:
            return words
        return [sys.executable, "-m", "tests.fuzz.small_cache", *words[words.index("run") :]]


class FuzzHub:
    """`neighbours` are left alone, `victims` send what is fuzzed.

    `fodder` are cameras that are changed, removed and added again, also while they are connected.
    The directory must be empty. Call `prepare`, then `start`.
    """

    #: How often it was started; see tests.bench.soak.trend.
    starts = 1

    def __init__(self, directory: Path, *, tls: bool) -> None:
        self.tls = tls
        plain_ws, plain_http, sntp = free_ports(3)
        settings = [
            f"web.tls={str(tls).lower()}",
            f"devices.tls={str(tls).lower()}",
            f"devices.plain_ws_port={plain_ws}",
            f"devices.plain_http_port={plain_http}",
            f"time.sntp_port={sntp}",
            "devices.token_ttl=86400",
            "devices.clock_skew=3600",
            "web.body_seconds=2",
        ]
        self._process = _SmallCacheHub(directory / "data", settings)
        make_data(self._process.data_dir)
        self.ports: dict[Port, int] = {
            "web": self._process.web_port,
            "device": self._process.device_port,
            "plain_ws": plain_ws,
            "plain_http": plain_http,
            "sntp": sntp,
        }
        self.log_file = self._process.err_file
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self.ports['web']}"
        self.bearer = ""
        self.reader = ""
        self._sessions: dict[str, tuple[str, str]] = {}
        self._signed_in_at = dict.fromkeys(USERS, -1e9)
        self._lock = threading.Lock()
        self._last_ts: dict[str, int] = {}

    def prepare(self) -> None:
        """Enrol the devices; add users and keys."""
        cameras = make_cameras(_NEIGHBOURS + _VICTIMS + _FODDER, 7, one_key=True)
        key = self._process.data_dir.with_suffix(".pem")
        key.write_text(cameras[0].public_pem(), encoding="ascii")
        table = self._process.data_dir.with_suffix(".csv")
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("sn", "code", "did", "name", "key"))
            for number, camera in enumerate(cameras):
                writer.writerow((camera.sn, camera.code, _did(number), camera.name, str(key)))
        self._process.cli("device", "import", str(table))
        # Fodder that is added again has it.
        self._process.cli("site-key", str(key))
        self.neighbours = list(cameras[:_NEIGHBOURS])
        self.victims = list(cameras[_NEIGHBOURS : _NEIGHBOURS + _VICTIMS])
        self.dids = {one.sn: _did(number) for number, one in enumerate(cameras)}
        self.fodder = list(cameras[_NEIGHBOURS + _VICTIMS :])
        for name, role in USERS.items():
            words = ("user", "add", name, "--role", role, "--password-stdin")
            self._process.cli(*words, stdin=PASSWORD)
        self.bearer = self._add_key("fuzz")
        self.reader = self._add_key("reader", "--read-only")

    def start(self) -> None:
        self._process.start() if self.tls else self._start_plain()
        control = json.loads((self._process.data_dir / "control.json").read_text())
        self.ports["control"] = control["port"]
        self.control_secret = control["secret"]
        self.tokens = {one.sn: self._first_token(one) for one in self.victims}

    def stop(self) -> int:
        return self._process.stop(60)

    def close(self) -> None:
        self._process.close()

    def is_alive(self) -> bool:
        return self._process.process.poll() is None

    def resources(self) -> tuple[int, int] | None:
        """The resident memory in KiB and the number of open files; None if it does not run."""
        pid = self._process.process.pid
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            files = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return None
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return (int(found[1]), files) if found else None

    def is_tls(self, port: Port) -> bool:
        return self.tls and port in ("web", "device")

    def open(self, address: str, port: Port, *, is_plain: bool = False) -> Peer:
        return Peer(address, self.ports[port], tls=self.is_tls(port) and not is_plain)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=False, timeout=ANSWER_SECONDS)

    def connect_frame(self, camera: CameraIdentity) -> dict[str, object]:
        """A connect (1.1) with a time that was not used before."""
        with self._lock:
            ts = max(int(time.time()), self._last_ts.get(camera.sn, 0) + 1)
            self._last_ts[camera.sn] = ts
        sign = sign_connect(camera.signer(), sn=camera.sn, code=camera.code, ts=ts)
        param = {"sn": camera.sn, "did": self.dids[camera.sn], "ts": ts, "sign": sign}
        return {"msgid": f"connect-{ts}", "data": {"uri": "/connect", "param": param}}

    def values(self, role: str, victim: CameraIdentity | None = None) -> dict[str, str]:
        """The values of the placeholders of a case."""
        victim = victim or self.victims[0]
        values = {
            "token": self.tokens.get(victim.sn, "none"),
            "sn": victim.sn,
            "did": self.dids[victim.sn],
            "other_sn": self.fodder[0].sn,
            "other_did": self.dids[self.fodder[0].sn],
            "bearer": self.reader if role == "reader" else self.bearer,
            "secret": self.control_secret,
        }
        values["appid"], _, values["appsecret"] = values["bearer"].split()[-1].partition(":")
        if name := next((n for n, one in USERS.items() if one == role), ""):
            values["cookie"], values["csrf"] = self.session(name)
        return values

    def session(self, name: str) -> tuple[str, str]:
        """The cookie and the CSRF token of a user; signs in if there is no session."""
        with self._lock:
            known = self._sessions.get(name)
            return known or self._sign_in(name)

    def sign_in_again(self, role: str) -> None:
        """The session is not known any more: sign in, but not for each request that finds so."""
        name = next(n for n, one in USERS.items() if one == role)
        with self._lock:
            if time.monotonic() - self._signed_in_at[name] > 10:
                self._sign_in(name)

    def _sign_in(self, name: str) -> tuple[str, str]:
        self._signed_in_at[name] = time.monotonic()
        with self.client() as client:
            page = client.get("/sign-in").text
            token = _csrf_token(page)
            fields = {"name": name, "password": PASSWORD, "csrf_token": token}
            answer = client.post("/sign-in", data=fields)
            if answer.status_code not in (302, 303):
                raise RuntimeError(f"{name} cannot sign in: {answer.status_code}")
            # httpx sends no `__Host-` cookie by itself over plain HTTP.
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            page = client.get("/account", headers={"Cookie": cookie}).text
        self._sessions[name] = cookie, _csrf_token(page)
        return self._sessions[name]

    def _first_token(self, camera: CameraIdentity) -> str:
        peer = self.open("127.0.0.1", "plain_ws")
        try:
            deadline = time.monotonic() + ANSWER_SECONDS
            peer.upgrade(deadline)
            return connect(self, peer, camera)
        finally:
            peer.close()

    def _start_plain(self) -> None:
        self._process.spawn()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.is_alive():
            try:
                if httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the hub did not start:\n{self._process.err}")

    def _add_key(self, *words: str) -> str:
        key = json.loads(self._process.cli("apikey", "add", *words))
        return f"Bearer {key['appid']}:{key['secret']}"


def connect(
    hub: FuzzHub, peer: Peer, camera: CameraIdentity, seconds: float = ANSWER_SECONDS
) -> str:
    """Connect (1.1) on an open WebSocket; return the token. Raises Gone, Silent, Broken."""
    from tests.fuzz.case import Frame

    frame = hub.connect_frame(camera)
    peer.send(Frame(json.dumps(frame)).encode({}))
    deadline = time.monotonic() + seconds
    while True:
        op, payload = peer.read_frame(deadline)
        if op == 1:
            answer = strict_json(payload)
            assert isinstance(answer, dict)
            if answer["msgid"] == frame["msgid"]:
                if answer["data"]["code"] != 200:
                    raise RuntimeError(f"the connect of {camera.sn} was answered {answer['data']}")
                return str(answer["data"]["result"]["token"])


def _did(number: int) -> str:
    if number < _NEIGHBOURS + _VICTIMS:
        return str(_FIRST_DID + number)
    return str(number)


def _csrf_token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("the page has no form")
    return found[1]
