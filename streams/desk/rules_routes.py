"""Rule packs at the desk: uploaded, checked, tried, proposed by one person and released by another."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.errors import OperatorError
from schemas.watchlist import PACK_BYTES, Told
from streams.desk import export, rule_packs
from streams.desk.gate import Refused, limited, open_to, read_upload, takes_files
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.desk.list_pages import SPANS, TRIAL, USUAL, lists_of, with_kafka
from streams.desk.trials import is_tried, read_report
from streams.notices import acts
from streams.notices.casebook import list_changes
from streams.notices.casebook.list_changes import Change
from streams.screening import proposals
from streams.screening.earlier import release_before
from streams.watchlist.carrying import carry_out

PROPOSERS = ("analyst", "lead")
RELEASERS = ("lead",)
PAST = 30
SAID = {
    "drafted": "It is checked and its examples come out right. Nothing is in force yet.",
    "proposed": "Proposed: another person, a lead, has to release it.",
    "released": "Released: in force in every worker within seconds.",
    "declined": "Declined: what is in force stays in force.",
    "dropped": "Dropped.",
    "overtaken": "Somebody released another version at the same moment: nothing was written. Look again.",
}


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    desk = _Desk(house)

    @open_to(*PROPOSERS)
    async def overview(request: Request) -> Response:
        return await desk.overview(request)

    @open_to(*PROPOSERS)
    @takes_files
    async def upload(request: Request) -> Response:
        return await desk.upload(request)

    @open_to(*PROPOSERS)
    async def pack(request: Request) -> Response:
        return await desk.pack(request)

    @open_to(*PROPOSERS)
    @limited(DOWNLOADS)
    async def text(request: Request) -> Response:
        return await desk.text_of_pack(request)

    @open_to(*PROPOSERS)
    async def ask(request: Request) -> Response:
        return await desk.ask(request)

    @open_to(*PROPOSERS)
    async def change(request: Request) -> Response:
        return await desk.show(request)

    @open_to(*PROPOSERS)
    async def progress(request: Request) -> Response:
        found = await desk.change(request)
        return house.pages.html("rules_backtest.html", request, desk.trial(found))

    @open_to(*PROPOSERS)
    @limited(DOWNLOADS)
    async def download(request: Request) -> Response:
        return await desk.download(request)

    @open_to(*PROPOSERS)
    async def backtest(request: Request) -> Response:
        return await desk.backtest(request)

    @open_to(*PROPOSERS)
    async def propose(request: Request) -> Response:
        return await desk.propose(request)

    @open_to(*RELEASERS)
    async def release(request: Request) -> Response:
        return await desk.release(request)

    @open_to(*RELEASERS)
    async def decline(request: Request) -> Response:
        form, by = request.state.form, request.state.viewer.login
        return await desk.decided(request, "declined", acts.decline_pack, reason=form.one("reason"), by=by)

    @open_to(*PROPOSERS)
    async def drop(request: Request) -> Response:
        return await desk.decided(request, "dropped", acts.drop_change, by=request.state.viewer.login)

    for path, endpoint, method in (
        ("/rules", overview, "GET"),
        ("/rules/upload", upload, "POST"),
        ("/rules/packs/{pack}", pack, "GET"),
        ("/rules/packs/{pack}/{state}.yaml", text, "GET"),
        ("/rules/packs/{pack}/{act}", ask, "POST"),
        ("/rules/changes/{change_id}", change, "GET"),
        ("/rules/changes/{change_id}/progress", progress, "GET"),
        ("/rules/changes/{change_id}/download/{part}", download, "GET"),
        ("/rules/changes/{change_id}/backtest", backtest, "POST"),
        ("/rules/changes/{change_id}/propose", propose, "POST"),
        ("/rules/changes/{change_id}/release", release, "POST"),
        ("/rules/changes/{change_id}/decline", decline, "POST"),
        ("/rules/changes/{change_id}/drop", drop, "POST"),
    ):
        app.add_api_route(path, with_kafka(house, endpoint), methods=[method], include_in_schema=False)


class _Desk:
    """What the routes do."""

    def __init__(self, house: House) -> None:
        self.house = house

    def page(
        self, request: Request, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        shown = {
            "said": SAID.get(request.query_params.get("said", "")),
            "targets": proposals.TARGETS,
            "law": rule_packs.law(),
            "same_person": acts.same_person,
            **values,
        }
        return self.house.pages.html(template, request, shown, status=status)

    async def there(self) -> Mapping[str, Told]:
        return await lists_of(self.house).topic.now()

    async def overview(self, request: Request, *, problems: tuple[str, ...] = (), name: str = "") -> Response:
        """What is in force and what is on its way; ``problems`` are those of a pack that was refused."""
        packs = await asyncio.to_thread(rule_packs.standing, await self.there())
        look, viewer = self.house.casebook.look, request.state.viewer
        values = {
            "packs": packs,
            "drafts": await look(
                list_changes.listed, kinds=("pack",), states=("draft",), made_by=viewer.login, limit=PAST
            ),
            "proposed": await look(list_changes.listed, kinds=("pack",), states=("proposed",), limit=PAST),
            "unwritten": [one for one in await look(list_changes.unwritten) if one.kind == "pack"],
            "past": await look(
                list_changes.listed,
                kinds=("pack",),
                states=("done", "overtaken", "declined", "dropped"),
                limit=PAST,
            ),
            "problems": problems,
            "name": name,
        }
        return self.page(request, "rules.html", values, status=422 if problems else 200)

    async def upload(self, request: Request) -> Response:
        """Check a pack whole and keep it as a draft; of one that is refused nothing is kept."""
        _, given, raw = await read_upload(request, "file", PACK_BYTES)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", re.split(r"[/\\]", given)[-1]).lstrip(".-")[-80:]
        if not name.endswith((".yaml", ".yml")):
            return await self.overview(request, problems=("A pack is a .yaml file.",), name=given)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            return await self.overview(request, problems=(f"{name}:{line}: not UTF-8",), name=name)
        checked = await lists_of(self.house).trials.check(name, text)
        if "problems" in checked:
            return await self.overview(request, problems=tuple(checked["problems"]), name=name)
        return await self.drafted(request, checked["pack"], checked["version"], checked["text"])

    async def drafted(
        self, request: Request, pack: str, version: int, text: str, *, target: str = ""
    ) -> Response:
        """Keep a draft and begin its back-test."""
        body = text.encode()
        change_id = await self.house.casebook.run(
            list_changes.draft,
            kind="pack",
            subject=pack,
            version=version,
            target=target,
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            by=request.state.viewer.login,
            now=self.house.clock(),
        )
        found = await self.house.casebook.look(list_changes.one, change_id)
        assert found is not None
        if target != "stopped":
            await self.begin(found, USUAL)
        return RedirectResponse(f"/rules/changes/{change_id}?said=drafted", 303)

    async def begin(self, change: Change, span: str) -> None:
        """Begin a back-test, or a new one in place of it."""
        wish = {
            "what": "pack",
            "name": f"{change.subject}.yaml",
            "text": change.body.decode(),
            "retired": change.subject if change.target == "retired" else "",
            "since": (self.house.clock() - SPANS[span][0]).isoformat(),
        }
        base = proposals.base_of(await self.there())
        trials = lists_of(self.house).trials
        await trials.start(self.house.casebook, change.change_id, wish, base=base)

    async def pack(self, request: Request) -> Response:
        """One name: what is in force and in shadow, rule by rule, and what became of it so far."""
        found = await self.named(request)
        past = await self.house.casebook.look(
            list_changes.listed, kinds=("pack",), subject=found.name, limit=PAST
        )
        values = {
            "one": found,
            "live": found.built_in if found.live is None else rule_packs.parsed(found.live.text),
            "shadow": rule_packs.parsed(found.shadow.text) if found.shadow else None,
            "past": [line for line in past if line.state != "draft"],
            "problem": None,
        }
        return self.page(request, "rules_pack.html", values)

    async def named(self, request: Request) -> rule_packs.Standing:
        found = await asyncio.to_thread(rule_packs.of_name, request.path_params["pack"], await self.there())
        if found.version is None and found.shadow is None:
            raise HTTPException(404)
        return found

    async def text_of_pack(self, request: Request) -> Response:
        found, state = await self.named(request), request.path_params["state"]
        texts = {"active": found.text, "shadow": found.shadow.text if found.shadow else ""}
        if not texts.get(state):
            raise HTTPException(404)
        return export.download(texts[state].encode(), f"{found.name}-{state}", "yaml", self.house.clock())

    async def ask(self, request: Request) -> Response:
        """Make a draft of what is there: put in force, take out, stop, or back to the version before."""
        found, act = await self.named(request), request.path_params["act"]
        if act == "promote" and found.shadow is not None:
            return await self.drafted(request, found.name, found.shadow.version, found.shadow.text)
        if act == "stop" and found.shadow is not None:
            return await self.drafted(request, found.name, found.shadow.version, "", target="stopped")
        if act == "retire" and found.live is not None:
            return await self.drafted(request, found.name, found.live.version, "", target="retired")
        if act == "rollback" and found.live is not None:
            before = await release_before(self.house.casebook, found.name, found.live.sha256)
            if before is None:
                return await self.drafted(request, found.name, found.live.version, "", target="retired")
            return await self.drafted(request, found.name, before.version, before.text)
        raise HTTPException(404)

    async def change(self, request: Request) -> Change:
        """The change of the address; a draft is only its maker's."""
        found = await self.house.casebook.look(list_changes.one, request.path_params["change_id"])
        if found is None or found.kind != "pack":
            raise HTTPException(404)
        if found.state == "draft" and not acts.same_person(found.made_by, request.state.viewer.login):
            raise HTTPException(404)
        return found

    def trial(self, change: Change) -> dict[str, Any]:
        """What the part of the page about the back-test shows."""
        where = f"/rules/changes/{change.change_id}"
        return {
            **TRIAL,
            "change": change,
            "report": read_report(change.report, self.house.clock()),
            # What is shown is what is released: the digest goes with this part, which changes by itself.
            "seen": acts.shown_sha256(change),
            "heading": "Back-test",
            "effect": "would be judged otherwise",
            "whole": where,
            "poll": f"{where}/progress",
            "run": f"{where}/backtest",
            "download": f"{where}/download/backtest.json",
            "may_run": change.state in ("draft", "proposed") and change.target != "stopped",
        }

    async def show(self, request: Request, *, problem: str | None = None) -> Response:
        """Everything that somebody who decides needs to see, and the forms that this person may send."""
        change, there = await self.change(request), await self.there()
        text = change.body.decode()
        standing = await asyncio.to_thread(rule_packs.of_name, change.subject, there)
        after = await asyncio.to_thread(rule_packs.parsed, text)
        before = await asyncio.to_thread(rule_packs.parsed, standing.text)
        gone = change.target in ("retired", "stopped")
        fallback = standing.built_in if change.target == "retired" else None
        compared = rule_packs.built_in()[change.subject][0] if fallback is not None else text
        lines, cut = (
            ((), False)
            if change.target == "stopped"
            else await asyncio.to_thread(proposals.difference, standing.text, compared)
        )
        now = self.house.clock()
        values = {
            **self.trial(change),
            "standing": standing,
            "pack": None if gone else after,
            "gone": gone,
            "lines": lines,
            "cut": cut,
            "rules_changed": () if gone else proposals.rules_changed(before, after),
            "tried": is_tried(change.report, now),
            "stale": change.base is not None and change.base != proposals.base_of(there),
            "mine": acts.same_person(change.made_by, request.state.viewer.login),
            "problem": problem,
        }
        return self.page(request, "rules_change.html", values, status=422 if problem else 200)

    async def download(self, request: Request) -> Response:
        """The pack byte for byte as it is to be released, or its back-test."""
        change, part = await self.change(request), request.path_params["part"]
        name = f"{change.subject}-{change.version}"
        if part == "pack.yaml" and change.body:
            return export.download(change.body, name, "yaml", self.house.clock())
        if part == "backtest.json" and change.report:
            content = change.report.encode("utf-8", "surrogatepass")
            return export.download(content, f"{name}-backtest", "json", self.house.clock())
        raise HTTPException(404)

    async def backtest(self, request: Request) -> Response:
        change, span = await self.change(request), request.state.form.one("since")
        if change.state not in ("draft", "proposed") or span not in SPANS:
            raise Refused(422, "decided", "It is decided already, or that span is not one of the list.")
        await self.begin(change, span)
        return RedirectResponse(f"/rules/changes/{change.change_id}", 303)

    async def propose(self, request: Request) -> Response:
        change, form = await self.change(request), request.state.form
        target = form.one("target") or change.target
        return await self.decided(
            request,
            "proposed",
            acts.propose_pack,
            target=target,
            reason=form.one("reason"),
            by=request.state.viewer.login,
            base=proposals.base_of(await self.there()),
            tried=is_tried(change.report, self.house.clock()),
        )

    async def release(self, request: Request) -> Response:
        """Another person's word: what was shown is recorded, then written to the topic."""
        change, there = await self.change(request), await self.there()
        now, by = self.house.clock(), request.state.viewer.login
        try:
            if change.target == "shadow" and change.base != proposals.base_of(there):
                await self.checked(change)
            records = _records(change, there, by=by, now=now)
            decided = await self.house.casebook.run(
                acts.release_pack,
                change.change_id,
                shown=request.state.form.one("shown"),
                base=proposals.base_of(there),
                tried=is_tried(change.report, now),
                writes=records.writes,
                replaces=records.replaces,
                by=by,
                now=now,
            )
        except acts.ActRefused as error:
            return await self.show(request, problem=error.text)
        try:
            how = await carry_out(self.house.casebook, lists_of(self.house).topic, decided, now=now)
        except OperatorError as error:
            said = "It is released on record and not yet written; the desk goes on trying."
            raise Refused(503, "unavailable", f"{said} {error}") from error
        said = "released" if how == "written" else "overtaken"
        return RedirectResponse(f"/rules/changes/{change.change_id}?said={said}", 303)

    async def checked(self, change: Change) -> None:
        """Refuse what workers would refuse beside the packs that are in force now.

        Raises:
            ActRefused: with the first reason.
        """
        trials = lists_of(self.house).trials
        found = await trials.check(
            f"{change.subject}.yaml", change.body.decode(), shadow=change.target == "shadow"
        )
        if "problems" in found:
            raise acts.ActRefused("stale_preview", f"Workers would refuse it now: {found['problems'][0]}.")

    async def decided(self, request: Request, said: str, act: Any, **given: Any) -> Response:
        """Do an act of the casebook and lead on; what is refused is said on the page of the change."""
        change = await self.change(request)
        try:
            await self.house.casebook.run(act, change.change_id, **given, now=self.house.clock())
        except acts.ActRefused as error:
            return await self.show(request, problem=error.text)
        left = said == "dropped" and change.state == "draft"
        where = "/rules" if left else f"/rules/changes/{change.change_id}"
        return RedirectResponse(f"{where}?said={said}", 303)


def _records(change: Change, there: Mapping[str, Told], *, by: str, now: datetime) -> proposals.Records:
    """What the release writes.

    Raises:
        ActRefused: what was to be taken out is gone already.
    """
    try:
        return proposals.records_of(
            change.subject,
            change.target,  # type: ignore[arg-type]
            change.body.decode(),
            change.version or 1,
            there,
            by=by,
            now=now,
        )
    except ValueError as error:
        raise acts.ActRefused("stale_preview", f"It cannot be released: {error}.") from error
