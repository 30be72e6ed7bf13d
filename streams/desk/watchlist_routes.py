"""The watchlist before an analyst: found, added to, changed, retired, and taken from a file."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.errors import OperatorError
from schemas.watchlist import Told, WatchlistEntry
from streams.desk import export
from streams.desk.gate import (
    Form,
    Refused,
    limited,
    open_to,
    read_upload,
    seller_keys,
    takes_files,
)
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.desk.list_pages import SPANS, TRIAL, lists_of, with_kafka
from streams.desk.lists import entries_of
from streams.desk.trials import read_report
from streams.notices import acts
from streams.notices.casebook import accounts, list_changes
from streams.notices.casebook.list_changes import Change
from streams.watchlist import finding
from streams.watchlist.carrying import carry_out
from streams.watchlist.exchange import (
    BadFile,
    Comparison,
    Defaults,
    Format,
    advice_for,
    compare,
    entry_from,
    read_entries_from,
    retired,
    write_csv,
    write_json,
)
from streams.watchlist.keyed import kept_back
from streams.watchlist.records import packed, state_of, told_as

KEEPERS = ("analyst", "lead")
LARGEST_FILE = 5 * 1024 * 1024
FORMS: Mapping[str, Format] = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
SHOWN = 200
"""Lines of a difference on the page; the counts are of all."""
PROBLEMS = 100
FIELDS = (
    *("kind", "value", "reason", "source", "outcome", "state", "confidence", "expires_at"),
    *("platform", "taxon", "product", "language", "distance"),
)
"""Of the form; the others are the desk's."""
FIXED = ("kind", "value")
"""What makes an entry this one: another word is another entry."""
SAID = {
    "added": "Added: it is looked for within seconds.",
    "changed": "Changed: in force within seconds.",
    "retired": "Retired: it is no longer looked for.",
    "taken": "Taken: in force within seconds.",
    "dropped": "Dropped: nothing of the file was taken.",
    "overtaken": "Somebody else changed it at the same moment: nothing of yours was written. Look again.",
}


def fields_given(form: Form) -> dict[str, Any]:
    """The fields of an entry as the form has them; empty ones are absent, a day is its first moment in UTC.

    Raises:
        ValueError: the day is none.
    """
    told: dict[str, Any] = {name: form.one(name).strip() for name in FIELDS}
    told = {name: value for name, value in told.items() if value}
    if "expires_at" in told:
        try:
            day = date.fromisoformat(told["expires_at"])
        except ValueError:
            raise ValueError("expires_at: write the day as 2027-01-31") from None
        told["expires_at"] = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return told


def as_fields(entry: WatchlistEntry) -> dict[str, str]:
    """An entry as the form shows it."""
    told = {name: getattr(entry, name) for name in FIELDS}
    if entry.expires_at is not None:
        told["expires_at"] = f"{entry.expires_at:%Y-%m-%d}"
    return {name: "" if value is None else str(value) for name, value in told.items()}


