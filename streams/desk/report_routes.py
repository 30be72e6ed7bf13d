"""The public report form, and following a report by its reference. Nobody signs in here."""

import asyncio
import secrets
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.report import Report
from streams.desk import catalogues, public_form
from streams.desk.gate import EVERYONE, Form, Refused, check_form, form_cookie, open_to, takes_files
from streams.desk.house import House
from streams.desk.pictures import NoPicture, redrawn
from streams.desk.public_form import FIELDS, TRAP, Problems
from streams.notices.casebook import filed

LARGEST_PICTURE = 5 * 1024 * 1024
ALLOWANCE = filed.Allowance()


class _Public:
    def __init__(self, house: House) -> None:
        self.house = house
        self.words = catalogues.load()

    def page(
        self,
        request: Request,
        template: str,
        language: str,
        values: Mapping[str, object],
        *,
        status: int = 200,
    ) -> Response:
        words = self.words.get(language)
        if words is None:
            raise HTTPException(404)
        page = self.house.pages.html(
            template,
            request,
            {
                "w": words,
                "language": language,
                "languages": {one: others["language"] for one, others in self.words.items()},
                **values,
            },
            status=status,
        )
        page.headers["referrer-policy"] = "no-referrer"
        return page

    def form(
        self,
        request: Request,
        language: str,
        *,
        given: Mapping[str, str] | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """The form, empty or filled in again; its token holds to a cookie and to the time."""
        house = self.house
        cookie = request.cookies.get(form_cookie(house)) or secrets.token_urlsafe(24)
        issued = str(int(house.clock().timestamp()))
        given = given or {}
        values = {
            "given": {name: given.get(name, "") for name in FIELDS},
            "most": FIELDS,
            "trap": TRAP,
            "problems": problems or {},
            "issued": issued,
            "today": house.clock().date().isoformat(),
            "again": given.get("nonce") or secrets.token_urlsafe(18),
            "token": house.keys.form_token(f"report/{cookie}/{issued}"),
        }
        page = self.page(request, "public_report.html", language, values, status=status)
        page.set_cookie(
            form_cookie(house),
            cookie,
            path="/",
            secure=house.https,
            httponly=True,
            samesite="lax",
        )
        return page

    def stale(self, request: Request, given: Mapping[str, str]) -> bool:
        """Whether the form is not one that we showed to this browser a while ago."""
        cookie = request.cookies.get(form_cookie(self.house), "")
        issued = given.get("issued", "")
        try:
            check_form(
                request,
                Form(tuple(given.items())),
                self.house.keys.form_token(f"report/{cookie}/{issued}") if cookie else "-",
            )
        except Refused:
            return True
        return not public_form.in_time(issued, now=self.house.clock())

    async def picture(self, upload: UploadFile | None) -> bytes | None:
        """The picture drawn anew; ``None``: there is none.

        Raises:
            NoPicture
        """
        if upload is None or not upload.filename:
            return None
        content = await upload.read(LARGEST_PICTURE + 1)
        if len(content) > LARGEST_PICTURE:
            raise NoPicture("too large")
        return await asyncio.to_thread(redrawn, content)


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    public = _Public(house)

    @open_to(EVERYONE)
    async def choose(request: Request) -> Response:
        language = catalogues.preferred(request.headers.get("accept-language", ""), public.words)
        return RedirectResponse(f"/report/{language}", 303, {"vary": "accept-language"})

    @open_to(EVERYONE)
    async def show(request: Request, language: str) -> Response:
        return public.form(request, language)

    @open_to(EVERYONE)
    @takes_files
    async def send(request: Request, language: str) -> Response:
        if language not in public.words:
            raise HTTPException(404)
        async with request.form(max_files=1, max_fields=40, max_part_size=64 * 1024) as form:
            given = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            upload = form.get("picture")
            if public.stale(request, given):
                return public.form(
                    request, language, given=given, problems={"form": "problem_stale"}, status=403
                )
            try:
                picture = await public.picture(upload if isinstance(upload, UploadFile) else None)
            except NoPicture:
                return public.form(
                    request, language, given=given, problems={"picture": "problem_picture"}, status=422
                )
        return await _take(public, request, language, given, picture)

    @open_to(EVERYONE)
    async def follow(request: Request, language: str, reference: str = "") -> Response:
        if language not in public.words:
            raise HTTPException(404)
        report_id = public_form.id_of(reference) if reference else None
        found = await house.casebook.look(filed.follow, report_id) if report_id else None
        values = {"found": found, "reference": reference[:60]}
        page = public.page(
            request,
            "public_follow.html",
            language,
            values,
            status=404 if reference and found is None else 200,
        )
        page.headers["x-robots-tag"] = "noindex, nofollow"
        return page

    app.add_api_route("/report", choose, methods=["GET"], include_in_schema=False)
    app.add_api_route("/report/{language}", show, methods=["GET"], include_in_schema=False)
    app.add_api_route("/report/{language}", send, methods=["POST"], include_in_schema=False)
    app.add_api_route("/report/{language}/follow", follow, methods=["GET"], include_in_schema=False)


async def _take(
    public: _Public, request: Request, language: str, given: Mapping[str, str], picture: bytes | None
) -> Response:
    house, now = public.house, public.house.clock()
    report_id = public_form.report_id(given.get("nonce", ""), house.keys.purpose("report-id"))
    read = public_form.read(given, report_id=report_id, language=language, now=now)
    if isinstance(read, Problems):
        return public.form(request, language, given=given, problems=read.found, status=422)
    origin = public_form.origin(
        request.client.host if request.client else None, house.keys.purpose("report-origin")
    )
    if picture is not None and house.evidence is not None:
        # Before the report: what the casebook names is on the disk.
        sha256 = await asyncio.to_thread(house.evidence.put, picture)
        read = Report.model_validate({**read.model_dump(), "picture_sha256": sha256})
    try:
        await house.casebook.run(
            filed.file,
            house.contacts().seal(read),
            origin=origin,
            allowance=ALLOWANCE,
            picture_size=len(picture) if picture else None,
            now=now,
        )
    except filed.TooMany:
        house.metrics.reports.labels("too_many").inc()
        page = public.form(request, language, given=given, problems={"form": "problem_many"}, status=429)
        page.headers["retry-after"] = "3600"
        return page
    house.metrics.reports.labels("filed").inc()
    page = public.page(request, "public_done.html", language, {"reference": public_form.reference(report_id)})
    page.headers["x-robots-tag"] = "noindex, nofollow"
    return page
