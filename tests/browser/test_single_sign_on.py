"""An officer signs in through a provider, in a browser, at the desk that the command serves."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser

from connectors.serving import RunningServer, bind, serve
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from tests.browser.test_accessibility import AXE, problems
from tests.support.openid_provider import SECRET, OpenIdProvider
from tests.support.processes import wait_for_text


@contextmanager
def served(there: OpenIdProvider) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> RunningServer:
        return await serve(there.app(), "127.0.0.1", 0, purpose="the provider")

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    there.issuer = server.url
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@contextmanager
def desk(folder: Path, port: int) -> Iterator[None]:
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'casebook.db'}",
        "TAKIN_DATA_DIR": str(folder),
        "TAKIN_SSO_SECRET": SECRET,
    }
    command = [sys.executable, "-m", "streams.cli", "desk", "--port", str(port), "--metrics-port", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--sso", str(folder / "sso.yaml")],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_text(folder / "log", "ready", within_s=60)
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_an_officer_signs_in_there_and_out_again(chromium: Browser, tmp_path: Path) -> None:
    sock = bind("127.0.0.1", 0, purpose="the desk")
    port = sock.getsockname()[1]
    sock.close()
    there = OpenIdProvider(f"http://127.0.0.1:{port}/sso/back", lambda: datetime.now(UTC))
    with served(there):
        (tmp_path / "sso.yaml").write_text(
            f"issuer: {there.issuer}\nname: Customs\nclient_id: takin\nclient_secret: env:TAKIN_SSO_SECRET\n"
            "roles: [{claim: groups, value: wildlife-officers, role: officer}]\n"
        )
        with desk(tmp_path, port):
            page = chromium.new_context(base_url=f"http://127.0.0.1:{port}").new_page()
            page.goto("/board")
            page.evaluate(AXE)
            wrong = problems(page)
            page.get_by_role("link", name="Sign in with Customs").click()
            page.wait_for_url("**/board")
            heading = page.get_by_role("heading", level=1).inner_text()
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url("**/login?out=1")
            out = page.get_by_role("link", name="Sign out at Customs as well").get_attribute("href")
            page.context.close()

    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    account = casebook.answer(accounts.by_login, "kim@customs.example")
    casebook.close()
    assert wrong == []
    assert heading == "SLA board"
    assert (out or "").startswith(f"{there.issuer}/logout?client_id=takin")
    assert account is not None
    assert account.role == "officer"
    assert there.broken_rules == []
