"""Running programs of the system, and messages about those that fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.service_manager.programs import ProgramResult, run, run_checked


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_result_is_status_and_output() -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    answer = run(python(code))
    assert answer.status == 3
    assert set(answer.text.split()) == {"one", "two"}


def test_output_that_is_not_utf8_is_decoded_all_the_same() -> None:
    assert "STATE : 4" in run(python(r"import os; os.write(1, b'\x8f\x8e STATE : 4')")).text


def test_its_standard_input_is_empty() -> None:
    assert run(python("import sys; print(sys.stdin.read() == '')")).text.strip() == "True"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(StartFault, match="the program no-such-program is missing"):
        run(["no-such-program", "now"])


@pytest.mark.skipif(sys.platform == "win32", reason="$PATH is not looked into")
def test_a_missing_program_is_named_where_path_names_what_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder that cannot be read is the same error, but root reads every folder.
    (tmp_path / "no-such-program").touch(mode=0o600)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StartFault, match="the program no-such-program is missing"):
        run(["no-such-program", "now"])


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere only $PATH is looked into")
def test_a_program_beside_the_executable_is_not_run_instead_of_windows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostname.exe").write_bytes(b"this came with a download")
    monkeypatch.chdir(tmp_path)
    assert run(["hostname.exe"]).status == 0


def test_a_failure_is_reported_with_the_last_line_of_output() -> None:
    with pytest.raises(StartFault, match=r"^sc\.exe create sitehub failed: FAILED 5: denied$"):
        run_checked(
            lambda words: ProgramResult(5, "[SC] CreateService\n\nFAILED 5: denied\n\n"), _CREATE
        )
    with pytest.raises(StartFault, match=r"failed: status 7$"):
        run_checked(lambda words: ProgramResult(7, "\n"), _CREATE)


_CREATE = ["sc.exe", "create", "sitehub", "start=", "auto"]