class _Desk:
    """What every page of the area does."""

    def __init__(self, house: House) -> None:
        self.house = house

    def page(
        self, request: Request, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        said = SAID.get(request.query_params.get("said", ""))
        given = {"said": said, "now": self.house.clock(), "finding": finding, **values}
        return self.house.pages.html(template, request, given, status=status)

    async def list_page(
        self, request: Request, *, problems: tuple[str, ...] = (), unsent: str | None = None
    ) -> Response:
        """The list with what was asked for; ``problems`` are those of a file that was refused."""
        lists, now = lists_of(self.house), self.house.clock()
        asked = finding.Asked.read(request.query_params)
        entries = (await lists.entries()).values()
        filters = {name: value for name, value in asdict(asked).items() if value and name != "page"}
        values = {
            "found": finding.page(entries, asked, now),
            "counts": finding.counts(entries, now),
            "asked": asked,
            "platforms": sorted({one.platform for one in entries if one.platform}),
            "query": urlencode(filters),
            "problems": problems[:PROBLEMS],
            "more_problems": max(0, len(problems) - PROBLEMS),
            "unsent": unsent,
            "unwritten": await self.house.casebook.look(list_changes.unwritten),
        }
        return self.page(request, "watchlist.html", values, status=422 if problems or unsent else 200)

    async def entry_page(
        self,
        request: Request,
        entry: WatchlistEntry | None,
        *,
        given: Mapping[str, str] | None = None,
        problem: str | None = None,
        status: int = 422,
    ) -> Response:
        """An entry, or the form of a new one."""
        new = {"kind": "code_word", "outcome": "review", "state": "active", "confidence": "1.0"}
        shown = {**dict.fromkeys(FIELDS, ""), **(as_fields(entry) if entry else new), **(given or {})}
        history: tuple[Change, ...] = ()
        if entry is not None:
            history = await self.house.casebook.look(
                list_changes.listed, kinds=("entry",), subject=entry.entry_id, limit=50
            )
        values = {
            "entry": entry,
            "given": shown,
            "problem": problem,
            "history": history,
            "advice": advice_for(entry) if entry else "",
            "fixed": FIXED,
            "unchanged": state_of([entry.entry_id], {entry.entry_id: entry}) if entry else "",
            **(await self.trial(entry) if entry else {}),
        }
        return self.page(request, "watchlist_entry.html", values, status=status if problem else 200)

    async def trial(self, entry: WatchlistEntry) -> dict[str, Any]:
        """What came of the newest trial of an entry, whoever ran it."""
        casebook = self.house.casebook
        past = await casebook.look(list_changes.listed, kinds=("trial",), subject=entry.entry_id, limit=1)
        newest = await casebook.look(list_changes.one, past[0].change_id) if past else None
        where = f"/watchlist/entries/{entry.entry_id}"
        return {
            **TRIAL,
            "report": read_report(newest.report, self.house.clock()) if newest else None,
            "seen": "",
            "heading": "What it finds",
            "effect": "are judged otherwise with it than without it",
            "whole": where,
            "poll": f"{where}/trial",
            "run": f"{where}/trial",
            "download": "",
            "may_run": True,
        }

    async def carried(self, change: Change, said: str, where: str) -> Response:
        """Have a decided change written, then lead on; if Kafka is away it waits, and the list says so."""
        try:
            how = await carry_out(
                self.house.casebook, lists_of(self.house).topic, change, now=self.house.clock()
            )
        except OperatorError as error:
            raise Refused(503, "unavailable", f"{_WAITS} {error}") from error
        return RedirectResponse(f"{where}?said={said if how == 'written' else 'overtaken'}", 303)


_WAITS = "It is recorded and not yet written; the desk goes on trying."


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    desk = _Desk(house)

    @open_to(*KEEPERS)
    async def show(request: Request) -> Response:
        return await desk.list_page(request)

    @open_to(*KEEPERS)
    @limited(DOWNLOADS)
    async def download(request: Request) -> Response:
        return await _download(house, request, why=None)

    @open_to(*KEEPERS)
    @limited(DOWNLOADS)
    async def download_clear(request: Request) -> Response:
        why = " ".join(request.state.form.one("clear_sellers").split())[:400]
        if not why:
            raise Refused(422, "no_reason", "Say why sellers are to stand there as they are.")
        return await _download(house, request, why=why)

    @open_to(*KEEPERS)
    async def new(request: Request) -> Response:
        lists_of(house)
        return await desk.entry_page(request, None)

    @open_to(*KEEPERS)
    async def add(request: Request) -> Response:
        return await _save(desk, request, None)

    @open_to(*KEEPERS)
    async def entry(request: Request) -> Response:
        return await desk.entry_page(request, await _entry(house, request))

    @open_to(*KEEPERS)
    async def change(request: Request) -> Response:
        return await _save(desk, request, await _entry(house, request))

    @open_to(*KEEPERS)
    async def retire(request: Request) -> Response:
        return await _retire(desk, request, await _entry(house, request))

    @open_to(*KEEPERS)
    async def tried(request: Request) -> Response:
        return desk.page(request, "rules_backtest.html", await desk.trial(await _entry(house, request)))

    @open_to(*KEEPERS)
    async def try_it(request: Request) -> Response:
        return await _try(desk, request, await _entry(house, request))

    @open_to(*KEEPERS)
    @takes_files
    async def upload(request: Request) -> Response:
        return await _upload(desk, request)

    @open_to(*KEEPERS)
    async def file(request: Request) -> Response:
        return await _file_page(desk, request)

    @open_to(*KEEPERS)
    async def take(request: Request) -> Response:
        return await _take(desk, request)

    @open_to(*KEEPERS)
    async def drop(request: Request) -> Response:
        by, change_id = request.state.viewer.login, request.path_params["change_id"]
        await house.casebook.run(acts.drop_change, change_id, by=by, now=house.clock())
        return RedirectResponse("/watchlist?said=dropped", 303)

    for path, endpoint, method in (
        ("/watchlist", show, "GET"),
        ("/watchlist", add, "POST"),
        ("/watchlist/new", new, "GET"),
        ("/watchlist/upload", upload, "POST"),
        ("/watchlist/export.{form}", download, "GET"),
        ("/watchlist/export.{form}", download_clear, "POST"),
        ("/watchlist/files/{change_id}", file, "GET"),
        ("/watchlist/files/{change_id}/take", take, "POST"),
        ("/watchlist/files/{change_id}/drop", drop, "POST"),
        ("/watchlist/entries/{entry_id}", entry, "GET"),
        ("/watchlist/entries/{entry_id}", change, "POST"),
        ("/watchlist/entries/{entry_id}/retire", retire, "POST"),
        ("/watchlist/entries/{entry_id}/trial", tried, "GET"),
        ("/watchlist/entries/{entry_id}/trial", try_it, "POST"),
    ):
        app.add_api_route(path, with_kafka(house, endpoint), methods=[method], include_in_schema=False)


async def _download(house: House, request: Request, *, why: str | None) -> Response:
    """What the page shows as a file; who is named on it stands there by a keyed name unless said why not."""
    form = request.path_params["form"]
    if form not in ("csv", "json"):
        raise HTTPException(404)
    asked, now = finding.Asked.read(request.query_params), house.clock()
    found = list(finding.chosen((await lists_of(house).entries()).values(), asked, now))
    if why is None:
        found = kept_back(found, seller_keys(house))
        act, subject = "export", f"watchlist?{request.url.query}"
    else:
        act, subject = "clear_sellers", f"watchlist ({len(found)} entries): {why}"
    await house.casebook.run(accounts.log_access, request.state.viewer, act=act, subject=subject, now=now)
    text = write_csv(found) if form == "csv" else write_json(found)
    return export.download(text.encode("utf-8", "surrogatepass"), "watchlist", form, now)


async def _entry(house: House, request: Request) -> WatchlistEntry:
    found = (await lists_of(house).entries()).get(request.path_params["entry_id"])
    if found is None:
        raise HTTPException(404)
    return found


async def _save(desk: _Desk, request: Request, before: WatchlistEntry | None) -> Response:
    """Add an entry, or change one: what a form refuses is what a file is refused for, in the same words."""
    house, form, viewer = desk.house, request.state.form, request.state.viewer
    now = house.clock()
    shown = {name: form.one(name) for name in FIELDS}
    there = await lists_of(house).entries()
    try:
        fields = fields_given(form)
        if before is not None:
            fields |= {name: getattr(before, name) for name in (*FIXED, "entry_id", "added_by", "added_at")}
            if shown["expires_at"] == as_fields(before)["expires_at"]:
                fields["expires_at"] = before.expires_at  # the form knows the day only
        entry, _ = await asyncio.to_thread(entry_from, fields, Defaults(viewer.login, now))
        if entry.state not in ("active", "shadow"):
            raise ValueError("state: choose active or shadow")
    except ValueError as error:
        return await desk.entry_page(request, before, given=shown, problem=f"Nothing was changed: {error}.")
    if before is None and (known := there.get(entry.entry_id)) is not None:
        return await desk.entry_page(
            request, known, given=shown, problem="It is on the list already: see below."
        )
    if before is not None and form.one("seen") != state_of([before.entry_id], there):
        return await desk.entry_page(
            request, before, problem="Somebody has changed this entry since you opened it: look at it again."
        )
    return await _carry_entry(
        desk,
        request,
        before,
        entry,
        reason=form.one("why").strip() or entry.reason,
        said="changed" if before else "added",
    )


async def _retire(desk: _Desk, request: Request, before: WatchlistEntry) -> Response:
    why = request.state.form.one("why").strip()[:1_500]
    if not why:
        return await desk.entry_page(request, before, problem="Say why it is retired.")
    by, now = request.state.viewer.login, desk.house.clock()
    after = retired(before, by=by, why=why, now=now)
    return await _carry_entry(desk, request, before, after, reason=why, said="retired")


async def _try(desk: _Desk, request: Request, entry: WatchlistEntry) -> Response:
    """Begin to run an entry over the listings that Kafka still keeps: what does it find?"""
    span = request.state.form.one("since")
    if span not in SPANS:
        raise Refused(422, "bad_span", "Choose one of the spans of the list.")
    body, now = entry.to_bytes(), desk.house.clock()
    change_id = await desk.house.casebook.run(
        list_changes.draft,
        kind="trial",
        subject=entry.entry_id,
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
        by=request.state.viewer.login,
        now=now,
    )
    wish = {"what": "entry", "entry_id": entry.entry_id, "since": (now - SPANS[span][0]).isoformat()}
    await lists_of(desk.house).trials.start(desk.house.casebook, change_id, wish, base="")
    return RedirectResponse(f"/watchlist/entries/{entry.entry_id}", 303)


async def _carry_entry(
    desk: _Desk,
    request: Request,
    before: WatchlistEntry | None,
    after: WatchlistEntry,
    *,
    reason: str,
    said: str,
) -> Response:
    change = await desk.house.casebook.run(
        acts.change_entry,
        after.entry_id,
        target=after.state,
        body=after.to_bytes(),
        writes=packed([told_as(after.entry_id, after)]),
        replaces=packed([told_as(after.entry_id, before)]),
        by=request.state.viewer.login,
        reason=reason,
        now=desk.house.clock(),
    )
    return await desk.carried(change, said, f"/watchlist/entries/{after.entry_id}")


async def _upload(desk: _Desk, request: Request) -> Response:
    """Read a file and keep it as a draft; of a broken one nothing, and each bad row is named by line."""
    _, name, raw = await read_upload(request, "file", LARGEST_FILE)
    form = FORMS.get("." + name.rpartition(".")[2].lower())
    if form is None:
        return await desk.list_page(
            request, problems=("The file is neither .csv, .json nor .jsonl: name it after its format.",)
        )
    by, now = request.state.viewer.login, desk.house.clock()
    try:
        await asyncio.to_thread(read_entries_from, raw, form, Defaults(by, now))
    except BadFile as error:
        return await desk.list_page(request, problems=error.problems)
    change_id = await desk.house.casebook.run(
        list_changes.draft,
        kind="file",
        subject=name,
        body=raw,
        sha256=hashlib.sha256(raw).hexdigest(),
        by=by,
        now=now,
    )
    return RedirectResponse(f"/watchlist/files/{change_id}", 303)


@dataclass(frozen=True, slots=True)
class _Difference:
    comparison: Comparison
    there: Mapping[str, WatchlistEntry]
    state: str
    """Digest of what the file touches."""


async def _difference(house: House, change: Change) -> _Difference:
    """What a file would change now. Rows that do not say who added them were added by who uploaded it."""
    form = FORMS["." + change.subject.rpartition(".")[2].lower()]
    defaults = Defaults(change.made_by, change.made_at)
    rows = await asyncio.to_thread(read_entries_from, change.body, form, defaults)
    there: Mapping[str, Told] = await lists_of(house).topic.now()
    entries = entries_of(there)
    found = compare(rows, entries)
    return _Difference(found, entries, state_of((row.entry.entry_id for row in rows), there))


async def _draft(house: House, request: Request) -> Change:
    change = await house.casebook.look(list_changes.one, request.path_params["change_id"])
    if change is None or change.kind != "file" or change.state != "draft":
        raise HTTPException(404)
    if not acts.same_person(change.made_by, request.state.viewer.login):
        raise HTTPException(404)
    return change


async def _file_page(desk: _Desk, request: Request, problem: str | None = None) -> Response:
    change = await _draft(desk.house, request)
    found = await _difference(desk.house, change)
    both = found.comparison
    values = {
        "change": change,
        "added": both.added[:SHOWN],
        "changed": [
            (one, finding.differences(found.there[one.entry_id], one)) for one in both.changed[:SHOWN]
        ],
        "counts": (len(both.added), len(both.changed), len(both.unchanged)),
        "left_out": max(0, len(both.added) - SHOWN) + max(0, len(both.changed) - SHOWN),
        "state": found.state,
        "problem": problem,
    }
    return desk.page(request, "watchlist_file.html", values, status=422 if problem else 200)


async def _take(desk: _Desk, request: Request) -> Response:
    house, form = desk.house, request.state.form
    change = await _draft(house, request)
    found = await _difference(house, change)
    fresh = [*found.comparison.added, *found.comparison.changed]
    try:
        taken = await house.casebook.run(
            acts.take_file,
            change.change_id,
            shown=form.one("shown"),
            state=found.state,
            writes=packed(told_as(one.entry_id, one) for one in fresh),
            replaces=packed(told_as(one.entry_id, found.there.get(one.entry_id)) for one in fresh),
            by=request.state.viewer.login,
            reason=form.one("why").strip() or f"file {change.subject}",
            now=house.clock(),
        )
    except acts.ActRefused as error:
        return await _file_page(desk, request, error.text)
    return await desk.carried(taken, "taken", "/watchlist")


__all__ = ["register"]
