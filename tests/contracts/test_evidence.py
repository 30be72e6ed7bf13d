"""The page as it was at the moment of notice: from a real server to a file that others read."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from warcio.archiveiterator import ArchiveIterator

from connectors.egress import EgressPolicy
from connectors.http import OutboundClient
from connectors.platform import ProbeTarget
from connectors.probe import look
from connectors.serving import RunningServer, serve
from streams.notices import handlers
from streams.notices.bridge import _capture
from streams.notices.casebook import exhibits, looks, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.evidence import EvidenceStore
from streams.notices.item import Look
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Seen
from streams.notices.verifier import Verifier, is_evidence
from tests.support.notices import T0, at, make_desk, make_detection

PAGE = "<html><body>Carved ivory figure \u202e</body></html>"


class Site:
    """A listing page that can be taken down."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""

    def app(self) -> Starlette:
        def page(request: Request) -> Response:
            return HTMLResponse(PAGE, self.status, headers={"X-Shop": "yes"})

        return Starlette(routes=[Route("/listing/1", page)])


class Outside:
    """Looks for real; says that it saw the listing when the page is there."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.seconds = 0.0
        self.client = OutboundClient(EgressPolicy.for_base_url(site.url, private=True))

    async def look(self, due: looks.LookDue) -> Seen:
        target = ProbeTarget(due.listing_id, f"{self.site.url}/listing/1", due.content_hash)
        seen = await look(self.client, target, lambda: at(self.seconds))
        state = {200: "online", 404: "offline"}.get(seen.http_status or 0, "unknown")
        return Seen(
            Look(state, seen.reason, seen.at),  # type: ignore[arg-type]
            seen.http_status,
            seen.body_sha256,
            _capture(seen),
        )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    server: RunningServer = await serve(made.app(), "127.0.0.1", 0, purpose="a listing page")
    made.url = server.url
    yield made
    await server.stop()


async def test_the_first_page_and_every_turn_are_kept(site: Site, tmp_path: Path) -> None:
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    desk = make_desk()
    taken = casebook.decide(handlers.take_detection, make_detection("1"), desk, now=T0)
    notice_id = taken.notice_id
    assert notice_id is not None
    outside, store = Outside(site), EvidenceStore(tmp_path / "evidence")
    verifier = Verifier(
        casebook,
        desk,
        outside,  # type: ignore[arg-type]  # only its looks are asked for
        NoticeMetrics(CollectorRegistry()),
        observer="verifier-1",
        changed=Bell(),
        evidence=store,
        tick_s=0.001,
        clock=lambda: at(outside.seconds),
    )

    async def look_at(seconds: float) -> int:
        outside.seconds = seconds
        await verifier.step()
        await asyncio.gather(*verifier._under_way)
        await verifier.step()
        return len(casebook.answer(exhibits.of_notice, notice_id))

    assert await look_at(0) == 1  # at the moment of notice
    assert await look_at(301) == 1  # still online: nothing new
    site.status = 404
    assert await look_at(1_000) == 2
    first, gone = casebook.answer(exhibits.of_notice, notice_id)
    await outside.client.aclose()

    assert (first.kind, first.captured_by, first.captured_at) == ("listing_page", "verifier-1", T0)
    content = store.get(first.sha256)
    assert len(content) == first.size
    response, page = next(
        (record, record.content_stream().read()) for record in ArchiveIterator(io.BytesIO(content))
    )
    assert page.decode() == PAGE
    assert response.http_headers.get_header("x-shop") == "yes"
    assert response.rec_headers.get_header("WARC-IP-Address") == "127.0.0.1"
    assert b"404 Not Found" in store.get(gone.sha256)
    verdict = casebook.answer(sealing.verify)
    casebook.close()
    assert verdict.breaks == ()


@pytest.mark.parametrize(
    ("content", "captured", "state", "kept"),
    [
        ("unseen", False, "unknown", True),
        ("online", True, "online", False),
        ("online", True, "unknown", False),
        ("online", True, "offline", True),
        ("offline_unconfirmed", True, "offline", True),
        ("offline_monitoring", True, "offline", False),
        ("offline_monitoring", True, "online", True),
    ],
)
def test_which_looks_are_evidence(content: str, captured: bool, state: str, kept: bool) -> None:
    due = looks.LookDue("n", "c", "market", "1", "https://market.example/1", "a", content, captured)

    assert is_evidence(due, state) is kept


async def test_an_exchange_is_kept_as_received_and_says_when_it_was_cut() -> None:
    packed = gzip.compress(PAGE.encode())

    def compressed(request: Request) -> Response:
        return Response(packed, headers={"Content-Encoding": "gzip"})

    def long(request: Request) -> Response:
        return Response(b"x" * 3_000)

    app = Starlette(routes=[Route("/compressed", compressed), Route("/long", long)])
    server = await serve(app, "127.0.0.1", 0, purpose="pages")
    client = OutboundClient(EgressPolicy.for_base_url(server.url, private=True))
    try:
        small = await client.request("GET", f"{server.url}/compressed")
        cut = await client.request("GET", f"{server.url}/long", cap=1_000)
        exact = await client.request("GET", f"{server.url}/long", cap=3_000)
    finally:
        await client.aclose()
        await server.stop()

    assert small.exchange is not None
    assert (small.body, small.exchange.body) == (PAGE.encode(), packed)
    assert small.exchange.complete
    assert small.exchange.request_target == b"/compressed"
    assert cut.exchange is not None
    assert (len(cut.exchange.body), cut.exchange.complete) == (1_000, False)
    assert exact.exchange is not None
    assert (len(exact.exchange.body), exact.exchange.complete) == (3_000, True)
