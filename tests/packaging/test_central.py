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
from hub.central.messages import StateRow
from hub.services.forwarding.site_state import SiteState
from tests.central.messages import NOW

FOLDER = Path(__file__).parent.parent.parent / "packaging" / "central"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))


RULES, TESTS = FOLDER / "sitehub-central.rules.yml", FOLDER / "sitehub-central.rules.test.yml"


#: What Grafana puts in the place of its variables: all jobs, one, or some.
JOBS = (".*", "sitehub-central", "(sitehub-central|centre-2)")
has_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool here"
)


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


@has_promtool
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


@has_promtool
@pytest.mark.parametrize("job", JOBS)
def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path, job: str) -> None:
    asked = [target["expr"] for target in targets() if "expr" in target]
    assert len(asked) > 20
    for old, new in (("$job", job), ("$__rate_interval", "1m0s")):
        asked = [expression.replace(old, new) for expression in asked]
    assert "$" not in "".join(asked)
    rules = [{"record": f"asked:{number}", "expr": one} for number, one in enumerate(asked)]
    path = tmp_path / "asked.yml"
    # YAML has all of JSON.
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(asked)} rules found" in done.stdout


def test_the_variables_of_the_dashboard_are_labels_of_what_a_centre_tells() -> None:
    labels = {
        variable["name"]: variable["query"]["query"]
        for variable in DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    }
    assert labels == {
        # Prometheus gives each metric its job.
        "job": "label_values(sitehub_central_up, job)",
        "site": "label_values(sitehub_central_hub_told_timestamp_seconds, hub)",
    }
    told = exposition([StateRow("site-1", SiteState(at=NOW), NOW)]).decode()
    assert 'sitehub_central_hub_told_timestamp_seconds{hub="site-1"} ' in told


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
