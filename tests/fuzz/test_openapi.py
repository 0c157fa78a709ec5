"""openapi.json is true: requests made from it by schemathesis, in every role, to a real hub.

Requests that fit it and requests that do not are made from a fixed seed, so that every run is the
same. Set OPENAPI_EXAMPLES for more of each call than a run of all tests makes.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup

from tests.fuzz.hub import USERS, FuzzHub
from tests.fuzz.judges import LogReader

pytestmark = pytest.mark.long

_EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "6"))
#: Mostly who may do it.
_ROLES = ("key", "key", "key", "reader", *USERS.values())
#: They have no end.
_STREAMS = ("/api/hub/v1/stream",)
#: Not `ignored_auth`: it knows no 422, which an unknown appid gets. Not `positive_data_acceptance`:
#: which fields fit together is told in words.
_CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


@pytest.fixture(scope="module")
def operations(hub: FuzzHub) -> list[Any]:
    with hub.client() as client:
        document = client.get("/openapi.json", headers={"Authorization": hub.bearer}).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=hub.url)
    found = [one.ok() for one in schema.get_all_operations()]
    return [one for one in found if one.path not in _STREAMS]


def test_answers_are_what_it_says_in_every_role(hub: FuzzHub, operations: list[Any]) -> None:
    load_all_checks()
    checks = CHECKS.get_by_names(_CHECKS)
    log = LogReader(hub.log_file)
    found: Counter[str] = Counter()
    statuses: Counter[int] = Counter()

    def send(case: Any, role: str) -> None:
        answer = case.call(headers=_credentials(hub, role), timeout=30)
        statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as group:
            for failure in group.exceptions:
                assert isinstance(failure, Failure)
                if not _is_empty_parameter(failure, case):
                    found[f"{role}, {case.operation.label}: {failure}"[:400]] += 1

    for operation in operations:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            cases = operation.as_strategy(generation_mode=mode)
            _bounded(given(case=cases, role=st.sampled_from(_ROLES))(send))()

    assert not found
    assert log.read() == []
    # Otherwise nothing was tried.
    assert {200, 400, 403, 404} <= set(statuses)


_bounded = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _credentials(hub: FuzzHub, role: str) -> dict[str, str]:
    values = hub.values(role)
    if "cookie" in values:
        return {"Cookie": values["cookie"], "X-CSRF-Token": values["csrf"]}
    return {"Authorization": values["bearer"]}


def _is_empty_parameter(failure: Failure, case: Any) -> bool:
    """An empty parameter counts as not given (`allowEmptyValue`), which schemathesis overlooks."""
    is_accepted = type(failure).__name__ == "AcceptedNegativeData"
    return is_accepted and any(value in ("", [], None) for value in (case.query or {}).values())
