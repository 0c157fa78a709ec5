"""A hub with a one-time code gets a certificate for a key that never leaves it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from hub import durable_files
from hub.central.certificates import issue_server, make_authority
from hub.central.codes import admit, give_codes
from hub.central.folder import enrol, make_folder, remove
from hub.errors import BadParameter, StartFault
from hub.services.forwarding.enrolment import ask_centre
from hub.services.forwarding.nats.codes import Ask, id_of, new_code, proof_of_hub, secret_of
from hub.services.forwarding.nats.identity import Identity, check_identity
from hub.services.forwarding.target_file import TargetFile
from tests.central.test_rights import tls_config
from tests.support.admission import admitting
from tests.support.nats_server import running_nats
from tests.support.raw_nats import raw_nats

SERVERS = "tls://127.0.0.1:4222"
LATER = datetime.now(UTC) + timedelta(days=14)
OWN, OTHER = b"the secret of a hub", b"the secret of another hub"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "central"
    make_folder(folder, SERVERS, with_passwords=False)
    return folder


def code_of(folder: Path, name: str, ends: datetime = LATER) -> str:
    (given,) = give_codes(folder, [name], ends)
    return given.code


async def why(centre: str, code: str, own: bytes = OWN) -> str:
    """Return why a hub is not admitted."""
    with pytest.raises(BadParameter) as refused:
        await ask_centre(centre, code, own)
    return refused.value.fault


async def test_a_hub_with_a_code_is_let_in_by_the_servers_without_a_further_reload(
    tmp_path: Path,
) -> None:
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url.replace("nats://", "tls://"), with_passwords=False)
        code = code_of(folder, "site-1")
        server.kill()
        server.configure(tls_config(folder))
        server.start()
        async with admitting(folder) as centre:
            target = await ask_centre(centre, code, OWN)

        def is_let_in(target: TargetFile) -> bool:
            context = ssl.create_default_context(cadata=target.ca)
            (tmp_path / "own.pem").write_text(target.cert + target.key)
            context.load_cert_chain(tmp_path / "own.pem")
            with raw_nats(server.port, context) as client:
                return client.flush() == []

        assert await trio.to_thread.run_sync(is_let_in, target)


async def test_the_answer_is_a_target_with_a_key_of_the_hub(folder: Path) -> None:
    code = code_of(folder, "site-1")
    async with admitting(folder) as centre:
        target = await ask_centre(centre, f" {code.lower().replace('-', ' ')} ", OWN)
    assert (target.kind, target.url, target.hub, target.name) == (
        *("nats", SERVERS, "site-1", "central"),
    )
    check_identity(Identity(cert=target.cert, key=target.key), "nats", target.url)
    kept = (folder / "hubs.json").read_text()
    assert target.key.splitlines()[1] not in kept
    assert code not in kept


async def test_whoever_used_a_code_may_ask_again_and_nobody_else(folder: Path) -> None:
    """As after an answer that was lost, with another run of the hub and of the centre."""
    code = code_of(folder, "site-1")
    async with admitting(folder) as centre:
        first = await ask_centre(centre, code, OWN)
    async with admitting(folder) as centre:
        assert await why(centre, code, OTHER) == "used"
        again = await ask_centre(centre, code, OWN)
    assert again.key == first.key


@pytest.mark.expects_error("hubs cannot be admitted: .* No space left")
async def test_a_code_is_used_before_anybody_has_a_certificate(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, kept = code_of(folder, "site-1"), (folder / "hubs.json").read_bytes()

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    async with admitting(folder) as centre:
        with monkeypatch.context() as broken:
            broken.setattr(durable_files, "replace_file", full)
            assert await why(centre, code) == "unable"
        assert (folder / "hubs.json").read_bytes() == kept
        assert (await ask_centre(centre, code, OTHER)).hub == "site-1"
        assert await why(centre, code) == "used"


async def test_a_code_that_nobody_has_made_or_that_has_ended_is_refused(folder: Path) -> None:
    old = code_of(folder, "site-1", datetime.now(UTC) - timedelta(seconds=1))
    gone = code_of(folder, "site-2")
    remove(folder, "site-2")
    replaced = code_of(folder, "site-3")
    code_of(folder, "site-3")
    async with admitting(folder) as centre:
        assert await why(centre, old) == "expired"
        for code in (gone, replaced, new_code()):
            assert await why(centre, code) == "unknown"


async def test_wrong_codes_are_bounded(folder: Path, mock_clock: trio.testing.MockClock) -> None:
    code = code_of(folder, "site-1")
    async with admitting(folder) as centre:
        found = [await why(centre, new_code()) for _ in range(12)]
        assert found[:11] == ["unknown"] * 11
        assert found[11] == "often"
        assert await why(centre, code) == "often"
        mock_clock.jump(1.5)
        assert (await ask_centre(centre, code, OWN)).hub == "site-1"


async def test_who_stands_between_gets_nothing_and_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    code = code_of(folder, "site-1")
    secret, made = secret_of(code), tmp_path / "made"
    made.mkdir()
    make_authority(made)
    issue_server(made, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "server.pem", made / "server.key")

    async def relay(stream: trio.SSLStream[trio.SocketStream]) -> None:
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        host, port = centre.split(":")
        other = await trio.open_ssl_over_tcp_stream(
            host, int(port), ssl_context=unchecked, https_compatible=True
        )
        asked = await stream.receive_some()
        assert secret.hex().encode() not in asked
        async with other:
            await other.send_all(asked)
            await stream.send_all(await other.receive_some())

    async with admitting(folder) as centre, trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_ssl_over_tcp, relay, 0, context)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        assert await why(f"127.0.0.1:{port}", code) == "between"
        assert (await ask_centre(centre, code, OTHER)).hub == "site-1"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400\r\n\r\n", b"{}\n", b"\xff\n", b"x" * 99_999])
async def test_what_does_not_know_the_code_is_no_centre(folder: Path, said: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.receive_some()
            await stream.send_all(said)
            await stream.aclose()
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_ssl_over_tcp, answer, 0, context)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        assert await why(f"127.0.0.1:{port}", new_code()) == "stranger"
        nursery.cancel_scope.cancel()
    assert await why(f"127.0.0.1:{port}", new_code()) == "unreachable"


@pytest.mark.parametrize("said", [b"", b"{}\n", b"\xff\xfe\n", b"[" * 40_000 + b"\n"])
async def test_nonsense_gets_an_answer_and_stops_nothing(folder: Path, said: bytes) -> None:
    code = code_of(folder, "site-1")
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    async with admitting(folder) as centre:
        host, port = centre.split(":")
        stream = await trio.open_ssl_over_tcp_stream(
            host, int(port), ssl_context=unchecked, https_compatible=True
        )
        await stream.send_all(said)
        if said:
            assert b"unknown" in await stream.receive_some()
        await stream.aclose()
        assert (await ask_centre(centre, code, OWN)).hub == "site-1"


def test_a_key_of_another_kind_gets_no_certificate(folder: Path) -> None:
    secret = secret_of(code_of(folder, "site-1"))
    for key in ("", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "é"):
        ask = Ask(id_of(secret), key, proof_of_hub(secret, b"end", key))
        assert admit(folder, ask, b"end", datetime.now(UTC)).answer.refusal == "unknown"


def test_who_has_an_identity_gets_no_code_and_who_has_not_gets_another(folder: Path) -> None:
    enrol(folder, "site-1")
    first = give_codes(folder, ["site-1", "site-2", "site-3"], LATER)
    accounts = (folder / "accounts.conf").read_text()
    secret = secret_of(first[0].code)
    key = "\n".join(
        [
            "-----BEGIN PUBLIC KEY-----",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt",
            "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==",
            "-----END PUBLIC KEY-----\n",
        ]
    )
    ask = Ask(id_of(secret), key, proof_of_hub(secret, b"end", key))
    assert admit(folder, ask, b"end", datetime.now(UTC)).name == "site-2"
    second = give_codes(folder, ["site-1", "site-2", "site-3"], LATER)
    assert ([one.name for one in first], [one.name for one in second]) == (
        ["site-2", "site-3"],
        ["site-3"],
    )
    # Nobody who is connected loses the account.
    assert (folder / "accounts.conf").read_text() == accounts


def test_hubs_with_passwords_get_no_codes(tmp_path: Path) -> None:
    make_folder(tmp_path, "nats://127.0.0.1:4222", with_passwords=False)
    with pytest.raises(StartFault, match="certificates"):
        give_codes(tmp_path, ["site-1"], LATER)


def test_all_codes_are_given_or_none(folder: Path) -> None:
    kept = (folder / "hubs.json").read_bytes()
    with pytest.raises(BadParameter, match="a to z"):
        give_codes(folder, ["site-1", "Site 2"], LATER)
    assert (folder / "hubs.json").read_bytes() == kept


def test_a_mistyped_code_is_found_before_anybody_is_asked() -> None:
    code = new_code()
    for at, letter in enumerate(code):
        wrong = "7" if letter != "7" else "8"
        with pytest.raises(BadParameter, match="code: "):
            secret_of(code[:at] + wrong + code[at + 1 :])
    letters = code.replace("0", "o").replace("1", "l").replace("-", "")
    assert secret_of(letters) == secret_of(code)
    assert msgspec.json.encode(id_of(secret_of(code))).decode().strip('"') not in code


@pytest.mark.parametrize("centre", ["", "a b", "https://x", "x/y", "u@x", "x:99999", "x" * 400])
async def test_what_is_no_address_of_a_centre_is_refused(centre: str) -> None:
    with pytest.raises(BadParameter) as refused:
        await ask_centre(centre, new_code(), OWN)
    assert (refused.value.field, refused.value.fault) == ("centre", "")
