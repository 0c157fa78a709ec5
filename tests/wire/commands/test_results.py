"""Answers of devices are untrusted: any input is decoded within limits, or refused.

`test_messages` shows the answer of each command.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct, inspect

from hub.errors import DeviceNonsense
from hub.wire.commands.answers import Done, FaceCapture, FaceHistoryPage, Person, PersonPage
from hub.wire.commands.dialect import DIALECT, FACE_HISTORY, PERSON_LIST, PERSON_QUERY, Command
from hub.wire.commands.results import decode_answer

WITH_RESULT = [command for command in DIALECT.commands if command.answer is not Done]


def keys_of(kind: type[Struct]) -> list[str]:
    """The keys of an answer and of its rows."""
    fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    rows = [field.type for field in fields if isinstance(field.type, inspect.VarTupleType)]
    inner = [key for row in rows for key in keys_of(row.item_type.cls)]  # type: ignore[attr-defined]
    return [field.encode_name for field in fields] + inner


def like(kind: type[Struct]) -> st.SearchStrategy[Any]:
    """JSON with the keys of an answer and any values."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | st.sampled_from(["2021-10-03 10:30:00", "1", "data:image/jpeg;base64,/9j/", "/9j/"])
    )
    keys = st.sampled_from(keys_of(kind)) | st.text(max_size=3)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=12,
    )


@pytest.mark.parametrize("command", WITH_RESULT, ids=lambda command: command.section)
@given(data=st.data())
def test_any_result_is_an_answer_or_nonsense(
    command: Command[Any, Any], data: st.DataObject
) -> None:
    raw = Raw(json.dumps(data.draw(like(command.answer))).encode())
    with suppress(DeviceNonsense):
        assert isinstance(decode_answer(command, raw), command.answer)


@pytest.mark.parametrize(
    "result",
    [
        b"[" * 500_000,
        b'{"pid":' + b"[" * 500_000,
        b'{"pid":"' + b"1" * 5_000_000 + b'"}',
        b'{"pid":' + b"1" * 5_000_000 + b"}",
        b'{"pid":1e400}',
        b'{"pid":"1"',
        b"\xff",
    ],
)
def test_a_huge_list_is_nonsense(result: bytes) -> None:
    with pytest.raises(DeviceNonsense):
        decode_answer(PERSON_QUERY, Raw(result))


def test_an_enormous_field_counts_as_missing() -> None:
    raw = Raw(b'{"pid":"1","name":"' + b"x" * 5_000_000 + b'","age":1' + b"0" * 400 + b"}")
    assert decode_answer(PERSON_QUERY, raw) == Person(pid="1")


def test_a_deeply_nested_row_is_skipped() -> None:
    deep = b'{"pid":' + b"[" * 60 + b"]" * 60 + b"}"
    page = decode_answer(PERSON_LIST, Raw(b"[" + deep + b',{"pid":"1"}]'))
    assert page == PersonPage(list=(Person(pid="1"),), unreadable=1)


def test_a_row_with_lone_surrogates_is_kept() -> None:
    raw = Raw(b'{"face_list":[{"time":"2021-10-03 10:30:00","name":"a\\ud800"}]}')
    assert decode_answer(FACE_HISTORY, raw) == FaceHistoryPage(
        face_list=(FaceCapture(time="2021-10-03 10:30:00", name="a\\ud800"),)
    )
