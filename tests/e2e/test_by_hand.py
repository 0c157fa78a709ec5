"""The walkthroughs of docs/by-hand.md, run exactly as written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, HubProcess

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "by-hand.md"
#: Generous, since many tests may run at once.
SECONDS = 120

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the steps need bash")


def test_a_capture_is_uploaded_with_curl_and_openssl(hub: HubProcess, tmp_path: Path) -> None:
    out, _ = run_block("Be a camera", hub, tmp_path, "curl", "openssl")
    answer, _, page = out.partition("}")
    assert json.loads(answer + "}")["code"] == 200
    [record] = json.loads(page)["items"]
    assert (record["kind"], record["name"], record["gender"]) == ("face", "Anna", 2)
    assert set(record["images"]) == {"face"}


def test_a_camera_is_enrolled_configured_queried_and_upgraded(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    out, err = run_block("Command a camera", hub, tmp_path, "curl")
    assert err == "sitehub: the code does not match the signature\n"
    lines = out.splitlines()
    assert lines[1:4] == ["fits", "1", "initial parameters: taken"]
    answers = iter([json.loads(line) for line in lines if line.startswith('{"code"')])
    assert next(answers) == {
        "code": 420,
        "msg": "param.mini_human: an integer from 60 to 1000 is expected",
    }
    assert next(answers)["code"] == 200
    assert isinstance(next(answers)["result"], list)
    assert len(next(answers)["result"]["recordlist"]) == 2
    assert len(next(answers)["result"]["face_list"]) == 1
    assert next(answers)["code"] == 0
    assert next(answers)["result"]["name"] == "Li Na"
    found = next(answers)["result"]
    # A camera returns at most 200 matches.
    assert len(found["face_list"]) == min(found["total"], 200) > 0
    assert next(answers)["code"] == 0
    assert next(answers, None) is None
    assert re.search(r"^1 +Gate +done +fwVer=V2.5 ", out, re.MULTILINE)
    traced = [line.split()[3] for line in lines if re.match(r"[\d:.]+ +out +request", line)]
    assert traced[0] == "/device/param_set"
    # The hub asks for the people on the camera by itself, at any time.
    assert [uri for uri in traced if uri != "/person/list"][-1] == "/system/maintain/reboot"
    assert hub.cli("device", "list", "--json") == "[]\n"


def run_block(title: str, hub: HubProcess, directory: Path, *tools: str) -> tuple[str, str]:
    """Run the steps below a title. Return what they write to stdout and stderr."""
    for tool in ("bash", *tools):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not there")
    section = PAGE.read_text("utf-8").partition(f"## {title}\n")[2]
    script = (
        section.partition("```bash\n")[2]
        .partition("```")[0]
        .replace(".venv/bin/sitehub", " ".join(SITEHUB))
        .replace(":8443", f":{hub.web_port}")
        .replace(":8444", f":{hub.device_port}")
        .replace(
            "simulate --hub 127.0.0.1",
            f"simulate --hub 127.0.0.1 --web-port {hub.web_port} --device-port {hub.device_port}",
        )
    )
    data, root = str(hub.data_dir), str(ROOT)
    process = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, "SITEHUB_DATA": data, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        end_all(process)
    assert process.returncode == 0, out + err
    return out, err


def end_all(process: subprocess.Popen[str]) -> None:
    """Kill everything that the steps started, wherever they stopped."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
