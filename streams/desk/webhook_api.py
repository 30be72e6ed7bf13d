"""The same settings for a platform's programs: address, secret and test of its webhook."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from streams.desk.api_routes import PROBLEMS
from streams.desk.gate import TOKEN, Refused, TooOften, limited, open_to
from streams.desk.house import House
from streams.desk.limits import API, TESTS
from streams.desk.outlets import Standing, WebhookDesk
from streams.desk.webhook_routes import webhook_desk
from streams.notices import acts
from streams.notices.acts import webhooks as changes
from streams.notices.casebook import webhooks

T = TypeVar("T")
A_DAY_S = 86_400.0


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class TestResult(_Body):
    """How a test ended."""

    __test__ = False

    at: datetime
    result: str
    """`accepted`, or why not: `timeout`, `connect`, `reset`, `bad_reply`, `unauthorised`, `not_found`, …"""
    http_status: int | None


class NextAddress(_Body):
    """An address that is not in force yet."""

    address: str
    proposed_at: datetime
    proven_at: datetime | None
    """When the last test of it was taken; null: test it. It can be used for 24 hours after."""
    test: TestResult | None


class SigningSecret(_Body):
    """A secret that was made here. The secret itself is not shown again."""

    mark: str
    """The same eight digits that came with the secret when it was made."""
    made_at: datetime
    proven_at: datetime | None
    """When a test by it alone was taken; null: it signs beside the old ones, which go on."""


class WebhookSettings(_Body):
    """Where your notices go, and what signs them."""

    platform: str
    address: str
    own: bool
    """You may change this; otherwise the operator does."""
    since: datetime | None
    """When you put this address in force; null: it is the operator's."""
    next: NextAddress | None
    signing: tuple[SigningSecret, ...]
    """Those you made, the newest first."""
    operators_secret: bool
    """The secret that the operator gave you signs, too."""
    old_until: datetime | None
    """Then the old secrets stop; null: none is on its way out."""


class NewAddress(_Body):
    """The address, below which `/desk/v1/notices` is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(min_length=1, max_length=500)


class NewSecret(_Body):
    """How long the old secret goes on once the new one is proven."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_hours: Literal[1, 24, 168] = 24


class Made(_Body):
    """The new secret: it is shown only now."""

    secret: str
    settings: WebhookSettings


class Tested(_Body):
    """How the test ended, and where things stand now."""

    test: TestResult
    settings: WebhookSettings


