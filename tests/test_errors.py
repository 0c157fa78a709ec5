"""hub.errors: what a failed command tells of the device, and the codes that callers get."""

from __future__ import annotations

import pytest

from hub.errors import (
    CODES,
    BadParameter,
    DeviceBusy,
    DeviceLeft,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    DeviceSilent,
    HubError,
    NoSuchPath,
    NotSent,
    Unanswered,
    hub_error_in,
)


@pytest.mark.parametrize(
    ("error", "fact", "code"),
    [
        (DeviceOffline(), NotSent, 409),
        (DeviceBusy(), NotSent, 409),
        (DeviceLeft(), Unanswered, 409),
        (DeviceSilent(), Unanswered, 504),
        (DeviceRefused(420, "no"), DeviceRefused, 502),
        (DeviceNonsense(), DeviceNonsense, 502),
    ],
)
def test_an_error_of_a_command_states_one_fact(
    error: HubError, fact: type[HubError], code: int
) -> None:
    facts = (NotSent, Unanswered, DeviceRefused, DeviceNonsense)
    assert [one for one in facts if isinstance(error, one)] == [fact]
    assert (error.code, error.status) == (code, code)


def test_a_message_names_the_field_or_else_the_code() -> None:
    assert BadParameter("an integer is expected", field="age").message == (
        "age: an integer is expected"
    )
    assert NoSuchPath().message == CODES[404]


def test_a_hub_error_is_found_within_groups() -> None:
    error = NoSuchPath()
    groups = ExceptionGroup("outer", [ValueError(), ExceptionGroup("inner", [error])])
    assert hub_error_in(groups) is error
    assert hub_error_in(ExceptionGroup("outer", [ValueError()])) is None
