"""Listings from one public JSON API (a *shelf*), pass by pass, at its pace and within a day's budget.

A pass asks page after page and gives out what is new or changed. Where an API shows the newest first, a pass
ends at the first page without anything new; but only if the pass before it came to its end, so that one that
was killed or cut short leaves no hole; and every ``whole_every`` it walks to the end, so that changes are
seen. What was seen is part of the cursor, which is given with every few pages: a kill repeats at most those.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import structlog
from pydantic import SecretStr

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error
from connectors.mapping import Unusable, seal
from connectors.pace import Pace, window_s
from connectors.pages import moment
from connectors.platform import Page
from connectors.replies import json_of
from connectors.shelves.shelf import Ask, Explains, Row, Rows, SearchRefused, Shelf, WrongShape
from connectors.sources.refresh import RefreshTokens
from connectors.sources.tokens import Tokens
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.listing import Listing
from schemas.message import digest

log = structlog.get_logger(__name__)

CAP = 16 * 1024 * 1024
"""Bytes of one answer."""
REMEMBERED = 50_000
"""Listings that the cursor remembers; of a larger shop the rest is published again with each whole walk."""
CURSOR_EVERY = 8
"""Pages between two cursors in the middle of a pass."""


@dataclass(slots=True)
class _State:
    """What a cursor holds."""

    seen: dict[str, str]
    walked: dict[str, str]
    """When each search was last walked to its end; gone while a pass over it is under way."""
    day: str = ""
    calls: int = 0

    def to_text(self) -> str:
        newest = self.seen
        if len(newest) > REMEMBERED:
            newest = dict(list(newest.items())[-REMEMBERED:])
        held = {"seen": newest, "walked": self.walked, "day": self.day, "calls": self.calls}
        return orjson.dumps(held).decode()

    @classmethod
    def from_text(cls, text: str | None) -> "_State":
        """An unreadable cursor means: everything is new, which repeats and loses nothing."""
        try:
            held = orjson.loads(text) if text else {}
            seen, walked = dict(held.get("seen") or {}), dict(held.get("walked") or {})
            return cls(seen, walked, str(held.get("day", "")), int(held.get("calls", 0)))
        except (ValueError, AttributeError, TypeError):
            return cls({}, {})


class _Spent(Exception):
    """No call is left today."""


class ShelfSource:
    """One API as a source of one platform's listings."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        platform: str,
        pages: str,
        api: str,
        name: str,
        client: OutboundClient,
        pace: Pace,
        now: Callable[[], datetime],
        run_id: str,
        words: Sequence[str] = (),
        key: SecretStr | None = None,
        secret: SecretStr | None = None,
        calls_a_day: int = 5_000,
        whole_every: timedelta = timedelta(days=1),
        since: datetime | None = None,
        token_url: str | None = None,
        token_client: OutboundClient | None = None,
        token_file: Path | None = None,
    ) -> None:
        """``pages``: where people see listings; ``api``: where the API is. ``since``: what the platform dates
        before it is left out, and where the newest comes first a pass ends there. ``token_client``: for
        ``token_url``, where tokens are given out by another host than the API's. ``token_file``: see
        :class:`connectors.sources.refresh.RefreshTokens`, whose errors this raises."""
        self._shelf = shelf
        self._platform = platform
        self._pages = pages
        self._api = api
        self._name = name
        self._client = client
        self._pace = pace
        self._now = now
        self._run_id = run_id
        self._words = tuple(words) or ("",)
        self._key = key
        self._calls_a_day = calls_a_day
        self.calls_left = calls_a_day
        """Of today's calls, as of the last one."""
        self._whole_every = whole_every
        self._since = since
        self._tokens: Tokens | None = None
        if key is not None and secret is not None:
            where = (token_client or client, token_url or api + shelf.manners.token_path)
            if shelf.manners.login == "credentials":
                self._tokens = Tokens(*where, shelf.manners.token_form, key, secret, now=now)
            elif shelf.manners.login == "refresh" and token_file is not None:
                self._tokens = RefreshTokens(*where, key, secret, token_file, now=now)

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """One pass over every search.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: a person should look.
        """
        state = _State.from_text(since)
        given = False
        refusals: list[SearchRefused] = []
        try:
            for words in self._words:
                try:
                    async for page in self._walk(words, state):
                        yield page
                        given = True
                except SearchRefused as error:
                    refusals.append(error)
                    log.warning(
                        "search_refused", platform=self._platform, words=words[:200], detail=error.detail
                    )
            if len(refusals) == len(self._words):
                last = refusals[-1]
                raise PlatformRefused(last.reason, last.detail, http_status=last.http_status)
            if refusals:  # what they cost is kept
                yield Page((), (), state.to_text())
        except _Spent:
            log.warning("calls_spent", platform=self._platform, calls_a_day=self._calls_a_day)
            yield Page((), (), state.to_text())
        except ConnectorError:
            # What was given is out: without this cursor the next try would publish it again. Where nothing
            # was, no page may pass for progress.
            if given:
                yield Page((), (), state.to_text())
            raise

    async def _walk(self, words: str, state: _State) -> AsyncIterator[Page]:
        manners = self._shelf.manners
        began = self._now()
        before = state.walked.pop(words, None)
        walked_at = moment(before)
        may_stop = manners.newest_first and walked_at is not None and began - walked_at < self._whole_every
        ask: Ask | None = self._shelf.first(words)
        previous: set[str] | None = None
        gap = False
        for number in range(1, manners.most_pages + 1):
            assert ask is not None, "the loop ends with the last page"
            rows = await self._page(ask, state)
            fresh, aside, ids, old = self._made(rows.rows, state)
            if manners.overlap and previous is not None and ids and not ids & previous:
                gap = True
            previous = ids
            nothing_new = not fresh and not aside
            past = manners.newest_first and bool(ids) and old == len(rows.rows)
            stopped = (may_stop and nothing_new) or past
            last = stopped or rows.next is None or rows.next == ask or number == manners.most_pages
            if last and not gap:
                state.walked[words] = before if stopped and before else began.isoformat()
            cursor = state.to_text() if last or number % CURSOR_EVERY == 0 else None
            if fresh or aside or cursor is not None:
                yield Page(tuple(fresh), tuple(aside), cursor)
            if last:
                return
            ask = rows.next

    def _made(
        self, rows: Sequence[Any], state: _State
    ) -> tuple[list[Listing], list[DeadLetter], set[str], int]:
        """What is new of a page, the ids it holds, and how many rows are from before ``since``."""
        now = self._now()
        fresh: list[Listing] = []
        aside: list[DeadLetter] = []
        ids: set[str] = set()
        old = 0
        for row in rows:
            made = self._listing(row, now)
            if isinstance(made, DeadLetter):
                identity, mark = made.dead_letter_id, "-"
            else:
                identity, mark = made.listing_id, made.content_hash[:12]
            ids.add(identity)
            if isinstance(made, Listing) and _before(made, self._since):
                old += 1
                continue
            # Put at the end again: what is still shown is what must be remembered.
            if state.seen.pop(identity, None) != mark:
                (aside if isinstance(made, DeadLetter) else fresh).append(made)  # type: ignore[arg-type]
            state.seen[identity] = mark
        return fresh, aside, ids, old

    def _listing(self, row: Any, now: datetime) -> Listing | DeadLetter:
        try:
            if not isinstance(row, Mapping):
                raise Unusable("wrong_shape", "The row is no object.")
            fields = self._fields(row)
            if not fields.get("listing_id"):
                raise Unusable("wrong_shape", "The row has no id.")
            return seal(
                {
                    **{name: value for name, value in fields.items() if value is not None},
                    "platform": self._platform,
                    "connector": self._name,
                    "run_id": self._run_id,
                    "observed_at": now,
                },
                now=now,
            )
        except Unusable as refusal:
            raw = json.dumps(row, default=str, sort_keys=True).encode("utf-8", "replace")
            return dead_letter(
                stage="connector",
                reason=refusal.reason,
                detail=refusal.detail,
                value=raw,
                now=now,
                origin=f"{self._api}#{digest([raw])[:16]}",
                worker=self._run_id,
            )

    def _fields(self, row: Row) -> dict[str, Any]:
        return self._shelf.fields(row, self._pages)

    async def _page(self, ask: Ask, state: _State) -> Rows:
        reply = await self._get(ask, state)
        if reply.status == 401 and self._tokens is not None:
            # A token may be revoked before its time; a second refusal is one.
            self._tokens.forget()
            reply = await self._get(ask, state)
        error = self._trouble(reply)
        if error is not None:
            if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
                self._pace.be_silent(error.retry_after_s)
            raise error
        if (rest := window_s(reply.headers)) is not None:
            self._pace.be_silent(rest)
        if not reply.complete:
            raise PlatformUnavailable("bad_reply", f"the answer is longer than {CAP} bytes", http_status=200)
        document = json_of(reply.body)
        try:
            return self._shelf.read(document, ask)
        except WrongShape as error:
            raise PlatformUnavailable("bad_reply", str(error), http_status=200) from error

    def _trouble(self, reply: Reply) -> ConnectorError | None:
        if isinstance(self._shelf, Explains) and reply.complete:
            try:
                document = json_of(reply.body)
            except PlatformUnavailable:
                document = None
            if (error := self._shelf.trouble(reply.status, document)) is not None:
                return error
        return reply_error(reply, self._now()) if reply.status != 200 else None

    async def _get(self, ask: Ask, state: _State) -> Reply:
        today = f"{self._now().astimezone(UTC):%Y-%m-%d}"
        if state.day != today:
            state.day, state.calls = today, 0
        if state.calls + ask.cost > self._calls_a_day:
            self.calls_left = 0
            raise _Spent
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone", retry_after_s=silent
            )
        await self._pace.turn()
        state.calls += ask.cost
        self.calls_left = max(self._calls_a_day - state.calls, 0)
        headers = {"Accept": "application/json", **ask.headers}
        if self._tokens is not None:
            headers.update(self._shelf.key_headers(await self._tokens.current()))
        elif self._key is not None:
            headers.update(self._shelf.key_headers(self._key.get_secret_value()))
        query = f"?{urlencode(ask.query)}" if ask.query else ""
        return await self._client.request("GET", f"{self._api}{ask.path}{query}", headers=headers, cap=CAP)


def _before(listing: Listing, since: datetime | None) -> bool:
    return since is not None and listing.posted_at is not None and listing.posted_at < since
