"""All metrics that /metrics serves. Imports no module of the hub; imported everywhere.

Counters are counted where things happen. Most gauges of the site are read when somebody asks, in
hub.services.upkeep.exposition; NaN stands for what is not known.
"""

import math
from functools import lru_cache

import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry(auto_describe=True)
#: process_*: of Linux only, which has /proc.
ProcessCollector(registry=REGISTRY)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format. Call it within trio."""
    tasks.set(trio.lowlevel.current_statistics().tasks_living)
    return generate_latest(REGISTRY)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"sitehub_{name}", text, labels, registry=REGISTRY)


@lru_cache(maxsize=256)
def counter_of(counter: Counter, *labels: str) -> Counter:
    """The counter of these labels, found at a tenth of the cost of `labels`."""
    return counter.labels(*labels)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"sitehub_{name}", text, labels, registry=REGISTRY)


connections = _gauge("connections", "Open connections by port", "port")
connections_refused = _counter(
    "connections_refused", "Connections refused because of a limit", "port", "limit"
)
connection_faults = _counter("connection_faults", "Connections ended by an internal error", "port")
handshake_failures = _counter("handshake_failures", "TLS handshakes that failed", "port")
devices_online = _gauge("devices_online", "Devices that are online")
devices_waiting = _gauge("devices_waiting", "Devices that connect but are not enrolled")
connects = _counter("connects", "Responses to /connect (1.1) by code", "code")
frames = _counter("frames", "Frames received from devices by URI", "uri")
people_pushes = _counter("people_pushes", "People sent to devices (1.12)")
people_push_failures = _counter("people_push_failures", "People that a device refused for good")
device_people = _gauge("device_people", "People on devices by state of the sync", "state")
stray_answers = _counter("stray_answers", "Device responses that match no pending request")
frames_refused = _counter("frames_refused", "Frames refused by code", "code")
uploads = _counter("uploads", "Device HTTP requests by path and code", "path", "code")
upload_bytes = _counter("upload_bytes", "Bytes of device HTTP bodies received")
answers_in_flight = _gauge(
    "answers_in_flight_bytes", "Bytes of answers that their peers have not read yet"
)
messages_in_flight = _gauge(
    "messages_in_flight_bytes", "Bytes of long messages of devices that are not handled yet"
)
uploads_in_flight = _gauge("uploads_in_flight_bytes", "Bytes of bodies in flight")
extra_fields_omitted = _counter(
    "extra_fields_omitted", "Extra fields of uploads that were too long to be kept"
)
limits_reached = _counter("limits_reached", "Times that a limit slowed or refused a peer", "limit")
records = _counter("records", "Records committed by kind", "kind")
alarm_changes = _counter("alarm_changes", "Changes of alarms by kind and change", "kind", "change")
repeats = _counter("repeats", "Uploads that repeated one already stored")
connect_seconds = Histogram(
    "sitehub_connect_seconds",
    "Time of one accepted connect of a device, from its message to the answer",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
commit_seconds = Histogram(
    "sitehub_commit_seconds",
    "Time of one group commit",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
search_seconds = Histogram(
    "sitehub_search_seconds",
    "Time of one page of records, with the waits for a reader",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
searches_cut = _counter("searches_cut", "Pages of records that ended early because of their time")
checkpoint_seconds = Histogram(
    "sitehub_checkpoint_seconds",
    "Time that one checkpoint of the database held up commits",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
commit_failures = _counter("commit_failures", "Groups of writes that could not be made durable")
firmware_downloads = _gauge("firmware_downloads", "Firmware downloads in progress")
firmware_bytes = _counter("firmware_bytes", "Bytes of firmware sent to devices")
damaged_rows = _gauge("damaged_rows", "Rows of the database that cannot be read", "table")
store_refusals = _counter("store_refusals", "Writes refused because nothing can be stored now")
stream_readers = _gauge("stream_readers", "Open live streams")
stream_lags = _counter("stream_lags", "Times that a slow reader had to catch up from the log")
tasks = _gauge("tasks", "Running tasks")
clock_steps = _counter("clock_steps", "Times that the clock of this host was set")
day_bytes = _gauge("day_bytes", "Bytes that an average day adds", "kind")
kept_days = _gauge("kept_days", "Days that will be kept, by the forecast")
kept_days.set(math.nan)
disk_full_seconds = _gauge("disk_full_seconds", "Seconds until the disk is full; +Inf: never")
waiting_days = _gauge("retention_waiting_days", "Days that wait until somebody lets them go")
clock_doubted = _gauge("clock_doubted", "1 while the clock of this host is doubted")
clock_trusted = _gauge("clock_trusted", "1 while days may go by age")
sntp_requests = _counter("sntp_requests", "Datagrams on the SNTP port by result", "result")
sign_in_failures = _counter("sign_in_failures", "Failed sign-ins")
last_complete_backup = _gauge("backup_last_good_timestamp_seconds", "Time of the last good backup")
backup_bytes = _gauge("backup_folder_bytes", "Bytes in the backup folder")
backup_seconds = _gauge("backup_duration_seconds", "Duration of the last nightly backup")
backup_failures = _counter("backup_failures", "Nightly backups that failed")

# The site, read when somebody asks.
build_info = _gauge("build_info", "1, with the version of the hub", "version")
start_time = _gauge("start_time_seconds", "When the hub started, in UNIX seconds")
healthy = _gauge("healthy", "1 if /healthz answers 200, else 0")
problems = _gauge("problem", "1 for each problem of the hub by code", "code", "severity")
alarms = _gauge("alarms", "Alarms that are not closed by state and severity", "state", "severity")
target_behind = _gauge(
    "target_behind_records", "Records of the log that a target has not had", "target", "kind"
)
target_state = _gauge("target_state", "1 for the state of each target", "target", "kind", "state")
target_parked = _gauge("target_parked_records", "What a target refused for ever", "target", "kind")
alarms_escalated = _gauge(
    "alarms_escalated", "Alarms that were not acknowledged in time by severity", "severity"
)
oldest_new_alarm = _gauge(
    "alarm_oldest_new_timestamp_seconds", "Since when the oldest new alarm is new; NaN: none is"
)
devices = _gauge("devices", "Devices by state", "state")
device_clock_offsets = _gauge(
    "device_clock_offset_seconds", "How far a device's clock is ahead of the hub's", "did"
)
disk_free = _gauge("disk_free_bytes", "Free space of the disk of the data directory")
disk_needed = _gauge("disk_needed_bytes", "Space that must stay free")
picture_bytes = _gauge("pictures_bytes", "Bytes of the pictures of all records")
held_records = _gauge("held_records", "Records that are held and have outlived their day")
held_bytes = _gauge("held_bytes", "Bytes of the held evidence that has outlived its day")
database_bytes = _gauge("database_bytes", "Bytes of the database")
wal_bytes = _gauge("wal_bytes", "Bytes of the database's write-ahead log")
days = _gauge("days", "Days that hold records")
keep_days = _gauge("keep_days", "Days to keep records")
oldest_record = _gauge(
    "oldest_record_timestamp_seconds", "When the oldest record was received, in UNIX seconds"
)
newest_record = _gauge(
    "newest_record_timestamp_seconds", "When the newest record was received, in UNIX seconds"
)
last_seq = _gauge("last_seq", "The number of the newest record")
queue_writes = _gauge("store_queue_writes", "Writes that wait to be stored")
queue_bytes = _gauge("store_queue_bytes", "Bytes of the writes that wait to be stored")
certificate_end = _gauge(
    "certificate_expiry_timestamp_seconds", "When the certificate expires, in UNIX seconds"
)
