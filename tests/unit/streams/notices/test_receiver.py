"""What the receiver of answers does while the machine's clock is not believed."""

from datetime import datetime
from typing import Any, cast

import httpx
from prometheus_client import CollectorRegistry

from streams.notices.clock import ClockUnsure
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.receiver import receiver_app


async def test_by_a_clock_that_is_not_believed_no_answer_is_judged_but_asked_for_again() -> None:
    def unsure() -> datetime:
        raise ClockUnsure("it was set by two hours")

    nobody = cast("Any", None)  # neither the casebook nor a platform is asked
    metrics = NoticeMetrics(CollectorRegistry())
    app = receiver_app(nobody, nobody, metrics, answered=Bell(), clock=unsure)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        answer = await client.post("/answers/market", content=b"{}")

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert metrics.answers.labels("other", "unavailable")._value.get() == 1
