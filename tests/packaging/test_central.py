"""packaging/central: the dashboard shows what a centre tells, the servers take their files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from hub.central import metrics
from hub.central.fleet import exposition
from hub.central.folder import enrol, make_folder

FOLDER = Path(__file__).parent.parent.parent / "packaging" / "central"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))


RULES, TESTS = FOLDER / "sitehub-central.rules.yml", FOLDER / "sitehub-central.rules.test.yml"


def targets() -> list[dict[str, Any]]:
    return [target for panel in DASHBOARD["panels"] for target in panel["targets"]]


def known_metrics() -> set[str]:
    scrape = metrics.exposition() + exposition([])
    known = set(re.findall(r"^# TYPE (\w+) ", scrape.decode(), re.MULTILINE))
    return known | {f"{name}_bucket" for name in known}


def test_the_rules_name_what_a_centre_tells() -> None:
    for path in (RULES, TESTS):
        named = set(re.findall(r"\bsitehub_\w+", path.read_text("utf-8")))
        assert len(named) > 10
        assert named <= known_metrics()


def test_each_alert_has_its_test_and_says_what_to_do() -> None:
    rules = RULES.read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) == len(set(alerts)) == rules.count("description:")
    assert set(re.findall(r"alertname: (\w+)|alertname=\"(\w+)\"", TESTS.read_text("utf-8"))) >= {
        ("", alert) for alert in alerts
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
@pytest.mark.parametrize("words", [("check", RULES), ("test", TESTS)])
def test_each_alert_fires_when_it_must_and_not_before(words: tuple[str, Path]) -> None:
    done = subprocess.run(["promtool", words[0], "rules", str(words[1])], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_what_a_centre_tells() -> None:
    known = known_metrics()
    expressions = [target["expr"] for target in targets() if "expr" in target]
    named = set(re.findall(r"\bsitehub_\w+", " ".join(expressions)))
    assert named <= known
    # What is told as wrong.
    assert {f"sitehub_central_{name}" for name in ("up", "lost", "hubs", "ahead_total")} <= named


@pytest.mark.parametrize("url", ["tls://127.0.0.1:4222", "nats://127.0.0.1:4222"])
def test_servers_take_the_configuration_with_the_accounts(tmp_path: Path, url: str) -> None:
    program = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    if program is None:
        pytest.skip("there is no nats-server (extra 'servers')")
    make_folder(tmp_path, url, with_passwords=False)
    enrol(tmp_path, "site-1")
    text = (FOLDER / "nats.conf").read_text()
    if url.startswith("nats://"):
        text = re.sub(r"^ *tls \{.*?^ *\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "nats.conf").write_text(text)
    environment = {
        "NATS_NAME": "n1",
        "NATS_PORT": "4222",
        "NATS_CLUSTER_PORT": "6222",
        "NATS_MONITOR": "127.0.0.1:8222",
        "NATS_STORE": str(tmp_path / "js"),
    }
    told = subprocess.run(
        [program, "-t", "-c", "nats.conf"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
