from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from babel.messages.pofile import read_po
from msgspec import Struct
from msgspec.structs import replace
from quart import Quart

import web
from hub.wire.pictures import Image
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    HubDetail,
    Plate,
    Record,
    Rect,
    Vehicle,
    VehicleDetail,
    render,
)
from tests.support.hub_services import HubServices
from web import language
from web.api import docs, openapi
from web.api.alarms.alarms import NoteBody, SeqsBody
from web.api.alarms.rules import AlarmRules, PlateListBody
from web.api.devices.commands import COMMAND
from web.api.devices.devices import DeviceChangeBody, NewDeviceBody
from web.api.devices.enrolment import AcceptBody, CheckBody, ImportBody
from web.api.devices.many import PhotoSearchBody
from web.api.devices.relay import RelayBody, SwitchBody
from web.api.endpoint import Endpoint, Nothing
from web.api.firmware.campaigns import NewCampaignBody
from web.api.firmware.releases import NewReleaseBody
from web.api.people.groups import GroupBody, NewGroupBody
from web.api.people.people import NewPersonBody, PersonBody
from web.api.people.sync import RetryBody
from web.api.records import answers
from web.api.records.erasures import ErasureBody
from web.api.records.holds import HoldChangeBody, HoldRecordsBody, NewHoldBody
from web.api.reports import AttendanceSchedules
from web.api.routes import Routes
from web.api.targets.bodies import AfterRestore, TargetBody, TargetPatch
from web.app import create_app

#: The outline of the document as it was last looked at; CHANGELOG.md has what differs.
KEPT = Path(__file__).parent / "openapi.txt"
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> list[Endpoint]:
    """All endpoints, filled when the application is created."""
    endpoints: list[Endpoint] = []
    add = Routes.add

    def note(self: Routes, endpoint: Endpoint, view: Any) -> None:
        endpoints.append(endpoint)
        add(self, endpoint, view)

    monkeypatch.setattr(Routes, "add", note)
    return endpoints


@pytest.fixture
def app(hub: HubServices, endpoints: list[Endpoint]) -> Quart:
    return create_app(hub.services)


@pytest.fixture
async def document(hub: HubServices, app: Quart) -> Any:
    client = app.test_client(use_cookies=False)
    response = await client.get("/openapi.json", headers=await hub.bearer(read_only=True))
    assert (response.status_code, response.mimetype) == (200, "application/json")
    return await response.get_json()


def described(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Path, method and description of each call."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


async def test_it_describes_exactly_the_existing_routes(
    app: Quart, document: Any, endpoints: list[Endpoint]
) -> None:
    aliases = {endpoint.alias for endpoint in endpoints}
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in ("integrator", "media")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in aliases
    }
    # Answered in front of Quart (tests/web/api/test_commands.py).
    routes.add((COMMAND.path, "post"))
    # Its address comes in messages to targets, and is not made by callers.
    routes.remove(("/media/link/{expires}/{signature}/{seq}/{file}", "get"))
    assert routes == {(path, method) for path, method, _ in described(document)}


class Unbounded(Struct, frozen=True):
    number: int


class Words(Struct, frozen=True):
    words: list[str]


@pytest.mark.parametrize(("taken", "field"), [(Unbounded, "number"), (Words, "words")])
def test_a_number_or_text_without_bounds_is_refused_by_name(
    taken: type[Struct], field: str
) -> None:
    call = Endpoint(method="POST", path="/badges", tag="x", summary="x", body=taken)
    refusal = f"POST /badges: {taken.__name__}.{field} has no bounds"
    with pytest.raises(TypeError, match=refusal):
        openapi.document([call], "0")
    with pytest.raises(TypeError, match=refusal):
        openapi.document([replace(call, body=Nothing, query=taken)], "0")


async def test_every_code_that_a_call_is_refused_with_is_explained(document: Any) -> None:
    refused = {
        (status, code)
        for _, _, call in described(document)
        for status, answer in call["responses"].items()
        for code in re.findall(r"`(\d+)` ", answer["description"])
    }
    page = (Path(__file__).parents[3] / "docs/integrator.md").read_text("utf-8")
    table = page.partition('<a id="refusals"></a>')[2].partition("\n\nA device")[0]
    told = set(re.findall(r"^\| (\d+) \| (\d+) \|", table, re.MULTILINE))
    # What is not of one call: no such path, and a body that comes too slowly.
    assert told == refused | {("404", "404"), ("408", "420")}


