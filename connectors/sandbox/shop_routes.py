"""A platform's public side: pages, feeds, sitemap, and the shelf's own small API for tests and demos."""

import ipaddress
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from connectors.sandbox.assignment import listing_url
from connectors.sandbox.feeds import DEFAULT_PAGE, atom, feed_page, json_feed, rss, sitemap
from connectors.sandbox.listing_page import listing_page, login_page, missing_page, removed_page
from connectors.sandbox.markup import HEADERS, document, esc, link
from connectors.sandbox.plan import matches
from connectors.sandbox.practice_platform import PracticePlatform
from connectors.sandbox.replies import Reply
from connectors.sandbox.trouble import down_now
from connectors.sandbox.wire import ClientDisconnect, WireResponse, read_body

_PER_PAGE = 50
Handler = Callable[[Request], Awaitable[Response]]


def shop_routes(platform: PracticePlatform) -> list[BaseRoute]:
    """Routes of everything that is not the desk API."""
    shop = _Shop(platform)
    return [
        Route("/listings", shop.visit(shop.index)),
        Route("/listing/{listing_id:path}", shop.visit(shop.listing)),
        Route("/login", shop.visit(shop.login)),
        Route("/feed.json", shop.visit(shop.feed)),
        Route("/feed.rss", shop.visit(shop.feed)),
        Route("/feed.atom", shop.visit(shop.feed)),
        Route("/sitemap.xml", shop.visit(shop.sitemap)),
        Route("/sitemap-{part:int}.xml", shop.visit(shop.sitemap)),
        Route("/robots.txt", shop.visit(shop.robots)),
        Route("/stock", shop.put_stock, methods=["POST", "PUT"]),
        Route("/stock/{listing_id:path}", shop.one_stock, methods=["PUT", "DELETE"]),
    ]


