"""Which tables name people: whoever adds one says whether the erasure of a person reaches it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hub.store.sqlite.migrate import migrations

#: What `hub.services.records.erasures` removes of a person, or with the records of one.
ERASED = """
alarm alarm_step audit device_picture erasure holding job job_item person person_group
person_photo record saved_search term unknown_person
"""
#: What somebody types freely: a reason, a note. It stays until that is removed.
TYPED = "hold plate_entry"
#: Users of the hub, who are removed as users, and what names only them beside things.
USERS = "review second_factor session user user_link"
#: Things: cameras, files, settings, counts, and keys of other systems.
THINGS = """
accepted alarm_rule api_key camera_group camera_group_device campaign campaign_device day device
device_capability device_people device_relay device_setting device_wish dropped_day earlier_log
erased_record firmware_component firmware_download firmware_file firmware_release held_pack
held_record latest_access outage parked_item plate_list record_count record_log record_total setting
target target_gap token upload used_signature
"""

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def test_each_table_with_text_says_whom_it_names() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for sql in migrations().values():
            connection.executescript(sql)
        tables = [name for (name,) in connection.execute(_TABLES)]
        with_text = {
            table
            for table in tables
            if any(
                kind not in ("INTEGER", "REAL")
                for _, _, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
            )
        }
    said = " ".join((ERASED, TYPED, USERS, THINGS)).split()
    assert sorted(said) == sorted(with_text), "does an erasure reach a new one?"
