"""The README's "Talk to it by hand", as it stands there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.hubprocess import PATIENCE_SECONDS, HubProcess

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.skipif(sys.platform == "win32", reason="these are steps for bash")
def test_a_capture_is_posted_by_curl_and_openssl_alone(hub: HubProcess, tmp_path: Path) -> None:
    for tool in ("bash", "curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not there")
    script = README.read_text("utf-8").partition("```bash\n")[2].partition("```")[0]
    script = (
        script.replace(".venv/bin/sitehub", f"{sys.executable} -m hub")
        .replace(":8443", f":{hub.web_port}")
        .replace(":8444", f":{hub.device_port}")
    )
    root = str(README.parent)
    environment = {**os.environ, "SITEHUB_DATA": str(hub.data_dir), "PYTHONPATH": root}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answer, _, page = done.stdout.partition("}")
    assert json.loads(answer + "}")["code"] == 200
    [record] = json.loads(page)["items"]
    assert (record["kind"], record["name"], record["gender"]) == ("face", "Anna", 2)
    assert set(record["images"]) == {"face"}
