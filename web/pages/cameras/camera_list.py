"""The list of cameras: paged, searched by text, filtered by state."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from quart import request

from hub.services.devices.views import DeviceView
from web import auth
from web.pages.camera.row import CameraRow, camera_row, shown_state
from web.pages.labels import DEVICE_STATES
from web.pages.language import gettext
from web.pages.layout import make_url

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
    everything = auth.services().devices.list()
    named = [device for device in everything if word.casefold() in _search_text(device)]
    found = [device for device in named if state in ("", shown_state(device))]
    rest = sorted((one for one in found if _sort_key(one) > _parse_position(behind)), key=_sort_key)
    return CameraList(
        rows=[camera_row(device) for device in rest[:ROWS_PER_PAGE]],
        total=len(everything),
        word=word,
        state=state,
        states=_state_links(named, word, state),
        part=make_url("/cameras/table", name=word, state=state, behind=behind),
        first=make_url("/cameras", name=word, state=state) if behind else "",
        next=_next_url(rest, word, state),
    )


def _state_links(named: list[DeviceView], word: str, chosen: str) -> list[StateLink]:
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


def _search_text(device: DeviceView) -> str:
    return f"{device.name} {device.sn} {device.ip or ''}".casefold()


def _sort_key(device: DeviceView) -> tuple[str, int, str]:
    return _make_sort_key(device.name or device.sn, device.did)


def _make_sort_key(name: str, did: str) -> tuple[str, int, str]:
    return name.casefold(), len(did), did


def _parse_position(position: str) -> tuple[str, int, str]:
    """Read the full sort key, which stays valid if its camera is renamed or removed."""
    did, _, name = position.partition("-")
    return _make_sort_key(name, did)


def _next_url(rest: list[DeviceView], word: str, state: str) -> str:
    if len(rest) <= ROWS_PER_PAGE:
        return ""
    last = rest[ROWS_PER_PAGE - 1]
    position = f"{last.did}-{last.name or last.sn}"
    return make_url("/cameras", name=word, state=state, behind=position)
