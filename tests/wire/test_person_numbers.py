"""The numbers by which cameras name people have one form (D10, D11)."""

from __future__ import annotations

import pytest

from hub.wire.person_numbers import MAX_PID, canonical_number, canonical_pid, names_nobody


@pytest.mark.parametrize("sent", ["1000123", "0001000123", " 1000123\n", "\u30001000123"])
def test_a_number_is_one_number_however_it_is_written(sent: str) -> None:
    assert canonical_number(sent) == "1000123"
    assert canonical_pid(sent) == "1000123"
    assert not names_nobody(sent)


@pytest.mark.parametrize("sent", [None, "", " ", "0", "00", " 000 ", str(2**63), f"0{2**63}"])
def test_a_number_of_strangers_names_nobody(sent: str | None) -> None:
    assert names_nobody(sent)
    assert canonical_pid(sent or "") is None


@pytest.mark.parametrize("sent", ["00AB", "-7", "1.0", "٠٧", "7\0", str(MAX_PID + 1), "9" * 5000])
def test_what_no_person_of_the_register_can_have_names_somebody_else(sent: str) -> None:
    assert canonical_number(f" {sent} ") == sent
    assert canonical_pid(sent) is None
    assert not names_nobody(sent)
