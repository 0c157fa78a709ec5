"""What docs/many-sites.md says can be run as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.central.messages import record
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import open_database

_PAGE = (Path(__file__).parents[2] / "docs" / "many-sites.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


def test_the_sql_of_the_page_works(address: str) -> None:
    database = open_database(address, None)
    for block in blocks("sql"):
        database.connection.execute(block)
    # The centre fills the days that were made for it.
    database.store([record(3, received_at="2027-01-31T23:59:59Z")])
    database.store([record(4, received_at="2027-01-01T00:00:00Z")])
    database.close()
    sql = "SELECT seq, tableoid::regclass::text FROM sitehub.record WHERE seq > 2 ORDER BY seq"
    assert rows(address, sql) == [
        (3, "sitehub.record_2027_01_31"),
        (4, "sitehub.record_2027_01_01"),
    ]


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh here")
def test_the_commands_of_the_page_are_for_sh() -> None:
    found = blocks("sh")
    assert len(found) > 8
    for block in found:
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)
        # Braces and [[ are of bash, and "jobs" knows nothing in a subshell of dash.
        assert not re.search(r"\{[^}\s]*,[^}]*\}|\[\[|jobs -p", block)
