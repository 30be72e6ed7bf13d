"""What platforms ask us about notices: an analyst reads the question and gives the information, once."""

from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.gate import open_to
from streams.desk.house import House
from streams.desk.preview import as_read
from streams.notices import acts
from streams.notices.acts.information import LONGEST
from streams.notices.casebook import accounts, desk_pages, outbox, questions
from streams.notices.casebook.desk_pages import NoticePage
from streams.notices.handlers import Desk

ANSWERERS = ("analyst", "lead")
SHOWN = 100
SAID = {
    "queued": "It waits to be sent; the time line says when the platform has it.",
    "known": "These very words were given before: nothing is sent again.",
}
STATES = {"queued": "waits to be sent", "leased": "is being sent", "delivered": "the platform has it"}


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file of the notice that can be named under one's words, with where it is and how it is checked."""

    sha256: str
    line: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What would go, or why it cannot."""

    subject: str | None = None
    text: str | None = None
    size: int = 0
    why_not: str | None = None


def enclosures(page: NoticePage, base: str) -> tuple[Enclosure, ...]:
    """The notice's evidence, a line for each; the platform's own people can download it there. Pure."""
    notice = page.notice
    files = [(f"The listing as captured, {one.media_type}", one) for one in notice.evidence]
    files += [("The page as it was served, WARC", one) for one in page.exhibits]  # type: ignore[misc]
    return tuple(
        Enclosure(
            one.sha256,
            f"{words}, {one.size} bytes, {one.captured_at:%Y-%m-%d %H:%M:%S} UTC, SHA-256 {one.sha256}: "
            f"{base}/notices/{notice.human_reference}/evidence/{one.sha256}",
        )
        for words, one in files
    )


def whole_text(words: str, chosen: tuple[str, ...], offered: tuple[Enclosure, ...]) -> str:
    """What is sent: the words, and the chosen files named below. Pure."""
    said = words.replace("\r\n", "\n").strip()
    lines = [f"- {one.line}" for one in offered if one.sha256 in chosen]
    return (
        "\n".join([said, "", "Evidence, after signing in at our desk:", *lines]) if said and lines else said
    )


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def asked(request: Request, reference: str) -> NoticePage:
        found = await house.casebook.look(desk_pages.notice, request.state.viewer, reference)
        if found is None:
            raise HTTPException(404)
        return found

    def text_of(request: Request, page: NoticePage) -> str:
        form = getattr(request.state, "form", None)
        if form is None:
            return ""
        return whole_text(form.one("text"), form.all("enclose"), enclosures(page, house.links.base))

    def sender_of(page: NoticePage) -> Desk:
        """What writes and queues it; refuses where nothing may go."""
        if house.acts is None:
            raise acts.ActRefused("no_way", "Nothing is sent from here: the desk has no platforms file.")
        outlet = house.outlets.platforms.get(page.row.platform) if house.outlets is not None else None
        if "lifecycle:test" in page.notice.tags and not (outlet is not None and outlet.dev):
            raise acts.ActRefused(
                "not_sent", f"The notice was written in test mode: {page.row.platform} never had it."
            )
        return house.acts

    async def shown(request: Request, page: NoticePage) -> Shown:
        text = text_of(request, page)
        if not text:
            return Shown()
        try:
            desk = sender_of(page)
            _, (body, content_type) = await house.casebook.look(
                acts.write_information, page.row.notice_id, desk, text=text, now=house.clock()
            )
        except acts.ActRefused as error:
            return Shown(why_not=error.text)
        subject, read = as_read(body, content_type)
        return Shown(subject, read, len(body))

    async def page_of(
        request: Request, page: NoticePage, *, problem: str | None = None, status: int = 200
    ) -> Response:
        viewer, now, form = request.state.viewer, house.clock(), getattr(request.state, "form", None)
        await house.casebook.run(
            accounts.log_access, viewer, act="question", subject=page.row.notice_id, now=now
        )
        entries = await house.casebook.look(outbox.of_notice, page.row.notice_id)
        values = {
            "page": page,
            "notice": page.notice,
            "asked": [one for one in page.responses if "need_info" in (one.kind, one.outcome)],
            "given": [one for one in entries if one.purpose == "information"],
            "states": STATES,
            "offered": enclosures(page, house.links.base),
            "chosen": form.all("enclose") if form is not None else (),
            "typed": form.one("text")[:LONGEST] if form is not None else "",
            "longest": LONGEST,
            "shown": await shown(request, page),
            "problem": problem,
            "now": now,
        }
        return house.pages.html("question.html", request, values, status=status)

    @open_to(*ANSWERERS)
    async def every(request: Request) -> Response:
        found = await house.casebook.look(questions.open_questions, request.state.viewer, limit=SHOWN + 1)
        values = {
            "lines": found[:SHOWN],
            "more": len(found) > SHOWN,
            "now": house.clock(),
            "said": SAID.get(request.query_params.get("said", "")),
        }
        return house.pages.html("questions.html", request, values)

    @open_to(*ANSWERERS)
    async def show(request: Request, reference: str) -> Response:
        return await page_of(request, await asked(request, reference))

    @open_to(*ANSWERERS)
    async def preview(request: Request, reference: str) -> Response:
        page = await asked(request, reference)
        if not request.headers.get("hx-request"):
            return await page_of(request, page)
        return house.pages.html("question_preview.html", request, {"shown": await shown(request, page)})

    @open_to(*ANSWERERS)
    async def give(request: Request, reference: str) -> Response:
        page = await asked(request, reference)
        try:
            desk = sender_of(page)
            fresh = await house.casebook.run(
                acts.give_information,
                page.row.notice_id,
                desk,
                text=text_of(request, page),
                by=request.state.viewer.login,
                now=house.clock(),
            )
        except acts.ActRefused as error:
            return await page_of(request, page, problem=error.text, status=422)
        return RedirectResponse(f"/questions?said={'queued' if fresh else 'known'}", 303)

    for path, endpoint, method in (
        ("/questions", every, "GET"),
        ("/questions/{reference}", show, "GET"),
        ("/questions/{reference}", give, "POST"),
        ("/questions/{reference}/preview", preview, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)
