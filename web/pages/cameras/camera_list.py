"""The list of cameras: paged, searched by text, filtered by state."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

from msgspec import Struct
from quart import request

from hub.services.devices.overview import CameraSummary, sort_key
from web import auth
from web.language import gettext
from web.pages.labels import DEVICE_STATES
from web.pages.layout import make_url
from web.pages.shown.camera_rows import CameraRow, camera_row, shown_state

#: There may be thousands of cameras.
ROWS_PER_PAGE = 30


class StateLink(Struct, frozen=True):
    """A link to the cameras in one state or all; `count` counts those that match the search."""

    text: str
    count: int
    url: str
    chosen: bool


class CameraList(Struct, frozen=True, kw_only=True):
    """One page of the list. `part` is its address; `first` and `next` are those of other pages."""

    rows: list[CameraRow]
    total: int
    word: str
    state: str
    states: list[StateLink]
    part: str
    first: str
    next: str

    @property
    def is_searched(self) -> bool:
        """Whether to show the search field: it depends on the whole list, not on this page."""
        return bool(self.word) or self.total > ROWS_PER_PAGE


def camera_list() -> CameraList:
    """The page of the list that the request asks for, sorted by name."""
    word, state = request.args.get("name", "").strip(), request.args.get("state", "")
    if state not in DEVICE_STATES:
        state = ""
    behind = request.args.get("behind", "")
    devices = auth.services().cameras.devices
    everything = devices.overview.all()
    named = [one for one in everything if _is_named(one, word.casefold())]
    found = [one for one in named if state in ("", shown_state(one))]
    if behind:
        found = found[bisect_right(found, _parse_position(behind), key=_sort_key) :]
    rows = [devices.get(one.did) for one in found[:ROWS_PER_PAGE]]
    return CameraList(
        rows=[camera_row(device) for device in rows],
        total=len(everything),
        word=word,
        state=state,
        states=_state_links(named, word, state),
        part=make_url("/cameras/table", name=word, state=state, behind=behind),
        first=make_url("/cameras", name=word, state=state) if behind else "",
        next=_next_url(found, word, state),
    )


def _state_links(named: list[CameraSummary], word: str, chosen: str) -> list[StateLink]:
    everything = StateLink(
        gettext("All"), len(named), make_url("/cameras", name=word), chosen == ""
    )
    counts: Counter[str] = Counter(shown_state(device) for device in named)
    return [everything] + [
        StateLink(
            gettext(text),
            counts[state],
            make_url("/cameras", name=word, state=state),
            chosen == state,
        )
        for state, text in DEVICE_STATES.items()
        # Seldom: it would take room on a phone.
        if state != "refused" or counts[state] or chosen == state
    ]


def _is_named(camera: CameraSummary, word: str) -> bool:
    if not word or word in f"{camera.name} {camera.sn}".casefold():
        return True
    return word in auth.services().cameras.devices.overview.ip(camera.did)


def _sort_key(camera: CameraSummary) -> tuple[str, int, str]:
    return sort_key(camera.name, camera.did)


def _parse_position(position: str) -> tuple[str, int, str]:
    """Read the full sort key, which stays valid if its camera is renamed or removed."""
    did, _, name = position.partition("-")
    return sort_key(name, did)


def _next_url(rest: list[CameraSummary], word: str, state: str) -> str:
    if len(rest) <= ROWS_PER_PAGE:
        return ""
    last = rest[ROWS_PER_PAGE - 1]
    position = f"{last.did}-{last.name}"
    return make_url("/cameras", name=word, state=state, behind=position)
