"""Brings the desk's answers to the notifier: signed webhooks, sent again until a 2xx.

Retries follow the schedule of Standard Webhooks 1.0.0, scaled by the scenario's speed: 2xx ends
them, 410 closes the address for good, 429, 502 and 504 may ask for a longer wait, a redirect is a
failure. After the last attempt the answer is given up; the journal and the desk's page show it.
"""

import asyncio
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from connectors.desk_contract import AnswerBody, AnswerData
from connectors.sandbox.records import Said, WebhookSent
from connectors.sandbox.replies import item_status
from connectors.sandbox.signing import signed_headers
from connectors.sandbox.state import Post

if TYPE_CHECKING:
    from connectors.sandbox.practice_platform import PracticePlatform

_AT_ONCE = 64
"""Webhooks of one platform on their way at the same time."""
_LONGEST_ASKED_WAIT_S = 86_400.0
_FORGED = "whsec_" + "Zm9yZ2VkLXNlY3JldC1vZi10aGUtc2FuZGJveCE="
_log = structlog.get_logger("sandbox")


class Courier:
    """The webhooks of one platform."""

    def __init__(self, platform: "PracticePlatform") -> None:
        self._platform = platform
        answers = platform.config.answers
        self._timeout_s = answers.timeout_s
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=answers.timeout_s,
            headers={"user-agent": "takin-sandbox/1", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=8),
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def send_at(self, due: datetime, answer_id: str) -> None:
        """Send an answer when its time has come."""
        self._platform.agenda.at(due, lambda: self._start(answer_id))

    def _start(self, answer_id: str) -> None:
        task = asyncio.create_task(self._deliver(answer_id), name=f"webhook-{answer_id}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._platform.failed(error)

    async def _deliver(self, answer_id: str) -> None:
        post = self._platform.state.posts[answer_id]
        url = self._platform.state.notices[post.said.reference].reply_to
        if post.ended or url is None:
            return
        if url in self._platform.state.closed_addresses:
            self._note(post, url, result="gave_up", error="the address answered 410 before")
            return
        body = answer_body(post.said)
        if self._platform.config.answers.forged and post.attempts == 0:
            await self._extra(post, url, body, "forged")
        async with self._slots:
            status, error, asked_s = await self._post(url, answer_id, body)
        if status is not None and 200 <= status < 300:
            self._note(post, url, result="delivered", status=status)
            for _ in range(self._platform.config.answers.copies - 1):
                await self._extra(post, url, body, "copy")
            return
        schedule = self._platform.config.answers.retry_after_s
        if status == 410 or post.attempts >= len(schedule):
            self._note(post, url, result="gave_up", status=status, error=error)
            _log.warning(
                "webhook_given_up",
                platform=self._platform.config.name,
                reference=post.said.reference,
                attempts=post.attempts,
                status=status,
            )
            return
        wait_s = max(schedule[post.attempts] / self._platform.scenario.speed, asked_s)
        next_at = self._platform.now() + timedelta(seconds=wait_s)
        self._note(post, url, result="retrying", status=status, error=error, next_at=next_at)
        self.send_at(next_at, answer_id)

    async def _extra(self, post: Post, url: str, body: bytes, kind: Any) -> None:
        async with self._slots:
            status, error, _ = await self._post(
                url, post.said.answer_id, body, secrets=(_FORGED,) if kind == "forged" else None
            )
        self._note(post, url, result="extra", status=status, error=error, extra=kind)

    async def _post(
        self, url: str, answer_id: str, body: bytes, *, secrets: tuple[str, ...] | None = None
    ) -> tuple[int | None, str | None, float]:
        """One attempt: status, or what failed, and how long the receiver asked to wait."""
        now = self._platform.now()
        headers = signed_headers(answer_id, body, secrets or self._platform.config.outgoing_secrets, now)
        headers["content-type"] = "application/json"
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                asked_s = _asked_wait(response, now)
                read = 0
                async for chunk in response.aiter_raw(8_192):
                    read += len(chunk)
                    if read > 65_536:
                        break
                return response.status_code, None, asked_s
        except TimeoutError:
            return None, "timeout", 0.0
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, type(error).__name__, 0.0

    def _note(self, post: Post, url: str, *, result: Any, extra: Any = None, **more: Any) -> None:
        self._platform.record(
            WebhookSent(
                at=self._platform.now(),
                platform=self._platform.config.name,
                answer_id=post.said.answer_id,
                reference=post.said.reference,
                url=url,
                attempt=0 if extra else post.attempts + 1,
                extra=extra,
                result=result,
                **more,
            )
        )

    async def aclose(self) -> None:
        """Stop sending; what was under way is sent again after a restart."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


def _asked_wait(response: httpx.Response, now: datetime) -> float:
    value = response.headers.get("retry-after", "")
    if response.status_code not in (429, 502, 503, 504) or not value:
        return 0.0
    try:
        wait = float(value) if value.isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(wait, 0.0), _LONGEST_ASKED_WAIT_S)


def answer_body(said: Said) -> bytes:
    """The webhook's body; the same bytes on every attempt."""
    notice = AnswerData(idempotency_key=said.key, reference=said.reference, item=item_status(said))
    return AnswerBody(timestamp=said.at, data=notice).model_dump_json(exclude_none=True).encode()
