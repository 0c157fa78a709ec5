"""/healthz says what does not work; /metrics is for Prometheus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from hub.central.centre import Health
from hub.central.fleet import Fleet
from hub.central.health_server import health_server
from hub.errors import StartFault

LOOPBACK = ("127.0.0.1", 0)


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_answers_200_once_both_sides_work() -> None:
    health = Health()
    with health_server(LOOPBACK, health, Fleet()) as port:
        status, body = ask(port, "/healthz")
        assert status == 503
        assert json.loads(body) == {
            "nats": "not connected yet",
            "database": "not connected yet",
            "streams": "",
            "hubs": "",
        }
        health.nats = ""
        health.database = "PostgreSQL: it is not there"
        assert ask(port, "/healthz")[0] == 503
        health.database = ""
        health.streams = "SITEHUB_3 is missing"
        assert ask(port, "/healthz")[0] == 503
        health.streams = ""
        # Another centre could not do anything about them.
        health.hubs = "silent: site-1"
        told = '{"nats": "", "database": "", "streams": "", "hubs": "silent: site-1"}'
        assert ask(port, "/healthz") == (200, told)


def test_it_tells_prometheus_what_it_counts() -> None:
    with health_server(LOOPBACK, Health(), Fleet()) as port:
        status, body = ask(port, "/metrics")
        assert status == 200
        assert "# TYPE sitehub_central_records_total counter" in body
        assert ask(port, "/other")[0] == 404


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with (
        health_server(LOOPBACK, Health(), Fleet()) as port,
        pytest.raises(StartFault, match=f"--listen 127.0.0.1:{port}: "),
        health_server(("127.0.0.1", port), Health(), Fleet()),
    ):
        pass
