"""What was acknowledged against what is there: the verdict of a soak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from tests.bench.soak.actors import StreamReader, read_all
from tests.bench.soak.cameras import Acknowledged

_SHOWN = 5


class Found(Struct):
    """Numbers of uploads. `dropped`: with their day, as the log says; `examples` of what is bad."""

    acknowledged: int = 0
    found: int = 0
    dropped: int = 0
    lost: int = 0
    doubled: int = 0
    #: Records that have not the pictures that were sent.
    not_whole: int = 0
    #: Records that a reader of the stream should have seen, and did not.
    missed: int = 0
    disorders: int = 0
    examples: list[str] = []

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.not_whole or self.missed or self.disorders)


def read_acknowledged(path: Path) -> dict[str, Acknowledged]:
    """The uploads that were answered 200; an incomplete last line is none."""
    lines = path.read_bytes().split(b"\n")[:-1]
    found = [msgspec.json.decode(line, type=Acknowledged) for line in lines]
    return {one.number: one for one in found}


def check(
    api: httpx.Client,
    acknowledged: Mapping[str, Acknowledged],
    readers: Sequence[StreamReader],
    dropped_days: Callable[[], Collection[str]],
) -> Found:
    """Compare all records of the API, with their pictures, with what was acknowledged.

    `dropped_days` is called again when a picture is missing: reading takes hours of the hub's
    clock, and a day may go meanwhile.
    """
    result = Found(acknowledged=len(acknowledged))
    records = [one for one in read_all(api) if "soak" in one["extra"]]
    counts = Counter(str(record["extra"]["soak"]) for record in records)
    result.doubled = sum(count - 1 for count in counts.values())
    for number in (number for number, count in counts.items() if count > 1):
        result.examples.append(f"{number} is there {counts[number]} times")
    days = {
        seen.number: seen.received_at[:10] for reader in readers for seen in reader.seen.values()
    }
    dropped = dropped_days()
    for one in acknowledged.values():
        if one.number in counts:
            result.found += 1
        elif days.get(one.number) in dropped:
            result.dropped += 1
        else:
            result.lost += 1
            result.examples.append(f"{one.number} of {one.did} is lost: {days.get(one.number)}")
    for record in records:
        sent = acknowledged.get(str(record["extra"]["soak"]))
        if sent is None or not (fault := _picture_fault(api, record, sent)):
            continue
        if record["received_at"][:10] in dropped_days():
            result.found -= 1
            result.dropped += 1
        else:
            result.not_whole += 1
            result.examples.append(f"{sent.number}, seq {record['seq']}: {fault}")
    seqs = {record["seq"] for record in records}
    for reader in readers:
        result.disorders += reader.disorders
        missed = {seq for seq in seqs if seq <= reader.last} - set(reader.seen)
        result.missed += len(missed)
        result.examples += [f"a reader missed seq {seq}" for seq in sorted(missed)[:_SHOWN]]
    return result


def _picture_fault(api: httpx.Client, record: dict[str, Any], sent: Acknowledged) -> str:
    if set(record["images"]) != set(sent.pictures):
        return f"it has the pictures {sorted(record['images'])}"
    for name, path in record["images"].items():
        answer = api.get(path)
        if answer.status_code != 200:
            return f"its {name} is answered {answer.status_code}"
        if sha256(answer.content).hexdigest() != sent.pictures[name]:
            return f"its {name} is another picture"
    return ""
