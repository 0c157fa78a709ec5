"""GET /status: whether the hub is well, and what it holds."""

from __future__ import annotations

from hub.services import Services
from hub.services.upkeep.status import (
    BackupFigures,
    CameraCounts,
    DiskFigures,
    HubStatus,
    Problem,
    RecordFigures,
    read_status,
)
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.routes import Call, Routes

_EXAMPLE = HubStatus(
    state="ok",
    version="1.4.0",
    since="2026-11-01T02:00:03.123Z",
    site="Harbour East",
    dashboard=["https://192.168.1.10:8443/"],
    devices=["wss://192.168.1.10:8444/"],
    fingerprint=":".join(["3A", "7F"] * 16),
    cameras=CameraCounts(online=12, offline=1, disabled=0, waiting=2),
    records=RecordFigures(
        log="5f3c9a70d1e84b6c8e21c47d0b9a6e15",
        last_seq=481_516,
        oldest="2026-10-26T00:00:04.310Z",
        newest="2026-11-25T08:00:00.000Z",
        days=31,
        keep_days=30,
    ),
    backups=BackupFigures(
        folder="/mnt/backups", last_good="2026-11-25T02:04:17.000Z", bytes=104_000_000_000
    ),
    disk=DiskFigures(
        free=250_000_000_000,
        needed=2_000_000_000,
        pictures=96_000_000_000,
        database=610_000_000,
        write_ahead_log=4_100_000,
    ),
    problems=[
        Problem(
            code="certificate-ends",
            severity="notice",
            text="the certificate expires on 2026-12-04, in 9 days",
            advice="Install a new certificate before that day.",
        )
    ],
)

READ = Endpoint(
    method="GET",
    path=f"{PREFIX}/status",
    tag="This hub",
    summary="Whether the hub is well, and what it holds",
    description=(
        "`state` is `ok`, or `unwell` if a fault keeps the hub from working, or `starting`; "
        "`problems` names what is not well, notices too. The same as `sitehub status --json`."
    ),
    answer_example=_EXAMPLE,
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    async def hub_status(call: Call[Nothing, Nothing]) -> HubStatus:
        return await read_status(services)

    routes.add(READ, hub_status)
