"""A platform changes its address and its secret while notices go out: real HTTP, a real desk and dispatcher.

The oracle is what arrived where, and whose signature on it holds.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.errors import ForgedAnswer
from connectors.signing import verify
from streams.desk.app import desk_app
from streams.desk.keys import DeskKeys
from streams.desk.service import outlets_of
from streams.notices import acts
from streams.notices.bridge import make_bridge
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from streams.notices.ports import Way
from streams.notices.ways import LiveWays
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.contracts.test_guards_on_the_wire import SECRET, Running, arrived, config, practice, running, until
from tests.support.desk import HASH, api_token, house_over, viewer_of
from tests.support.notices import T0

GIVEN = SecretStr(SECRET)


@dataclass
class Receiver:
    """A platform's own server: takes what is signed with its secret, and keeps what it took."""

    server: RudeServer
    secret: SecretStr = GIVEN
    took: list[Asked] = field(default_factory=list)

    async def manners(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        now = datetime.now(UTC)
        try:
            verify((self.secret,), asked.headers, asked.body, now)
        except ForgedAnswer:
            await answer(401, b'{"code":"bad_signature","message":"no"}')(asked, writer)
            return
        self.took.append(asked)
        body = {"reference": f"D-{len(self.took)}", "received_at": now.isoformat(), "status": "queued"}
        await answer(202, json.dumps(body).encode())(asked, writer)

    def keys(self, *, tests: bool) -> list[str]:
        found = [one.headers["idempotency-key"] for one in self.took if one.method == "POST"]
        return [key for key in found if key.startswith("test_") == tests]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    async with rude_server() as server:
        found = Receiver(server)
        server.manners = found.manners
        yield found


class Team:
    """A platform's program at the desk, and the same service that delivers."""

    def __init__(self, service: Running, configs: Any, folder: Path) -> None:
        self.service = service
        house = house_over(service.casebook, folder, clock=lambda: datetime.now(UTC))
        app = desk_app(
            replace(house, acts=service.desk, outlets=outlets_of(configs, service.bridge), keys=house.keys)
        )
        token = api_token(service.casebook, "live", now=datetime.now(UTC))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://desk.example",
            headers={"authorization": f"Bearer {token}"},
        )

    async def ask(self, method: str, path: str = "", body: Any = None, expect: int = 200) -> Any:
        found = await self.client.request(method, f"/api/v1/webhook{path}", json=body)
        assert found.status_code == expect, found.text
        return found.json()

    async def test(self, what: str) -> tuple[str, int | None]:
        found = (await self.ask("POST", "/test", {"what": what}))["test"]
        return found["result"], found["http_status"]


@asynccontextmanager
async def team(tmp_path: Path, base_url: str, *others: str) -> AsyncIterator[Team]:
    hosts = [one.removeprefix("http://") for one in others]
    configs = [config("live", base_url, self_service=True, self_service_hosts=hosts)]
    keys = DeskKeys.load_or_make(tmp_path / "desk.key")

    def ways(casebook: Casebook) -> LiveWays:
        return LiveWays(casebook, keys.open, ["live"])

    async with running(tmp_path, configs, ways=ways) as service:
        await service.casebook.run(
            accounts.add,
            login="live",
            name="Kim",
            role="platform",
            platform="live",
            password_hash=HASH,
            now=T0,
        )
        yield Team(service, configs, tmp_path)


async def test_a_new_address_gets_notices_only_after_its_test_and_then_at_once_and_what_is_sent_again_too(
    tmp_path: Path,
) -> None:
    async with receiver() as old, receiver() as new, team(tmp_path, old.server.url, new.server.url) as kim:
        first = await kim.service.notify("live", "1", old.server.url)
        await until(lambda: len(old.keys(tests=False)) == 1)
        await kim.ask("PUT", "/address", {"address": f"{new.server.url}/in/"})
        await kim.ask("POST", "/address/use", expect=409)
        await kim.service.notify("live", "2", old.server.url)
        await until(lambda: len(old.keys(tests=False)) == 2)
        new.secret = SecretStr("whsec_" + "b3RoZXIx" * 4)
        assert await kim.test("next") == ("unauthorised", 401)
        await kim.ask("POST", "/address/use", expect=409)
        new.secret = GIVEN

        assert await kim.test("next") == ("accepted", 202)
        settings = await kim.ask("POST", "/address/use")
        await kim.service.notify("live", "3", old.server.url)
        await until(lambda: len(new.keys(tests=False)) == 1)
        viewer = viewer_of(kim.service.casebook, "live")
        await kim.service.act(acts.redeliver, first, kim.service.desk, by=viewer)
        await until(lambda: len(new.keys(tests=False)) == 2)

        assert settings["address"] == f"{new.server.url}/in"
        assert len(old.keys(tests=False)) == 2
        assert new.keys(tests=False)[1] == old.keys(tests=False)[0]
        [test] = [one for one in new.took if one.headers["idempotency-key"].startswith("test_")]
        assert (test.target, json.loads(test.body)["type"]) == ("/in/desk/v1/notices", "notice.test")
        await kim.ask("POST", "/address/return")
        await kim.service.notify("live", "4", old.server.url)
        await until(lambda: len(old.keys(tests=False)) == 3)


