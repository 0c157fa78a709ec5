"""What hubs have told last of themselves, and the metrics of that, one label for each hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from hub.central.hubs import Hub
from hub.central.messages import StateRow
from hub.central.received import Received
from hub.services.forwarding.site_state import SiteState


class Fleet:
    """What hubs have told last. It may be read in any thread."""

    def __init__(self) -> None:
        self._rows: dict[str, StateRow] = {}
        #: Hubs had no way to tell anything just before this: the servers were away.
        self.since: datetime | None = None

    def take(self, message: Received) -> None:
        """Note what a hub has told. What is no state is left out: the next one comes soon."""
        row = message.row
        if isinstance(row, StateRow):
            self._rows[row.hub] = row

    def rows(self) -> list[StateRow]:
        """Return what hubs have told, but for those that are forgotten."""
        rows = sorted(self._rows.items())
        return [row for _, row in rows if row.state is not None]

    def joined(self, hubs: Iterable[Hub]) -> list[Hub]:
        """Return hubs with what they have told, also those that have told nothing else."""
        told = {row.hub: row for row in self.rows()}
        found = [self._with(hub, told.pop(hub.name, None)) for hub in hubs]
        for row in told.values():
            assert row.state is not None
            new = Hub(row.hub, row.state.partition, None, None, "", 0, None, None)
            found.append(self._with(new, row))
        return sorted(found, key=lambda hub: hub.name)

    def _with(self, hub: Hub, row: StateRow | None) -> Hub:
        if row is None:
            return hub
        return replace(hub, told_at=row.at, told=row.state, listened_at=self.since)


class _Figure(Struct, frozen=True):
    """A metric. `read`: its value of a hub, with when it was told; None if that is not known."""

    name: str
    help: str
    read: Callable[[SiteState, datetime], float | datetime | None]


def _field(name: str, help: str) -> _Figure:
    return _Figure(name, help, lambda state, at: getattr(state, name))


_FIGURES = (
    _Figure("told_timestamp_seconds", "When it told how it is", lambda state, at: at),
    _Figure("well", "1 if it can work", lambda state, at: state.state == "ok"),
    _Figure("problems", "Problems on its page Health", lambda state, at: len(state.problems)),
    _Figure(
        "clock_ahead_seconds", "How far its clock is ahead", lambda state, at: ahead(state, at)
    ),
    _field("cameras_online", "Cameras that are online"),
    _field("cameras_offline", "Cameras that are offline"),
    _field("cameras_refused", "Cameras that are offline and refused"),
    _field("cameras_waiting", "Unknown cameras that wait to be let in"),
    _field("alarms_new", "Alarms that nobody has acknowledged"),
    _field("people_waiting", "Changes of people that cameras do not have yet"),
    _field("targets_waiting", "Targets that get nothing now"),
    _field("targets_held", "Targets that get nothing until somebody looks at them"),
    _field("last_seq", "Number of the last record"),
    _Figure("disk_free_bytes", "Free bytes of its disk", lambda state, at: state.disk_free),
    _Figure("disk_left_days", "Days until its disk is full", lambda state, at: state.days_left),
    _Figure("backup_timestamp_seconds", "Last good backup", lambda state, at: state.last_backup),
    _Figure(
        "certificate_end_timestamp_seconds",
        "When the first of its certificates expires",
        lambda state, at: min(
            filter(None, (state.certificate_ends, state.identity_ends)), default=None
        ),
    ),
)


def ahead(state: SiteState, at: datetime) -> float:
    """Return how far the clock of a hub was ahead of the servers', in seconds."""
    return round((state.at - at).total_seconds(), 3)


def exposition(rows: Sequence[StateRow]) -> bytes:
    """Return the metrics of hubs in Prometheus' text format."""
    told = [(row.hub, row.state, row.at) for row in rows if row.state is not None]
    lines: list[str] = []

    def add(name: str, help: str, samples: Iterator[str]) -> None:
        name = f"sitehub_central_hub_{name}"
        lines.extend((f"# HELP {name} {help}", f"# TYPE {name} gauge"))
        lines.extend(f"{name}{{hub={sample}" for sample in samples)

    for one in _FIGURES:
        values = ((hub, one.read(state, at)) for hub, state, at in told)
        add(
            one.name,
            one.help,
            (f'"{hub}"}} {_number(value)}' for hub, value in values if value is not None),
        )
    versions = ((hub, _label(state.version)) for hub, state, _ in told)
    add("info", "Its version", (f'"{hub}",version="{version}"}} 1' for hub, version in versions))
    problems = ((hub, code) for hub, state, _ in told for code in dict.fromkeys(state.problems))
    add("problem", "A problem of it", (f'"{hub}",code="{code}"}} 1' for hub, code in problems))
    return "".join(f"{line}\n" for line in lines).encode()


def _number(value: float | datetime) -> str:
    return repr(float(value.timestamp() if isinstance(value, datetime) else value))


def _label(text: str) -> str:
    return "".join(one for one in text if one.isprintable() and one not in '"\\')
