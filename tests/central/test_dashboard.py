"""The dashboard of the centre in packaging/central, asked as Grafana asks it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.central.messages import NOW, record, state
from tests.packaging.test_central import DASHBOARD
from tests.support.central import CentreProcess, running_centres
from tests.support.listening import wait_for_port
from tests.support.nats_server import NatsServer
from tests.support.ports import free_port

_START_SECONDS = 20.0
_ANSWER_SECONDS = 60.0


@contextmanager
def running_prometheus(folder: Path, centre: CentreProcess) -> Iterator[str]:
    """Run one that scrapes a centre each second; its address. Skip the test if there is none."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("there is no prometheus here (Debian: prometheus)")
    scraped = {"job_name": "centre", "static_configs": [{"targets": [f"127.0.0.1:{centre.port}"]}]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}
    folder.mkdir()
    # YAML has all of JSON.
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_port(port, _START_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
def test_each_panel_of_the_dashboard_has_an_answer(
    server: NatsServer, folder: Path, address: str, tmp_path: Path
) -> None:
    """Of one site with a record and a problem, while everything works."""
    from tests.central.test_servers import publish

    asked = {
        f"{panel['title']}, {target['refId']}": target["expr"]
        .replace("$job", ".*")
        .replace("$__rate_interval", "1m")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        if "expr" in target
    }
    with (
        running_centres(1, folder, address) as (centre,),
        running_prometheus(tmp_path / "prometheus", centre) as url,
    ):
        known = {"disk_free": 10**9, "days_left": 3.0, "last_backup": NOW}
        publish(server, [record(1), state(problems=("disk-low",), **known)])
        until = time.monotonic() + _ANSWER_SECONDS
        while asked and time.monotonic() < until:
            time.sleep(0.2)
            asked = {panel: expr for panel, expr in asked.items() if not _answer(url, expr)}
    assert not asked


def _answer(url: str, expression: str) -> list[object]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
            found: list[object] = json.load(answer)["data"]["result"]
    except OSError:  # It is still starting.
        return []
    return found
