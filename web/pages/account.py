"""Sign in and out, the user's own account, and the preferences of this browser."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, NotAuthorised, TooManyRequests
from hub.services.access.second_factor import RECOVERY_CODES, CodeNeeded
from hub.services.access.sessions import SignedIn, hash_token
from hub.services.access.setup_links import setup_command
from hub.services.access.sign_in import TicketEnded
from hub.services.access.validation import MAX_SENT_NAME
from hub.store.tables.users import User
from web import auth, language
from web.language import LANGUAGES, gettext, ngettext
from web.pages.faults import NO_FAULT, Fault, Forbidden
from web.pages.layout import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, local_path, page, redirect_to

blueprint = Blueprint("account", __name__)

_YEAR = 365 * 86_400


@blueprint.get("/sign-in", role=None)
async def show_sign_in() -> Response:
    next_path = local_path(request.args.get("next"))
    if await auth.current_user():
        return redirect_to(next_path)
    return await _sign_in_page(next_path=next_path)


async def _sign_in_page(
    *, next_path: str, name: str = "", fault: str = "", status: int = 200
) -> Response:
    return await page(
        "account/sign_in.html",
        status=status,
        next=next_path,
        name=name,
        fault=fault,
        needs_setup=auth.services().access.setup_links.is_needed(),
        setup_command=setup_command(auth.services().core.data_dir),
        has_users=bool(auth.services().access.users.all()),
    )


@blueprint.post("/sign-in", role=None)
async def sign_in() -> Response:
    form = await request.form
    # A longer one is refused, and not sent back as a whole.
    name = form.get("name", "").strip()[: MAX_SENT_NAME + 1]
    next_path = local_path(form.get("next"))
    try:
        signed_in = await auth.services().access.sessions.sign_in(
            name,
            form.get("password", ""),
            auth.client_address(),
            marks=auth.browser_marks(),
        )
    except TooManyRequests as error:
        return _later(
            error,
            await _sign_in_page(
                next_path=next_path, name=name, fault=_describe_wait(error), status=429
            ),
        )
    except CodeNeeded as error:
        return await _code_page(error.ticket, next_path)
    except NotAuthorised:
        fault = gettext("Wrong user name or password.")
        return await _sign_in_page(next_path=next_path, name=name, fault=fault, status=401)
    return await _signed_in(signed_in, next_path)


@blueprint.post("/sign-in/code", role=None)
async def give_code() -> Response:
    """The second step, for users with a second factor."""
    form = await request.form
    next_path, ticket = local_path(form.get("next")), form.get("ticket", "")
    try:
        signed_in = await auth.services().access.sessions.sign_in_by_code(
            ticket, form.get("code", ""), auth.client_address(), marks=auth.browser_marks()
        )
    except TooManyRequests as error:
        return _later(error, await _code_page(ticket, next_path, _describe_wait(error), 429))
    except TicketEnded:
        fault = gettext("That took too long. Sign in again.")
        return await _sign_in_page(next_path=next_path, fault=fault, status=401)
    except NotAuthorised:
        fault = gettext("Wrong code. Wait for the next one, or use a recovery code.")
        return await _code_page(ticket, next_path, fault, 401)
    return await _signed_in(signed_in, next_path)


async def _code_page(ticket: str, next_path: str, fault: str = "", status: int = 200) -> Response:
    now = auth.services().core.clock.reading().likely
    return await page(
        "account/code.html",
        status=status,
        ticket=ticket,
        next=next_path,
        fault=fault,
        clock=language.current().time(now, language.zone()),
    )


def _describe_wait(error: TooManyRequests) -> str:
    return ngettext(
        "Too many attempts. Try again in %(n)s second.",
        "Too many attempts. Try again in %(n)s seconds.",
        error.retry_after,
    ) % {"n": error.retry_after}


def _later(error: TooManyRequests, response: Response) -> Response:
    response.headers["Retry-After"] = str(error.retry_after)
    return response


async def _signed_in(signed_in: SignedIn, next_path: str) -> Response:
    if auth.services().access.second_factors.is_missing(signed_in.user):
        next_path = "/account#second-factor"
    # The session that this browser had before is of no use to anybody else.
    if earlier := auth.session_token():
        await auth.services().access.sessions.sign_out(earlier)
    response = redirect_to(next_path)
    auth.remember(response, signed_in)
    return response


@blueprint.post("/sign-out", role=None)
async def sign_out() -> Response:
    await auth.services().access.sessions.sign_out(auth.session_token())
    response = redirect_to("/sign-in?done=signed-out")
    auth.forget(response)
    return response


@blueprint.get("/account", role="signed-in")
async def account() -> Response:
    return await account_page(auth.user())


class SessionRow(Struct, frozen=True):
    """One session of the user; `is_here`: that of this browser."""

    address: str
    since: str
    used: str
    is_here: bool


def _session_rows(me: User) -> list[SessionRow]:
    hub, shown = auth.services(), language.current()
    zone, expiry, here = (
        language.zone(),
        hub.core.clock.expiry,
        hash_token(auth.session_token()),
    )
    return [
        SessionRow(
            address=session.address,
            since=shown.moment(expiry.as_shown(session.created_at), zone),
            used=shown.moment(expiry.as_shown(session.last_used_at), zone),
            is_here=session.token_hash == here,
        )
        for session in hub.access.sessions.of_user(me.name)
    ]


async def account_page(
    me: User, fault: str = "", status: int = 200, factor_fault: Fault = NO_FAULT, **factor: object
) -> Response:
    """The page; `factor`: what of setting up a second factor is shown once."""
    hub = auth.services()
    factors, now = hub.access.second_factors, hub.core.clock.reading().likely
    return await page(
        "account/account.html",
        status=status,
        fault=fault,
        sessions=_session_rows(me),
        is_screen=_is_screen(),
        has_factor=factors.is_on(me.name),
        needs_factor=factors.is_missing(hub.access.users.get(me.name)),
        left=factors.recovery_left(me.name),
        most=RECOVERY_CODES,
        clock=language.current().time(now, language.zone()),
        factor_fault=factor_fault,
        **factor,
    )


def _is_screen() -> bool:
    return auth.services().access.sessions.is_screen(auth.session_token())


def refuse_screens() -> None:
    """Raise NotAllowed on a wall screen: anybody may stand at it, and it can only look."""
    if _is_screen():
        raise Forbidden(gettext("A wall screen can only show the wall."))


@blueprint.post("/account/password", role="signed-in")
async def change_password() -> Response:
    me = auth.user()
    refuse_screens()
    form = await request.form
    try:
        await auth.services().access.users.change_password(
            me.name,
            form.get("old", ""),
            form.get("new", ""),
            keep=auth.session_token(),
            by=auth.actor(),
        )
    except BadParameter as error:
        fault = (
            gettext("The current password is wrong.")
            if error.field == "old"
            else gettext("The new password is too short. Use at least 8 characters.")
        )
        return await account_page(me, fault, 400)
    except TooManyRequests:
        return await account_page(
            me, gettext("Too many attempts. Wait a minute, then try again."), 429
        )
    return redirect_to("/account?done=password")


@blueprint.post("/account/sign-out-everywhere", role="signed-in")
async def sign_out_everywhere() -> Response:
    refuse_screens()
    await auth.services().access.sessions.sign_out_everywhere(auth.user().name, by=auth.actor())
    response = redirect_to("/sign-in?done=signed-out-everywhere")
    auth.forget(response)
    return response


@blueprint.post("/preferences", role=None)
async def preferences() -> Response:
    """Store language and theme in cookies. Needs no sign-in: the sign-in page has this form."""
    form = await request.form
    response = redirect_to(local_path(form.get("next")))
    if (chosen := form.get("language", "")) in LANGUAGES:
        _keep(response, LANGUAGE_COOKIE, chosen)
    if (chosen := form.get("theme", "")) in THEMES:
        _keep(response, THEME_COOKIE, chosen)
    return response


def _keep(response: Response, cookie: str, value: str) -> None:
    response.set_cookie(
        cookie,
        value,
        max_age=_YEAR,
        secure=auth.services().config.web.tls or request.scheme == "https",
        httponly=True,
        samesite="Lax",
    )