def outline(document: Any) -> Iterator[str]:
    """One line for each call and each schema, without texts for people and examples."""
    for path, method, call in described(document):
        # A refusal has the same shape everywhere.
        statuses = {
            status: shape(one) if status < "3" else "refused"
            for status, one in call["responses"].items()
        }
        asked = [shape(call[part]) for part in ("parameters", "requestBody") if call.get(part)]
        yield f"{method.upper()} {path} {compact([*asked, statuses])}"
    for name, schema in document["components"]["schemas"].items():
        yield f"{name} {compact(shape(schema))}"


def shape(part: Any, is_schema: bool = True) -> Any:
    """What a program depends on: names, types, bounds, what is required."""
    if isinstance(part, list):
        return [shape(one) for one in part]
    if not isinstance(part, dict):
        return part
    texts = ("description", "title", "summary", "example", "examples") if is_schema else ()
    # Below `properties` are names of fields, which may be those of texts.
    return {key: shape(one, key != "properties") for key, one in part.items() if key not in texts}


def compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


async def test_what_differs_in_it_is_seen_in_review(document: Any) -> None:
    """With SITEHUB_KEEP in the environment, the kept outline is written anew."""
    lines = sorted(outline(document))
    if "SITEHUB_KEEP" in os.environ:
        KEPT.write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert lines == KEPT.read_text(encoding="utf-8").splitlines()


async def test_every_reference_in_it_resolves(document: Any) -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])
    ids = [endpoint["operationId"] for _, _, endpoint in described(document)]
    assert len(set(ids)) == len(ids)


async def test_every_placeholder_of_a_path_is_described(document: Any) -> None:
    for path, _, endpoint in described(document):
        names = [p["name"] for p in endpoint["parameters"] if p["in"] == "path"]
        assert names == re.findall(r"{(\w+)}", path)


async def test_the_examples_are_valid_requests_and_answers(
    document: Any, endpoints: list[Endpoint]
) -> None:
    bodies = {NewDeviceBody, DeviceChangeBody, AcceptBody, CheckBody, ImportBody}
    bodies |= {NewReleaseBody, NewCampaignBody}
    bodies |= {NoteBody, SeqsBody, AlarmRules, PlateListBody}
    bodies |= {NewHoldBody, HoldRecordsBody, HoldChangeBody, ErasureBody}
    bodies |= {NewPersonBody, PersonBody, NewGroupBody, GroupBody, RetryBody, PhotoSearchBody}
    bodies |= {TargetBody, TargetPatch, AfterRestore, RelayBody, SwitchBody, AttendanceSchedules}
    assert {type(one.body_example) for one in endpoints if one.body_example} == bodies
    for endpoint in endpoints:
        call = document["paths"][endpoint.path][endpoint.method.lower()]
        if endpoint.body_example is not None:
            body = call["requestBody"]["content"]["application/json"]["example"]
            assert msgspec.convert(body, endpoint.body) == endpoint.body_example
        if endpoint.answer is not None:
            answer = call["responses"]["200"]["content"]["application/json"]["example"]
            strictly(answer, endpoint.answer)


COMMON: dict[str, Any] = {
    "seq": 1,
    "did": "12",
    "sn": "SN12",
    "device_name": "Gate",
    "occurred_at": 0,
    "received_at": 0,
    "extra": msgspec.Raw(b'{"score":91.5}'),
    "images": (Image("face", "image/jpeg", "/media/1/face.jpg", 4),),
}
RECT = Rect(1, 2, 3, 4)


@pytest.mark.parametrize(
    "detail",
    [
        FaceDetail(),
        FaceDetail("Li Lei", 31, 1, "1001", 1),
        EventDetail(3),
        EventDetail(3, msgspec.Raw(b'{"a":1}'), "Li Lei", "1001", 2),
        VehicleDetail(),
        VehicleDetail(Plate("A1", 1, RECT), Vehicle(1, "x", RECT)),
        AccessDetail(),
        AccessDetail("1", "9223372036854775808", 1, "ok", 36.5, "0.9", 7),
        AccessDetail(type=1.5, status=2.5, temperature="36.5", score=90),
        HubDetail("disk-low", "only 1 GB is free", {"free": "1"}),
    ],
)
def test_every_record_is_as_described(detail: Detail) -> None:
    kinds = {
        FaceDetail: "face",
        EventDetail: "event",
        VehicleDetail: "vehicle",
        HubDetail: "hub",
    }
    kind: Any = kinds.get(type(detail), "access")
    rendered = msgspec.json.decode(render(Record(kind=kind, detail=detail, **COMMON)))
    strictly(rendered, answers.Record)
    assert rendered["kind"] == kind


