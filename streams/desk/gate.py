"""The gate before every route: who asks, whether they may, and whether the form is ours.

A route says who may use it with :func:`open_to`; one that says nothing is open to nobody.
"""

import hmac
import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from starlette.datastructures import UploadFile
from starlette.requests import Request

from schemas.errors import OperatorError
from streams.desk.house import House
from streams.desk.limits import LINKS
from streams.notices.casebook import accounts
from streams.notices.casebook.accounts import Session
from streams.notices.casebook.viewer import ROLES, Viewer
from streams.privacy.keys import PrivacyKeys

F = TypeVar("F", bound=Callable[..., Any])

EVERYONE = "everyone"
TOKEN = "token"  # noqa: S105 - names a kind of visitor
SIGNED_IN = frozenset(ROLES)

IDLE = timedelta(hours=2)
LASTS = timedelta(hours=12)
TOUCH = timedelta(minutes=1)
LARGEST_BODY = 256 * 1024
LARGEST_UPLOAD = 6 * 1024 * 1024
UPLOADS = ("/report/", "/watchlist/upload", "/rules/upload")
"""Below these addresses a form may bring a file."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class NotSignedIn(Exception):
    """Nobody is behind the request; ``then`` is where to go after signing in."""

    def __init__(self, then: str, *, code: bool = False) -> None:
        super().__init__(then)
        self.then = then
        self.code = code
        """The password was right and the one-time code is missing."""


class Refused(Exception):
    """The visitor may not do this; ``status`` and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class TooOften(Refused):
    """The visitor asks more often than one may; ``wait_s`` whole seconds are to pass."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = math.ceil(wait_s)
        super().__init__(
            429, "too_often", f"Too many requests: nothing was changed; try again in {self.wait_s} s."
        )


def open_to(*who: str) -> Callable[[F], F]:
    """Say who may use a route: roles, :data:`EVERYONE`, or :data:`TOKEN` (a platform's API token)."""

    def mark(endpoint: F) -> F:
        endpoint.audience = frozenset(who)  # type: ignore[attr-defined]
        return endpoint

    return mark


def limited(kind: str) -> Callable[[F], F]:
    """Say that a route may be asked only so often; ``kind`` is one of :data:`streams.desk.limits.RATES`."""

    def mark(endpoint: F) -> F:
        endpoint.rate = kind  # type: ignore[attr-defined]
        return endpoint

    return mark


def takes_files(endpoint: F) -> F:
    """Say that a route reads and checks its form itself, because files come with it."""
    endpoint.takes_files = True  # type: ignore[attr-defined]
    return endpoint


def audience(endpoint: Any) -> frozenset[str]:
    """Who may use a route; nobody, if it does not say."""
    found: frozenset[str] = getattr(endpoint, "audience", frozenset())
    return found


@dataclass(frozen=True, slots=True)
class Form:
    """Fields of a form; a field may be there several times."""

    fields: tuple[tuple[str, str], ...]

    def one(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        return next((value for key, value in reversed(self.fields) if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in order."""
        return tuple(value for key, value in self.fields if key == name)


def session_cookie(house: House) -> str:
    """Its name; the prefix makes browsers hold it to this host and to https."""
    return "__Host-takin" if house.https else "takin"


def form_cookie(house: House) -> str:
    """The cookie that a form needs while nobody is signed in."""
    return "__Host-takin-form" if house.https else "takin-form"


def make_gate(house: House) -> Callable[[Request], Any]:
    """The dependency that every route has."""

    async def gate(request: Request) -> None:
        allowed = audience(request.scope["endpoint"])
        if TOKEN in allowed:
            request.state.viewer = await _by_token(house, request)
            _in_rate(house, request)
            return
        session = await _session(house, request)
        request.state.session = session
        request.state.viewer = session.account.viewer if session and session.whole else None
        by_itself = getattr(request.scope["endpoint"], "takes_files", False)
        if request.method not in SAFE_METHODS and not by_itself:
            request.state.form = await read_form(request)
        if EVERYONE in allowed:
            _in_rate(house, request)
            return
        if session is None or not session.whole:
            there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            then = there if request.method in SAFE_METHODS else "/"
            raise NotSignedIn(then, code=session is not None)
        if session.account.role not in allowed:
            raise Refused(
                403, "not_for_you", "This page is not for your role. Ask an administrator if it should be."
            )
        if request.method not in SAFE_METHODS and not by_itself:
            check_form(request, request.state.form, session.csrf)
        _in_rate(house, request)

    return gate


def visitor_address(request: Request) -> str:
    """Where a request comes from, as it is counted: of IPv6 the first 64 bits, the rest being one's own to
    choose (RFC 6177)."""
    host = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)


def _in_rate(house: House, request: Request) -> None:
    """Refuse who asks too often: counted by token or account, where nobody is signed in by address."""
    kind = getattr(request.scope["endpoint"], "rate", None)
    if kind is None:
        return
    viewer = request.state.viewer
    by_address = viewer is None or kind == LINKS
    visitor = visitor_address(request) if by_address else viewer.account_id
    wait = house.limits.wait_s(kind, visitor)
    if wait > 0:
        raise TooOften(wait)


async def _session(house: House, request: Request) -> Session | None:
    token = request.cookies.get(session_cookie(house))
    if not token or len(token) > 200:
        return None
    now = house.clock()
    found = await house.casebook.look(accounts.session, token, now=now, idle=IDLE)
    if found is not None and now - found.seen_at > TOUCH:
        await house.casebook.run(accounts.touch, found.token_sha256, now=now)
    return found


async def _by_token(house: House, request: Request) -> Viewer:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = None
    if scheme.lower() == "bearer" and 20 <= len(token) <= 200:
        found = await house.casebook.look(accounts.by_token, token)
    if found is None:
        raise Refused(401, "no_token", "Send a living API token: Authorization: Bearer tkd_…")
    living, account = found
    now = house.clock()
    if living.used_at is None or now - living.used_at > TOUCH:
        await house.casebook.run(accounts.token_used, living.token_id, now=now)
    return Viewer(living.token_id, f"{account.login}/{living.name}", living.name, "platform", living.platform)


async def read_form(request: Request) -> Form:
    """The fields of an urlencoded body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/x-www-form-urlencoded":
        raise Refused(415, "not_a_form", "A form is sent as application/x-www-form-urlencoded.")
    try:
        text = body.decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=2_000, errors="replace")
    except ValueError as error:
        raise Refused(400, "bad_form", "The form could not be read.") from error
    return Form(tuple(fields))


async def read_upload(request: Request, name: str, most: int) -> tuple[Form, str, bytes]:
    """The fields of a form that brings a file, the file's name, and what is in it; of somebody signed in.

    Raises:
        Refused: it is not this session's form, brings no file, or one of more than ``most`` bytes.
    """
    async with request.form(max_files=1, max_fields=20, max_part_size=64 * 1024) as given:
        form = Form(tuple((key, value) for key, value in given.multi_items() if isinstance(value, str)))
        check_form(request, form, request.state.session.csrf)
        file = given.get(name)
        if not isinstance(file, UploadFile) or not file.filename:
            raise Refused(422, "no_file", "Choose a file first.")
        content = await file.read(most + 1)
    if len(content) > most:
        raise Refused(422, "too_large", f"The file is larger than {most:,} bytes: divide it.")
    return form, file.filename[:200], content


def check_form(request: Request, form: Form, expected: str) -> None:
    """Refuse a form that another site sent, or that carries no token of this session."""
    fetched_from = request.headers.get("sec-fetch-site", "same-origin")
    given = form.one("csrf").encode("utf-8", "replace")
    if fetched_from not in ("same-origin", "none") or not hmac.compare_digest(given, expected.encode()):
        raise Refused(403, "stale_form", "This form is too old or came from elsewhere: load the page again.")


def local_path(then: str) -> str:
    """Where to go next, if it is a path of ours; else the start page."""
    fine = (
        then.startswith("/")
        and not then.startswith(("//", "/\\"))
        and then.isprintable()
        and "\\" not in then
    )
    return then if fine else "/"


def login_address(then: str) -> str:
    """The login page that leads back."""
    return "/login" if then in ("", "/") else f"/login?then={quote(then, safe='/')}"


SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def seller_keys(house: House) -> PrivacyKeys:
    """Under which sellers are named in what is downloaded.

    Raises:
        Refused: no key can be read or made.
    """
    try:
        return house.privacy()
    except OperatorError as error:
        raise Refused(503, "no_key", f"Nothing can be downloaded now. {error}") from error
