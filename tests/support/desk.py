"""A desk over a real casebook with two platforms, somebody of every role, and notices in every state."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from connectors.platform_config import PlatformConfig
from streams.contacts.keys import ContactKeys
from streams.desk.app import desk_app
from streams.desk.board import Board
from streams.desk.house import House
from streams.desk.keys import DeskKeys
from streams.desk.metrics import DeskMetrics
from streams.desk.outlets import Outlets
from streams.desk.pages import Pages
from streams.desk.passwords import hash_password
from streams.desk.service import outlets_of
from streams.notices import handlers
from streams.notices.bridge import Bridge
from streams.notices.casebook import accounts, cases, looks
from streams.notices.casebook.accounts import sha256
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.casebook.viewer import ROLES, Viewer
from streams.notices.evidence import EvidenceStore
from streams.notices.handlers import Accepted, Desk
from streams.notices.item import Look
from streams.notices.policy import PlatformPolicy
from streams.notices.ports import Way
from streams.notices.reply_link import ReplyLinks
from streams.privacy.keys import made_keys
from tests.support.notices import LAW, LOOK, SLA, make_desk, make_detection, make_response, render

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
"""The desk's clock in these tests."""
PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)
BASE = "http://desk.example"
CONTACT_KEYS = ContactKeys((b"k" * 32,))
PLATFORMS = ("market", "bazaar")

SOFT_SLA = SLA.model_copy(
    update={"acknowledge_s": 86_400.0, "decide_s": 5 * 86_400.0, "remove_s": 6 * 86_400.0}
)


def two_platforms() -> Desk:
    """Agreements with both."""
    desk = make_desk()
    policies = {
        name: PlatformPolicy(
            name=name,
            sla=SLA if name == "bazaar" else SOFT_SLA,
            look=LOOK,
            legal_entity=f"{name.capitalize()} Ltd",
            redelivers=True,
        )
        for name in PLATFORMS
    }
    return replace(desk, platforms=policies, law=LAW, render=render)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a casebook was filled with."""

    references: Mapping[str, tuple[str, ...]]
    """By platform."""
    cases: Mapping[str, tuple[str, ...]]
    review: tuple[str, ...]


def house_over(casebook: Casebook, folder: Path, *, base: str = BASE, clock: Any = lambda: NOW) -> House:
    """The parts of a desk over this casebook."""
    keys = DeskKeys.load_or_make(folder / "desk.key")
    return House(
        casebook=casebook,
        keys=keys,
        privacy=lambda: made_keys(None, folder / "privacy.key"),
        contacts=lambda: CONTACT_KEYS,
        links=ReplyLinks(base, keys.purpose("reply-link")),
        pages=Pages(),
        board=Board(casebook, clock=clock),
        metrics=DeskMetrics(CollectorRegistry()),
        evidence=EvidenceStore(folder / "evidence"),
        acts=two_platforms(),
        https=False,
        clock=clock,
        outlets=outlets(),
    )


def outlets(try_out: Any = None) -> Outlets:
    """Where both platforms are notified: ``market`` may change it, ``bazaar`` may not."""

    async def taken(platform: str, way: Way, test_id: str, timeout_s: float) -> AttemptResult:
        del platform, way, test_id, timeout_s
        return AttemptResult("accepted", None, 202)

    configs = [
        PlatformConfig(
            name=name,
            kind="sandbox",
            base_url=f"https://{name}.example/old",
            secret=("env:NOT_READ_HERE",),
            self_service=name == "market",
        )
        for name in PLATFORMS
    ]
    return replace(outlets_of(configs, Bridge({})), try_out=try_out or taken)


def add_accounts(casebook: Casebook, *, now: datetime = NOW) -> None:
    """Somebody of each role; of ``platform`` one for each platform."""
    for role in ROLES:
        for platform in PLATFORMS if role == "platform" else (None,):
            casebook.decide(
                accounts.add,
                login=platform or role,
                name=f"{role} of {platform or 'ours'}",
                role=role,
                platform=platform,
                password_hash=HASH,
                now=now,
            )


def fill(
    casebook: Casebook, *, each: int = 4, now: datetime = NOW, text: str | None = None, review: int = 3
) -> Filled:
    """Notices to both platforms, sent an hour ago or more, and cases that wait for a person.

    The first notice of each platform is said and not seen to be removed, the second is seen removed,
    the others are unanswered.
    """
    desk = two_platforms()
    references: dict[str, tuple[str, ...]] = {}
    case_ids: dict[str, tuple[str, ...]] = {}
    for platform in PLATFORMS:
        made = []
        for number in range(each):
            changes: dict[str, Any] = {"seller": {"handle": text[:500] if text else "seller-7"}}
            if text is not None:
                changes |= {"title": text, "description": text, "location": text[:900]}
            detection = make_detection(f"{platform}-{number}", platform=platform, **changes)
            taken = casebook.decide(
                handlers.take_detection, detection, desk, now=now - timedelta(hours=3, minutes=number)
            )
            assert taken.notice_id is not None
            made.append((taken.notice_id, taken.case_id))
        sent = now - timedelta(hours=2)
        deliver(casebook, desk, platform, sent)
        _answer(casebook, desk, platform, made[0], claimed=True, seen="online", sent=sent)
        if each > 1:
            _answer(casebook, desk, platform, made[1], claimed=True, seen="offline", sent=sent)
        with casebook.read() as tx:
            references[platform] = tuple(cases.notice_by_id(tx, one).human_reference for one, _ in made)
        case_ids[platform] = tuple(str(case_id) for _, case_id in made)
    waiting = []
    for number in range(review):
        detection = make_detection(f"review-{number}", platform=PLATFORMS[number % 2], outcome="review")
        taken = casebook.decide(handlers.take_detection, detection, desk, now=now - timedelta(hours=number))
        waiting.append(str(taken.case_id))
    casebook.decide(handlers.fire_deadlines, desk, now=now)
    return Filled(references, case_ids, tuple(waiting))


def deliver(casebook: Casebook, desk: Desk, platform: str, at: datetime) -> None:
    """Everything that waits for a platform is delivered."""
    leased = casebook.decide(
        handlers.start_attempts,
        slots={platform: 1_000},
        now=at,
        hold_for=timedelta(seconds=30),
        worker="w1",
        desk=desk,
    )
    for one in leased:
        casebook.decide(
            handlers.delivered,
            one,
            AttemptResult("accepted", None, 202),
            Accepted(None, None, "DESK-1"),
            desk,
            now=at,
        )


def _answer(
    casebook: Casebook,
    desk: Desk,
    platform: str,
    made: tuple[str, str | None],
    *,
    claimed: bool,
    seen: str,
    sent: datetime,
) -> None:
    notice_id, case_id = made
    with casebook.read() as tx:
        notice = cases.notice_by_id(tx, notice_id)
        item = cases.item_of(tx, notice_id, str(case_id))
    if claimed:
        received = sent + timedelta(minutes=10)
        response = make_response(key=notice.idempotency_key, response_id=f"r/{notice_id}").model_copy(
            update={"platform": platform, "received_at": received, "said_at": received}
        )
        casebook.decide(handlers.apply_response, response, now=received)
    for minutes in (20, 40):
        look_at = sent + timedelta(minutes=minutes)
        due = looks.LookDue(notice_id, str(case_id), platform, item.listing_id, item.url, item.content_hash)
        casebook.decide(
            handlers.take_look,
            due,
            Look(seen, "test", look_at),  # type: ignore[arg-type]
            desk,
            now=look_at,
            http_status=404 if seen == "offline" else 200,
            body_sha256="b" * 64,
            observer="verifier",
        )


def viewer_of(casebook: Casebook, login: str) -> Viewer:
    """The account as queries see it."""
    account = casebook.answer(accounts.by_login, login)
    assert account is not None
    return account.viewer


def sign_in(casebook: Casebook, login: str, *, now: datetime = NOW) -> tuple[str, str]:
    """A session as a right password makes it: the cookie's value and the form token."""
    account = casebook.answer(accounts.by_login, login)
    assert account is not None
    token, csrf = f"session-{login}-{'x' * 20}", f"csrf-{login}"
    if casebook.answer(accounts.session, token, now=now, idle=timedelta(hours=9)) is None:
        casebook.decide(
            accounts.open_session,
            account.account_id,
            token=token,
            csrf=csrf,
            whole=True,
            now=now,
            last_s=86_400.0,
        )
    return token, csrf


