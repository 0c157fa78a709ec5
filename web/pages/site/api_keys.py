"""Keys of programs that use the integrator API."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.store.tables.api_keys import ApiKey
from web import auth, language
from web.language import gettext
from web.pages.faults import NO_FAULT, Fault, NotHere
from web.pages.labels import describe_account_error
from web.pages.layout import make_url, page, redirect_to
from web.pages.own_password import asked
from web.pages.site.sections import Section, make_section, sections_page

blueprint = Blueprint("site_api_keys", __name__, url_prefix="/site/api-keys")


class KeyRow(Struct, frozen=True):
    """A key as the list shows it. `used`: when it was last used, "" if never."""

    appid: str
    name: str
    read_only: bool
    targets: bool
    since: str
    used: str
    remove_url: str


async def _keys_page(values: dict[str, str], fault: Fault) -> Response:
    return await sections_page(await section(values, fault), status=fault.status)


async def section(values: dict[str, str] | None = None, fault: Fault = NO_FAULT) -> Section:
    return await make_section(
        "api-keys",
        gettext("API keys"),
        gettext(
            "For programs that read records from this hub or change its cameras. Give each program "
            "its own key so that it can be removed separately."
        ),
        "site/_api_keys.html",
        rows=[_row(key) for key in auth.services().access.api_keys.all()],
        values=values or {},
        field=fault.field,
        fault=fault.sentence,
    )


def _row(key: ApiKey) -> KeyRow:
    shown, zone = language.current(), language.zone()
    return KeyRow(
        appid=key.appid,
        name=key.name or key.appid,
        read_only=key.read_only,
        targets=key.targets,
        since=shown.date(key.created_at, zone),
        used="" if key.last_used_at is None else shown.moment(key.last_used_at, zone),
        remove_url=make_url("/site/api-keys/remove", appid=key.appid),
    )


async def _entered() -> dict[str, str]:
    form = await request.form
    return {"name": form.get("name", "").strip(), "may": form.get("may", "read")}


@blueprint.post("/add", role="admin", password=asked(_keys_page, _entered))
async def add() -> Response:
    """Add a key, and show its secret this once."""
    values = await _entered()
    name, may = values["name"], values["may"]
    try:
        key = await auth.services().access.api_keys.add(
            name, may not in ("all", "targets"), targets=may == "targets", by=auth.actor()
        )
    except BadParameter as error:
        return await _keys_page(values, Fault(error.field, describe_account_error(error)))
    return await page("site/api_key_added.html", name=name, key=key, may=may)


async def _ask_to_remove() -> Response:
    key = _get(request.args.get("appid", ""))
    return await page("site/api_key_remove.html", row=_row(key))


def _get(appid: str) -> ApiKey:
    """The key with this appid. Raises NoSuchResource."""
    for key in auth.services().access.api_keys.all():
        if key.appid == appid:
            return key
    raise NotHere(gettext("There is no API key %(appid)s.") % {"appid": repr(appid)})


@blueprint.post("/remove", role="admin", confirm=_ask_to_remove)
async def remove() -> Response:
    key = _get((await request.form).get("appid", ""))
    await auth.services().access.api_keys.remove(key.appid, by=auth.actor())
    return redirect_to("/site/targets?done=api-key-removed#api-keys")
