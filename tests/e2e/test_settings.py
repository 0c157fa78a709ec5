"""Settings that change while the hub runs, by command and by signal."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess


def write(hub: HubProcess, *lines: str) -> None:
    (hub.data_dir / "sitehub.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def wait_for_log(hub: HubProcess, text: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while text not in hub.err:
        assert time.monotonic() < deadline, hub.err
        time.sleep(0.05)


def test_the_command_says_what_applies_now_and_what_after_a_restart(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    assert hub.cli("reload") == "no setting has changed\n"
    write(hub, "[store]", "keep_days = 60", "[web]", "max_connections = 99")
    assert hub.cli("reload").splitlines() == [
        "web.max_connections: 4096 -> 99, applies after a restart",
        "store.keep_days: 30 -> 60, applied",
    ]
    assert "store.keep_days: 30 -> 60" in hub.cli("audit")
    write(hub, "[store]", "keep_days = 0")
    assert hub.cli("reload", check=False) == ""
    assert hub.stop() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_signal_reloads_the_settings_and_a_bad_file_changes_nothing(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    write(hub, "[log]", 'level = "debug"')
    hub.process.send_signal(signal.SIGHUP)
    wait_for_log(hub, "SIGHUP: settings read, 1 changed")
    write(hub, "[log]", 'level = "loud"')
    hub.process.send_signal(signal.SIGHUP)
    wait_for_log(hub, "SIGHUP: the settings stay as they are: bad setting log.level")
    assert hub.is_healthy()
    assert "signal SIGHUP" in hub.cli("audit")
    assert hub.stop() == 0
