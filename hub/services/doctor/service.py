"""Whether a hub runs on the data directory, and whether it is a service of this system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub import __version__
from hub.errors import StartFault
from hub.service_manager.system import system_service
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, ok, warning


def check_hub(context: CheckContext) -> Iterator[Finding]:
    """Tell whether a hub runs here."""
    if context.hub is None:
        yield ok("hub", "hub-stopped", folder=str(context.data_dir))
    else:
        yield ok("hub", "hub-running", process=str(context.hub), version=__version__)


def check_service(context: CheckContext) -> Iterator[Finding]:
    """Tell the state of the service, if this is its data directory."""
    service = system_service()
    try:
        status = service.status()
    except StartFault as fault:
        yield warning("service", "service-unknown", reason=fault.message)
        return
    if status.state == "not installed" or not _is_same(service.data, context.data_dir):
        yield ok("service", "service-none")
    elif status.state in ("failed", "stopped") and context.hub is None:
        yield failed("service", "service-down", state=status.state)
    elif not status.at_boot:
        yield warning("service", "service-not-at-boot")
    else:
        yield ok("service", "service-ok", state=status.state)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
