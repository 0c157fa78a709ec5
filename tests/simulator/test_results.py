"""A simulated camera carries out every command on its own state, as documented."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pybase64
import pytest

from hub.errors import CannotStoreNow
from hub.simulator.device import library as library_module
from hub.simulator.device.actions import Restart
from hub.simulator.device.responder import Responder
from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_HISTORY,
    PERSON_LIST,
    PERSON_QUERY,
    PERSON_SEARCH,
    REBOOT,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.paging import PageCursor
from hub.wire.commands.results import decode_answer
from hub.wire.envelope import Request
from hub.wire.pictures import real_type
from tests.simulator.commands import (
    NOON,
    POPULATION,
    WEEK,
    actions,
    answer,
    device,
    messages,
    person,
    photo,
)


@pytest.fixture
def responder(cameras: tuple[CameraIdentity, ...]) -> Responder:
    return device(cameras[0])[1]


def rows(responder: Responder, command: Command[Any, Any], **changes: Any) -> list[Any]:
    """Read all pages of a list, as the hub does."""
    pages: PageCursor[Any] = PageCursor(command.first_page or 0)
    found: list[Any] = []
    while pages.wanted is not None:
        data = answer(responder, command, page_num=pages.wanted, **changes)
        result = msgspec.Raw(msgspec.json.encode(data["result"]))
        found += pages.take(decode_answer(command, result))
    assert len(found) == pages.total
    return found


def read_file(responder: Responder, path: str) -> bytes:
    data = answer(responder, FILE_READ, path=path)
    assert data["code"] == 0, data
    return pybase64.b64decode(data["result"]["base64"], validate=True)


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
def test_every_command_is_answered_with_success(
    responder: Responder, command: Command[Any, Any]
) -> None:
    changes = {
        PERSON_SEARCH.name: {"photo": photo(), **WEEK},
        PERSON_QUERY.name: {"pid": POPULATION.known[0].uuid},
        PERSON_DELETE.name: {"pid": POPULATION.known[0].uuid},
        FILE_READ.name: {"path": f"data/facelib/{POPULATION.known[0].uuid}.jpg"},
    }
    (message, *_) = messages(actions(responder, command, **changes.get(command.name, {})))
    assert b'"code":0,' in str(message).encode() or b'"code":200,' in str(message).encode()


def test_1_5_settings_are_kept_and_answered_as_documented(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    state, responder = device(cameras[0])
    data = answer(responder, SET_FACE, threshold=61)
    assert data == {"uri": " /ivp/facecap_param_set", "code": 200, "msg": "OK"}
    assert state.face is not None
    assert state.face.threshold == 61
    assert answer(responder, SET_RECORDING)["uri"] == " /storage/record_set"
    assert state.recording == SET_RECORDING.example


def test_1_5_a_value_out_of_bounds_is_refused_with_420(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0])
    param = msgspec.json.encode(SET_FACE.example).replace(b'"mini_human":60', b'"mini_human":50')
    (message,) = messages(responder.respond(Request("m1", SET_FACE.uri, msgspec.Raw(param))))
    assert '"code":420' in str(message)
    assert "mini_human" in str(message)
    assert state.face is None


def test_1_7_the_counts_of_a_month_match_its_lists(responder: Responder) -> None:
    # 1.7: months count from 0.
    counts = answer(responder, RECORD_BY_MONTH, year=2025, month=10)["result"]
    assert 10 < len(counts) < 26
    for counted in counts[-3:]:
        day = f"2025-11-{counted['day']:02d}"
        files = rows(
            responder, RECORD_LIST, start_time=f"{day} 00:00:00", end_time=f"{day} 23:59:59"
        )
        assert len(files) == counted["count"]


def test_1_7_recordings_cover_the_last_30_days_up_to_now(responder: Responder) -> None:
    assert answer(responder, RECORD_BY_MONTH, year=2025, month=8)["result"] == []
    assert answer(responder, RECORD_BY_MONTH, year=2025, month=11)["result"] == []
    today = rows(
        responder,
        RECORD_LIST,
        start_time="2025-11-26 00:00:00",
        end_time="2025-11-26 23:59:59",
        page_size=20,
    )
    assert all(file.end_time <= f"{NOON:%Y-%m-%d %H:%M:%S}" for file in today)


def test_1_8_files_are_sorted_and_have_unique_names(responder: Responder) -> None:
    files = rows(responder, RECORD_LIST, **WEEK)
    assert len({file.filename for file in files}) == len(files) > 300
    assert files == sorted(files, key=lambda file: file.start_time)
    assert files[0].filename.startswith("/progs/rec/00/2025111")


def test_1_9_it_answers_and_restarts_after_the_delay(responder: Responder) -> None:
    done = actions(responder, REBOOT, delay_ms=2500)
    assert len(messages(done)) == 1
    assert done[-1] == Restart(2.5)


def test_1_10_faces_are_searched_by_name_and_have_pictures(responder: Responder) -> None:
    everybody = rows(responder, FACE_HISTORY, name=None, **WEEK)
    assert len(everybody) > 100
    assert {face.name for face in everybody} > {known.name for known in POPULATION.known}
    named = rows(responder, FACE_HISTORY, name="李伟", page_size=5, **WEEK)
    assert {face.name for face in named} == {"李伟"}
    by_number = rows(responder, FACE_HISTORY, name=None, workId=POPULATION.known[1].work_id, **WEEK)
    assert by_number == named
    face = named[0]
    for path in (face.jpeg_url_face, face.jpeg_url_body, face.jpeg_url_frame):
        picture = read_file(responder, path)
        assert real_type(picture) == "image/jpeg"
        assert len(picture) < 40_000


def test_1_11_some_captures_have_no_face(responder: Responder) -> None:
    bodies = rows(responder, PERSON_HISTORY, **WEEK)
    with_face = [body for body in bodies if body.jpeg_url_face]
    assert 0 < len(with_face) < len(bodies)
    assert len(with_face) == len(rows(responder, FACE_HISTORY, name=None, **WEEK))


def test_1_10_a_new_sighting_is_in_the_history(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0])
    before = len(rows(responder, FACE_HISTORY, name=None, **WEEK))
    seen = state.history.add(NOON.timestamp(), POPULATION.known[0], pose=1, position=0.5)
    found = rows(responder, FACE_HISTORY, name=None, **WEEK)
    assert len(found) == before + 1
    assert found[-1].jpeg_url_face == f"{seen.stem}.jpg"
    assert real_type(read_file(responder, f"{seen.stem}_bg.jpg")) == "image/jpeg"


def test_2_4_an_event_without_a_person_has_a_picture_and_is_no_capture(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    state, responder = device(cameras[0])
    before = rows(responder, PERSON_HISTORY, **WEEK)
    seen = state.history.add(NOON.timestamp(), None, pose=0, position=0, event=8)
    assert rows(responder, PERSON_HISTORY, **WEEK) == before
    assert real_type(read_file(responder, f"{seen.stem}_bg.jpg")) == "image/jpeg"
    assert answer(responder, FILE_READ, path=f"{seen.stem}.jpg")["code"] == 404


@pytest.mark.parametrize(
    "path",
    [
        "sdcard/20251120/00/0000_99999.jpg",
        "sdcard/20251399/00/0000_1.jpg",
        "../etc/passwd",
        "data/facelib/1.jpg",
    ],
)
def test_an_unknown_path_is_answered_404(responder: Responder, path: str) -> None:
    assert answer(responder, FILE_READ, path=path)["code"] == 404


def test_1_12_to_1_15_a_person_is_added_listed_read_and_deleted(responder: Responder) -> None:
    new = person()
    fields = msgspec.structs.asdict(new)
    assert answer(responder, PERSON_ADD, **fields) == {
        "uri": "/person/add",
        "code": 0,
        "msg": "OK",
    }
    known = answer(responder, PERSON_QUERY, pid="77")["result"]
    assert (known["name"], known["phone"], known["category"]) == ("孙悦", "1360", 3)
    assert read_file(responder, known["photo"]) == pybase64.b64decode(new.photo)
    assert (
        len(rows(responder, PERSON_LIST, category=None, page_size=5)) == len(POPULATION.known) + 1
    )
    assert [row.pid for row in rows(responder, PERSON_LIST, category=None, phone="1360")] == ["77"]
    answer(responder, PERSON_ADD, **{**fields, "name": "孙月"})
    assert answer(responder, PERSON_QUERY, pid="77")["result"]["name"] == "孙月"
    assert answer(responder, PERSON_DELETE, pid="77")["code"] == 0
    assert answer(responder, PERSON_QUERY, pid="77")["code"] == 426
    assert answer(responder, PERSON_DELETE, pid="77")["code"] == 426


def test_1_12_a_full_face_library_refuses_until_someone_is_deleted(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    state, responder = device(cameras[0], Quirks(capacity=len(POPULATION.known) + 1))
    fields = msgspec.structs.asdict(person("1"))
    assert answer(responder, PERSON_ADD, **fields)["code"] == 0
    assert answer(responder, PERSON_ADD, **fields)["code"] == 0  # it replaces the same one
    assert answer(responder, PERSON_ADD, **{**fields, "pid": "2"})["code"] == CannotStoreNow.code
    assert answer(responder, PERSON_DELETE, pid="1")["code"] == 0
    assert answer(responder, PERSON_ADD, **{**fields, "pid": "2"})["code"] == 0
    assert "1" not in state.people


def test_1_12_photos_beyond_a_limit_are_not_kept(
    cameras: tuple[CameraIdentity, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "_MAX_PHOTO_BYTES", len(photo()) * 3 // 4)
    state, responder = device(cameras[0])
    fields = msgspec.structs.asdict(person("1"))
    for pid in ("1", "2"):
        assert answer(responder, PERSON_ADD, **{**fields, "pid": pid})["code"] == 0
    assert state.picture("data/facelib/1.jpg")
    assert state.picture("data/facelib/2.jpg") is None
    assert state.people["1"].checksum == state.people["2"].checksum


def test_1_16_a_search_finds_captures_of_the_person_best_first(responder: Responder) -> None:
    # The portrait equals no capture: its pose is different.
    result = answer(responder, PERSON_SEARCH, photo=photo(1), threshold=90, **WEEK)["result"]
    scores = [match["score"] for match in result["face_list"]]
    assert scores == sorted(scores, reverse=True)
    paths = {match["jpeg_url_face"] for match in result["face_list"]}
    named = rows(responder, FACE_HISTORY, name=POPULATION.known[1].name, **WEEK)
    assert paths == {face.jpeg_url_face for face in named}
    assert result["total"] == len(paths) > 3
    everybody = answer(responder, PERSON_SEARCH, photo=photo(1), threshold=0, **WEEK)["result"]
    assert everybody["total"] > result["total"]


def test_1_16_a_photo_without_a_face_is_refused(responder: Responder) -> None:
    assert answer(responder, PERSON_SEARCH, **WEEK)["code"] == 420


def test_the_generated_past_is_always_the_same(cameras: tuple[CameraIdentity, ...]) -> None:
    first, second = (answer(device(cameras[0])[1], PERSON_HISTORY, **WEEK) for _ in range(2))
    other = answer(device(cameras[1])[1], PERSON_HISTORY, **WEEK)
    assert first == second != other


def test_a_query_over_years_returns_only_the_kept_month(responder: Responder) -> None:
    span = {"start_time": "1970-01-02 00:00:00", "end_time": "2099-12-31 23:59:59"}
    month = {**WEEK, "start_time": f"{NOON - timedelta(days=31):%Y-%m-%d %H:%M:%S}"}
    for command, name in ((RECORD_LIST, "total_file"), (PERSON_HISTORY, "total")):
        total = answer(responder, command, **span)["result"][name]
        assert total == answer(responder, command, **month)["result"][name] > 1000
