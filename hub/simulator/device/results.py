"""The documented results of the commands 1.5 to 1.16, from a simulated camera's state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec
import pybase64
from msgspec import Struct

from hub.errors import BadParameter, NoSuchPath, NoSuchResource
from hub.simulator.device.history import Capture
from hub.simulator.device.recordings import (
    RecordingFile,
    content_of,
    counts_of_month,
    files_between,
)
from hub.simulator.device.similarity import similarity
from hub.simulator.device.state import DeviceState
from hub.simulator.drawing import people
from hub.simulator.scenario.population import SimulatedPerson
from hub.wire.commands.answers import (
    DayCount,
    FaceCapture,
    FaceHistoryPage,
    Match,
    PersonCapture,
    PersonHistoryPage,
    PersonPage,
    Recording,
    RecordListPage,
    SearchResult,
)
from hub.wire.commands.answers import Person as PersonRow
from hub.wire.commands.param_structs import (
    FaceHistory,
    FaceParam,
    FileRead,
    PersonAdd,
    PersonDelete,
    PersonHistory,
    PersonList,
    PersonQuery,
    PersonSearch,
    Reboot,
    RecordByMonth,
    RecordList,
    RecordParam,
)

S = TypeVar("S")
R = TypeVar("R", bound=Struct)

Paging = Literal["documented", "endless", "repeated"]

_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_MAX_MATCHES = 200
_ENDLESS_TOTAL = 10**9


class PageWindow(Struct, frozen=True):
    """The requested page of a list. `first` is the number that this camera's first page has."""

    number: int
    size: int
    first: int
    paging: Paging = "documented"

    def rows(self, found: Sequence[S], to_row: Callable[[S], R], key: str) -> tuple[R, ...]:
        """Return the rows of the page. `key` is the field that identifies a row."""
        page = max(0, self.number - self.first)
        pages = max(1, -(-len(found) // self.size))
        if self.paging == "repeated":
            page = min(page, pages - 1)
        cycle, page = divmod(page, pages) if self.paging == "endless" else (0, page)
        rows = map(to_row, found[page * self.size : (page + 1) * self.size])
        return tuple(_with_new_key(row, key, cycle) if cycle else row for row in rows)

    def total(self, found: Sequence[object]) -> int:
        return len(found) if self.paging == "documented" else _ENDLESS_TOTAL


class CommandResults:
    """Carries out commands on `state`, and returns their results."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._by_param: dict[type[Struct], Callable[[Any, PageWindow], object]] = {
            FaceParam: self._set_face,
            RecordParam: self._set_recording,
            RecordByMonth: self._record_by_month,
            RecordList: self._record_list,
            Reboot: lambda _param, _window: None,
            FaceHistory: self._face_history,
            PersonHistory: self._person_history,
            PersonAdd: self._person_add,
            PersonList: self._person_list,
            PersonQuery: self._person_query,
            PersonDelete: self._person_delete,
            PersonSearch: self._person_search,
            FileRead: self._file_read,
        }

    def result(self, param: Struct, window: PageWindow) -> object:
        """Carry out the command that has this param.

        Returns what msgspec encodes as the result; None if success has no result. Raises HubError
        with the code that the camera answers.
        """
        return self._by_param[type(param)](param, window)

    def _set_face(self, param: FaceParam, _window: PageWindow) -> None:
        self._state.face = param

    def _set_recording(self, param: RecordParam, _window: PageWindow) -> None:
        self._state.recording = param

    def _record_by_month(self, param: RecordByMonth, _window: PageWindow) -> list[DayCount]:
        # 1.7: months count from 0.
        counts = counts_of_month(
            self._state.sn, param.year, param.month + 1, now=self._state.clock()
        )
        return [DayCount(day, count) for day, count in counts]

    def _record_list(self, param: RecordList, window: PageWindow) -> RecordListPage:
        start, end = _span(param.start_time, param.end_time)
        found = files_between(self._state.sn, start, end, now=self._state.clock())
        files = [file for file in found if file.start >= self._state.formatted_at]
        row = _typed_recording_row if self._state.edition == 3 else _recording_row
        total = window.total(files)
        return RecordListPage(
            total_page=-(-total // window.size),
            total_file=total,
            page_size=window.size,
            recordlist=window.rows(files, row, "filename"),
        )

    def _face_history(self, param: FaceHistory, window: PageWindow) -> FaceHistoryPage:
        found = [
            capture
            for capture, person in self._captures(param.start_time, param.end_time)
            if capture.has_face and self._has_searched_fields(person, param)
        ]
        return FaceHistoryPage(
            face_total=window.total(found),
            face_list=window.rows(found, _face_row, "jpeg_url_frame"),
        )

    def _person_history(self, param: PersonHistory, window: PageWindow) -> PersonHistoryPage:
        found = [capture for capture, _ in self._captures(param.start_time, param.end_time)]
        return PersonHistoryPage(
            total=window.total(found), list=window.rows(found, _body_row, "jpeg_url_frame")
        )

    def _person_add(self, param: PersonAdd, _window: PageWindow) -> None:
        photo = pybase64.b64decode(param.photo, validate=True)
        self._state.people.add(_person_row(param), photo)

    def update_person(self, param: PersonAdd) -> None:
        """Replace a person (D12). Raises NoSuchResource if there is none."""
        photo = pybase64.b64decode(param.photo, validate=True)
        self._state.people.update(_person_row(param), photo)

    def _person_list(self, param: PersonList, window: PageWindow) -> PersonPage:
        found = [entry for entry in self._state.people.entries() if _matches(entry.row, param)]
        rows = window.rows(found, lambda entry: entry.row, "pid")
        return PersonPage(total=window.total(found), list=rows)

    def _person_query(self, param: PersonQuery, _window: PageWindow) -> PersonRow:
        person = self._state.people.get(param.pid)
        if person is None:
            raise NoSuchResource(f"there is no person {param.pid}")
        return person.row

    def _person_delete(self, param: PersonDelete, _window: PageWindow) -> None:
        self._state.people.remove(param.pid)

    def _person_search(self, param: PersonSearch, _window: PageWindow) -> SearchResult:
        photo = pybase64.b64decode(param.photo, validate=True)
        scores: dict[SimulatedPerson, int] = {}
        matches = []
        for capture, person in self._captures(param.start_time, param.end_time):
            if not capture.has_face:
                continue
            if person not in scores:
                scores[person] = _score(photo, person)
            # Captures of one face do not all have the same score.
            score = max(0, scores[person] - capture.number % 4)
            if score >= param.threshold:
                time, path = _format_time(capture.captured_at), capture.face_path
                pid = person.uuid if person.name else None
                matches.append(Match(time=time, score=score, jpeg_url_face=path, pid=pid))
        matches.sort(key=lambda match: match.score or 0, reverse=True)
        return SearchResult(total=len(matches), face_list=tuple(matches[:_MAX_MATCHES]))

    def _file_read(self, param: FileRead, _window: PageWindow) -> dict[str, str]:
        content = self._state.picture(param.path) or content_of(
            self._state.sn, param.path, now=self._state.clock()
        )
        if content is None:
            raise NoSuchPath(f"there is no file {param.path}")
        return {"path": param.path, "base64": pybase64.b64encode(content).decode()}

    def _captures(self, start: str, end: str) -> list[tuple[Capture, SimulatedPerson]]:
        found = self._state.history.between(*_span(start, end), now=self._state.clock())
        return [
            (capture, capture.person)
            for capture in found
            if capture.person is not None and capture.captured_at >= self._state.formatted_at
        ]

    def _has_searched_fields(self, person: SimulatedPerson, param: FaceHistory) -> bool:
        known = self._state.people.get(person.uuid)
        wanted = (
            (param.workId, person.work_id),
            (param.idCard, known.row.id_card_no if known else ""),
            (param.phone, known.row.phone if known else ""),
        )
        has_name = not param.name or param.name in person.name
        return has_name and all(not value or value == actual for value, actual in wanted)


def _score(photo: bytes, person: SimulatedPerson) -> int:
    try:
        return similarity(photo, people.face_jpeg(person, 0))
    except OSError:
        raise BadParameter("there is no face in the photo", field="param.photo") from None


def _with_new_key(row: R, key: str, cycle: int) -> R:
    """Return the row with another key, which is new in each cycle through an endless list."""
    return msgspec.structs.replace(row, **{key: f"{getattr(row, key)}{cycle}"})


def _recording_row(file: RecordingFile) -> Recording:
    return Recording(
        filename=file.name, start_time=_format_time(file.start), end_time=_format_time(file.end)
    )


def _typed_recording_row(file: RecordingFile) -> Recording:
    """A row of edition 3 (1.35)."""
    return msgspec.structs.replace(
        _recording_row(file),
        date=f"{file.start:%Y%m%d}",
        type="alarm" if file.is_alarm else "normal",
    )


def _face_row(capture: Capture) -> FaceCapture:
    person = capture.person
    is_known = person is not None and bool(person.name)
    return FaceCapture(
        time=_format_time(capture.captured_at),
        jpeg_url_face=capture.face_path,
        jpeg_url_body=capture.body_path,
        jpeg_url_frame=capture.frame_path,
        name=person.name if person and is_known else None,
        similarity=80 + capture.number % 20 if is_known else None,
        gender=person.gender if person else None,
        age=person.age if person else None,
        pid=person.uuid if person and is_known else None,
    )


def _body_row(capture: Capture) -> PersonCapture:
    person = capture.person
    return PersonCapture(
        time=_format_time(capture.captured_at),
        jpeg_url_face=capture.face_path,
        jpeg_url_body=capture.body_path,
        jpeg_url_frame=capture.frame_path,
        pid=person.uuid if person and person.name else None,
    )


def _person_row(param: PersonAdd) -> PersonRow:
    """Return the row of 1.13 for a person of 1.12, with a path instead of the photo."""
    fields = {name: getattr(param, name) for name in PersonAdd.__struct_fields__}
    return PersonRow(**{**fields, "photo": f"data/facelib/{param.pid}.jpg"})


def _matches(row: PersonRow, param: PersonList) -> bool:
    wanted = (
        (param.category, row.category),
        (param.workId, row.work_id),
        (param.idCard, row.id_card_no),
        (param.phone, row.phone),
    )
    has_name = not param.name or param.name in (row.name or "")
    return has_name and all(not value or value == actual for value, actual in wanted)


def _span(start: str, end: str) -> tuple[datetime, datetime]:
    return datetime.strptime(start, _TIME_FORMAT), datetime.strptime(end, _TIME_FORMAT)


def _format_time(at: datetime) -> str:
    return f"{at:{_TIME_FORMAT}}"
