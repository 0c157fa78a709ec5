"""The cameras, as their page lists them: a page of them at a time, found by a word or by state."""

from __future__ import annotations

from msgspec import Struct
from quart import request

from hub.services.devices.views import DeviceView
from web import auth
from web.pages.camera.row import Row, row
from web.pages.labels import DEVICE_STATES
from web.pages.language import gettext
from web.pages.layout import url

#: There may be thousands, and above them stand those who knock.
ROWS = 30


class StateLink(Struct, frozen=True):
    """Cameras in one state, or in any; `count`: of those that are found by the word."""

    text: str
    count: int
    url: str
    chosen: bool


class CameraList(Struct, frozen=True, kw_only=True):
    """A page of the cameras. `part`: its address; `first` and `next`: those of other pages."""

    rows: list[Row]
    total: int
    word: str
    state: str
    states: list[StateLink]
    part: str
    first: str
    next: str

    @property
    def is_searched(self) -> bool:
        """Whether there is a field for a word: it stays, whatever part of a long list is shown."""
        return bool(self.word) or self.total > ROWS


def camera_list() -> CameraList:
    """The part of the list that this request's address names, in the order of their names."""
    word, state = request.args.get("name", "").strip(), request.args.get("state", "")
    if state not in DEVICE_STATES:
        state = ""
    behind = request.args.get("behind", "")
    everything = auth.services().devices.list()
    named = [device for device in everything if word.casefold() in _words(device)]
    found = [device for device in named if state in ("", device.state)]
    rest = sorted((one for one in found if _place(one) > _place_of(behind)), key=_place)
    return CameraList(
        rows=[row(device) for device in rest[:ROWS]],
        total=len(everything),
        word=word,
        state=state,
        states=_state_links(named, word, state),
        part=url("/cameras/table", name=word, state=state, behind=behind),
        first=url("/cameras", name=word, state=state) if behind else "",
        next=_next(rest, word, state),
    )


def _state_links(named: list[DeviceView], word: str, chosen: str) -> list[StateLink]:
    everything = StateLink(gettext("All"), len(named), url("/cameras", name=word), chosen == "")
    return [everything] + [
        StateLink(
            gettext(text),
            sum(device.state == state for device in named),
            url("/cameras", name=word, state=state),
            chosen == state,
        )
        for state, text in DEVICE_STATES.items()
    ]


def _words(device: DeviceView) -> str:
    return f"{device.name} {device.sn} {device.ip or ''}".casefold()


def _place(device: DeviceView) -> tuple[str, int, str]:
    return _place_at(device.name or device.sn, device.did)


def _place_at(name: str, did: str) -> tuple[str, int, str]:
    return name.casefold(), len(did), did


def _place_of(behind: str) -> tuple[str, int, str]:
    """The place holds though its camera was renamed or removed: its address has it whole."""
    did, _, name = behind.partition("-")
    return _place_at(name, did)


def _next(rest: list[DeviceView], word: str, state: str) -> str:
    if len(rest) <= ROWS:
        return ""
    last = rest[ROWS - 1]
    behind = f"{last.did}-{last.name or last.sn}"
    return url("/cameras", name=word, state=state, behind=behind)
