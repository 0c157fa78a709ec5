"""The faults that a simulated camera can have.

`Quirks` are the settings that make one camera deviate from the documented protocol. A `NamedFault`
is a name for some of them that `sitehub simulate --fault` accepts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hub.errors import BadParameter
from hub.wire.commands.capabilities import EDITIONS, Edition


class Quirks(Struct, frozen=True):
    """How one camera deviates from the documented protocol; by default it does not.

    `edition`: the one that it speaks (D12), with the misprints that later ones have on the wire.
    """

    edition: Edition = 1
    # Connect (1.1) and provisioning (D3).
    wrong_code: bool = False
    signs: bool = True
    replays: bool = False
    #: Seconds by which its clock is ahead.
    clock_offset: float = 0
    did: Literal["kept", "never", "forgotten"] = "kept"
    tells_ip: bool = True
    takes_parameters: bool = True
    # Its answers to commands (1.5 to 1.16).
    #: Seconds before each answer.
    delay: float = 0
    silent: bool = False
    refuses: bool = False
    other_uri: bool = False
    #: The code of every success, instead of 200 (1.5, 1.6) and 0 (all others).
    success: int | None = None
    #: The number of the first page of every list, instead of the documented one.
    first_page: int | None = None
    pages: Literal["documented", "endless", "repeated"] = "documented"
    results: Literal["documented", "missing", "wrong", "huge"] = "documented"
    text_numbers: bool = False
    old_face_uri: bool = False
    pictures: Literal["kept", "unavailable", "none"] = "kept"
    # Its face library (1.12 to 1.15).
    #: How many people it takes; then it answers 503.
    capacity: int = 20_000
    #: It refuses a pid that it holds already, until that is deleted.
    deletes_first: bool = False
    #: It loses its people whenever it connects.
    forgets_people: bool = False
    #: Of so many photos it finds no face in one, always in the same ones; 0: in none.
    refuses_photo: int = 0
    #: The code with which it refuses a photo.
    photo_refusal: Literal[420, 425] = 420
    #: It takes each such person (1.12) without answering, once; 0: none.
    loses_answer: int = 0
    # Its connections.
    drops: Literal["", "connect", "command", "answer", "upload", "reply"] = ""
    #: How many times each message and each upload is sent.
    copies: int = 1
    #: Unrequested frames before each answer.
    flood: int = 0
    half_frames: bool = False
    fragments: bool = False
    garbage: bool = False
    #: Seconds between restarts; 0 for none.
    reboot_every: float = 0
    # Its uploads (2.1 to 2.5).
    bodies: Literal["documented", "real"] = "documented"
    http_token: bool = True
    upgrades: Literal["installed", "ignored", "failed"] = "installed"


#: A camera without faults.
FAULTLESS = Quirks()
#: The name for no faults: with `--fault NAME --fault none` every other camera has none.
NO_FAULT = "none"


class NamedFault(Struct, frozen=True):
    """One line of `sitehub simulate --faults`. `changes` are fields of `Quirks`."""

    name: str
    description: str
    changes: Mapping[str, Any]


def _fault(name: str, description: str, **changes: Any) -> NamedFault:
    return NamedFault(name, description, changes)


FAULTS: tuple[NamedFault, ...] = (
    _fault("wrong-code", "signs its connect with a wrong security code", wrong_code=True),
    _fault("no-signature", "sends no signature in its connect", signs=False),
    _fault("replays", "repeats the timestamp and signature of its first connect", replays=True),
    _fault("clock-skewed", "has a clock that is two hours ahead", clock_offset=7200.0),
    _fault("no-did", "accepts a did, but never sends it", did="never"),
    _fault("forgets-did", "forgets its did whenever it connects", did="forgotten"),
    _fault("no-ip", "does not report its IP address", tells_ip=False),
    _fault("refuses-init", "answers its initial parameters with 420", takes_parameters=False),
    _fault("slow", "takes 3 seconds for each answer", delay=3.0),
    _fault("late", "answers after 12 seconds, when a light command has timed out", delay=12.0),
    _fault("silent", "never answers a command", silent=True),
    _fault("refuses", "answers each command with the error 420", refuses=True),
    _fault("other-uri", "answers with a different uri", other_uri=True),
    _fault("success-0", "answers every successful command with code 0", success=0),
    _fault("success-200", "answers every successful command with code 200", success=200),
    _fault("first-page-0", "numbers the pages of every list from 0", first_page=0),
    _fault("first-page-1", "numbers the pages of every list from 1", first_page=1),
    _fault("endless-pages", "has lists without a last page", pages="endless"),
    _fault(
        "repeated-pages",
        "repeats the last page of a list for every page after it",
        pages="repeated",
    ),
    _fault("missing-results", "answers success without a result", results="missing"),
    _fault("wrong-types", "answers with results of the wrong types", results="wrong"),
    _fault("huge-lists", "answers with lists of 20,000 entries", results="huge"),
    _fault("text-numbers", "writes the numbers in its results as text", text_numbers=True),
    _fault(
        "old-uri",
        "knows only the older uri of 1.5, and answers 404 to the new one",
        old_face_uri=True,
    ),
    _fault("no-pictures", "answers 404 to every request for a picture", pictures="unavailable"),
    _fault(
        "bad-pictures",
        "answers every request for a picture with data that is not a picture",
        pictures="none",
    ),
    _fault("small-library", "takes 100 people, then answers 503", capacity=100),
    _fault(
        "deletes-first",
        "refuses a person that it holds already, until that is deleted",
        deletes_first=True,
    ),
    _fault("forgets-people", "loses its people whenever it connects", forgets_people=True),
    _fault("picky", "finds no face in every tenth photo", refuses_photo=10),
    _fault("lost-answers", "takes every tenth person without answering at first", loses_answer=10),
    _fault("drop-on-connect", "disconnects after every other connect", drops="connect"),
    _fault("drop-on-command", "disconnects when it receives a command", drops="command"),
    _fault("drop-in-answer", "disconnects in the middle of each answer", drops="answer"),
    _fault(
        "drop-in-upload",
        "disconnects once in the middle of each upload, then repeats it",
        drops="upload",
    ),
    _fault(
        "drop-before-reply",
        "disconnects once before the reply to each upload, then repeats it",
        drops="reply",
    ),
    _fault("duplicates", "sends each message and each upload twice", copies=2),
    _fault("floods", "sends 300 unrequested answers before each answer", flood=300),
    _fault(
        "half-frames",
        "sends half of each answer as a message, then the whole answer",
        half_frames=True,
    ),
    _fault("fragments", "sends each answer as many small WebSocket frames", fragments=True),
    _fault("garbage", "sends invalid messages before each answer", garbage=True),
    _fault("reboots", "restarts every 20 seconds", reboot_every=20.0),
    _fault(
        "real-camera",
        "uploads as real cameras do, and has neither did nor IP address",
        bodies="real",
        did="never",
        tells_ip=False,
    ),
    _fault(
        "no-token",
        "uploads without its token, identified by its serial number only",
        http_token=False,
    ),
    _fault("never-upgrades", "ignores new releases", upgrades="ignored"),
    _fault("fails-upgrade", "downloads new releases, but does not install them", upgrades="failed"),
)

_BY_NAME = {fault.name: fault for fault in FAULTS}


def quirks_of(names: Iterable[str]) -> Quirks:
    """Return the quirks of a camera that has all these faults at once.

    Raises BadParameter for an unknown name, and for faults that contradict each other.
    """
    changes: dict[str, Any] = {}
    for name in names:
        if name == NO_FAULT:
            continue
        fault = _BY_NAME.get(name)
        if fault is None:
            raise BadParameter(f'there is no fault "{name}"; --faults lists them')
        for field, value in fault.changes.items():
            if changes.setdefault(field, value) != value:
                raise BadParameter(f'"{name}" contradicts another fault of the same camera')
    return msgspec.structs.replace(FAULTLESS, **changes)


def with_editions(quirks: Sequence[Quirks], edition: str) -> tuple[Quirks, ...]:
    """The quirks of the cameras in turn. `edition`: "1", "2", "3", or "mixed" for all three."""
    wanted = EDITIONS if edition == "mixed" else tuple(e for e in EDITIONS if str(e) == edition)
    return tuple(
        msgspec.structs.replace(quirks[at % len(quirks)], edition=wanted[at % len(wanted)])
        for at in range(math.lcm(len(quirks), len(wanted)))
    )
