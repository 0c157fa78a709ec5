"""The sources of settings, their precedence, and messages about bad ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hub import config_sources
from hub.config import SETTINGS, Config
from hub.config_sources import Sources, load
from hub.errors import StartFault


def load_text(tmp_path: Path, text: str) -> Config:
    (tmp_path / "sitehub.toml").write_text(text, encoding="utf-8")
    return load(tmp_path, environment={})


def test_without_any_source_the_defaults_apply(tmp_path: Path) -> None:
    assert load(tmp_path, environment={}) == Config()


def test_set_overrides_the_environment_which_overrides_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitehub.toml").write_text(
        "[web]\nport = 1001\nmax_body_mb = 4\n[devices]\nport = 1002\n"
    )
    environment = {"SITEHUB_WEB_PORT": "2001", "SITEHUB_DEVICES_PORT": "2002"}
    loaded = load(tmp_path, environment=environment, overrides=["web.port=3001"])
    assert (loaded.web.port, loaded.devices.port, loaded.web.max_body_mb) == (3001, 2002, 4)


def test_text_is_converted_to_the_type_of_the_setting(tmp_path: Path) -> None:
    overrides = ["web.tls=false", "web.body_seconds=2", "site.name=17", "devices.require_did=never"]
    loaded = load(tmp_path, environment={}, overrides=overrides)
    assert loaded.web.tls is False
    assert loaded.web.body_seconds == 2.0
    assert loaded.site.name == "17"
    assert loaded.devices.require_did == "never"


def test_a_value_may_contain_an_equals_sign(tmp_path: Path) -> None:
    loaded = load(tmp_path, environment={}, overrides=["devices.init_uri=/set?a=b"])
    assert loaded.devices.init_uri == "/set?a=b"


def test_bounds_are_wide_enough_for_a_test_site(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path,
        """
        [web]
        body_seconds = 2
        max_connections = 20
        [devices]
        token_ttl = 4
        heartbeat_interval = 2
        first_message_seconds = 2
        clock_skew = 60
        max_connections = 20
        max_waiting = 10
        [store]
        min_free_gb = 0
        """,
    )
    assert (loaded.web.body_seconds, loaded.web.max_connections) == (2, 20)
    assert (loaded.devices.token_ttl, loaded.devices.heartbeat_interval) == (4, 2)
    assert (loaded.devices.max_waiting, loaded.store.min_free_gb) == (10, 0)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "web.port=70000",
            "bad setting web.port = 70000 (from --set): allowed is a whole number from 1 to 65535",
        ),
        (
            "web.tls=perhaps",
            "bad setting web.tls = perhaps (from --set): allowed is true or false",
        ),
        (
            "devices.require_did=maybe",
            "bad setting devices.require_did = maybe (from --set): "
            "allowed is always or auto or never",
        ),
        (
            "store.min_free_gb=nan",
            "bad setting store.min_free_gb = nan (from --set): "
            "allowed is a number from 0 to 1000000",
        ),
        (
            "devices.init_uri=x",
            "bad setting devices.init_uri = x (from --set): "
            "allowed is a path that begins with /, of at most 200 characters",
        ),
        (
            "site.name=caf\udce9",
            "bad setting site.name = caf\udce9 (from --set): "
            "allowed is text of at most 100 characters",
        ),
        (
            "tls.kay=x",
            "unknown setting tls.kay (from --set): allowed are tls.{cert, key}",
        ),
        (
            "wed.port=1",
            "unknown setting wed.port (from --set): "
            "allowed are the sections "
            "site, web, devices, store, time, tls, backup, people, alarms, targets, log",
        ),
        (
            "web.port",
            "bad setting web.port (from --set): "
            "allowed is SECTION.KEY=VALUE, such as web.port=8443",
        ),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(StartFault) as fault:
        load(tmp_path, environment={}, overrides=[override])
    assert fault.value.message == said


def test_an_unknown_variable_of_a_known_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartFault, match=r"unknown setting web.prot \(from SITEHUB_WEB_PROT"):
        load(tmp_path, environment={"SITEHUB_WEB_PROT": "1"})


def test_other_environment_variables_are_ignored(tmp_path: Path) -> None:
    environment = {"SITEHUB_DATA": "/data", "SITEHUB": "1", "WEB_PORT": "1", "SITEHUB_X_Y": "1"}
    assert load(tmp_path, environment=environment) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web]\nport = '8443'", 'bad setting web.port = "8443"'),
        ("[web]\nport = true", "bad setting web.port = true"),
        ("[web]\nprot = 1", "unknown setting web.prot"),
        ("[wed]\nport = 1", "unknown setting wed"),
        ("web = 1", "unknown setting web"),
        ("[web\n", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_named_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StartFault) as fault:
        load_text(tmp_path, text)
    assert said in fault.value.message
    assert str(tmp_path / "sitehub.toml") in fault.value.message
    assert "\n" not in fault.value.message


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    (tmp_path / "sitehub.toml").write_bytes(b"\xef\xbb\xbf[web]\r\nport = 9000\r\n")
    assert load(tmp_path, environment={}).web.port == 9000


def test_another_file_can_be_named_and_must_then_exist(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    with pytest.raises(StartFault, match="cannot read the configuration"):
        load(tmp_path, file=other, environment={})
    other.write_text("[web]\nport = 9001\n")
    assert load(tmp_path, file=other, environment={}).web.port == 9001


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["devices.port=8443"], "bad setting devices.port = 8443"),
        (["devices.plain_http_port=8444"], "bad setting devices.plain_http_port = 8444"),
        (["tls.cert=c.pem"], "tls.cert: allowed only together with tls.key"),
        (["tls.key=k.pem"], "tls.key: allowed only together with tls.cert"),
        (["web.upload_budget_mb=8"], "bad setting web.upload_budget_mb = 8"),
        (["web.prefix=hub"], "bad setting web.prefix = hub"),
        (["web.prefix=/hub/"], "bad setting web.prefix = /hub/"),
        (["web.prefix=/"], "bad setting web.prefix = /"),
        (["web.prefix=/a//b"], "bad setting web.prefix = /a//b"),
        (["web.prefix=/a b"], "bad setting web.prefix = /a b"),
        (["web.prefix=/.."], "bad setting web.prefix = /.."),
        (["web.trusted_proxies=proxy"], "bad setting web.trusted_proxies = proxy"),
        (["devices.unsigned_networks=10.0.0.0/33"], "devices.unsigned_networks = 10.0.0.0/33"),
        (["site.timezone=Asia/Shangai"], "bad setting site.timezone = Asia/Shangai"),
        (["site.timezone=../../etc/passwd"], "bad setting site.timezone"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    tmp_path: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(StartFault) as fault:
        load(tmp_path, environment={}, overrides=overrides)
    assert said in fault.value.message


def test_two_addresses_may_share_a_port(tmp_path: Path) -> None:
    overrides = ["web.bind=127.0.0.1", "devices.bind=127.0.0.2", "web.port=443", "devices.port=443"]
    assert load(tmp_path, environment={}, overrides=overrides).devices.port == 443


def test_the_first_run_writes_a_file_that_documents_every_setting(
    tmp_path: Path,
) -> None:
    config_sources.write_default(tmp_path)
    assert load(tmp_path, environment={}) == Config()
    text = (tmp_path / "sitehub.toml").read_text("utf-8")
    for setting in SETTINGS.values():
        assert f"\n# {setting.meaning}. Allowed: " in text
        assert f"\n#{setting.key} = " in text


def test_the_first_run_of_a_demo_writes_what_is_chosen_for_it(tmp_path: Path) -> None:
    chosen = {"devices.unsigned": "ask", "devices.unsigned_networks": "127.0.0.0/8"}
    config_sources.write_default(tmp_path, chosen)
    loaded = Sources(tmp_path).load()
    assert loaded.file == chosen
    assert loaded.config.web == Config().web


def test_uncommenting_the_written_defaults_changes_nothing(
    tmp_path: Path,
) -> None:
    lines = config_sources.default_file().splitlines()
    text = "\n".join(line.removeprefix("#") for line in lines if not line.startswith("# "))
    assert tomllib.loads(text)["web"]["port"] == 8443
    assert load_text(tmp_path, text) == Config()


def test_an_existing_file_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "sitehub.toml").write_text("[web]\nport = 9000\n")
    config_sources.write_default(tmp_path)
    assert (tmp_path / "sitehub.toml").read_text() == "[web]\nport = 9000\n"
