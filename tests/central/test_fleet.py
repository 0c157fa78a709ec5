"""What hubs tell of themselves: who is silent, who is unwell, and the figures of each."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.__main__ import run as command
from hub.central.fleet import Fleet, exposition
from hub.central.hubs import Hub, Limits
from hub.central.received import Received
from hub.services.forwarding.site_state import STATES, state_subject
from tests.central.messages import NOW, state, state_message
from tests.support.central import running_centres
from tests.support.nats_server import NatsServer
from tests.support.postgres import rows


def fleet_of(*messages: Received) -> Fleet:
    fleet = Fleet()
    for one in messages:
        fleet.take(one)
    return fleet


def state_of(fleet: Fleet, after: float, *hubs: Hub) -> str:
    (hub,) = fleet.joined(hubs)
    return hub.state(NOW + timedelta(seconds=after), Limits())


def seen(ago: float) -> Hub:
    return Hub("site-1", 3, None, NOW - timedelta(seconds=ago), "", 9, None, None)


def test_a_hub_is_silent_once_it_has_missed_two_of_its_messages() -> None:
    """Nobody walks by: its last record is of yesterday."""
    fleet = fleet_of(state())
    assert state_of(fleet, 149, seen(86_400)) == "current"
    assert state_of(fleet, 151, seen(86_400)) == "silent"
    assert state_of(fleet, 151) == "silent"


def test_a_hub_whose_records_come_is_not_silent() -> None:
    """The accounts of its servers are of an earlier version: it may not tell how it is."""
    assert state_of(fleet_of(state(at=-3_600)), 0, seen(10)) == "current"


def test_nobody_is_silent_because_the_servers_were_away() -> None:
    fleet = fleet_of(state(at=-600))
    fleet.since = NOW
    assert state_of(fleet, 100) == "current"
    assert state_of(fleet, 151) == "silent"


def test_a_hub_that_cannot_work_is_unwell() -> None:
    fleet = fleet_of(state(state="unwell", problems=("cannot-store", "disk-low")))
    assert state_of(fleet, 1) == "unwell"
    (hub,) = fleet.joined([])
    assert hub.note(NOW) == "cannot-store, disk-low"


def test_the_last_state_counts_until_the_hub_is_forgotten() -> None:
    forgotten = state_message("site-2", b"", **{"KV-Operation": "DEL"})
    fleet = fleet_of(state(last_seq=1), state(at=60, last_seq=2), state("site-2"), forgotten)
    assert [(row.hub, row.state and row.state.last_seq) for row in fleet.rows()] == [("site-1", 2)]


@pytest.mark.parametrize(
    "wrong",
    [
        state_message("site-1", b"{}"),
        state_message("site-1", b'{"at": "2026-11-25T08:00:00"}'),
        state_message("site-1", b'{"at": "2026-11-25T08:00:00Z", "site": "' + b"x" * 81 + b'"}'),
        state_message("site-1", b'{"at": "2026-11-25T08:00:00Z", "problems": ["a\\nb"]}'),
        state_message("site-1", b'{"at": "2026-11-25T08:00:00Z", "problems": ["a\\n"]}'),
        state_message("site-1", b'{"at": "2026-11-25T08:00:00Z", "last_seq": -1}'),
        state_message("site.1", b'{"at": "2026-11-25T08:00:00Z"}'),
        # What a server answers under the name of whom somebody else has named.
        state_message("site-1", b'{"at": "2026-11-25T08:00:00Z"}', **{"Nats-Stream": "SITEHUB_3"}),
    ],
)
def test_what_no_hub_tells_changes_nothing(wrong: Received) -> None:
    fleet = fleet_of(state(last_seq=7), wrong)
    assert [row.state and row.state.last_seq for row in fleet.rows()] == [7]


def test_each_hub_has_its_figures() -> None:
    rows = fleet_of(
        state(
            cameras_online=6,
            at=5,
            problems=("disk-low",),
            version='1"2\n',
            last_backup=NOW,
            certificate_ends=NOW + timedelta(days=9),
            identity_ends=NOW + timedelta(days=3),
        ),
        state("site-2", state="starting"),
    ).rows()
    text = exposition(rows).decode()
    assert 'sitehub_central_hub_cameras_online{hub="site-1"} 6.0\n' in text
    assert 'sitehub_central_hub_well{hub="site-2"} 0.0\n' in text
    assert f'told_timestamp_seconds{{hub="site-1"}} {NOW.timestamp() + 5}\n' in text
    assert 'sitehub_central_hub_problem{hub="site-1",code="disk-low"} 1\n' in text
    assert 'sitehub_central_hub_info{hub="site-1",version="12"} 1\n' in text
    ends = (NOW + timedelta(days=3)).timestamp()
    assert f'certificate_end_timestamp_seconds{{hub="site-1"}} {ends}\n' in text
    # What a hub does not know is no figure.
    assert re.findall(r'backup_timestamp_seconds\{hub="(.*)"', text) == ["site-1"]


@pytest.mark.long
def test_a_morning_as_the_owner_of_fifty_sites(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Five questions, one command each."""
    from tests.central.test_servers import publish

    faults: dict[int, dict[str, Any]] = {
        7: {"version": "1.9.4"},
        12: {"state": "unwell", "problems": ("cannot-store",)},
        23: {"last_backup": NOW - timedelta(days=40), "problems": ("backup-overdue",)},
        31: {"days_left": 3.0, "problems": ("disk-low",)},
    }
    usual = {"version": "1.10.0", "last_backup": NOW, "days_left": 90.0}
    names = [f"site-{number:02}" for number in range(1, 50)]
    options = ["--folder", str(folder), "--database", address]

    def ask(*words: str) -> list[str]:
        assert command(["central", "status", *words, *options]) == 0
        return [line.split()[0] for line in capfd.readouterr().out.splitlines()[1:]]

    ask()  # It makes the bucket.
    publish(
        server,
        [state(name, **{**usual, **faults.get(n, {})}) for n, name in enumerate(names, 1)],
    )
    rows(
        address,
        "INSERT INTO sitehub.hub (name, partition, seen_at) "
        "VALUES ('site-50', 1, now() - interval '9 hours') RETURNING name",
    )
    assert ask("--problems")[:-2] == ["site-12", "site-23", "site-31", "site-50"]
    assert ask("--sort", "told")[0] == "site-50"
    assert ask("--sort", "version")[0] == "site-07"
    assert ask("--sort", "backup")[0] == "site-23"
    assert ask("--sort", "disk")[0] == "site-31"
    assert command(["central", "status", *options]) == 0
    assert "50 hubs: 1 silent, 1 unwell, 48 current" in capfd.readouterr().out


