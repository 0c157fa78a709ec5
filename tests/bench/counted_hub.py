"""A hub whose loop is counted: calls of functions, and of those the system calls.

    python -m tests.bench.counted_hub run ...

Runs any command of `sitehub`. A hub answers on $SITEHUB_COUNTS_PORT of loopback: each line with the
two counts so far.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from types import FrameType
from typing import Any

from hub.__main__ import run

PORT = "SITEHUB_COUNTS_PORT"
#: Functions in C that make one system call.
_SYSTEM_CALLS = frozenset(
    {"recv", "recv_into", "send", "sendall", "accept", "poll", "register", "modify", "unregister"}
)


class _Counter:
    def __init__(self) -> None:
        self.calls = self.system_calls = 0

    def note(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "call":
            self.calls += 1
        elif event == "c_call":
            self.calls += 1
            if function.__name__ in _SYSTEM_CALLS:
                self.system_calls += 1


def _answer(counter: _Counter, listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as lines:
            for _ in lines:
                lines.write(b"%d %d\n" % (counter.calls, counter.system_calls))


def main() -> int:
    if sys.argv[1:2] == ["run"]:
        counter = _Counter()
        listener = socket.create_server(("127.0.0.1", int(os.environ[PORT])))
        threading.Thread(target=_answer, args=(counter, listener), daemon=True).start()
        # Of this thread alone, in which the loop runs.
        sys.setprofile(counter.note)
    return run()


if __name__ == "__main__":
    sys.exit(main())
