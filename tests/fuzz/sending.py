"""Sends one case to the hub, and judges what comes back."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hub.simulator.identity import CameraIdentity
from tests.fuzz.case import Case
from tests.fuzz.hub import FuzzHub, connect
from tests.fuzz.peer import (
    ANSWER_SECONDS,
    HOST,
    Answer,
    Broken,
    Gone,
    Peer,
    Silent,
    strict_json,
)

#: For a case after which the hub may rightly wait for more.
_PATIENCE_SECONDS = 0.1
#: 501 and 505: what HTTP asks for; 502 and 504: of a camera; 503 and 507: the hub cannot now.
_DOCUMENTED = (501, 502, 503, 504, 505, 507)
#: Answers of these have `{"code", "msg"}`, if they are errors.
_PROGRAMS = ("/api/", "/openapi.json", "/metrics")
_KEPT = 40


class Sender:
    """Sends from one address. A connection that is still in step serves the next case as well.

    `send` returns what is wrong, in words that are the same for the same fault.
    """

    def __init__(self, hub: FuzzHub, address: str) -> None:
        self._hub = hub
        self._address = address
        self._numbers = itertools.count(1)
        self._http: dict[str, Peer] = {}
        self._links: dict[str, Peer] = {}
        self.statuses: dict[int, int] = {}
        self.answers = 0
        #: Of the case that was sent last.
        self.reply = b""

    def close(self) -> None:
        for peer in (*self._http.values(), *self._links.values()):
            peer.close()
        self._http.clear()
        self._links.clear()

    def send(self, case: Case, victim: CameraIdentity | None = None) -> list[str]:
        self.reply = b""
        values = self._hub.values(case.role, victim)
        try:
            if case.port == "sntp":
                return self._send_datagram(case, values)
            if case.port in ("device", "plain_ws") and not case.data:
                return self._send_frames(case, values, victim or self._hub.victims[0])
            if case.answers is not None and case.port in ("web", "plain_http"):
                return self._send_request(case, values)
            return self._send_bytes(case, values)
        except Broken as error:
            return [f"{case.label}: {error}"]
        except ConnectionRefusedError:
            return [] if self._hub.is_alive() else ["the hub is dead"]
        except OSError as error:
            return [f"no connection: {type(error).__name__}"]

    # HTTP

    def _send_request(self, case: Case, values: Mapping[str, str]) -> list[str]:
        """Send a request that is in order as HTTP: one answer must come, and no byte more."""
        peer = self._open_http(case)
        found: list[str] = []
        deadline = time.monotonic() + ANSWER_SECONDS
        is_head = case.data.startswith("HEAD ")
        try:
            with suppress(Gone):
                # It may be answered, and closed, before all of it is sent.
                for piece in case.pieces(values):
                    peer.send(piece)
            answer = peer.read_answer(deadline, is_head=is_head)
        except Gone:
            # A reset may have taken the answer with it; only a whole small request must have one.
            self._drop(case)
            return [f"{case.label}: closed without an answer"] if len(case.data) < 4096 else []
        except Silent:
            self._drop(case)
            return [f"{case.label}: no answer in {ANSWER_SECONDS:.0f} s"]
        except Broken:
            self._drop(case)
            raise
        found += self._judge(case, answer)
        if peer.received and not answer.is_stream:
            found.append(f"{case.label}: more bytes than one answer: {peer.received[:40]!r}")
        if found or answer.is_stream or answer.headers.get("connection") == "close":
            self._drop(case)
        elif next(self._numbers) % 8 == 0:
            found += self._probe(case, peer)
        return found

    def _probe(self, case: Case, peer: Peer) -> list[str]:
        """Ask for something that only this answer can contain: the answers must be in step."""
        mark = f"mark-{next(self._numbers)}"
        try:
            peer.send(f"GET /api/v1/{mark} HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
            answer = peer.read_answer(time.monotonic() + ANSWER_SECONDS)
        except (Gone, Silent) as error:
            self._drop(case)
            kind = "closed" if isinstance(error, Gone) else "silent"
            return [f"{case.label}: {kind} after an answer that keeps the connection"]
        if mark.encode() not in answer.body or peer.received:
            self._drop(case)
            return [f"{case.label}: the answers are out of step: {answer.body[:60]!r}"]
        return []

    def _send_bytes(self, case: Case, values: Mapping[str, str]) -> list[str]:
        """Send bytes of which nobody knows how many requests they are, and read to the end."""
        peer = self._hub.open(self._address, case.port, is_plain=case.is_plain)
        found: list[str] = []
        mark = f"mark-{next(self._numbers)}"
        try:
            with suppress(Gone):
                for piece in case.pieces(values):
                    peer.send(piece)
                if case.settled:
                    peer.send(f"GET /api/v1/{mark} HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
                    peer.end_sending()
            patience = ANSWER_SECONDS if case.settled else _PATIENCE_SECONDS
            deadline = time.monotonic() + patience
            is_first_head = case.data[:5] == "HEAD "
            with suppress(Gone, Silent):
                if case.is_plain or case.port not in ("web", "plain_http"):
                    while True:
                        peer.receive(deadline)
                for number in range(_KEPT):
                    answer = peer.read_answer(deadline, is_head=is_first_head and not number)
                    found += self._judge(case, answer)
                    if case.canary and case.canary.encode() in answer.body:
                        found.append(f"{case.label}: a part of the body was taken for a request")
                    if answer.is_stream or answer.headers.get("connection") == "close":
                        break
        except Broken:
            # A HEAD that was not the first, a 304 to a byte that was changed: not known here.
            if "HEAD" not in case.data:
                raise
        finally:
            self.reply = peer.received[:200] or self.reply
            peer.close()
        return found

    def _judge(self, case: Case, answer: Answer) -> list[str]:
        """What is wrong with an answer by itself."""
        self.answers += 1
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        self.reply = answer.body[:200]
        found = []
        if answer.status >= 500 and answer.status not in _DOCUMENTED:
            found.append(f"{case.label}: {answer.status}")
        if answer.status != 301 and answer.headers.get("x-content-type-options") != "nosniff":
            found.append(f"{case.label}: {answer.status} without nosniff")
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        if is_json and answer.body:
            document = strict_json(answer.body)
            path = case.data.partition(" ")[2]
            if answer.status >= 400 and path.startswith(_PROGRAMS) and not _is_error(document):
                found.append(f"{case.label}: {answer.status} without code and msg")
        if (
            answer.status in (302, 303)
            and case.role in ("admin", "guard", "viewer")
            and "sign-in" in answer.headers.get("location", "")
        ):
            self._hub.sign_in_again(case.role)
        return found

    def _open_http(self, case: Case) -> Peer:
        peer = self._http.get(case.port)
        if peer is None or not peer.is_open():
            if peer is not None:
                peer.close()
            peer = self._http[case.port] = self._hub.open(self._address, case.port)
        return peer

    def _drop(self, case: Case) -> None:
        if (peer := self._http.pop(case.port, None)) is not None:
            peer.close()

    # WebSocket

    def _send_frames(
        self, case: Case, values: Mapping[str, str], victim: CameraIdentity
    ) -> list[str]:
        peer = self._open_link(case, victim)
        if isinstance(peer, list):
            return peer
        found: list[str] = []
        is_kept = False
        mark = f"mark-{next(self._numbers)}"
        try:
            with suppress(Gone):
                for frame in case.frames:
                    peer.send(frame.encode(values))
                if case.settled:
                    text = '{"msgid":"%s","data":{"uri":"/mark","param":{}}}' % mark  # noqa: UP031
                    peer.send(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text.encode())
            is_kept = self._read_frames(case, peer, mark, found)
        except Silent:
            if case.settled:
                found.append(f"{case.label}: no answer in {ANSWER_SECONDS:.0f} s")
        except Gone:
            pass
        finally:
            if not is_kept or found:
                peer.close()
                self._links.pop(self._link_name(case, victim), None)
        return found

    def _read_frames(self, case: Case, peer: Peer, mark: str, found: list[str]) -> bool:
        """Read until the answer to the mark; return whether the connection can be used again."""
        deadline = time.monotonic() + (ANSWER_SECONDS if case.settled else _PATIENCE_SECONDS)
        for _ in range(_KEPT + len(case.frames)):
            op, payload = peer.read_frame(deadline)
            if op == 8:
                return False
            if op in (9, 10):
                continue
            self.answers += 1
            self.reply = payload[:200]
            document: Any = strict_json(payload)
            if not isinstance(document, dict) or not {"msgid", "data"} <= set(document):
                found.append(f"{case.label}: an answer without msgid and data")
            elif document["msgid"] == mark:
                return True
        found.append(f"{case.label}: more answers than frames")
        return False

    def _open_link(self, case: Case, victim: CameraIdentity) -> Peer | list[str]:
        """The connection; what is wrong if there is none."""
        name = self._link_name(case, victim)
        peer = self._links.get(name)
        if peer is not None and peer.is_open():
            return peer
        if peer is not None:
            peer.close()
        peer = self._links[name] = self._hub.open(self._address, case.port)
        try:
            peer.upgrade(time.monotonic() + ANSWER_SECONDS)
            if case.role == "device":
                # The answer to one that is not enrolled any more is held back for long.
                patience = 1.0 if victim in self._hub.fodder else ANSWER_SECONDS
                self._hub.tokens[victim.sn] = connect(self._hub, peer, victim, patience)
        except (Gone, Silent, RuntimeError) as error:
            peer.close()
            self._links.pop(name, None)
            if victim in self._hub.fodder:
                return []
            return [f"an enrolled device cannot connect: {str(error) or type(error).__name__}"]
        return peer

    def _link_name(self, case: Case, victim: CameraIdentity) -> str:
        return f"{case.port} {victim.sn if case.role == 'device' else ''}"

    # SNTP

    def _send_datagram(self, case: Case, values: Mapping[str, str]) -> list[str]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((self._address, 0))
            sock.settimeout(_PATIENCE_SECONDS)
            (data,) = list(case.pieces(values)) or [b""]
            sock.sendto(data, (HOST, self._hub.ports["sntp"]))
            with suppress(OSError):
                answer = sock.recv(2048)
                self.answers += 1
                if len(answer) > len(data):
                    return [f"{case.label}: the answer is longer than the request"]
        return []


def _is_error(document: object) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("code"), int)
        and isinstance(document.get("msg"), str)
    )