class ToTest(_Body):
    """What is to be tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["now", "next", "secret"] = "now"
    """`now`: the address in force as notices are signed now; `next`: the proposed address; `secret`: the
    new secret alone."""


REFUSED: dict[int | str, dict[str, Any]] = {
    **PROBLEMS,
    409: {**PROBLEMS[409], "description": "Not now, or not by you: nothing was changed"},
}


def register(app: FastAPI, house: House) -> None:
    """Add the operations."""

    async def standing(request: Request) -> tuple[WebhookDesk, Standing]:
        desk = webhook_desk(house)
        found = await desk.standing(request.state.viewer, request.state.viewer.platform)
        if found is None:
            raise HTTPException(404)
        return desk, found

    async def shown(request: Request) -> WebhookSettings:
        return _shown((await standing(request))[1])

    async def act(request: Request, change: Callable[..., None]) -> WebhookSettings:
        desk, found = await standing(request)
        await _unrefused(desk.act(request.state.viewer, found.platform, change))
        return await shown(request)

    @open_to(TOKEN)
    @limited(API)
    async def webhook(request: Request) -> WebhookSettings:
        """Where your notices go now, and what is on its way."""
        return await shown(request)

    @open_to(TOKEN)
    @limited(API)
    async def propose_webhook_address(request: Request, body: NewAddress) -> WebhookSettings:
        """Propose an address. Nothing goes there before it has taken a test and was put in force."""
        desk, found = await standing(request)
        await _unrefused(desk.propose(request.state.viewer, found.platform, body.address))
        return await shown(request)

    @open_to(TOKEN)
    @limited(TESTS)
    async def test_webhook(request: Request, body: ToTest) -> Tested:
        """Send one signed test now (`type: notice.test`). At most 2 a minute, 5 at once."""
        desk, found = await standing(request)
        test = await _unrefused(desk.try_out(request.state.viewer, found, body.what))
        return Tested(test=_test(test), settings=await shown(request))

    @open_to(TOKEN)
    @limited(API)
    async def use_webhook_address(request: Request) -> WebhookSettings:
        """Put the proven address in force: every delivery goes there from now on."""
        return await act(request, changes.use_address)

    @open_to(TOKEN)
    @limited(API)
    async def give_up_webhook_address(request: Request) -> WebhookSettings:
        """Give up the proposed address."""
        return await act(request, changes.give_up_address)

    @open_to(TOKEN)
    @limited(API)
    async def return_webhook_address(request: Request) -> WebhookSettings:
        """Go back to the operator's address."""
        return await act(request, changes.return_address)

    @open_to(TOKEN)
    @limited(API)
    async def make_webhook_secret(request: Request, body: NewSecret) -> Made:
        """Make a new signing secret. It signs beside the old ones, which stop `overlap_hours` after a test
        by it alone was taken."""
        desk, found = await standing(request)
        overlap = timedelta(hours=body.overlap_hours)
        secret = await _unrefused(desk.make_secret(request.state.viewer, found.platform, overlap))
        return Made(secret=secret.get_secret_value(), settings=await shown(request))

    @open_to(TOKEN)
    @limited(API)
    async def give_up_webhook_secret(request: Request) -> WebhookSettings:
        """Give up the new secret before it is proven."""
        return await act(request, changes.give_up_secret)

    @open_to(TOKEN)
    @limited(API)
    async def end_old_webhook_secrets(request: Request) -> WebhookSettings:
        """Have the old secrets stop at once."""
        return await act(request, changes.end_old_secrets)

    for path, endpoint, method in (
        ("/api/v1/webhook", webhook, "GET"),
        ("/api/v1/webhook/address", propose_webhook_address, "PUT"),
        ("/api/v1/webhook/address", give_up_webhook_address, "DELETE"),
        ("/api/v1/webhook/address/use", use_webhook_address, "POST"),
        ("/api/v1/webhook/address/return", return_webhook_address, "POST"),
        ("/api/v1/webhook/test", test_webhook, "POST"),
        ("/api/v1/webhook/secret", make_webhook_secret, "POST"),
        ("/api/v1/webhook/secret", give_up_webhook_secret, "DELETE"),
        ("/api/v1/webhook/secret/end-old", end_old_webhook_secrets, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], responses=REFUSED)


async def _unrefused(going: Awaitable[T]) -> T:
    try:
        return await going
    except acts.ActRefused as error:
        if error.reason == "too_much":
            raise TooOften(A_DAY_S) from error
        raise Refused(422 if error.reason == "address" else 409, error.reason, error.text) from error


def _test(test: webhooks.Test) -> TestResult:
    return TestResult(at=test.at, result=test.result, http_status=test.status)


def _shown(found: Standing) -> WebhookSettings:
    new, used = found.settings.next, found.settings.in_force
    return WebhookSettings(
        platform=found.platform,
        address=found.address,
        own=found.outlet.own,
        since=used.used_at if used else None,
        next=NextAddress(
            address=new.address,
            proposed_at=new.proposed_at,
            proven_at=new.proven_at,
            test=_test(new.test) if new.test else None,
        )
        if new
        else None,
        signing=tuple(
            SigningSecret(mark=one.mark, made_at=one.made_at, proven_at=one.proven_at)
            for one in found.signing.secrets
        ),
        operators_secret=found.signing.configured,
        old_until=found.signing.until,
    )
