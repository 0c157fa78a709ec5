"""The receiver of the documents takes what a hub sends, once, and nothing else."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.forwarding.conftest import Forwarding

INTEGRATOR = Path(__file__).parents[3] / "docs" / "integrator.md"


def receiver_of_the_documents(secret: str) -> Any:
    """The Flask application of the documents, with a secret."""
    (code,) = re.findall(r"```python\n(from flask import .*?)```", INTEGRATOR.read_text(), re.S)
    assert len(code.strip().splitlines()) <= 16
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code.replace("whsec_...", secret), names)
    return names["app"].test_client()


async def test_the_receiver_of_the_documents_takes_each_message_once(
    forwarding: Forwarding, capsys: pytest.CaptureFixture[str]
) -> None:
    # It refuses what was signed at another time.
    forwarding.clock.advance(time.time() - forwarding.clock())
    target, secret = await forwarding.add()
    client = receiver_of_the_documents(secret)
    answers: list[int] = []

    def answer(received: Any) -> httpx.Response:
        sent = {"data": received.text, "headers": received.headers}
        answers.append(client.post("/in", **sent).status_code)
        # Sent again, as after an answer that was lost.
        answers.append(client.post("/in", **sent).status_code)
        changed = {**sent, "data": received.text.replace("face", "fact")}
        answers.append(client.post("/in", **changed).status_code)
        return httpx.Response(answers[0])

    forwarding.receiver.answer = answer
    await forwarding.hub.add_faces("Li Wei")
    await forwarding.until_current(target.target.id)
    assert answers == [204, 204, 401]
    assert capsys.readouterr().out.count("Li Wei") == 1
