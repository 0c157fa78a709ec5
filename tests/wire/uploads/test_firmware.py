"""Firmware queries and answers (2.3), and the comparison of versions (D5)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadParameter
from hub.wire.uploads.firmware import (
    OtaAnswer,
    OtaComponent,
    Versions,
    base_url,
    check_version,
    decode_ota_query,
    file_name,
    is_older,
    is_same,
    parse_version,
    tls_base_url,
)

NUMBERS = st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.2.3", (1, 2, 3)),
        ("V1.2", (1, 2)),
        ("v1.10", (1, 10)),
        (" V 2.0.0 ", (2,)),
        ("0", (0,)),
        ("007", (7,)),
        ("", None),
        ("V", None),
        ("1.2-rc1", None),
        ("1..2", None),
        ("1.2.", None),
        ("VV1", None),
        ("１.2", None),
        ("1.2.3.4.5.6.7.8.9", None),
        ("9999999999", None),
    ],
)
def test_a_version_is_dotted_numbers_with_or_without_a_v(
    text: str, numbers: tuple[int, ...] | None
) -> None:
    assert parse_version(text) == numbers


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("hub", "https://hub:8443"),
        ("10.0.0.5:8080", "https://10.0.0.5:8443"),
        ("[fd00::1]:8080", "https://[fd00::1]:8443"),
        ("[fd00::1]", "https://[fd00::1]:8443"),
    ],
)
def test_d12_the_address_over_tls_has_the_port_of_tls(host: str, url: str) -> None:
    assert tls_base_url(host, 8443) == url
    with pytest.raises(BadParameter, match="Host"):
        tls_base_url("hub/..", 8443)


@pytest.mark.parametrize("text", ["1.1.57_x", "1.1.57_RV1126-20260221.a", "V1.1.57_"])
def test_d12_what_follows_an_underscore_does_not_count(text: str) -> None:
    assert parse_version(text) == (1, 1, 57)


@given(NUMBERS, NUMBERS)
def test_versions_compare_as_numbers(one: list[int], other: list[int]) -> None:
    texts = [".".join(map(str, numbers)) for numbers in (one, other)]
    size = max(len(one), len(other))
    padded = [numbers + [0] * (size - len(numbers)) for numbers in (one, other)]
    assert is_older(f"V{texts[0]}", texts[1]) == (padded[0] < padded[1])
    assert is_same(texts[0], f"v{texts[1]}") == (padded[0] == padded[1])


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_unreadable_version_is_different_and_never_older(one: str, other: str) -> None:
    if parse_version(one) is None:
        assert not is_older(one, other)
        assert not is_older(other, one)
        assert not is_same(one, other)
        with pytest.raises(BadParameter, match="fwVer"):
            check_version(one, "fwVer")


def test_the_version_below_the_least_is_named() -> None:
    least = Versions(fw_ver="V1.5", hw_ver="2.0")
    assert Versions(fw_ver="1.4").first_older_than(least) == "fwVer: 1.4 is older than V1.5"
    assert Versions(fw_ver="1.5", hw_ver="nobody knows").first_older_than(least) == ""
    assert Versions().first_older_than(least) == ""


def test_every_wanted_version_must_be_reported() -> None:
    wanted = Versions(fw_ver="2.0", sw_ver="1.1")
    assert Versions(fw_ver="V2", sw_ver="1.1.0", os_ver="9").matches(wanted)
    assert not Versions(fw_ver="V2").matches(wanted)
    assert not Versions(fw_ver="V2", sw_ver="1.2").matches(wanted)


def test_a_query_has_the_ota_id_and_the_versions() -> None:
    query = decode_ota_query(
        b'{"otaId": "35646hgf56768", "sn": "S", "did": "7", "fwVer": "1.2", "x": 1}', max_depth=9
    )
    assert (query.ota_id, query.info.sn, query.info.did) == ("35646hgf56768", "S", "7")
    assert Versions.of(query.info) == Versions(fw_ver="1.2")


@pytest.mark.parametrize("body", [b"{}", b'{"otaId": ""}', b'{"otaId": null}', b'{"otaId": " "}'])
def test_an_empty_ota_id_is_none(body: bytes) -> None:
    assert decode_ota_query(body, max_depth=9).ota_id is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"otaId": []}', b'{"fwVer": {}}', b'{"otaId": "'])
def test_an_invalid_query_is_420(body: bytes) -> None:
    with pytest.raises(BadParameter):
        decode_ota_query(body, max_depth=9)


def test_the_answer_has_the_documented_names() -> None:
    component = OtaComponent(name="Firmware", type=1, size=2, md5="a", sha256="b", url="u")
    answer = OtaAnswer(
        ver_code=453523,
        ver_name="v1.0",
        description="更新了一些问题",
        release_date="2021-01-01 08:00:00",
        component_list=(component,),
    )
    assert msgspec.json.decode(msgspec.json.encode(answer)) == {
        "verCode": 453523,
        "verName": "v1.0",
        "description": "更新了一些问题",
        "releaseDate": "2021-01-01 08:00:00",
        "componentList": [
            {"name": "Firmware", "type": 1, "size": 2, "md5": "a", "sha256": "b", "url": "u"}
        ],
    }


@pytest.mark.parametrize("host", ["hub", "10.0.0.1:8443", "a-b.site_1.local", "[fe80::1]:80"])
def test_links_start_with_the_host_that_the_device_used(host: str) -> None:
    assert base_url("https", host) == f"https://{host}"


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a@b", 'a"', "a:b", "a:123456", "[::1", "a\r\nb", "ä", "a?b", "a#b"]
)
def test_an_invalid_host_is_refused(host: str) -> None:
    with pytest.raises(BadParameter, match="Host"):
        base_url("https", host)


@pytest.mark.parametrize(
    ("name", "plain"),
    [("app 1.bin", "app-1.bin"), ("固件", "file"), ("../../x", "x"), ("a" * 99, "a" * 64)],
)
def test_a_link_ends_in_a_plain_name(name: str, plain: str) -> None:
    assert file_name(name) == plain
