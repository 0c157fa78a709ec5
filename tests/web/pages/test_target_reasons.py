"""Why a target gets nothing is said in the language of the page, as far as the hub says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

import hub.services.forwarding
from hub.services.forwarding.forwarder import REFUSES_ERASURE
from web import language
from web.pages.target_reasons import target_reason

_SOURCES = Path(hub.services.forwarding.__file__).parent
_RAISED = {"TryLater", "Refused", "NeedsPerson", "NotTaken", "_hold", "_break"}


def said_by_the_hub() -> Iterator[str]:
    """The texts with which senders and forwarders say why; "7" stands for what is put in."""
    for path in sorted(_SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in _RAISED:
                yield from _texts(node.args[0])


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(said: ast.expr) -> Iterator[str]:
    if isinstance(said, ast.BoolOp):
        for part in said.values:
            yield from _texts(part)
    elif isinstance(said, ast.Constant) and isinstance(said.value, str):
        yield said.value
    elif isinstance(said, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "7" for p in said.values)


@pytest.fixture
def chinese() -> Iterator[None]:
    language.use(language.LANGUAGES["zh"], UTC)
    yield
    language.use(language.LANGUAGES["en"], UTC)


@pytest.mark.parametrize(
    "reason",
    [
        *said_by_the_hub(),
        f"{REFUSES_ERASURE}it answered 400",
        "it answered 503",
        "its certificate is not trusted: 7",
        "the connection was refused: no program listens at this port",
        "it closed the connection",
        "its name cannot be looked up",
        "its address cannot be reached from this network",
        "4200000 bytes are more than the server takes (1048576)",
        "the server does not use TLS",
        "the server closed the connection",
        "the broker does not know MQTT 5",
        "the broker refuses us: 7",
    ],
)
@pytest.mark.usefixtures("chinese")
def test_what_the_hub_says_is_translated(reason: str) -> None:
    assert target_reason(reason) != reason


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("stream SITEHUB_3: maximum messages exceeded", "流 SITEHUB_3：流的消息数已达上限"),
        ("it refuses everything: it answered 422", "对方拒收所有消息：对方返回 422"),
        ("[Errno 111] Connection refused", "连接被拒绝"),
        ("'Authorization Violation'", "服务器拒绝登录：用户名、密码或证书不对"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate "
            "(_ssl.c:1016)",
            "证书验证失败：self-signed certificate",
        ),
        ("NATS 2.10.27, stream SITEHUB_5, one by one", "NATS 2.10.27，流 SITEHUB_5，逐条写入"),
        ("what another system says", "what another system says"),
        ("", ""),
    ],
)
@pytest.mark.usefixtures("chinese")
def test_what_others_say_is_translated_where_it_is_known(reason: str, text: str) -> None:
    assert target_reason(reason) == text


def test_in_english_it_is_as_the_hub_says_it() -> None:
    assert target_reason("it answered 503") == "it answered 503"