class _Shop:
    def __init__(self, platform: PracticePlatform) -> None:
        self._platform = platform

    def visit(self, show: Handler) -> Handler:
        """Note the visit, and meet the outage of the moment first."""

        async def visited(request: Request) -> Response:
            platform = self._platform
            response = self._outage() or await show(request)
            hung = isinstance(response, WireResponse)
            platform.viewed(
                request.url.path,
                None if hung else response.status_code,
                request.headers.get("user-agent", ""),
                request.path_params.get("listing_id"),
            )
            return response

        return visited

    def _outage(self) -> Response | None:
        platform = self._platform
        now = platform.now()
        found = down_now(platform.scenario, platform.config, started_at=platform.started_at, now=now)
        if found is None or found[0].where == "desk":
            return None
        down, end = found
        if down.how == "hang":
            hang = Reply(503, wire="hang", wait_s=(end - now).total_seconds())
            return WireResponse(hang, platform.closing)
        return HTMLResponse(document("Down", "<h1>Down for a while</h1>"), down.status, HEADERS)

    async def listing(self, request: Request) -> Response:
        """One listing, or what stands in its place."""
        platform, listing_id = self._platform, str(request.path_params["listing_id"])
        pages, shelf = platform.config.pages, platform.state.shelf(listing_id)
        if shelf == "unknown":
            return HTMLResponse(missing_page(404), 404, HEADERS)
        if pages.login_wall is not None and matches(
            pages.login_wall_when,
            seed=platform.scenario.seed,
            place=f"{platform.config.name}.login_wall",
            listing_id=listing_id,
            round_=pages.login_wall_when.round or 1,
        ):
            if pages.login_wall == "redirect":
                return Response(status_code=302, headers={"location": "/login"})
            return HTMLResponse(login_page(), 200, HEADERS)
        if shelf == "gone":
            if pages.after_removal == "notice":
                return HTMLResponse(removed_page(), 200, HEADERS)
            return HTMLResponse(missing_page(pages.after_removal), pages.after_removal, HEADERS)
        row = platform.state.offers[listing_id].row()
        return HTMLResponse(listing_page(row, listing_url(platform.base_url, listing_id)), 200, HEADERS)

    async def login(self, _: Request) -> Response:
        """The wall itself."""
        return HTMLResponse(login_page(), 200, HEADERS)

    async def index(self, request: Request) -> Response:
        """The listings that are online, newest first, page by page."""
        platform = self._platform
        before = _number(request, "before")
        found = list(itertools.islice(platform.state.online_before(before), _PER_PAGE + 1))
        rows = "".join(
            f"<li>{link(listing_url(platform.base_url, i), offer.row().title or i)}</li>"
            for i, offer in found[:_PER_PAGE]
        )
        more = ""
        if len(found) > _PER_PAGE:
            more = f'<p><a rel="next" href="/listings?before={found[_PER_PAGE - 1][1].seq}">Older</a></p>'
        main = (
            f"<h1>{esc(platform.config.name)}: listings</h1><ol>{rows}</ol>{more}"
            if found
            else "<h1>No listings</h1><p>Start with --stock FILE, or POST one to /stock.</p>"
        )
        return HTMLResponse(document(f"{platform.config.name}: listings", main), 200, HEADERS)

    async def feed(self, request: Request) -> Response:
        """The feed in the format of its path."""
        platform = self._platform
        since, before, limit = (_number(request, name) for name in ("since", "before", "limit"))
        bad = [
            name
            for name in ("since", "before", "limit")
            if request.query_params.get(name) is not None and _number(request, name) is None
        ]
        if bad:
            return _json(400, {"code": "bad_cursor", "message": f"{bad[0]} must be a whole number."})
        state = platform.state
        page = feed_page(state, since=since, before=before, limit=DEFAULT_PAGE if limit is None else limit)
        name, base = platform.config.name, platform.base_url
        if request.url.path == "/feed.json":
            body, kind = json_feed(page, name=name, base_url=base), "application/feed+json"
        elif request.url.path == "/feed.rss":
            body, kind = rss(page, name=name, base_url=base), "application/rss+xml"
        else:
            body = atom(page, name=name, base_url=base, now=platform.now())
            kind = "application/atom+xml"
        etag = f'"{state.next_seq}-{len(state.gone)}-{page.cursor}-{len(page.entries)}"'
        headers = {"etag": etag, "takin-cursor": str(page.cursor), "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, f"{kind}; charset=utf-8")

    async def sitemap(self, request: Request) -> Response:
        """The sitemap or one part of it."""
        platform = self._platform
        body = sitemap(platform.state, base_url=platform.base_url, part=request.path_params.get("part"))
        if body is None:
            return HTMLResponse(missing_page(404), 404, HEADERS)
        return Response(body, 200, media_type="application/xml")

    async def robots(self, _: Request) -> Response:
        """Everything may be read."""
        text = f"User-agent: *\nAllow: /\nSitemap: {self._platform.base_url}/sitemap.xml\n"
        return Response(text, 200, media_type="text/plain")

    # -- the shelf's API

    async def put_stock(self, request: Request) -> Response:
        """Put a listing on the shelf: 201 with its id, address and feed cursor."""
        refusal = _not_ours(request)
        return refusal or await self._put(request, None)

    async def one_stock(self, request: Request) -> Response:
        """PUT a listing under its id, or DELETE it as its author would."""
        refusal = _not_ours(request)
        if refusal is not None:
            return refusal
        listing_id = str(request.path_params["listing_id"])
        if request.method == "PUT":
            return await self._put(request, listing_id)
        if self._platform.withdraw(listing_id):
            return Response(status_code=204)
        return _json(404, {"code": "not_online", "message": "No such listing is online."})

    async def _put(self, request: Request, listing_id: str | None) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return _json(415, {"code": "wrong_media_type", "message": "Send application/json."})
        try:
            raw = await read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if raw is None:
            return _json(413, {"code": "too_large", "message": "A row may have 1 MB."})
        try:
            if listing_id is not None:
                content = orjson.loads(raw)
                if isinstance(content, dict):
                    content.pop("listing_id", None)
                    raw = orjson.dumps({**content, "id": listing_id})
            put = self._platform.put_on_shelf(raw)
        except ValueError as error:
            return _json(422, {"code": "not_a_listing", "message": str(error)})
        platform = self._platform
        return _json(
            201,
            {
                "listing_id": put,
                "url": listing_url(platform.base_url, put),
                "cursor": platform.state.offers[put].seq,
            },
        )


def _not_ours(request: Request) -> Response | None:
    """The shelf is for this machine only; the Host check keeps web pages of others out."""
    client = request.client.host if request.client else ""
    host = request.url.hostname or ""
    if _is_loopback(client) and (host == "localhost" or _is_loopback(host)):
        return None
    return _json(403, {"code": "loopback_only", "message": "The shelf is changed from this machine only."})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def _json(status: int, value: Any) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
