"""`sitehub reload` where no hub runs."""

from __future__ import annotations

from tests.cli.conftest import Sitehub


def test_without_a_running_hub_there_is_nothing_to_reload(sitehub: Sitehub) -> None:
    outcome = sitehub("reload")
    assert outcome.status == 1
    assert "this command needs one" in outcome.err
