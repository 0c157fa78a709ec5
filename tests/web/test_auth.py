from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from quart import Response, request
from quart.testing import QuartClient

from hub.config import Config
from hub.errors import HubError
from hub.services.access.rights import ROLES
from hub.services.access.sessions import MAX_AGE_MS, SignedIn
from hub.services.audit import Actor
from hub.store.tables.users import User
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from web import auth
from web.http.bodies import Bodies
from web.route_access import CheckedQuart

SESSION = "__Host-sitehub_session"
FORM = "__Host-sitehub_form"
HERE = "https://hub:8443"


def application(hub: HubServices) -> CheckedQuart:
    """An application with a few routes that do nothing but authenticate."""
    app = CheckedQuart(__name__, static_folder=None)
    app.bodies = Bodies(hub.services.config.web)
    app.carry_out = hub.services.changes.carry_out
    auth.install(app, hub.services)

    @app.get("/who", role=None)
    async def who() -> str:
        user = await auth.current_user()
        return user.name if user else "nobody"

    async def actor() -> str:
        return auth.actor().who

    for role in ROLES:
        app.add_url_rule(f"/needs/{role}", role, actor, role=role)

    @app.get("/form", role=None)
    async def form() -> str:
        return auth.csrf_token()

    @app.post("/form", role=None)
    async def sent() -> str:
        return "taken"

    @app.get("/remember/<token>", role=None)
    async def remember(token: str) -> Response:
        response = Response("")
        auth.remember(response, SignedIn(User("ann", "guard", "hash", 0), token))
        return response

    @app.get("/forget", role=None)
    async def forget() -> Response:
        response = Response("")
        auth.forget(response)
        return response

    @app.route("/api", methods=["GET", "POST"], role="viewer", check="api")
    async def api() -> str:
        caller = await auth.require_api(write=request.method == "POST")
        if auth.is_signed(request):
            auth.check_signed_body(request, await request.get_data())
        return caller.actor.who

    @app.errorhandler(HubError)
    async def refused(error: HubError) -> tuple[str, int]:
        return error.message, error.status

    return app


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
def client(hub: HubServices) -> QuartClient:
    return application(hub).test_client(use_cookies=False)


def signed_in(token: str) -> dict[str, str]:
    return {"Cookie": f"{SESSION}={token}"}


async def text(response: Response) -> tuple[int, str]:
    return response.status_code, str(await response.get_data(as_text=True))


# Sessions


async def test_a_session_cookie_identifies_the_user(hub: HubServices, client: QuartClient) -> None:
    token = await hub.add_user("ann")
    assert await text(await client.get("/who", headers=signed_in(token))) == (200, "ann")
    assert await text(await client.get("/who", headers=signed_in("made up"))) == (200, "nobody")
    assert await text(await client.get("/who")) == (200, "nobody")
    for odd in ("\u00e9\u00ff", "%00%ff", '"', "a=b"):
        assert await text(await client.get("/who", headers=signed_in(odd))) == (200, "nobody")


async def test_the_address_of_who_is_signed_in_is_known(
    hub: HubServices, client: QuartClient
) -> None:
    token = await hub.add_user("ann")
    here = {"scope_base": {"client": ("10.0.0.7", 4321)}}
    for path, headers in (
        ("/who", signed_in("made up")),
        ("/api", {"Authorization": "Bearer x:y"}),
    ):
        await client.get(path, headers=headers, **here)
        assert "10.0.0.7" not in hub.services.access.known_addresses
    await client.get("/who", headers=signed_in(token), **here)
    assert "10.0.0.7" in hub.services.access.known_addresses


async def test_the_session_cookie_is_hidden_from_scripts_and_plain_http(
    client: QuartClient,
) -> None:
    cookie = (await client.get("/remember/abc")).headers["Set-Cookie"]
    name, *attributes = cookie.split("; ")
    assert name == f"{SESSION}=abc"
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert f"Max-Age={MAX_AGE_MS // 1000}" in attributes
    assert "Domain" not in cookie


async def test_the_cookie_of_a_known_browser_is_hidden_and_names_nobody(
    hub: HubServices, client: QuartClient
) -> None:
    cookies = (await client.get("/remember/abc")).headers.getlist("Set-Cookie")
    (cookie,) = [one for one in cookies if one.startswith("__Host-sitehub_browser=")]
    value, *attributes = cookie.split("; ")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert "ann" not in value
    signed_in = User("ann", "guard", "hash", 0)
    marks = value.partition("=")[2]
    assert hub.services.access.sessions.known_browsers.recognise(marks, signed_in)


async def test_forget_deletes_the_cookie(client: QuartClient) -> None:
    cookie = (await client.get("/forget")).headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION}=;")
    assert "Max-Age=0" in cookie


