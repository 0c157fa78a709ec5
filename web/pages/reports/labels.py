"""Names of reports, their tables, columns, charts and codes."""

from __future__ import annotations

from web.language import N_
from web.pages.camera.outages import CAUSES
from web.pages.shown.alarm_labels import KINDS as ALARM_KINDS
from web.pages.shown.alarm_labels import SEVERITIES, STATES

REPORTS = {
    "captures": N_("Captures"),
    "attendance": N_("Attendance"),
    "plates": N_("Vehicles in and out"),
    "alarms": N_("Alarms"),
    "availability": N_("Availability of cameras"),
}

PERIODS = {"day": N_("Daily"), "week": N_("Weekly"), "month": N_("Monthly")}

TABLES = {
    "by_camera": N_("By camera"),
    "by_hour": N_("By camera and hour of the day"),
    "totals": N_("By person"),
    "shifts": N_("By schedule"),
    "attendance": N_("First and last sighting of each day"),
    "summary": N_("Summary"),
    "stays": N_("Each stay"),
    "by_kind": N_("By type"),
    "by_person": N_("By user"),
    "alarms": N_("Each alarm"),
    "cameras": N_("By camera"),
    "outages": N_("Each outage"),
}

CHARTS = {
    "captures": N_("Captures"),
    "people": N_("People seen"),
    "plates": N_("Vehicles in and out"),
    "alarms": N_("Alarms"),
    "out": N_("Time offline"),
}

#: Columns. Hours of the day are named by themselves.
COLUMNS = {
    "camera": N_("Camera"),
    "known": N_("Known faces"),
    "strangers": N_("Strangers"),
    "other_faces": N_("Other faces"),
    "vehicles": N_("Vehicles"),
    "events": N_("Events"),
    "access": N_("Access"),
    "total": N_("Total"),
    "day": N_("Day"),
    "name": N_("Name"),
    "person": N_("Person ID"),
    "department": N_("Department"),
    "start": N_("Shift starts"),
    "end": N_("Shift ends"),
    "late": N_("Late by"),
    "early": N_("Left early by"),
    "hours": N_("Present"),
    "outcome": N_("Outcome"),
    "shifts": N_("Shifts"),
    "absent": N_("Absent"),
    "late_count": N_("Times late"),
    "early_count": N_("Times left early"),
    "first_seen": N_("First sighting"),
    "first_camera": N_("First seen by"),
    "last_seen": N_("Last sighting"),
    "last_camera": N_("Last seen by"),
    "between": N_("Between first and last"),
    "sightings": N_("Sightings"),
    "people": N_("People"),
    "plate": N_("Plate"),
    "came": N_("Arrived"),
    "entrance": N_("Entrance"),
    "left": N_("Left"),
    "exit": N_("Exit"),
    "stayed": N_("Length of stay"),
    "no_exit": N_("No exit seen"),
    "median_stay": N_("Median stay"),
    "longest_stay": N_("Longest stay"),
    "kind": N_("Type"),
    "event_type": N_("Type of event"),
    "alarm": N_("Number"),
    "alarms": N_("Alarms"),
    "records": N_("Records"),
    "acknowledged": N_("Acknowledged"),
    "escalated": N_("Escalated"),
    "median_time": N_("Median time to acknowledgement"),
    "longest_time": N_("Longest time to acknowledgement"),
    "who": N_("Acknowledged by"),
    "raised": N_("Raised at"),
    "again": N_("Raised again at"),
    "severity": N_("Severity"),
    "subject": N_("Person, plate or problem"),
    "state": N_("State"),
    "time_to_acknowledge": N_("Time to acknowledgement"),
    "availability": N_("Availability in percent"),
    "outages": N_("Number of outages"),
    "out": N_("Offline"),
    "watched": N_("Monitored"),
    "from": N_("From"),
    "until": N_("Until"),
    "length": N_("Duration"),
    "cause": N_("Reason"),
}

#: The series of charts: those of alarms are kinds, of which one has the name of a column.
SERIES = COLUMNS | ALARM_KINDS

CODES = {
    "kind": ALARM_KINDS,
    "severity": SEVERITIES,
    "state": STATES,
    "cause": CAUSES,
    "outcome": {
        "present": N_("Seen"),
        "single": N_("Seen once"),
        "absent": N_("Absent"),
        "due": N_("Not seen yet"),
    },
}
