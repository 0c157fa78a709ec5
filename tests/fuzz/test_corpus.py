"""What was ever found by a fuzz is not found again."""

from __future__ import annotations

import time
from random import Random

import pytest

from tests.fuzz import edges, frames, heads, uploads
from tests.fuzz.case import CORPUS, read_corpus
from tests.fuzz.hub import FuzzHub
from tests.fuzz.judges import LogReader
from tests.fuzz.sending import Sender

pytestmark = pytest.mark.long


def test_what_was_ever_found_is_not_found_again(hub: FuzzHub) -> None:
    log = LogReader(hub.log_file)
    found = {}
    for name, case in read_corpus().items():
        sender = Sender(hub, "127.0.1.1")
        problems = sender.send(case)
        sender.close()
        time.sleep(0.05)  # For the log, which a thread writes: only the name depends on it.
        if problems := problems + log.read():
            found[name] = problems
    assert not found
    assert hub.is_alive()


def test_a_seed_decides_the_cases() -> None:
    for make in (frames.make, uploads.make, heads.make, edges.make):
        once, again = ([make(rng) for _ in range(200)] for rng in (Random(5), Random(5)))
        assert once == again


def test_the_corpus_says_what_each_case_was() -> None:
    assert all(case.note for case in read_corpus().values())
    assert {path.suffix for path in CORPUS.iterdir()} == {".json"}