def strictly(value: Any, described_as: Any) -> None:
    """Fail on a missing, wrong or undescribed field."""
    decoded = msgspec.json.decode(msgspec.json.encode(value), type=described_as)
    names_lost = fields(value) - fields(msgspec.json.decode(msgspec.json.encode(decoded)))
    assert not names_lost


def fields(value: Any, path: str = "") -> set[str]:
    """The paths of all fields that are not empty."""
    if isinstance(value, dict):
        return {p for name, v in value.items() for p in fields(v, f"{path}.{name}")}
    if isinstance(value, list):
        return {p for item in value for p in fields(item, f"{path}[]")}
    return set() if value is None else {path}


async def test_the_description_is_made_once_and_not_before_it_is_asked_for(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(endpoints: Sequence[Endpoint], version: str, prefix: str) -> Any:
        made.append(version)
        return openapi.document(endpoints, version, prefix)

    monkeypatch.setattr("web.api.document", noted)
    client = create_app(hub.services).test_client(use_cookies=False)
    assert made == []
    bearer = await hub.bearer()
    first = await client.get("/openapi.json", headers=bearer)
    second = await client.get("/openapi.json", headers=bearer)
    assert len(made) == 1
    assert await first.get_data() == await second.get_data()


async def test_it_is_also_below_the_prefix_and_needs_a_key(hub: HubServices, app: Quart) -> None:
    client = app.test_client(use_cookies=False)
    bearer = await hub.bearer()
    for path in ("/openapi.json", "/api/hub/v1/openapi.json"):
        assert (await client.get(path, headers=bearer)).status_code == 200
        assert (await client.get(path)).status_code == 401


async def test_the_docs_are_in_the_language_of_the_browser(hub: HubServices, app: Quart) -> None:
    token = await hub.add_user("vic", "viewer")
    client = app.test_client(use_cookies=False)
    headers = {"Cookie": f"__Host-sitehub_session={token}", "Accept-Language": "zh-CN"}
    page = str(await (await client.get("/docs", headers=headers)).get_data(as_text=True))
    for text in ("API 文档", "审计日志，分页", "整数", "<code>409</code> 设备离线或忙"):
        assert text in page
    assert "Who changed what" not in page
    # Programs get the same text whatever they ask for.
    encoded = await (await client.get("/openapi.json", headers=headers)).get_data(as_text=True)
    assert "Who changed what" in encoded


async def test_the_descriptions_are_translated_and_no_translation_is_unused(
    document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: set[str] = set()

    def note(text: str) -> str:
        shown.add(text)
        return text

    monkeypatch.setattr(docs, "gettext", note)
    docs.chapters(document, "https://hub/")
    docs.paragraphs(document["info"]["description"])
    folder = Path(web.__file__).parent / "translations"
    known, of_api = set[object](), set[object]()
    for name in language.CATALOGS:
        with (folder / name).open("rb") as file:
            of_api = {message.id for message in read_po(file) if message.id and message.string}
        known |= of_api
    assert shown - known == set(), "translate these in web/translations/api_zh_CN.po"
    assert of_api - shown == set(), "no call is described so any longer"


async def test_the_docs_show_every_call_with_a_curl_command(
    hub: HubServices, app: Quart, document: Any
) -> None:
    client = app.test_client(use_cookies=False)
    token = await hub.add_user("vic", "viewer")
    response = await client.get(
        "/docs", headers={"Cookie": f"__Host-sitehub_session={token}", "Host": "hub:8443"}
    )
    page = str(await response.get_data(as_text=True))
    assert response.status_code == 200
    for field in ("code", "clock_trusted"):
        assert f"<dt><code>{field}</code></dt>" in page
    for path, method, endpoint in described(document):
        assert f"{method.upper()} {path}" in page
        assert f'id="{endpoint["operationId"]}"' in page
    assert page.count("curl --cacert ca.crt") == len(list(described(document)))
    assert not re.search(
        r"<script(?![^>]*src=\"/static/)|<style|\son\w+=|\sstyle=|//[a-z]+\.", page
    )
    assert "script-src" not in response.headers["Content-Security-Policy"]
