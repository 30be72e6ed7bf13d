"""The relay tells every event; a stop in the middle of one telling does not make it tell that again."""

import asyncio
import contextlib
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from streams.notices.casebook import events
from streams.notices.casebook.database import Casebook
from streams.notices.metrics import NoticeMetrics
from streams.notices.relay import Relay
from tests.contracts.test_casebook import casebook, url  # noqa: F401 - fixtures
from tests.support.casebooks import fill


class Broker:
    """Has what it was sent at once, and acknowledges it when it is let."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.came = asyncio.Event()
        self.acknowledges = asyncio.Event()

    async def publish(self, waiting: Sequence[events.Unpublished]) -> None:
        self.told += [one.position for one in waiting]
        self.came.set()
        await self.acknowledges.wait()


async def stopped_while_telling(casebook: Casebook) -> tuple[Relay, Broker]:  # noqa: F811
    broker = Broker()
    relay = Relay(casebook, broker.publish, NoticeMetrics(CollectorRegistry()), worker="one")
    step = asyncio.create_task(relay.step())
    await broker.came.wait()
    step.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await step
    return relay, broker


async def test_a_stop_tells_nothing_twice(casebook: Casebook) -> None:  # noqa: F811
    fill(casebook, 2)
    relay, broker = await stopped_while_telling(casebook)

    asyncio.get_running_loop().call_later(0.05, broker.acknowledges.set)
    await relay.flush(5.0)

    assert len(broker.told) == len(set(broker.told)) > 0
    assert casebook.answer(events.unpublished, 1) == ()


async def test_a_broker_that_never_answers_holds_no_stop(casebook: Casebook) -> None:  # noqa: F811
    fill(casebook, 1)
    relay, _ = await stopped_while_telling(casebook)

    async with asyncio.timeout(5.0):
        await relay.flush(0.1)

    assert casebook.answer(events.unpublished, 1) != ()
    assert asyncio.all_tasks() == {asyncio.current_task()}
