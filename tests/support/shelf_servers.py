"""Strict local servers for public JSON APIs, written from their documentation.

One framework for all: a stock of items, newest first, that a :class:`Dialect` shows in one API's words. A
request that the documentation does not allow is answered as the API would and is kept in ``broken_rules``, so
that a test can see that there was none.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contracts.rude_server import Asked, Manners, answer

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
KEY, SECRET = "canary-client-id-0123", "canary-client-secret-456"
FIRST_REFRESH = "canary-refresh-0"


@dataclass(frozen=True)
class Item:
    """One thing on sale."""

    number: int
    title: str

    @property
    def made(self) -> datetime:
        """The higher its number the newer it is."""
        return NOW - timedelta(days=30) + timedelta(minutes=self.number)


class Refusal(Exception):
    """What the API would not take."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Request:
    """A request in parts."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def number(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number in its bounds, as documented."""
        said = self.query.get(name, str(default))
        if not said.isdigit() or not low <= int(said) <= high:
            raise Refusal(400, f"{name}={said} is not within {low} to {high}")
        return int(said)

    def only(self, *names: str) -> None:
        """No parameter but these."""
        if more := set(self.query) - set(names):
            raise Refusal(400, f"unknown parameters: {sorted(more)}")

    def at(self, path: str) -> None:
        """The path."""
        if self.path != path:
            raise Refusal(404, f"nothing is at {self.path}")


Dialect = Callable[[Request, list[Item], str], Any]
"""Answers a request from a stock (newest first) as JSON; ``url`` is the server's address."""


@dataclass
class Stocked:
    """One API's server: :meth:`manners` is what a :class:`tests.contracts.rude_server.RudeServer` does."""

    dialect: Dialect
    stock: list[Item] = field(default_factory=list)
    raw: dict[int, Any] = field(default_factory=dict)
    """Rows in another shape, by position on the first page."""
    requests: list[tuple[float, str]] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    """Called with the number of each request before it is answered: the stock may change."""
    tokens: set[str] = field(default_factory=set)
    given: int = 0
    refresh: str = FIRST_REFRESH
    """The one refresh token that is good now."""
    url: str = ""

    def fill(self, count: int, start: int = 0) -> None:
        """Newer items in front."""
        for number in range(start, start + count):
            self.stock.insert(0, Item(number, f"carved thing {number}"))

    @property
    def pages(self) -> list[str]:
        """What was asked of the API itself."""
        return [path for _, path in self.requests if "token" not in path.partition("?")[0]]

    def manners(self, url: str) -> Manners:
        """Answer strictly."""
        self.url = url

        async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
            parts = urlsplit(asked.target)
            query = {
                name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
            }
            self.requests.append((time.monotonic(), asked.target))
            self.before(len(self.pages))
            try:
                if parts.path.endswith(("/token", "/access_token")):
                    body = self._token(asked)
                else:
                    if asked.method != "GET":
                        raise Refusal(405, asked.method)
                    self._check_token(asked.headers)
                    body = self.dialect(Request(parts.path, query, asked.headers), self.stock, url)
                status, shown = 200, self._odd(body)
            except Refusal as refusal:
                self.broken_rules.append(str(refusal))
                status, shown = refusal.status, json.dumps({"error": str(refusal)}).encode()
            await answer(status, shown, ("content-type", "application/json"))(asked, writer)

        return reply

    def _odd(self, body: Any) -> bytes:
        within = [body, *getattr(body, "values", list)()]
        within += [one for inner in within[1:] for one in getattr(inner, "values", list)()]
        rows = next((one for one in within if isinstance(one, list)), None)
        if rows is not None and len(self.pages) == 1:
            for position, row in self.raw.items():
                rows.insert(position, row)
        return json.dumps(body).encode()

    def _refreshed(self, asked: Asked) -> Any:
        """By a refresh token that is good once, and gives the next one."""
        form = {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (KEY, SECRET):
            raise Refusal(400, "invalid_client")
        if (form.get("grant_type"), form.get("refresh_token")) != ("refresh_token", self.refresh):
            raise Refusal(400, "invalid_grant")
        self.given += 1
        token, self.refresh = f"canary-token-{self.given}", f"canary-refresh-{self.given}"
        self.tokens = {token}
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 21_600,
            "scope": "offline_access read",
            "user_id": 8_035_443,
            "refresh_token": self.refresh,
        }

    def _token(self, asked: Asked) -> Any:
        if self.dialect is mercadolibre and asked.method == "POST":
            return self._refreshed(asked)
        pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        if asked.method != "POST" or asked.headers.get("authorization") != f"Basic {pair}":
            raise Refusal(401, "invalid_client")
        form = parse_qs(asked.body.decode())
        if form.get("grant_type") != ["client_credentials"] or not (
            form.get("scope") or self.dialect is reddit
        ):
            raise Refusal(400, "unsupported_grant_type")
        self.given += 1
        token = f"canary-token-{self.given}"
        self.tokens.add(token)
        return {"access_token": token, "expires_in": 7_200, "token_type": "Application Access Token"}

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self.given and headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise Refusal(401, "Invalid access token")


