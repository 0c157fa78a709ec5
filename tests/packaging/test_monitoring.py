"""packaging/monitoring: rules and dashboard fit what the hub tells, and do what they promise."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub import metrics
from hub.services.problems import HealthReason
from hub.services.upkeep.exposition import read_metrics
from hub.wire.uploads.records import EventDetail
from tests.support.clock import FrozenClock
from tests.support.page_site import open_page_site

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "packaging" / "monitoring"
RULES, TESTS = FOLDER / "sitehub.rules.yml", FOLDER / "sitehub.rules.test.yml"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
NAME = re.compile(r"\b(?:sitehub|process)_\w+")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool here (Debian: prometheus)"
)


def promtool(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], input=stdin, capture_output=True, text=True)


@pytest.fixture
async def scrape(tmp_path: Path, clock: FrozenClock) -> str:
    """What /metrics answers on a site with cameras, records, an alarm and a problem."""
    async with open_page_site(tmp_path, clock) as hub:
        await hub.connect("Gate", did="1")
        await hub.enrol("Door", did="2")
        hub.report("2", clock_offset=-12.5)
        await hub.add_record(pictures=("face",))
        await hub.add_record("event", EventDetail(type=8))
        hub.health_reasons = [HealthReason("disk-low", {"free": "1", "wanted": "2"})]
        metrics.last_complete_backup.set(clock())
        return (await read_metrics(hub.services)).decode()


def expressions() -> list[str]:
    """The queries of the dashboard, with values for its variables."""
    found = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [
        expr.replace("$job", "sitehub").replace("$instance", ".*").replace("$__rate_interval", "4m")
        for expr in found
    ]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARD["panels"]
    return found


async def test_every_metric_that_is_named_is_one_of_the_hub(scrape: str) -> None:
    known = set(re.findall(r"^# TYPE (\w+) ", scrape, re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    for text in (RULES.read_text("utf-8"), TESTS.read_text("utf-8"), " ".join(expressions())):
        named = set(NAME.findall(text))
        assert len(named) > 5
        assert named <= known


@needs_promtool
async def test_the_metrics_follow_the_conventions(scrape: str) -> None:
    done = promtool("check", "metrics", stdin=scrape)
    # The times at which counters began come from prometheus_client. Retention has whole days.
    excused = re.compile(r'_created|use base unit "seconds" instead of "days"')
    told = done.stdout + done.stderr
    assert [line for line in told.splitlines() if not excused.search(line)] == []


@needs_promtool
def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stderr


@needs_promtool
def test_each_alert_fires_when_it_must_and_not_before() -> None:
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_test_and_says_what_to_do() -> None:
    rules = RULES.read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) == len(set(alerts)) > 10
    tested = set(re.findall(r"alertname: (\w+)", TESTS.read_text("utf-8")))
    assert tested == set(alerts)
    for field in ("summary:", "description:", "severity: "):
        assert len(re.findall(rf"^ +{field}", rules, re.MULTILINE)) == len(alerts)


@needs_promtool
def test_the_example_of_prometheus_is_valid(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    text = (FOLDER / "prometheus.yml").read_text("utf-8")
    for name in ("sitehub.key", "sitehub-ca.crt"):
        (tmp_path / name).write_text("")
        text = text.replace(f"/etc/prometheus/{name}", str(tmp_path / name))
    (tmp_path / "prometheus.yml").write_text(text)
    done = promtool("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
async def test_every_query_of_the_dashboard_is_valid_and_has_an_answer(
    scrape: str, tmp_path: Path
) -> None:
    """Queries of counters that no request has counted yet have none."""
    series, counted = series_of(scrape)
    answered = [expr for expr in expressions() if set(NAME.findall(expr)) <= counted]
    assert len(answered) > 15
    checks = [
        f"      - expr: count({expr}) > bool 0\n        eval_time: 5m\n"
        "        exp_samples: [{labels: '{}', value: 1}]\n"
        for expr in answered
    ]
    (tmp_path / "rules.yml").write_text(
        "groups:\n- name: dashboard\n  rules:\n"
        + "".join(
            f"  - record: panel:{number}\n    expr: {expr}\n"
            for number, expr in enumerate(expressions())
        )
    )
    (tmp_path / "test.yml").write_text(
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n"
        "    input_series:\n" + "".join(series) + "    promql_expr_test:\n" + "".join(checks)
    )
    done = promtool("test", "rules", str(tmp_path / "test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def series_of(scrape: str) -> tuple[list[str], set[str]]:
    """A real scrape as the input of a test of promtool, and the names of its series."""
    lines: list[str] = []
    names: set[str] = set()
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            labels = {**sample.labels, "job": "sitehub", "instance": "hub"}
            written = ", ".join(f'{name}="{value}"' for name, value in labels.items())
            value = " ".join([f"{sample.value:.17g}".replace("nan", "NaN")] * 6)
            lines.append(
                f"      - series: '{sample.name}{{{written}}}'\n        values: '{value}'\n"
            )
            names.add(sample.name)
    return lines, names


def test_the_dashboard_can_be_imported() -> None:
    """Grafana is not at hand: these are the things that it needs of a file."""
    assert DASHBOARD["id"] is None
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] == "row":
            continue
        assert panel["type"] in {one["id"] for one in DASHBOARD["__requires"]}
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)) > 0
        used = set(re.findall(r"\$(\w+)", json.dumps(panel["targets"])))
        assert used - {"__rate_interval"} <= variables


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
