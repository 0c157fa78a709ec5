"""GET /healthz, answered in front of Quart, which a monitor alone does not need."""

from __future__ import annotations

import msgspec
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from hub.services import Services
from hub.services.upkeep.health import Health
from web.error_responses import send_json

PATH = "/healthz"


def with_health(services: Services, others: ASGIFramework) -> ASGIFramework:
    """Answer GET /healthz; pass every other request to `others`."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] in ("GET", "HEAD"):
            status, told = answer_of(services.upkeep.health)
            await send_json(send, status, msgspec.json.encode(told))
        else:
            await others(scope, receive, send)

    return app


def answer_of(health: Health) -> tuple[int, dict[str, str | list[str]]]:
    """The status and body for what is known of the hub's health.

    503 makes programs restart the hub or leave it out: only for what keeps it from working. The
    pages show warnings, such as a full disk.
    """
    reasons = health.reasons()
    if faults := [reason.text for reason in reasons if reason.is_fault]:
        return 503, {"status": "unwell", "reasons": faults}
    losses = [reason.text for reason in reasons if reason.problem.is_loss]
    return 200, {"status": "ok", "degraded": losses} if losses else {"status": "ok"}
