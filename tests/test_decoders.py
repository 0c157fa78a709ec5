"""Types are met by msgspec one at a time: two threads at once end the process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_FIRST_MEETING = re.compile(
    r"msgspec\.json\.Decoder\(|msgspec\.convert\(|msgspec\.\w+\.decode\([^\n]*type="
)
#: 100 types, each of which four threads decode at once, with nested ones that none has met yet.
_PROGRAM = """
import sys
from threading import Barrier, Thread
from msgspec import Struct, defstruct
from hub.decoders import decode_json

sys.setswitchinterval(1e-6)
for number in range(100):
    inner = defstruct(f"Inner{number}", [("a", int, 0), ("b", dict[str, int | str] | None, None)])
    outer = defstruct(f"Outer{number}", [("x", inner), ("y", list[inner]), ("z", inner | None)])
    begin = Barrier(4)

    def decode():
        begin.wait()
        for _ in range(20):
            decode_json(b'{"x":{"b":{"c":1}},"y":[{"a":1}],"z":{"b":{}}}', outer)

    threads = [Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("done")
"""


def test_threads_that_meet_a_type_at_once_do_not_end_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=_ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_no_other_module_lets_msgspec_meet_a_type() -> None:
    found = [
        f"{path.relative_to(_ROOT)}: {match[0]}"
        for folder in ("hub", "web")
        for path in sorted((_ROOT / folder).rglob("*.py"))
        if path != _ROOT / "hub" / "decoders.py"
        for match in _FIRST_MEETING.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
