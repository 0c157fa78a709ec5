"""Text that came from cameras is printed without control characters."""

from __future__ import annotations

import pytest
from msgspec import to_builtins

from hub.__main__ import _failed
from hub.cli.device.trace import _print
from hub.cli.output import print_line, print_table
from hub.services.devices.frame_trace import render_frames
from tests.support.traces import new_traces

#: Clears the screen, in both ways of writing that.
CLEAR = "\x1b[2J\x9b2J"


def test_a_table_and_a_line_hold_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("SN", "REASON"), [("S1", f"gives the did {CLEAR}"), ("张三", "x")])
    print_line(f"refused with 5 {CLEAR}\nnot a line of its own ")
    assert capsys.readouterr().out.split("\n") == [
        "SN    REASON",
        "S1    gives the did \\x1b[2J\\x9b2J",
        "张三  x",
        "refused with 5 \\x1b[2J\\x9b2J\\nnot a line of its own",
        "",
    ]


def test_an_error_message_holds_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _failed(f"the device says {CLEAR}")
    assert capsys.readouterr().err == "sitehub: the device says \\x1b[2J\\x9b2J\n"


@pytest.mark.parametrize(
    "frame",
    [f"{CLEAR} is no JSON", '{"msgid": "1", "data": {"uri": "\\u001b[2J", "param": "\x9b2J"}}'],
)
def test_a_trace_holds_no_control_characters(
    capsys: pytest.CaptureFixture[str], frame: str
) -> None:
    ring = new_traces().open()
    ring.received(frame)
    for shown in render_frames(ring.entries()):
        _print(to_builtins(shown))
    out = capsys.readouterr().out
    assert "x1b" in out or "x9b" in out
    assert not set(out) & {"\x1b", "\x9b"}
