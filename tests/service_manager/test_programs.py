"""Programs of the system: what they answer, and what is told of one that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.service_manager.programs import Answer, need, run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_it_wrote_and_how_it_ended_is_its_answer() -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    answer = run(python(code))
    assert answer.status == 3
    assert set(answer.text.split()) == {"one", "two"}


def test_what_is_no_utf8_is_read_all_the_same() -> None:
    assert "STATE : 4" in run(python(r"import os; os.write(1, b'\x8f\x8e STATE : 4')")).text


def test_it_gets_no_terminal_to_ask_at() -> None:
    assert run(python("import sys; print(sys.stdin.read() == '')")).text.strip() == "True"


def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(StartFault, match="the program no-such-program is not there"):
        run(["no-such-program", "now"])


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere only $PATH is looked into")
def test_what_lies_around_under_the_name_of_a_system_program_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostname.exe").write_bytes(b"this came with a download")
    monkeypatch.chdir(tmp_path)
    assert run(["hostname.exe"]).status == 0


def test_of_one_that_must_not_fail_its_last_words_are_told() -> None:
    with pytest.raises(StartFault, match=r"^sc\.exe create sitehub failed: FAILED 5: denied$"):
        need(lambda words: Answer(5, "[SC] CreateService\n\nFAILED 5: denied\n\n"), _CREATE)
    with pytest.raises(StartFault, match=r"failed: status 7$"):
        need(lambda words: Answer(7, "\n"), _CREATE)


_CREATE = ["sc.exe", "create", "sitehub", "start=", "auto"]
