"""The signature of a connect in every form (D2), and that of HTTP parameters (三, D6)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadParameter
from hub.wire import signing
from tests.support.signatures import connect_sign_form

SN, CODE, TS = "Y3C122AP1234512", "ABCD1234", "1635066908"
PARAMS = {"sn": "Y3CA123489", "did": "876433", "ts": 1658029108, "appid": "FUN790386"}
SECRET = "AABBCC112233"


def form_of(key: rsa.RSAPrivateKey, sign: str, code: str = CODE, ts: str = TS) -> str | None:
    return connect_sign_form(key.public_key(), sign, sn=SN, code=code, ts_text=ts)


@pytest.mark.parametrize("form", signing.SIGN_FORMS)
def test_d2_every_form_is_recovered_and_named(small_key: rsa.RSAPrivateKey, form: str) -> None:
    sign = signing.sign_connect(small_key, sn=SN, code=CODE, ts=int(TS), form=form)
    assert form_of(small_key, sign) == form
    assert form_of(small_key, sign, code="ABCD1235") is None
    assert form_of(small_key, sign, ts="1635066909") is None


def test_d2_the_signature_is_over_ts_as_it_was_sent(small_key: rsa.RSAPrivateKey) -> None:
    sign = signing.sign_connect(small_key, sn=SN, code=CODE, ts="1635066908123")
    assert form_of(small_key, sign, ts="1635066908123") == "md5-digestinfo"
    assert form_of(small_key, sign, ts="1635066908") is None


def test_d2_every_form_takes_one_public_key_operation(small_key: rsa.RSAPrivateKey) -> None:
    operations = 0

    class Counting:
        def recover_data_from_signature(self, *args: object) -> bytes:
            nonlocal operations
            operations += 1
            return small_key.public_key().recover_data_from_signature(*args)  # type: ignore[arg-type]

    sign = signing.sign_connect(small_key, sn=SN, code=CODE, ts=TS, form=signing.SIGN_FORMS[-1])
    key: rsa.RSAPublicKey = Counting()  # type: ignore[assignment]
    assert connect_sign_form(key, sign, sn=SN, code=CODE, ts_text=TS)
    assert operations == 1


def test_d2_every_form_is_compared_in_constant_time(
    small_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def compare(first: bytes, second: bytes) -> bool:
        compared.append(second)
        return first == second

    monkeypatch.setattr(signing.hmac, "compare_digest", compare)
    sign = signing.sign_connect(small_key, sn=SN, code=CODE, ts=TS)
    assert form_of(small_key, sign)
    assert len(compared) == len(signing.SIGN_FORMS)


@pytest.mark.parametrize(
    "written",
    [
        lambda sign: sign.rstrip("="),
        lambda sign: sign.replace("+", "-").replace("/", "_"),
        lambda sign: sign.replace("+", "-").replace("/", "_").rstrip("="),
        lambda sign: "\r\n".join(textwrap.wrap(sign, 64)) + "\n",
    ],
)
def test_d2_base64_in_either_alphabet_padded_or_broken_into_lines(
    small_key: rsa.RSAPrivateKey, written
) -> None:
    for ts in ("1", "2", "3"):
        sign = signing.sign_connect(small_key, sn=SN, code=CODE, ts=ts)
        assert form_of(small_key, written(sign), ts=ts) == "md5-digestinfo"


@pytest.mark.parametrize("sign", ["", "=", "A", "*" * 172, "AAAA", "签名", "A" * 172, "A" * 4000])
def test_d2_an_invalid_signature_does_not_match(small_key: rsa.RSAPrivateKey, sign: str) -> None:
    assert form_of(small_key, sign) is None


def test_d2_a_signature_by_another_key_does_not_match(small_key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(65537, 1024)
    assert form_of(small_key, signing.sign_connect(other, sn=SN, code=CODE, ts=TS)) is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_d2_signatures_made_by_openssl_match(small_key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    pem = small_key.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    message = (SN + CODE + TS).encode()
    digest = hashlib.md5(message)

    def openssl(data: bytes, *arguments: str) -> str:
        command = ["openssl", *arguments]
        made = subprocess.run(command, input=data, capture_output=True, check=True, cwd=tmp_path)
        return base64.b64encode(made.stdout).decode()

    key = "key.pem"
    dgst = ["dgst", "-md5", "-sign", key]
    pkeyutl = ["pkeyutl", "-sign", "-inkey", key]
    assert form_of(small_key, openssl(message, *dgst)) == "md5-digestinfo"
    assert form_of(small_key, openssl(digest.digest(), *pkeyutl)) == "md5-digest"
    hexed = digest.hexdigest().encode()
    assert form_of(small_key, openssl(hexed, *pkeyutl)) == "md5-hex-lower"
    assert form_of(small_key, openssl(hexed.upper(), *pkeyutl)) == "md5-hex-upper"
    assert form_of(small_key, openssl(hexed, *dgst)) == "digestinfo-of-hex-lower"
    assert form_of(small_key, openssl(hexed.upper(), *dgst)) == "digestinfo-of-hex-upper"


def certificate_of(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    day = datetime.datetime(2026, 1, 1)
    signer = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_d2_keys_are_loaded_from_spki_pkcs1_or_certificate(small_key: rsa.RSAPrivateKey) -> None:
    public = small_key.public_key()
    for pem in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        certificate_of(small_key),
    ):
        assert signing.load_public_key(pem) == public
        assert signing.load_public_key("  \n" + pem.decode() + "\n") == public


def pem_of_curve() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "hello",
        "签名",
        "\ud800",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\x30\x82\xff\xff",
        pem_of_curve(),
        # 512 bits, made by openssl
        "-----BEGIN PUBLIC KEY-----\n"
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n"
        "9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n"
        "-----END PUBLIC KEY-----\n",
    ],
)
def test_d2_a_key_other_than_rsa_of_1024_bits_is_420(pem: str | bytes) -> None:
    with pytest.raises(BadParameter, match="key: ") as refusal:
        signing.load_public_key(pem)
    assert refusal.value.field == "key"


def test_a_private_key_is_refused_as_such(small_key: rsa.RSAPrivateKey) -> None:
    pem = small_key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadParameter, match="private key"):
        signing.load_public_key(pem)


def test_d6_the_test_vector() -> None:
    assert signing.sign_params(PARAMS, SECRET) == "C7C164B353F05DF3E219E82FC4619912"


def test_d6_empty_and_blank_values_and_the_sign_itself_are_left_out() -> None:
    more = {**PARAMS, "name": "", "note": " \t", "sign": "anything"}
    assert signing.sign_params(more, SECRET) == "C7C164B353F05DF3E219E82FC4619912"


def test_d6_keys_sort_by_code_point() -> None:
    joined = "B2a1é3" + "s"
    expected = hashlib.md5(joined.encode()).hexdigest().upper()
    assert signing.sign_params({"é": "3", "a": 1, "B": "2"}, "s") == expected


@pytest.mark.parametrize(
    ("sign", "fits"),
    [
        ("C7C164B353F05DF3E219E82FC4619912", True),
        ("C7C164B353F05DF3E219E82FC4619913", False),
        ("", False),
        ("签名", False),
        ("\ud800", False),
    ],
)
def test_d6_a_sign_is_verified(sign: str, fits: bool) -> None:
    params = {key: str(value) for key, value in PARAMS.items()}
    assert signing.verify_params_sign({**params, "sign": sign}, SECRET) is fits
    assert not signing.verify_params_sign(params, SECRET)


def test_d5_the_md5_of_a_body_is_upper_case_hex() -> None:
    assert signing.body_md5(b"") == "D41D8CD98F00B204E9800998ECF8427E"


def test_d2_a_clock_is_accepted_within_the_skew() -> None:
    assert signing.is_within_skew(1000.0, 1300.0, 300)
    assert signing.is_within_skew(1600.0, 1300.0, 300)
    assert not signing.is_within_skew(999.0, 1300.0, 300)
    assert signing.ts_seconds("1635066908123") == 1635066908.123


@given(
    sn=st.text(max_size=20),
    code=st.text(max_size=10),
    ts=st.text("0123456789", min_size=1, max_size=13),
    form=st.sampled_from(signing.SIGN_FORMS),
    written=st.sampled_from(
        [
            str,
            lambda sign: sign.rstrip("="),
            lambda sign: sign.replace("+", "-").replace("/", "_"),
            lambda sign: "\r\n".join(textwrap.wrap(sign, 64)),
        ]
    ),
)
def test_d2_a_signature_matches_only_its_own_connect_in_any_encoding(
    small_key: rsa.RSAPrivateKey, sn: str, code: str, ts: str, form: str, written: Any
) -> None:
    key = small_key.public_key()
    sign = written(signing.sign_connect(small_key, sn=sn, code=code, ts=ts, form=form))
    assert connect_sign_form(key, sign, sn=sn, code=code, ts_text=ts) == form
    assert connect_sign_form(key, sign, sn=sn, code=code, ts_text=ts + "0") is None
    assert connect_sign_form(key, sign, sn=sn, code=code + "x", ts_text=ts) is None


@given(sign=st.text() | st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode()))
def test_any_other_text_is_not_a_signature(small_key: rsa.RSAPrivateKey, sign: str) -> None:
    assert form_of(small_key, sign) is None


PARAMETERS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda key: key != "sign"),
    st.text(max_size=8) | st.integers(0, 2**40),
    max_size=6,
)


@given(params=PARAMETERS, secret=st.text(max_size=20), data=st.data())
def test_d6_neither_order_nor_blank_values_matter(
    params: dict[str, str | int], secret: str, data: st.DataObject
) -> None:
    sign = signing.sign_params(params, secret)
    shuffled = dict(data.draw(st.permutations(list(params.items()))))
    blank = data.draw(st.sampled_from(["", " ", "\t", "\u3000"]))
    assert signing.sign_params({**shuffled, "\x00unused": blank}, secret) == sign
    assert signing.sign_params({**shuffled, "sign": "x"}, secret) == sign
    as_text = {key: str(value) for key, value in params.items()}
    assert signing.verify_params_sign({**as_text, "sign": sign}, secret)


@given(params=PARAMETERS, secret=st.text(max_size=20), more=st.text("0123456789", min_size=1))
def test_d6_another_value_or_secret_gives_another_sign(
    params: dict[str, str | int], secret: str, more: str
) -> None:
    sign = signing.sign_params({**params, "ts": "1"}, secret)
    assert signing.sign_params({**params, "ts": "1" + more}, secret) != sign
    assert signing.sign_params({**params, "ts": "1"}, secret + more) != sign


@given(pem=st.text() | st.binary())
def test_any_other_text_is_refused_as_a_key(pem: str | bytes) -> None:
    with pytest.raises(BadParameter, match=r"^key: "):
        signing.load_public_key(pem)


@given(ts=st.text(max_size=16) | st.integers(0, 10**16).map(str))
def test_d2_any_ts_is_seconds_or_refused(ts: str) -> None:
    seconds, named = 0.0, "ts"
    try:
        seconds = signing.ts_seconds(ts)
    except BadParameter as error:
        named = error.field
    assert named == "ts"
    assert 0 <= seconds < 10**12


@pytest.mark.parametrize(
    "split",
    [
        {"body_md5D41D8C": "D98F", "body_md5": ""},
        {"body": "_md5D41D8CD98F"},
        {"body_md5D41D8CD98": "F"},
        {"a": "1body_md5D41D8CD98F"},
    ],
)
def test_the_md5_of_a_body_cannot_be_hidden_in_another_parameter(split: dict[str, str]) -> None:
    honest = {"a": "1", "body_md5": "D41D8CD98F", "ts": "3"}
    sign = signing.sign_params(honest, "secret")
    assert signing.verify_params_sign({**honest, "sign": sign}, "secret")
    moved = {"a": "1", "ts": "3", **split, "sign": sign}
    assert signing.sign_params(moved, "secret") == sign
    assert not signing.verify_params_sign(moved, "secret")
