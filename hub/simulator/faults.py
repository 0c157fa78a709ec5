"""The named faults that a simulated camera can have: each is a sentence, and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hub.errors import BadParameter


class Quirks(Struct, frozen=True):
    """How one camera departs from what is documented; as it comes, in nothing."""

    # Connect (1.1) and the initial parameters (D3).
    wrong_code: bool = False
    signs: bool = True
    replays: bool = False
    #: Seconds that its clock is ahead of the true time.
    clock_offset: float = 0
    did: Literal["kept", "never", "forgotten"] = "kept"
    tells_ip: bool = True
    takes_parameters: bool = True
    # Its answers to commands (1.5 to 1.16).
    #: Seconds until it answers.
    delay: float = 0
    silent: bool = False
    refuses: bool = False
    other_uri: bool = False
    #: The code of every success, in place of 200 (1.5, 1.6) and 0.
    success: int | None = None
    #: What all its lists begin at, in place of what is documented for each.
    first_page: int | None = None
    pages: Literal["documented", "endless", "repeated"] = "documented"
    results: Literal["documented", "missing", "wrong", "huge"] = "documented"
    text_numbers: bool = False
    old_face_uri: bool = False
    pictures: Literal["kept", "unavailable", "none"] = "kept"
    # Its connections.
    drops: Literal["", "connect", "command", "answer", "upload", "reply"] = ""
    #: How often each message and each upload is sent.
    copies: int = 1
    #: Needless frames before each answer.
    flood: int = 0
    half_frames: bool = False
    fragments: bool = False
    garbage: bool = False
    #: Seconds from one restart to the next; 0 is never.
    reboot_every: float = 0
    # Its uploads (2.1 to 2.5).
    bodies: Literal["documented", "real"] = "documented"
    http_token: bool = True
    upgrades: Literal["installed", "ignored", "failed"] = "installed"


#: A camera without faults.
FAULTLESS = Quirks()
#: What stands on the command line for it.
NONE = "none"


class Fault(Struct, frozen=True):
    """One line of the table. `changes` are fields of Quirks."""

    name: str
    sentence: str
    changes: Mapping[str, Any]


def _fault(name: str, sentence: str, **changes: Any) -> Fault:
    return Fault(name, sentence, changes)


FAULTS: tuple[Fault, ...] = (
    _fault("wrong-code", "signs its connect with another security code", wrong_code=True),
    _fault("no-signature", "sends no signature in its connect", signs=False),
    _fault("replays", "connects each time with the time and signature of before", replays=True),
    _fault("clock-skewed", "has a clock that is two hours ahead", clock_offset=7200.0),
    _fault("no-did", "says that it takes its did, and never sends one", did="never"),
    _fault("forgets-did", "has forgotten its did at each new connection", did="forgotten"),
    _fault("no-ip", "does not tell its address", tells_ip=False),
    _fault("refuses-init", "answers its initial parameters with 420", takes_parameters=False),
    _fault("slow", "takes 3 seconds for each answer", delay=3.0),
    _fault("late", "answers after 12 seconds, when a light command is given up", delay=12.0),
    _fault("silent", "never answers a command", silent=True),
    _fault("refuses", "answers each command with the error 420", refuses=True),
    _fault("other-uri", "names another uri in its answers", other_uri=True),
    _fault("success-0", "answers 0 where all is well, to every command", success=0),
    _fault("success-200", "answers 200 where all is well, to every command", success=200),
    _fault("first-page-0", "counts the pages of every list from 0", first_page=0),
    _fault("first-page-1", "counts the pages of every list from 1", first_page=1),
    _fault("endless-pages", "has lists whose pages never end", pages="endless"),
    _fault("repeated-pages", "gives its last page for every one beyond", pages="repeated"),
    _fault("missing-results", "answers success without a result", results="missing"),
    _fault("wrong-types", "answers with results of the wrong types", results="wrong"),
    _fault("huge-lists", "answers with lists of 20,000 entries", results="huge"),
    _fault("text-numbers", "writes the numbers of its results as text", text_numbers=True),
    _fault("old-uri", "knows 1.5 by its older uri alone, and answers 404", old_face_uri=True),
    _fault("no-pictures", "answers 404 to each picture asked for", pictures="unavailable"),
    _fault("bad-pictures", "gives bytes that are no picture for each one", pictures="none"),
    _fault("drop-on-connect", "hangs up after its connect, every other time", drops="connect"),
    _fault("drop-on-command", "hangs up when it is given a command", drops="command"),
    _fault("drop-in-answer", "hangs up in the middle of each answer", drops="answer"),
    _fault("drop-in-upload", "hangs up in the middle of each upload, once", drops="upload"),
    _fault("drop-before-reply", "hangs up before each upload is answered, once", drops="reply"),
    _fault("duplicates", "sends each message and each upload twice", copies=2),
    _fault("floods", "sends 300 answers that nobody asked for before each one", flood=300),
    _fault("half-frames", "sends half of each answer, and then the whole", half_frames=True),
    _fault("fragments", "sends each answer as many small WebSocket frames", fragments=True),
    _fault("garbage", "sends what is no message before each answer", garbage=True),
    _fault("reboots", "restarts every 20 seconds", reboot_every=20.0),
    _fault(
        "real-camera",
        "uploads as real ones were seen to, and has neither did nor address",
        bodies="real",
        did="never",
        tells_ip=False,
    ),
    _fault("no-token", "uploads without its token, and names its serial number", http_token=False),
    _fault("never-upgrades", "takes no notice of a new release", upgrades="ignored"),
    _fault("fails-upgrade", "downloads a release, and does not install it", upgrades="failed"),
)

_BY_NAME = {fault.name: fault for fault in FAULTS}


def quirks_of(names: Iterable[str]) -> Quirks:
    """What a camera with these faults does. Raises BadParameter, for those that contradict too."""
    changes: dict[str, Any] = {}
    for name in names:
        if name == NONE:
            continue
        fault = _BY_NAME.get(name)
        if fault is None:
            raise BadParameter(f'there is no fault "{name}"; --faults lists them')
        for field, value in fault.changes.items():
            if changes.setdefault(field, value) != value:
                raise BadParameter(f'"{name}" contradicts another fault of the same camera')
    return msgspec.structs.replace(FAULTLESS, **changes)