def api_token(casebook: Casebook, login: str, *, now: datetime = NOW) -> str:
    """A living API token of a platform."""
    token = f"tkd_{sha256(login)[:40]}"
    casebook.decide(accounts.add_token, viewer_of(casebook, login), token=token, name="test", now=now)
    return token


class Browser:
    """Requests to a desk as one visitor; keeps the cookie and fills in the form token."""

    def __init__(self, app: FastAPI, casebook: Casebook, login: str | None = None) -> None:
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 40_000))
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE)
        self.csrf = ""
        if login is not None:
            token, self.csrf = sign_in(casebook, login)
            self.client.cookies.set("takin", token)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return await self.client.get(path, **more)

    async def post(self, path: str, fields: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        """POST a form."""
        return await self.client.post(path, data={"csrf": self.csrf, **(fields or {})}, **more)


class _Fields(HTMLParser):
    """What a browser would send of one form, without its buttons."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self._form_id = form_id
        self._inside = False
        self._text: tuple[str, list[str]] | None = None
        self._select = ""
        self.found: dict[str, list[str]] = {}

    def _add(self, name: str, value: str) -> None:
        self.found.setdefault(name, []).append(value)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._inside = given.get("id") == self._form_id
        name = given.get("name") or ""
        if not self._inside:
            return
        if tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self._add(name, given.get("value") or "")
        elif tag == "textarea":
            self._text = (name, [])
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self._add(self._select, given.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        if tag == "textarea" and self._text is not None:
            # As browsers do: lines of a form end in CR LF.
            self._add(self._text[0], "".join(self._text[1]).replace("\n", "\r\n"))
            self._text = None


def fields_of(html: str, form_id: str) -> dict[str, list[str]]:
    """The fields of a page's form as they stand there."""
    read = _Fields(form_id)
    read.feed(html)
    return read.found


def table_of(page: str, kind: str = "figures") -> dict[str, list[str]]:
    """The cells of each row of a table of the page as people read them, by the first word of its heading.

    ``kind`` is the table's class: ``figures`` (by platform), ``figures weeks``, ``figures league``.
    """
    table = re.search(rf'<table class="{kind}">(.*?)</table>', page, re.DOTALL)
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", table[1].partition("<tbody>")[2] if table else "", re.DOTALL):
        cells = re.split(r"</th>|</td>", re.sub(r'<span class="hide">.*?</span>', "", row, flags=re.DOTALL))
        said = [" ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in cells]
        place = 0 if row.lstrip().startswith("<th") else 1
        found[said[place].split()[0]] = said
    return found


async def approve(browser: Browser, case_id: str, **changed: Any) -> httpx.Response:
    """Approve a case's notice as the review page shows it; ``changed`` fields are sent instead."""
    page = await browser.get(f"/review/{case_id}")
    return await browser.post(f"/review/{case_id}/approve", {**fields_of(page.text, "notice"), **changed})


def app_over(casebook: Casebook, folder: Path) -> FastAPI:
    """The whole application."""
    return desk_app(house_over(casebook, folder))
