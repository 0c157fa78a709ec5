"""What a fuzz found: by what the hub answers, by its log, by its neighbours, by its resources."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from pathlib import Path

from msgspec import Struct

from tests.bench.soak.logs import EXPLAINED
from tests.fuzz.case import Case

_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d{3} (\w+) +(.*?)  \[([\w.]+)\]$")
#: Warnings that fuzzing explains. Lines below a warning are not judged.
EXPECTED = (
    *EXPLAINED,
    r"was disconnected:",
    r"^extra fields of device",
    r"uploads too often",
    r"is slowed down",
    r"too many connections|more than \d+ connections",
    r"^refused ",
    r"an event of .* unknown type|unknown event type",
    r"sign-?in",
    r"without the secret",
    r"^cut off an answer to",
    r"port is full",
    r"setup link|one-time",
    r"^target \d+ gets nothing now: ",
    r"its name|its versions",
)
_CASES = 60


class Found(Struct):
    """One kind of finding: its first case and the cases that were sent before it."""

    kind: str
    case: Case | None
    reply: str
    before: list[Case]
    count: int = 1


class Findings:
    """All of them by kind; used by the threads of all kinds of cases."""

    def __init__(self) -> None:
        self.by_kind: dict[str, Found] = {}
        self._lock = threading.Lock()
        self._recent: deque[Case] = deque(maxlen=_CASES)

    def sent(self, case: Case) -> None:
        self._recent.append(case)

    def add(self, kind: str, case: Case | None = None, reply: bytes = b"") -> None:
        kind = anonymous(kind)
        with self._lock:
            if (known := self.by_kind.get(kind)) is not None:
                known.count += 1
            else:
                text = reply.decode("utf-8", "replace")
                self.by_kind[kind] = Found(kind, case, text, list(self._recent))


class LogReader:
    """Reads what the hub's log has gained: unexpected lines and tracebacks, by kind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.lines = 0
        self.levels: Counter[str] = Counter()

    def read(self) -> list[str]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        found: list[str] = []
        trace: list[str] = []
        for line in data.decode("utf-8", "replace").splitlines():
            parts = _LINE.match(line)
            if parts is None:
                trace.append(line)
                continue
            found += _of_trace(trace)
            trace = []
            self.lines += 1
            level, message, logger = parts.groups()
            self.levels[level] += 1
            is_bad = level in ("ERROR", "CRITICAL") or (
                level == "WARNING" and not any(re.search(one, message) for one in EXPECTED)
            )
            if is_bad:
                found.append(f"log: {level} {message[:160]} [{logger}]")
        return found + _of_trace(trace)


def _of_trace(lines: list[str]) -> list[str]:
    """What a traceback ends with, and where."""
    lines = [line.strip(" |+-") for line in lines if line.strip(" |+-")]
    if not lines:
        return []
    places = [line for line in lines if line.startswith("File ") and "site-packages" not in line]
    place = re.sub(r'^File ".*/(\w+/\w+\.py)", line \d+', r"\1", places[-1]) if places else ""
    return [f"traceback: {lines[-1][:160]} {place}"]


def anonymous(text: str) -> str:
    """The text without what differs from time to time."""
    text = re.sub(r"\bSIM\w{8,}", "SN", text)
    text = re.sub(r"\d+(\.\d+){3}", "ADDRESS", text)
    text = re.sub(r"(while answering) .*? \[", r"\1 … [", text)
    return re.sub(r"(?<![\w.])\d{4,}", "N", text)
