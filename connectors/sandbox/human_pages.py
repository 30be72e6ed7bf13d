"""Pages for the person who tries the contract: how to begin, what came in, what the contract says."""

import json
from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from connectors import desk_contract
from connectors.sandbox import example, requirements, scenario
from connectors.sandbox.markup import HEADERS, bdi, document, esc
from connectors.sandbox.practice_platform import PracticePlatform
from connectors.sandbox.state import DeskNotice, ItemState

_PER_PAGE = 50


def human_routes(platform: PracticePlatform) -> list[BaseRoute]:
    """``/``, ``/desk``, ``/contract``, ``/example-notice.json`` and ``/first-notice.sh``."""
    pages = _HumanPages(platform)
    return [
        Route("/", pages.welcome),
        Route("/desk", pages.inbox),
        Route("/contract", pages.contract),
        Route("/example-notice.json", pages.example_notice),
        Route("/first-notice.sh", pages.first_notice),
    ]


class _HumanPages:
    def __init__(self, platform: PracticePlatform) -> None:
        self._platform = platform

    async def welcome(self, request: Request) -> Response:
        """What this is and how to send a first notice."""
        platform = self._platform
        name, base = platform.config.name, platform.base_url
        temper = "".join(
            f"<li><code>{esc(rule.do)}</code> "
            f"<small>{esc(rule.model_dump_json(exclude={'do'}, exclude_defaults=True))}</small></li>"
            for rule in (*platform.config.temper, *platform.config.trouble)
        )
        main = (
            f"<h1>{esc(name)}</h1><p>A platform to practise on: it shows listings, takes notices over "
            "Takin's desk API and answers as its scenario says. Nothing here is real."
            f"</p><p>{esc(platform.config.description)}</p>"
            "<ul><li><a href='/listings'>listings</a>, feeds: <a href='/feed.json'>JSON</a>, "
            "<a href='/feed.rss'>RSS</a>, <a href='/feed.atom'>Atom</a>, "
            "<a href='/sitemap.xml'>sitemap</a></li>"
            "<li><a href='/desk'>the desk</a>: the notices that came, and what was answered</li>"
            "<li><a href='/contract'>the contract</a> in words, "
            "<a href='/openapi.json'>as OpenAPI</a></li></ul>"
            "<h2>Send a first notice</h2><p>This needs <code>curl</code> and <code>openssl</code>. It takes "
            "<a href='/example-notice.json'>an example notice</a> about a listing that is online, signs it "
            "by Standard Webhooks and sends it:</p>"
            f"<pre><code>curl -s {esc(base)}/first-notice.sh | SECRET={esc(self._secret(request))} bash"
            "</code></pre><p>The same in full:</p>"
            f"<pre><code>{esc(example.script(base))}</code></pre>"
            "<p>Run it twice: the second reply has <code>idempotent-replayed: true</code> as long as the "
            "saved notice is the same.</p>"
            f"<h2>How this platform behaves</h2><ul>{temper or '<li><code>prompt</code></li>'}</ul>"
        )
        return HTMLResponse(document(name, main), 200, HEADERS)

    def _secret(self, request: Request) -> str:
        """Shown to this machine only: a practice secret is no secret there."""
        client = request.client.host if request.client else ""
        if client in ("127.0.0.1", "::1"):
            return self._platform.config.incoming_secrets[0]
        return "whsec_… (stands in the scenario file)"

    async def contract(self, _: Request) -> Response:
        """The contract's own words."""
        parts = (
            ("The desk API", desk_contract.__doc__),
            ("What a notice must have", requirements.__doc__),
            ("Scenario files", scenario.__doc__),
        )
        main = "".join(f"<h1>{title}</h1><pre>{esc(text)}</pre>" for title, text in parts)
        return HTMLResponse(document("The contract", main), 200, HEADERS)

    async def example_notice(self, _: Request) -> Response:
        """A notice that this desk takes, about a listing that is online."""
        notice = example.notice(self._platform, self._platform.now())
        if notice is None:
            return PlainTextResponse("No listing is online: POST one to /stock first.\n", 404)
        return Response(json.dumps(notice, indent=1) + "\n", 200, media_type="application/json")

    async def first_notice(self, _: Request) -> Response:
        """The script of the welcome page."""
        return PlainTextResponse(example.script(self._platform.base_url))

    async def inbox(self, request: Request) -> Response:
        """The notices, newest first."""
        platform = self._platform
        value = request.query_params.get("page", "1")
        page = max(1, int(value)) if value.isascii() and value.isdigit() and len(value) < 9 else 1
        references = list(platform.state.notices)
        references.reverse()
        shown = references[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        rows = "".join(self._row(platform.state.notices[reference]) for reference in shown)
        if not rows:
            rows = "<tr><td colspan='4'>Nothing yet. <a href='/'>How to send a first notice</a></td></tr>"
        given_up = sum(post.ended == "gave_up" for post in platform.state.posts.values())
        waiting = sum(post.ended is None for post in platform.state.posts.values())
        older = ""
        if len(references) > page * _PER_PAGE:
            older = f'<p><a rel="next" href="/desk?page={page + 1}">Older</a></p>'
        main = (
            f"<h1>Desk of {esc(platform.config.name)}</h1><p>{len(references)} notices taken, "
            f"{platform.state.notice_requests} requests; answers waiting: {waiting}, "
            f"given up: {given_up}.</p>"
            "<table><thead><tr><th>Reference</th><th>Received</th><th>Listing</th>"
            f"<th>What the desk said</th></tr></thead><tbody>{rows}</tbody></table>{older}"
        )
        return HTMLResponse(document(f"Desk of {platform.config.name}", main), 200, HEADERS)

    def _row(self, notice: DeskNotice) -> str:
        items = list(notice.items.values())
        first = "".join(
            f"<td><a href='/listing/{esc(_quoted(item))}'>{bdi(item.plan.listing_id)}</a><br>"
            f"<small>round {item.plan.round}, {esc(self._platform.state.shelf(item.plan.listing_id))} now"
            f"</small></td><td>{self._words(item)}</td></tr>" + ("<tr>" if item is not items[-1] else "")
            for item in items
        )
        span = f' rowspan="{len(items)}"'
        return (
            f"<tr><td{span}>{esc(notice.reference)}<br><small>{bdi(notice.subject or '')}<br>"
            f"{esc(notice.key)}</small></td><td{span}>{_clock(notice.received_at)}</td>{first}"
        )

    def _words(self, item: ItemState) -> str:
        if not item.said:
            return "<small>nothing yet</small>"
        return "<br>".join(
            f"<strong>{esc(said.word)}</strong> {_clock(said.at)} <small>{esc(self._post(said.answer_id))}"
            f"{'; ' + esc(said.explanation) if said.explanation else ''}</small>"
            for said in item.said
        )

    def _post(self, answer_id: str) -> str:
        post = self._platform.state.posts.get(answer_id)
        if post is None:
            return "shown to whoever asks"
        if post.ended == "delivered":
            return f"webhook delivered, attempt {post.attempts}"
        last = (post.last.error or post.last.status) if post.last else None
        if post.ended == "gave_up":
            return f"WEBHOOK GIVEN UP after attempt {post.attempts} ({last})"
        return f"webhook on its way, {post.attempts} failed ({last})" if last else "webhook on its way"


def _quoted(item: ItemState) -> str:
    from urllib.parse import quote

    return quote(item.plan.listing_id, safe="")


def _clock(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{at.strftime("%Y-%m-%d %H:%M:%S")} UTC</time>'
