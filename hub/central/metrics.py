"""What a centre counts, for /metrics of its own."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

records = Counter("sitehub_central_records", "Records stored", registry=REGISTRY)
repeated = Counter(
    "sitehub_central_repeated", "Records that came again and were there", registry=REGISTRY
)
alarms = Counter("sitehub_central_alarms", "Changes of alarms that came", registry=REGISTRY)
gaps = Counter("sitehub_central_gaps", "Gaps that came", registry=REGISTRY)
erasures = Counter("sitehub_central_erasures", "Erasures that came", registry=REGISTRY)
pictures = Counter("sitehub_central_pictures", "Pictures written", registry=REGISTRY)
unreadable = Counter(
    "sitehub_central_unreadable", "Messages that could not be read", registry=REGISTRY
)
ahead = Counter(
    "sitehub_central_ahead",
    "Records that hubs received later than they were stored, by the clocks of both",
    registry=REGISTRY,
)
failures = Counter(
    "sitehub_central_failures", "Attempts that failed, by side", ("side",), registry=REGISTRY
)
store_seconds = Histogram(
    "sitehub_central_store_seconds",
    "Time of one transaction with its pictures",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
delay_seconds = Histogram(
    "sitehub_central_delay_seconds",
    "From the hub's receiving a record to its being stored, by the clocks of both",
    registry=REGISTRY,
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400, 604800),
)
up = Gauge("sitehub_central_up", "1 while the side works", ("side",), registry=REGISTRY)
pending = Gauge(
    "sitehub_central_pending", "Messages that no centre has taken", ("stream",), registry=REGISTRY
)
unacknowledged = Gauge(
    "sitehub_central_unacknowledged",
    "Messages that a centre has taken and not stored yet",
    ("stream",),
    registry=REGISTRY,
)
lost = Gauge(
    "sitehub_central_lost",
    "Messages that were stored, and that the database has not any more, at most",
    ("stream",),
    registry=REGISTRY,
)
hubs = Gauge("sitehub_central_hubs", "Hubs by state", ("state",), registry=REGISTRY)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