@pytest.mark.long
def test_the_centre_and_its_status_tell_how_hubs_are(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.central.test_servers import publish, status, until

    def told(hub: str) -> Received:
        return state(hub, cameras_online=6, cameras_offline=2, cameras_refused=1, days_left=40.2)

    with running_centres(1, folder, address) as (centre,):
        assert server.ask(f"$JS.API.STREAM.INFO.{STATES}")["config"]
        publish(server, [told("site-1"), told("site-2")])
        name = 'sitehub_central_hub_cameras_online{hub="site-1"}'
        until(lambda: centre.metric(name) == 6)
        until(lambda: centre.metric('sitehub_central_hubs{state="current"}') == 2)
        found: dict[str, Any] = status(folder, address, capfd)
        hub = found["hubs"][0]
        assert (hub["name"], hub["state"], hub["seen_at"]) == ("site-1", "current", None)
        assert 0 <= hub["told_seconds"] < 60
        assert hub["told"]["cameras_refused"] == 1
        options = ["--folder", str(folder), "--database", address]
        assert command(["central", "status", *options]) == 0
        table = capfd.readouterr().out
        assert "6 on, 1 off, 1 refused" in table
        assert "full in 40 d" in table
    # A bucket as tools of NATS know them: the last one of each.
    info: Any = server.ask(f"$JS.API.STREAM.INFO.{STATES}")
    assert info["state"]["messages"] == 2
    assert info["config"]["subjects"] == [state_subject("*")]