def shopify(request: Request, stock: list[Item], url: str) -> Any:
    """Pages by number; 30 by default, 250 at most."""
    request.at("/products.json")
    request.only("limit", "page")
    size, page = request.number("limit", 1, 250, 30), request.number("page", 1, 10_000, 1)
    return {
        "products": [
            {
                "id": 7_000_000_000_000 + one.number,
                "title": one.title,
                "handle": f"thing-{one.number}",
                "body_html": "<p>Made by <b>hand</b></p>",
                "published_at": one.made.isoformat(),
                "created_at": one.made.isoformat(),
                "vendor": "Example Vendor",
                "product_type": "Carvings",
                "tags": ["bone", "old"],
                "variants": [{"id": 1, "title": "Default Title", "price": "12.50", "available": True}],
                "images": [{"id": 1, "src": f"https://cdn.example/{one.number}.jpg"}],
            }
            for one in stock[(page - 1) * size : page * size]
        ]
    }


def woocommerce(request: Request, stock: list[Item], url: str) -> Any:
    """Offsets; 10 by default, 100 at most; prices in minor units as text."""
    request.at("/wp-json/wc/store/v1/products")
    request.only("per_page", "offset", "orderby", "order", "search", "page")
    if request.query.get("orderby", "date") != "date" or request.query.get("order", "desc") != "desc":
        raise Refusal(400, "this server sorts by date")
    size, offset = request.number("per_page", 1, 100, 10), request.number("offset", 0, 10**9, 0)
    return [
        {
            "id": one.number,
            "name": one.title.replace("&", "&amp;"),
            "permalink": f"{url}/product/{one.number}/",
            "short_description": "<p>short</p>",
            "description": f"<p>long, no. {one.number}</p>",
            "prices": {"price": "1250", "currency_code": "EUR", "currency_minor_unit": 2},
            "images": [{"id": 3, "src": f"https://cdn.example/{one.number}.jpg", "thumbnail": "x"}],
            "categories": [{"id": 9, "name": "Carvings", "slug": "carvings"}],
        }
        for one in stock[offset : offset + size]
    ]


def ebay(request: Request, stock: list[Item], url: str) -> Any:
    """Offsets up to 10,000; a token and a marketplace are needed; no list where nothing is found."""
    request.at("/buy/browse/v1/item_summary/search")
    request.only("q", "sort", "limit", "offset", "filter")
    if "authorization" not in request.headers:
        raise Refusal(401, "a token is needed")
    if not request.headers.get("x-ebay-c-marketplace-id", "").startswith("EBAY_"):
        raise Refusal(400, "no marketplace")
    if not request.query.get("q") or request.query.get("sort") != "newlyListed":
        raise Refusal(400, "q and sort are needed here")
    size, offset = request.number("limit", 1, 200, 50), request.number("offset", 0, 9_999, 0)
    found = stock[offset : offset + size]
    page: dict[str, Any] = {
        "href": f"{url}{request.path}",
        "total": len(stock),
        "limit": size,
        "offset": offset,
    }
    if offset + size < len(stock):
        page["next"] = f"{url}{request.path}?offset={offset + size}"
    if found:
        page["itemSummaries"] = [
            {
                "itemId": f"v1|{one.number}|0",
                "title": one.title,
                "itemWebUrl": f"https://www.ebay.example/itm/{one.number}",
                "price": {"value": "12.50", "currency": "USD"},
                "seller": {"username": "example_seller", "feedbackScore": 3},
                "itemLocation": {"city": "Springfield", "country": "US"},
                "categories": [{"categoryId": "1", "categoryName": "Carvings"}],
                "image": {"imageUrl": f"https://i.example/{one.number}.jpg"},
                "itemCreationDate": one.made.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            }
            for one in found
        ]
    return page


