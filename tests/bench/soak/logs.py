"""The hub's log after a soak: which of its lines are explained by what was done to the hub."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from msgspec import Struct

_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d{3} (\w+) +(.*?)  \[([\w.]+)\]$")

#: Messages that what is done to the hub explains, as regular expressions.
EXPLAINED = (
    # Starts, ends, and what a start finds after kill -9.
    r"^SIG(TERM|INT): stopping",
    r"^the hub has stopped",
    r"^issued a certificate for|^a new certificate is in use",
    r"^cut off .*, in the middle of a commit or refused",
    r"^removed .*, of no commit that was whole",
    # Cameras come and go; most of them have faults.
    r"is online from",
    r"is offline:",
    r"^refused device .* (its clock is|it repeats an earlier connect|token)",
    r"^device .* was (added|changed|removed|sent its initial parameters)",
    r"^(a )?(device .*at )?127\.0\.0\.1 was disconnected: no frame came",
    r"^device .* sends more than \d+ frames a second, and is slowed down",
    r"^device .* was asked what it is: ",
    r"^the people of device \d+ are (brought in step later|compared another time): ",
    r"^the TLS handshake with 127\.0\.0\.1 on the \w+ port failed: "
    r".*(closed|reset|ended|took|seconds)",
    # What the clock does to it.
    r"^the clock was set by|^the clock changed between two runs|and is doubted$",
    r"^(dropping|dropped) ",
    r"days are too old, and wait for a person",
    # What people change.
    r"^erasure \d+ is finished",
    r"^refused device .* (the code does not match the signature|it is disabled)",
    # With a new code before the camera has it, on a clock that runs 120 times as fast.
    r"^the security code of device .* is being guessed",
    # What its disk does to it.
    r"(:|now:) the disk is not responding|^storing works again",
    r": too many queries at once",
    r"^target \d+ gets nothing now: ",
    # Its camera went away while the disk took its time.
    r"^a change without a caller failed: the device is offline",
    # Or what was to be changed was removed, or added, by whoever was told to try again.
    r"^a change without a caller failed: there is no ",
    r"^a change without a caller failed: name: there is already ",
    # What it does by itself.
    r"^backed up into ",
    r"^the backup failed: records were erased while the backup was made",
)


class LogSummary(Struct):
    """`unexplained`: lines by their text with numbers left out. `dropped`: days, and why."""

    lines: int
    unexplained: Counter[str]
    dropped: dict[str, str]
    renewals: int
    nightly_backups: int


def read_log(path: Path) -> LogSummary:
    unexplained: Counter[str] = Counter()
    dropped: dict[str, str] = {}
    count = renewals = backups = 0
    for line in path.read_text("utf-8", "replace").splitlines():
        found = _LINE.match(line)
        if found is None:
            # A traceback, or what is not written by the log.
            if line.strip():
                unexplained[_anonymous(line)] += 1
            continue
        count += 1
        _, message, _ = found.groups()
        if drop := re.match(r"dropping (\d{4}-\d\d-\d\d): (.*)", message):
            dropped[drop[1]] = drop[2]
        renewals += message.startswith("issued a certificate for")
        backups += message.startswith("backed up")
        if not any(re.search(pattern, message) for pattern in EXPLAINED):
            unexplained[f"{found[1]} {_anonymous(message)}  [{found[3]}]"] += 1
    return LogSummary(count, unexplained, dropped, renewals, backups)


def _anonymous(text: str) -> str:
    text = re.sub(r"\bSIM\w{8,}", "SN", text)
    return re.sub(r"\d+", "N", text)