async def test_a_secret_is_replaced_without_one_notice_that_either_receiver_refuses(tmp_path: Path) -> None:
    async with receiver() as desk, team(tmp_path, desk.server.url) as kim:
        made = await kim.ask("POST", "/secret", {"overlap_hours": 1})
        secret = SecretStr(made["secret"])
        await kim.service.notify("live", "1", desk.server.url)
        await until(lambda: len(desk.keys(tests=False)) == 1)
        assert await kim.test("secret") == ("unauthorised", 401)
        assert (await kim.ask("GET"))["old_until"] is None
        desk.secret = secret
        await kim.service.notify("live", "2", desk.server.url)
        await until(lambda: len(desk.keys(tests=False)) == 2)

        assert await kim.test("secret") == ("accepted", 202)
        overlapping = await kim.ask("GET")
        ended = await kim.ask("POST", "/secret/end-old")
        await kim.service.notify("live", "3", desk.server.url)
        await until(lambda: len(desk.keys(tests=False)) == 3)

        def signatures(number: int) -> int:
            key = desk.keys(tests=False)[number]
            [one] = [asked for asked in desk.took if asked.headers.get("idempotency-key") == key]
            return len(one.headers["webhook-signature"].split(" "))

        assert [signatures(number) for number in range(3)] == [2, 2, 1]
        assert (overlapping["operators_secret"], ended["operators_secret"]) == (True, False)
        soon = datetime.fromisoformat(overlapping["old_until"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < soon < timedelta(hours=1)
        assert made["secret"] not in (await kim.client.get("/api/v1/webhook")).text
        assert made["secret"].removeprefix("whsec_") not in "".join(everything(kim.service.casebook))


def everything(casebook: Casebook) -> list[str]:
    """All that the casebook keeps, as text."""
    with casebook.read() as tx:
        tables = [row[0] for row in tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [str(tuple(row)) for name in tables for row in tx.exec_driver_sql(f'SELECT * FROM "{name}"')]


async def test_a_test_goes_nowhere_private_and_follows_no_redirect(tmp_path: Path) -> None:
    async with (
        receiver() as desk,
        receiver() as other,
        team(tmp_path, desk.server.url, other.server.url) as kim,
    ):
        for private in ("https://127.0.0.1:1", "https://localhost", "https://10.0.0.1", "http://127.0.0.1:1"):
            answered = await kim.client.put("/api/v1/webhook/address", json={"address": private})
            assert answered.status_code == 422, private
        await kim.ask("PUT", "/address", {"address": other.server.url})
        other.server.answers(307, b"", ("location", f"{desk.server.url}/desk/v1/notices"))

        assert await kim.test("next") == ("redirect", 307)

        assert desk.server.asked == []
        await kim.ask("POST", "/address/use", expect=409)


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as desk:
        configs = [config("live", "https://desk.market.example", private_address=False, self_service=True)]

        async def leads_home(host: str, port: int, timeout: float | None) -> tuple[str, ...]:
            del host, port, timeout
            return ("127.0.0.1",)

        monkeypatch.setattr("connectors.egress.look_up", leads_home)
        bridge = make_bridge(configs)
        way = Way("https://elsewhere.example", (), True)
        found = await bridge.try_out("live", way, "1", 5.0)
        await bridge.aclose()

        assert (found.result, found.reason, found.http_status) == ("refused", "refused", None)
        assert desk.server.asked == []


async def test_the_practice_platform_answers_a_test_and_makes_no_case_of_it(tmp_path: Path) -> None:
    async with practice(1) as sandbox, team(tmp_path, sandbox.base_urls["live"]) as kim:
        assert await kim.test("now") == ("accepted", 202)

        assert len(arrived(sandbox, "tested")) == 1
        assert arrived(sandbox, "accepted", "invalid") == []
        await kim.service.notify("live", "0", sandbox.base_urls["live"])
        await until(lambda: len(arrived(sandbox, "accepted")) == 1)


async def test_without_the_desks_key_nothing_is_sent_unsigned(tmp_path: Path) -> None:
    async with receiver() as desk, team(tmp_path, desk.server.url) as kim:
        await kim.ask("POST", "/secret", {})
        desk.secret = SecretStr((await kim.ask("POST", "/secret", {}))["secret"])
        await kim.test("secret")
        await kim.ask("POST", "/secret/end-old")
        desk.took.clear()
        kim.service.bridge._ways._unseal = lambda _: None  # type: ignore[union-attr]

        await kim.service.notify("live", "1", desk.server.url)

        def reasons() -> list[Any]:
            with kim.service.casebook.read() as tx:
                return [row[0] for row in tx.exec_driver_sql("SELECT reason FROM attempt")]

        await until(lambda: "no_secret" in reasons())
        assert desk.took == []
