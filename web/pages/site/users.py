"""Users: who may sign in, with which role, and how they get their password.

What gives somebody access needs the administrator's own password: adding or enabling a user, and
changing the role or the password of another one.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.access.rights import ROLES as ROLE_CODES
from hub.store.tables.users import User
from web import auth, language
from web.language import gettext
from web.pages.faults import NO_FAULT, Fault, NotHere
from web.pages.labels import ROLES, describe_account_error
from web.pages.layout import make_url, page, redirect_to
from web.pages.own_password import Check, Form, asked
from web.pages.site import screens
from web.pages.site.sections import make_section, sections_page

blueprint = Blueprint("site_users", __name__, url_prefix="/site/users")


class UserRow(Struct, frozen=True):
    """A user as the list shows it. `used`: when the user was last active; "" if not signed in."""

    name: str
    url: str
    role: str
    enabled: bool
    is_me: bool
    sessions: int
    used: str
    since: str


class LinkRow(Struct, frozen=True):
    """A setup link that was not used yet."""

    name: str
    role: str
    until: str


@blueprint.get("", role="admin")
async def users() -> Response:
    return await _users_page({"role": "guard", "way": "link"})


async def _users_page(values: dict[str, str], fault: Fault = NO_FAULT) -> Response:
    """All users, with what was entered for a new one."""
    me = auth.user()
    hub = auth.services()
    listed = await make_section(
        "users",
        gettext("Users"),
        gettext("Who can sign in, and what they can do."),
        "site/_users.html",
        rows=[_row(user, me) for user in hub.access.users.all()],
        links=[
            LinkRow(
                link.name,
                gettext(ROLES[link.role]),
                language.moment(hub.core.clock.expiry.as_shown(link.expires_at)),
            )
            for link in hub.access.setup_links.for_users()
        ],
        values=values,
        field=fault.field,
        fault=fault.sentence,
        roles=_role_choices(),
    )
    return await sections_page(
        listed, await screens.section(), title=gettext("Users and screens"), status=fault.status
    )


def _row(user: User, me: User) -> UserRow:
    hub, shown = auth.services(), language.current()
    sessions, zone, expiry = (
        hub.access.sessions.of_user(user.name),
        language.zone(),
        hub.core.clock.expiry,
    )
    return UserRow(
        name=user.name,
        url=_url_of(user.name),
        role=gettext(ROLES[user.role]),
        enabled=user.enabled,
        is_me=user.name == me.name,
        sessions=len(sessions),
        used=shown.moment(expiry.as_shown(sessions[0].last_used_at), zone) if sessions else "",
        since=shown.date(user.created_at, zone),
    )


def _url_of(name: str, **more: str) -> str:
    return make_url("/site/users/user", name=name, **more)


def _role_choices() -> list[tuple[str, str, str]]:
    """Each role: its code, its name, and what it may do."""
    may = {
        "admin": gettext("Can do everything."),
        "guard": gettext("Works with records and cameras."),
        "people": gettext("Keeps the register and sees attendance, nothing else."),
        "viewer": gettext("Views records, without the names of people on cameras."),
    }
    return [(role, gettext(ROLES[role]), may[role]) for role in ROLE_CODES]


async def _entered() -> dict[str, str]:
    form = await request.form
    return {name: form.get(name, "").strip() for name in ("name", "role", "way")}


@blueprint.post("/add", role="admin", password=asked(_users_page, _entered))
async def add() -> Response:
    """Add a user with a password, or show a link by which the user chooses one."""
    form, values, hub = await request.form, await _entered(), auth.services()
    password = form.get("password", "")
    if password and values["way"] != "password":
        sentence = gettext("Choose “Set it now” for this password, or leave it empty.")
        return await _users_page(values, Fault("password", sentence))
    try:
        if values["way"] == "password":
            await hub.access.users.add(values["name"], values["role"], password, by=auth.actor())
            return redirect_to("/site/users?done=user-added")
        token = await hub.access.setup_links.create_for(
            values["name"], values["role"], by=auth.actor()
        )
    except BadParameter as error:
        return await _users_page(values, Fault(error.field, describe_account_error(error)))
    role_name = ROLES[values["role"]]
    return await page(
        "site/user_link.html",
        name=values["name"],
        role=gettext(role_name),
        link=f"{screens.base_url()}setup/{token}",
    )


@blueprint.post("/withdraw", role="admin")
async def withdraw() -> Response:
    name = (await request.form).get("name", "")
    await auth.services().access.setup_links.withdraw(name, by=auth.actor())
    return redirect_to("/site/users?done=link-withdrawn")


@blueprint.get("/user", role="admin")
async def user() -> Response:
    return await _user_page(_get(request.args.get("name", "")))


def _get(name: str) -> User:
    """The user of this name. Raises NoSuchResource."""
    return auth.services().access.users.get(name)


async def _user_page(user: User, about: str = "", fault: Fault = NO_FAULT) -> Response:
    """The page of one user. `about` names the form that `field` and `fault` belong to."""
    hub = auth.services()
    return await page(
        "site/user.html",
        status=fault.status,
        row=_row(user, auth.user()),
        user=user,
        sessions=hub.access.sessions.of_user(user.name),
        has_factor=hub.access.second_factors.is_on(user.name),
        is_last=hub.access.users.is_last_administrator(user),
        roles=_role_choices(),
        about=about,
        field=fault.field,
        fault=fault.sentence,
    )


def _asked(about: str, *, unless: Callable[[Form], bool] = lambda form: False) -> Check:
    """Ask for the password in the form `about` of the page of a user."""

    async def show_again(fault: Fault) -> Response:
        return await _user_page(_get((await request.form).get("name", "")), about, fault)

    return asked(show_again, unless=unless)


def _is_own(form: Form) -> bool:
    return form.get("name", "") == auth.user().name


@blueprint.get("/confirm", role="admin")
async def confirm() -> Response:
    """Ask once before a user is removed, or an administrator shuts themself out."""
    action, role = request.args.get("action", ""), request.args.get("role", "")
    if action not in ("remove", "disable", "role"):
        raise NotHere(gettext("There is no such address."))
    user = _get(request.args.get("name", ""))
    return await page(
        "site/user_confirm.html",
        row=_row(user, auth.user()),
        action=action,
        role=role,
        new_role=gettext(ROLES[role]) if role in ROLES else "",
    )


def _ask(user: User, action: str, **more: str) -> Response:
    return redirect_to(make_url("/site/users/confirm", name=user.name, action=action, **more))


# One's own role can only become lower.
@blueprint.post("/role", role="admin", password=_asked("role", unless=_is_own))
async def set_role() -> Response:
    me = auth.user()
    form = await request.form
    user, role = _get(form.get("name", "")), form.get("role", "")
    if user.name == me.name and role != "admin" and not form.get("confirmed"):
        return _ask(user, "role", role=role)
    try:
        await auth.services().access.users.set_role(user.name, role, by=auth.actor())
    except BadParameter as error:
        return await _user_page(user, "role", Fault("", describe_account_error(error)))
    return redirect_to("/" if user.name == me.name else _url_of(user.name, done="user-role"))


@blueprint.post("/enable", role="admin", password=_asked("access"))
async def enable() -> Response:
    user = _get((await request.form).get("name", ""))
    await auth.services().access.users.set_enabled(user.name, True, by=auth.actor())
    return redirect_to(_url_of(user.name, done="user-enabled"))


@blueprint.post("/disable", role="admin")
async def disable() -> Response:
    me = auth.user()
    form = await request.form
    user = _get(form.get("name", ""))
    if user.name == me.name and not form.get("confirmed"):
        return _ask(user, "disable")
    try:
        await auth.services().access.users.set_enabled(user.name, False, by=auth.actor())
    except BadParameter as error:
        return await _user_page(user, "access", Fault("", describe_account_error(error)))
    return redirect_to(_url_of(user.name, done="user-disabled"))


@blueprint.post("/sign-out", role="admin")
async def sign_out() -> Response:
    user = _get((await request.form).get("name", ""))
    await auth.services().access.users.sign_out(user.name, by=auth.actor())
    return redirect_to(_url_of(user.name, done="user-signed-out"))


@blueprint.post("/password", role="admin", password=_asked("password", unless=_is_own))
async def set_password() -> Response:
    """Set the password of another user. One's own is changed on the page of the account."""
    me = auth.user()
    form = await request.form
    user = _get(form.get("name", ""))
    if user.name == me.name:
        return redirect_to("/account")
    try:
        await auth.services().access.users.set_password(
            user.name, form.get("password", ""), by=auth.actor()
        )
    except BadParameter as error:
        fault = Fault(error.field, describe_account_error(error))
        return await _user_page(user, "password", fault)
    return redirect_to(_url_of(user.name, done="user-password"))


@blueprint.post("/second-factor", role="admin", password=_asked("factor", unless=_is_own))
async def remove_second_factor() -> Response:
    """Take it away from another user. One's own is on the page of the account."""
    user = _get((await request.form).get("name", ""))
    if user.name == auth.user().name:
        return redirect_to("/account#second-factor")
    await auth.services().access.second_factors.remove(user.name, by=auth.actor())
    return redirect_to(_url_of(user.name, done="factor-off"))


@blueprint.post("/remove", role="admin")
async def remove() -> Response:
    form = await request.form
    user = _get(form.get("name", ""))
    if not form.get("confirmed"):
        return _ask(user, "remove")
    try:
        await auth.services().access.users.remove(user.name, by=auth.actor())
    except BadParameter as error:
        return await _user_page(user, "access", Fault("", describe_account_error(error)))
    return redirect_to("/site/users?done=user-removed")
