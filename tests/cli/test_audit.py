"""`sitehub audit` where no hub runs."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Sitehub


@pytest.fixture
def changed(sitehub: Sitehub) -> Sitehub:
    """A data directory whose audit log has three entries."""
    for name in ("anna", "bob", "cleo"):
        sitehub("user", "add", name, "--role", "guard", "--password-stdin", stdin="battery staple")
    return sitehub


def test_the_audit_log_is_listed_newest_first(changed: Sitehub) -> None:
    head, *rows = [line.split() for line in changed("audit").out.splitlines()]
    assert head == ["ID", "TIME", "WHO", "FROM", "ACTION", "TARGET"]
    assert [row[-2:] for row in rows] == [["cleo", "guard"], ["bob", "guard"], ["anna", "guard"]]
    assert rows[0][1].endswith("Z")


def test_a_program_reads_every_field_of_an_entry(changed: Sitehub) -> None:
    newest = json.loads(changed("audit", "--json").out)[0]
    assert set(newest) == {"id", "time", "who", "address", "action", "target"}
    assert (newest["who"], newest["action"]) == ("command line", "user.add")
    assert newest["target"] == "cleo guard"


def test_the_audit_log_is_paged_by_the_id(changed: Sitehub) -> None:
    first = json.loads(changed("audit", "--json", "--limit", "2").out)
    second = json.loads(changed("audit", "--json", "--before", str(first[-1]["id"])).out)
    assert [entry["target"] for entry in (*first, *second)] == [
        "cleo guard",
        "bob guard",
        "anna guard",
    ]


@pytest.mark.parametrize("option", [("--limit", "0"), ("--before", "0"), ("--before", "x")])
def test_an_option_out_of_range_is_refused(sitehub: Sitehub, option: tuple[str, str]) -> None:
    outcome = sitehub("audit", *option)
    assert outcome.status == 2
    assert option[0] in outcome.err
