"""Params of callers: the accepted forms of numbers, texts, booleans and photos (D1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.wire.commands.dialect import (
    DIALECT,
    PERSON_ADD,
    PERSON_LIST,
    PERSON_QUERY,
    PERSON_SEARCH,
    REBOOT,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
)
from hub.wire.commands.param_structs import (
    MAX_PHOTO_BYTES,
    PersonList,
    PersonQuery,
    Reboot,
    RecordList,
)
from hub.wire.commands.params import (
    changed_param,
    check_changes,
    check_fields,
    check_param,
    encode_param,
)
from tests.support.pictures import JPEG, b64, jpeg

START, END = "2021-10-03 10:30:00", "2021-10-03 16:00:00"


def changed(command: Any, **given: object) -> Any:
    """The command's example with other values, as a caller's JSON, checked."""
    param = json.loads(bytes(encode_param(command, command.example))) | given
    return check_param(command, json.dumps(param).encode())


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
def test_a_callers_json_is_encoded_like_a_struct(command: Any) -> None:
    ours = encode_param(command, command.example)
    assert bytes(encode_param(command, check_param(command, ours))) == bytes(ours)
    with pytest.raises(BadParameter, match="no such field"):
        check_param(command, b'{"nothing": 1}')


def test_some_fields_of_a_setting_are_checked_as_all_of_them_are() -> None:
    sent = {"file_len": "10", "audio_enable": "0", "pre_record": {"duration": 3}}
    changes = check_changes(SET_RECORDING, sent)
    assert json.loads(bytes(changes)) == {
        "file_len": 10,
        "audio_enable": 0,
        "pre_record": {"duration": 3},
    }
    for field, value in (
        ("file_len", 61),
        ("audio_enable", None),
        ("file_len", " "),
        ("pre_record", {"duration": 11}),
        ("pre_record", {"x": 1}),
        ("pre_record", 3),
        ("x", 1),
    ):
        with pytest.raises(BadParameter) as refused:
            check_changes(SET_RECORDING, {field: value})
        assert refused.value.field.startswith(f"param.{field}")


def test_changes_keep_the_other_fields_of_a_setting() -> None:
    known = SET_RECORDING.example
    changes = check_changes(SET_RECORDING, {"file_len": 10, "pre_record": {"duration": 3}})
    changed = changed_param(SET_RECORDING, known, changes)
    assert changed == replace(known, file_len=10, pre_record=replace(known.pre_record, duration=3))
    assert changed_param(SET_RECORDING, None, changes) is None


def test_a_whole_setting_is_no_change_of_the_known_one() -> None:
    whole = replace(SET_RECORDING.example, face_server_enable=None)
    sent = encode_param(SET_RECORDING, whole)
    assert changed_param(SET_RECORDING, SET_RECORDING.example, sent) == whole
    assert changed_param(SET_RECORDING, None, sent) == whole


@pytest.mark.parametrize(
    ("sent", "taken"), [(0, 0), ("1000", 1000), (" 1000 ", 1000), (1000.0, 1000), (2**31 - 1,) * 2]
)
def test_d1_an_integer_may_come_as_a_text(sent: object, taken: int) -> None:
    assert changed(REBOOT, delay_ms=sent) == Reboot(delay_ms=taken)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        *[(sent, True) for sent in (True, 1, "1", "true", "True", " 1 ")],
        *[(sent, False) for sent in (False, 0, "0", "false", "FALSE")],
    ],
)
@pytest.mark.parametrize(
    ("command", "field"), [(SET_FACE, "show_face"), (SET_RECORDING, "audio_enable")]
)
def test_d1_a_boolean_may_be_1_or_0(command: Any, field: str, sent: object, taken: bool) -> None:
    assert getattr(changed(command, **{field: sent}), field) is taken


@pytest.mark.parametrize("sent", ["13612345678", 13612345678, " 13612345678 "])
def test_1_13_a_phone_given_as_a_number_is_sent_as_text(sent: object) -> None:
    param = changed(PERSON_LIST, phone=sent)
    assert param.phone == "13612345678"
    assert b'"phone":"13612345678"' in bytes(encode_param(PERSON_LIST, param))


@pytest.mark.parametrize("sent", ["1", 1])
def test_1_13_a_category_may_be_given_as_a_text(sent: object) -> None:
    assert changed(PERSON_LIST, category=sent).category == 1


@pytest.mark.parametrize("sent", ["18446744073709551615", 18446744073709551615, 2**63, "1", " 7 "])
def test_a_pid_is_a_decimal_text_up_to_2_64(sent: object) -> None:
    assert changed(PERSON_QUERY, pid=sent) == PersonQuery(pid=str(sent).strip())


def test_a_pid_keeps_its_leading_zeros() -> None:
    assert changed(PERSON_QUERY, pid="00123").pid == "00123"


@pytest.mark.parametrize("name", ["张　三", "Ådne Ø", "O'Neill", "李😀", "x" * 128])
def test_a_name_may_be_written_in_any_script(name: str) -> None:
    assert changed(PERSON_ADD, name=name).name == name


def test_a_lone_surrogate_in_json_becomes_text() -> None:
    assert check_param(PERSON_LIST, b'{"name":"a\\ud800"}') == PersonList(name="a\\ud800")


def test_a_lone_surrogate_in_a_form_is_refused() -> None:
    with pytest.raises(BadParameter, match=r"param\.name: a text without control characters"):
        check_fields(PERSON_LIST, {"name": "a\ud800"})


@pytest.mark.parametrize(
    "written",
    [
        b64(JPEG),
        "data:image/jpeg;base64," + b64(JPEG),
        "data:image/png;base64," + b64(JPEG),
        b64(JPEG).rstrip("="),
        "\n" + "\r\n".join(b64(JPEG)[at : at + 8] for at in range(0, len(b64(JPEG)), 8)) + "\n",
    ],
)
def test_a_photo_is_always_sent_as_bare_base64(written: str) -> None:
    param = changed(PERSON_SEARCH, photo=written)
    assert param.photo == b64(JPEG)
    assert json.loads(bytes(encode_param(PERSON_SEARCH, param)))["photo"] == b64(JPEG)


def test_the_largest_photo_fits_into_a_frame_of_8_mb() -> None:
    param = changed(PERSON_ADD, photo=b64(jpeg(MAX_PHOTO_BYTES)))
    assert len(bytes(encode_param(PERSON_ADD, param))) < (8 << 20) - 4096


def test_a_larger_photo_is_refused() -> None:
    with pytest.raises(BadParameter, match=r"param\.photo: a JPEG of at most 5 MB"):
        changed(PERSON_ADD, photo=b64(jpeg(MAX_PHOTO_BYTES + 1)))


def test_optional_fields_may_be_null_or_blank() -> None:
    raw = Raw(b'{"category":null,"name":"","workId":" ","idCard":null,"page_num":null}')
    assert check_param(PERSON_LIST, raw) == PersonList()


def test_of_duplicate_keys_the_last_counts() -> None:
    assert check_param(REBOOT, b'{"delay_ms":-1,"delay_ms":5}') == Reboot(delay_ms=5)


def test_start_and_end_may_be_the_same_moment() -> None:
    assert changed(RECORD_LIST, end_time=START).end_time == START


@pytest.mark.parametrize("day", ["2024-02-29", "1999-12-31", "2099-12-31"])
def test_any_existing_day_is_accepted(day: str) -> None:
    param = check_param(
        RECORD_LIST, f'{{"start_time":"{day} 00:00:00","end_time":"{day} 23:59:59"}}'.encode()
    )
    assert param == RecordList(start_time=f"{day} 00:00:00", end_time=f"{day} 23:59:59")


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"", "param: param is not JSON"),
        (b"null", "param: an object is expected, not null"),
        (b"[]", "param: an object is expected, not a list"),
        (b'"x"', "param: an object is expected, not a text"),
        (b"{", "param: param is not JSON"),
        (b'{"delay_ms":1e999}', r"param\.delay_ms: number out of range"),
        (b'{"delay_ms":' + b"[" * 100_000, "nested deeper than 4 levels"),
        (b'{"a":' + b"[" + b"1," * 100_000 + b"1]}", "more than 60000 items"),
        (b'{"' + b"x" * 5000 + b'":1}', r"param\.x{64}: no such field; known are delay_ms"),
        (b'{"delay_ms":"\xff"}', "valid UTF-8"),
    ],
)
def test_a_param_with_a_wrong_shape_is_refused(raw: bytes, wrong: str) -> None:
    with pytest.raises(BadParameter, match=wrong):
        check_param(REBOOT, raw)


def test_fields_of_a_form_are_checked_as_json_is() -> None:
    with pytest.raises(BadParameter, match=r"param\.month: an integer from 0 to 11 is expected"):
        check_fields(RECORD_BY_MONTH, {"year": "2021", "month": "12"})
    search = {"photo": "照片", "threshold": "1", "start_time": START, "end_time": END}
    with pytest.raises(BadParameter, match=r"param\.photo: a JPEG"):
        check_fields(PERSON_SEARCH, search)
    with pytest.raises(BadParameter, match="no such field"):
        check_fields(PERSON_SEARCH, {"nothing": "1"})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.section)
@given(data=st.data())
def test_any_param_is_refused_with_the_field_or_sent_within_bounds(
    command: Any, data: st.DataObject
) -> None:
    param = json.loads(bytes(encode_param(command, command.example)))
    field = data.draw(st.sampled_from(sorted(param)))
    raw = json.dumps(param | {field: data.draw(JSON)}).encode()
    try:
        taken = check_param(command, raw)
    except BadParameter as refusal:
        named = refusal.field
    else:
        # An accepted param can be encoded, and its encoding is accepted again.
        check_param(command, encode_param(command, taken))
        named = "param"
    assert named in ("param", "param.end_time") or named.startswith(f"param.{field}")
