"""What the pages of watchlist and rule packs have in common: without a Kafka they say what to set."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import OperatorError
from streams.desk.gate import Refused
from streams.desk.house import House
from streams.desk.lists import Lists
from streams.notices import acts

SPANS: Mapping[str, tuple[timedelta, str]] = {
    "1d": (timedelta(days=1), "last day"),
    "7d": (timedelta(days=7), "last 7 days"),
    "28d": (timedelta(days=28), "last 28 days"),
}
"""How far back something is tried over the listings that Kafka still keeps."""
USUAL = "7d"
SHOWN = 100
"""Listings that a trial found, on the page."""
TRIAL: Mapping[str, object] = {"spans": SPANS, "usual": USUAL, "shown": SHOWN}
"""What every page with a trial on it shows."""


class NoKafka(Exception):
    """The desk was started without a Kafka."""


def lists_of(house: House) -> Lists:
    """The lists.

    Raises:
        NoKafka
    """
    if house.lists is None:
        raise NoKafka
    return house.lists


Endpoint = Callable[..., Awaitable[Response]]


def with_kafka(house: House, endpoint: Endpoint) -> Endpoint:
    """The endpoint; without a Kafka, or while it does not answer, a page that says what to do."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NoKafka:
            return house.pages.html("no_kafka.html", request, {"away": None}, status=409)
        except acts.ActRefused as error:
            raise Refused(422, error.reason, error.text) from error
        except OperatorError as error:
            return house.pages.html("no_kafka.html", request, {"away": str(error)}, status=503)

    for name in ("audience", "rate", "takes_files"):
        if hasattr(endpoint, name):
            setattr(answered, name, getattr(endpoint, name))
    return answered