def etsy(request: Request, stock: list[Item], url: str) -> Any:
    """Offsets up to 12,000; a key is needed; prices as amount and divisor; seconds since 1970."""
    request.at("/v3/application/listings/active")
    request.only("keywords", "limit", "offset", "sort_on", "sort_order", "includes")
    if not request.headers.get("x-api-key"):
        raise Refusal(403, "x-api-key is needed")
    if request.query.get("sort_on") and not request.query.get("keywords"):
        raise Refusal(400, "sort_on needs keywords")
    size, offset = request.number("limit", 1, 100, 25), request.number("offset", 0, 12_000, 0)
    return {
        "count": len(stock),
        "results": [
            {
                "listing_id": one.number + 1,
                "shop_id": 55,
                "title": one.title,
                "description": "Made by hand",
                "url": f"https://www.etsy.example/listing/{one.number + 1}/thing",
                "original_creation_timestamp": int(one.made.timestamp()),
                "price": {"amount": 1_250, "divisor": 100, "currency_code": "USD"},
                "tags": ["bone", "old"],
                "language": "en-US",
                "images": [{"url_fullxfull": f"https://i.example/{one.number}.jpg"}],
            }
            for one in stock[offset : offset + size]
        ],
    }


def mastodon(request: Request, stock: list[Item], url: str) -> Any:
    """Below an id; 20 by default, 40 at most; no key is needed."""
    request.at("/api/v1/timelines/tag/carving")
    request.only("limit", "max_id", "since_id", "min_id", "local")
    size = request.number("limit", 1, 40, 20)
    top = request.query.get("max_id")
    found = [one for one in stock if top is None or one.number < int(top) - 1_000]
    return [
        {
            "id": str(1_000 + one.number),
            "url": f"{url}/@example/{1_000 + one.number}",
            "uri": f"{url}/users/example/statuses/{1_000 + one.number}",
            "created_at": one.made.isoformat().replace("+00:00", "Z"),
            "edited_at": None,
            "spoiler_text": "",
            "content": f"<p>{one.title} <a href='{url}/tags/carving'>#<span>carving</span></a></p>",
            "language": "en",
            "account": {"id": "7", "acct": "example@server.example", "url": f"{url}/@example"},
            "media_attachments": [
                {"id": "1", "type": "image", "url": f"https://files.example/{one.number}.png"},
                {"id": "2", "type": "video", "url": "https://files.example/v.mp4"},
            ],
            "tags": [{"name": "carving", "url": f"{url}/tags/carving"}],
        }
        for one in found[:size]
    ]


def mercadolibre(request: Request, stock: list[Item], url: str) -> Any:
    """Offsets, 50 at most, and no more than the first thousand; a token is needed."""
    request.at("/sites/MLA/search")
    request.only("q", "limit", "offset", "sort", "category")
    if not request.headers.get("authorization", "").startswith("Bearer "):
        raise Refusal(401, "authorization value not present")
    if not request.query.get("q"):
        raise Refusal(400, "q is needed here")
    size, offset = request.number("limit", 0, 50, 50), request.number("offset", 0, 1_000, 0)
    if offset + size > 1_000:
        raise Refusal(400, "Requested offset + limit is higher than the allowed")
    return {
        "site_id": "MLA",
        "query": request.query["q"],
        "paging": {"total": len(stock), "primary_results": len(stock), "offset": offset, "limit": size},
        "results": [
            {
                "id": f"MLA{one.number}",
                "title": one.title,
                "permalink": f"https://articulo.example/MLA-{one.number}",
                "thumbnail": f"http://pictures.example/{one.number}.jpg",
                "category_id": "MLA1234",
                "price": 12.5,
                "currency_id": "ARS",
                "seller": {"id": 77, "nickname": "EXAMPLE_SELLER"},
                "address": {"state_id": "AR-B", "state_name": "Buenos Aires", "city_name": "Tandil"},
            }
            for one in stock[offset : offset + size]
        ],
        "sort": {"id": "relevance", "name": "Más relevantes"},
        "available_sorts": [{"id": "price_asc", "name": "Menor precio"}],
    }


