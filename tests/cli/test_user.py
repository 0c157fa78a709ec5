"""`sitehub user` and `sitehub apikey` where no hub runs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hub.store.commit import group_commit
from hub.store.commit.group_commit import GroupCommit
from tests.cli.conftest import Sitehub


def test_users_are_added_listed_and_removed(sitehub: Sitehub) -> None:
    added = sitehub(
        "user", "add", "anna", "--role", "admin", "--password-stdin", stdin="correct horse\n"
    )
    assert added == (0, "", "")
    sitehub("user", "add", "bob", "--role", "guard", "--password-stdin", stdin="battery staple\n")
    rows = [line.split()[:2] for line in sitehub("user", "list").out.splitlines()]
    assert rows == [["NAME", "ROLE"], ["anna", "admin"], ["bob", "guard"]]
    assert sitehub("user", "remove", "bob").status == 0
    assert [u["name"] for u in json.loads(sitehub("user", "list", "--json").out)] == ["anna"]


def test_users_are_disabled_given_roles_and_signed_out(sitehub: Sitehub) -> None:
    for name, role in (("anna", "admin"), ("bob", "guard")):
        sitehub("user", "add", name, "--role", role, "--password-stdin", stdin="correct horse\n")
    assert sitehub("user", "disable", "bob") == (0, "", "")
    assert sitehub("user", "role", "bob", "viewer") == (0, "", "")
    assert sitehub("user", "sign-out", "bob") == (0, "", "")
    rows = [line.split()[:3] for line in sitehub("user", "list").out.splitlines()]
    assert rows[2] == ["bob", "viewer", "disabled"]
    assert sitehub("user", "enable", "bob") == (0, "", "")
    outcome = sitehub("user", "disable", "anna")
    assert outcome.status == 1
    assert "make another user an administrator first" in outcome.err
    assert sitehub("user", "enable", "carol").status == 1


@pytest.mark.expects_error("now: the disk is not responding")
def test_a_change_on_a_disk_that_responds_late_is_made_as_a_whole(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anna", "bob"):
        sitehub("user", "add", name, "--role", "admin", "--password-stdin", stdin="correct horse\n")
    run_group = GroupCommit._run_group

    def late(self: GroupCommit, connection: Any, group: Any) -> Any:
        time.sleep(0.2 if group else 0)
        return run_group(self, connection, group)

    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "_COMMIT_SECONDS", 0.02)
        patch.setattr(GroupCommit, "_run_group", late)
        outcome = sitehub("user", "role", "bob", "guard")
    assert (outcome.status, outcome.out) == (0, "")
    assert "sitehub: the disk is not responding: this goes on when it does\n" in outcome.err
    rows = [line.split()[:2] for line in sitehub("user", "list").out.splitlines()]
    assert ["bob", "guard"] in rows
    assert "user.role" in sitehub("audit").out


def test_a_password_must_have_at_least_8_characters(sitehub: Sitehub) -> None:
    outcome = sitehub("user", "add", "anna", "--role", "admin", "--password-stdin", stdin="short\n")
    assert outcome.status == 1
    assert outcome.err.startswith("sitehub: password: ")
    assert "short" not in outcome.err


def test_without_a_terminal_there_is_no_prompt_for_a_password(sitehub: Sitehub) -> None:
    outcome = sitehub("user", "passwd", "anna", stdin="correct horse\n")
    assert outcome.status == 2
    assert "--password-stdin" in outcome.err


def test_arguments_that_are_not_utf8_are_refused_in_one_line(sitehub: Sitehub) -> None:
    said = "sitehub: the arguments are not all UTF-8 text: set such a locale (LC_ALL=C.UTF-8)\n"
    guard = ("user", "add", "anna", "--role", "guard", "--password-stdin")
    assert sitehub(*guard, stdin="caf\udce9 caf\udce9\n") == (1, "", said)
    assert sitehub("apikey", "remove", "caf\udce9") == (1, "", said)


def test_a_password_is_set(sitehub: Sitehub) -> None:
    sitehub("user", "add", "anna", "--role", "viewer", "--password-stdin", stdin="correct horse\n")
    assert sitehub("user", "passwd", "anna", "--password-stdin", stdin="other horse\n").status == 0
    assert sitehub("user", "passwd", "bob", "--password-stdin", stdin="other horse\n").status == 1


def test_a_setup_link_is_printed(sitehub: Sitehub) -> None:
    outcome = sitehub("user", "setup-link")
    assert outcome.status == 0
    [link] = outcome.out.splitlines()
    assert link.startswith("https://")
    assert ":8443/setup/" in link


def test_a_setup_link_for_a_user_needs_a_name_and_a_role(sitehub: Sitehub) -> None:
    outcome = sitehub("user", "setup-link", "--name", "bob", "--role", "guard")
    assert outcome.status == 0
    assert ":8443/setup/" in outcome.out
    assert sitehub("user", "setup-link", "--name", "bob").status == 2


def test_keys_are_added_listed_and_removed(sitehub: Sitehub) -> None:
    added = sitehub("apikey", "add", "payroll", "--read-only")
    assert added.status == 0
    [line] = added.out.splitlines()
    key = json.loads(line)
    assert set(key) == {"appid", "secret"}
    listed = sitehub("apikey", "list").out
    assert key["appid"] in listed
    assert "payroll" in listed
    assert key["secret"] not in listed
    assert sitehub("apikey", "remove", key["appid"]).status == 0
    assert json.loads(sitehub("apikey", "list", "--json").out) == []


def test_a_key_is_given_the_right_to_change_targets(sitehub: Sitehub) -> None:
    for name, *rights in (("erp",), ("vms", "--targets")):
        assert sitehub("apikey", "add", name, *rights).status == 0
    listed = json.loads(sitehub("apikey", "list", "--json").out)
    assert {key["name"]: key["targets"] for key in listed} == {"erp": False, "vms": True}
    refused = sitehub("apikey", "add", "x", "--targets", "--read-only")
    assert (refused.status, "targets" in refused.err) == (1, True)
