from __future__ import annotations

from hub.outside import Cost
from hub.services.access.passwords import Passwords

CHEAP = Cost(memory_kib=8, iterations=1)


async def test_a_hash_carries_its_cost_and_fits_its_password_alone() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.make("正确的马")
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await passwords.fits("正确的马", stored)
    assert not await passwords.fits("wrong", stored)


async def test_a_hash_of_another_cost_goes_on_to_fit() -> None:
    stored = await Passwords(CHEAP).make("correct horse")
    assert await Passwords(Cost(memory_kib=16, iterations=2)).fits("correct horse", stored)


async def test_nobody_costs_the_work_of_somebody_and_never_fits() -> None:
    passwords = Passwords(CHEAP)
    assert passwords._unmatched.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert len(passwords._unmatched) == len(await passwords.make("x"))
    assert not await passwords.fits("", None)


def test_a_guess_is_dear() -> None:
    assert Cost().memory_kib * Cost().iterations >= 3 * 64 * 1024