def _below(request: Request, name: str, stock: list[Item], prefix: str) -> list[Item]:
    """What is older than the item that a page's mark names."""
    mark = request.query.get(name)
    if mark is None:
        return stock
    if not mark.startswith(prefix) or not mark.removeprefix(prefix).isdigit():
        raise Refusal(400, f"{name}={mark} is no mark of a page")
    return [one for one in stock if one.number < int(mark.removeprefix(prefix))]


def reddit(request: Request, stock: list[Item], url: str) -> Any:
    """After a full name; 25 by default, 100 at most; a token and a telling user agent are needed."""
    request.at("/r/carving/new")
    request.only("limit", "after", "before", "count", "raw_json", "show")
    if "authorization" not in request.headers:
        raise Refusal(401, "a token is needed")
    if "(by /u/" not in request.headers.get("user-agent", ""):
        raise Refusal(429, "say who you are")
    size = request.number("limit", 1, 100, 25)
    left = _below(request, "after", stock[:1_000], "t3_")
    found = left[:size]
    children = [
        {
            "kind": "t3",
            "data": {
                "name": f"t3_{one.number}",
                "id": str(one.number),
                "title": one.title,
                "selftext": "made by hand",
                "author": "example_author",
                "author_fullname": "t2_7",
                "subreddit_name_prefixed": "r/carving",
                "permalink": f"/r/carving/comments/{one.number}/thing/",
                "created_utc": one.made.timestamp(),
                "edited": False,
                "preview": {"images": [{"source": {"url": f"https://i.example/{one.number}.jpg"}}]},
            },
        }
        for one in found
    ]
    after = f"t3_{found[-1].number}" if len(left) > size else None
    return {"kind": "Listing", "data": {"after": after, "before": None, "children": children}}


def youtube(request: Request, stock: list[Item], url: str) -> Any:
    """By a page token; 5 by default, 50 at most; a key in a header or in the address is needed."""
    request.at("/youtube/v3/search")
    request.only("part", "q", "type", "order", "maxResults", "pageToken", "publishedAfter")
    if not request.headers.get("x-goog-api-key"):
        raise Refusal(403, "a key is needed")
    if request.query.get("part") != "snippet" or request.query.get("order") != "date":
        raise Refusal(400, "part and order are needed here")
    size = request.number("maxResults", 0, 50, 5)
    left = _below(request, "pageToken", stock, "CA")
    found = left[:size]
    items = [
        {
            "kind": "youtube#searchResult",
            "id": {"kind": "youtube#video", "videoId": f"v{one.number}"},
            "snippet": {
                "publishedAt": one.made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "channelId": "UC7",
                "channelTitle": "Example Channel",
                "title": one.title.replace("&", "&amp;"),
                "description": "made by hand",
                "thumbnails": {
                    "default": {"url": f"https://i.example/{one.number}/default.jpg"},
                    "high": {"url": f"https://i.example/{one.number}/high.jpg"},
                },
            },
        }
        for one in found
    ]
    page: dict[str, Any] = {"kind": "youtube#searchListResponse", "pageInfo": {"totalResults": len(stock)}}
    if len(left) > size:
        page["nextPageToken"] = f"CA{found[-1].number}"
    return {**page, "items": items}


def vk(request: Request, stock: list[Item], url: str) -> Any:
    """By ``next_from``; 200 at most; refusals come with status 200 and a code."""
    request.at("/method/newsfeed.search")
    request.only("q", "count", "start_from", "start_time", "end_time", "extended", "v")
    if not request.query.get("v"):
        raise Refusal(400, "v is needed")
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return {"error": {"error_code": 5, "error_msg": "User authorization failed"}}
    size = request.number("count", 1, 200, 30)
    left = _below(request, "start_from", stock, "0/")
    found = left[:size]
    items = [
        {
            "id": one.number + 1,
            "owner_id": -55,
            "from_id": -55,
            "date": int(one.made.timestamp()),
            "text": one.title,
            "attachments": [
                {
                    "type": "photo",
                    "photo": {
                        "sizes": [{"url": "https://i.example/s.jpg"}, {"url": "https://i.example/l.jpg"}]
                    },
                },
                {"type": "link", "link": {"url": "https://elsewhere.example"}},
            ],
        }
        for one in found
    ]
    answer_: dict[str, Any] = {"items": items, "count": len(stock), "total_count": len(stock)}
    if len(left) > size:
        answer_["next_from"] = f"0/{found[-1].number}"
    return {"response": answer_}