async def test_without_tls_the_cookie_has_no_host_prefix(
    tmp_path: Path, clock: FrozenClock
) -> None:
    config = Config(web=msgspec.structs.replace(Config().web, tls=False))
    async with open_hub_services(tmp_path, clock, config) as hub:
        client = application(hub).test_client(use_cookies=False)
        cookie = (await client.get("/remember/abc")).headers["Set-Cookie"]
        behind_tls = (await client.get("/remember/abc", scheme="https")).headers["Set-Cookie"]
    assert cookie.startswith("sitehub_session=abc;")
    assert "Secure" not in cookie
    assert "HttpOnly" in cookie
    # A trusted proxy in front of it speaks TLS.
    assert "Secure" in behind_tls


async def test_below_a_prefix_the_cookie_is_not_for_the_whole_host(
    tmp_path: Path, clock: FrozenClock
) -> None:
    config = Config(web=msgspec.structs.replace(Config().web, prefix="/hub"))
    async with open_hub_services(tmp_path, clock, config) as hub:
        client = application(hub).test_client(use_cookies=False)
        cookie = (await client.get("/remember/abc")).headers["Set-Cookie"]
    # The path becomes that of the prefix in front of the application.
    assert cookie.startswith("__Secure-sitehub_session=abc;")
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize(
    ("role", "reached"),
    [
        ("viewer", ["viewer"]),
        ("people", []),
        ("guard", ["viewer", "guard"]),
        ("admin", ["viewer", "guard", "admin"]),
    ],
)
async def test_a_role_includes_the_lower_roles(
    hub: HubServices, client: QuartClient, role: str, reached: list[str]
) -> None:
    cookie = signed_in(await hub.add_user("ann", role))
    for needed in ("viewer", "guard", "admin"):
        response = await client.get(f"/needs/{needed}", headers=cookie)
        assert response.status_code == (200 if needed in reached else 403)
    assert (await client.get("/needs/viewer")).status_code == 401


async def test_a_changed_role_applies_at_once(hub: HubServices, client: QuartClient) -> None:
    await hub.add_user("root")
    cookie = signed_in(await hub.add_user("ann", "admin"))
    await hub.services.access.users.set_role("ann", "viewer", by=Actor("test"))
    assert (await client.get("/needs/guard", headers=cookie)).status_code == 403


# CSRF


async def test_a_form_of_a_signed_in_user_carries_the_sessions_token(
    hub: HubServices, client: QuartClient
) -> None:
    cookie = signed_in(await hub.add_user("ann"))
    _, token = await text(await client.get("/form", headers=cookie))
    form = {"csrf_token": token}
    assert (await client.post("/form", headers=cookie, form=form)).status_code == 200
    header = cookie | {"X-CSRF-Token": token}
    assert (await client.post("/form", headers=header)).status_code == 200
    assert (await client.post("/form", headers=cookie)).status_code == 403
    other = signed_in(await hub.add_user("bob"))
    assert (await client.post("/form", headers=other, form=form)).status_code == 403


async def test_a_form_before_the_sign_in_has_a_cookie_of_its_own(client: QuartClient) -> None:
    page = await client.get("/form")
    name, *attributes = page.headers["Set-Cookie"].split("; ")
    assert name.startswith(f"{FORM}=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    form = {"csrf_token": (await text(page))[1]}
    assert (await client.post("/form", form=form)).status_code == 403
    assert (await client.post("/form", headers={"Cookie": name}, form=form)).status_code == 200
    again = await client.get("/form", headers={"Cookie": name})
    assert (await text(again))[1] == form["csrf_token"]
    assert "Set-Cookie" not in again.headers


async def test_the_csrf_token_does_not_reveal_the_cookie(
    hub: HubServices, client: QuartClient
) -> None:
    token = await hub.add_user("ann")
    assert token not in (await text(await client.get("/form", headers=signed_in(token))))[1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": HERE}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": HERE}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, 403),
        ({"Origin": HERE}, 200),
        ({"Origin": "https://hub:9999"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "//[::1"}, 403),
        ({}, 200),
    ],
)
async def test_a_form_is_accepted_from_our_own_origin_only(
    hub: HubServices, client: QuartClient, headers: dict[str, str], status: int
) -> None:
    cookie = signed_in(await hub.add_user("ann"))
    _, token = await text(await client.get("/form", headers=cookie))
    sent = cookie | {"Host": "hub:8443", "X-CSRF-Token": token} | headers
    assert (await client.post("/form", headers=sent)).status_code == status


# The API


async def test_a_caller_is_named_as_user_or_key(hub: HubServices, client: QuartClient) -> None:
    bearer = await hub.bearer()
    appid = hub.services.access.api_keys.all()[0].appid
    assert await text(await client.post("/api", headers=bearer)) == (200, f"key {appid}")
    cookie = signed_in(await hub.add_user("ann"))
    assert await text(await client.get("/api", headers=cookie)) == (200, "user ann")


async def test_a_wrong_key_is_refused_despite_a_good_cookie(
    hub: HubServices, client: QuartClient
) -> None:
    cookie = signed_in(await hub.add_user("ann"))
    wrong = cookie | {"Authorization": "Bearer nobody:nothing"}
    assert (await client.get("/api", headers=wrong)).status_code == 401
    assert (await client.get("/api?appid=nobody", headers=cookie)).status_code == 422
