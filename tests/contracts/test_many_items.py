"""One notice about 300 listings, through casebook and desk API over real HTTP: an outcome for each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.registry import PlatformConfig, build
from connectors.sandbox.assignment import listing_url
from connectors.sandbox.service import Sandbox
from schemas.listing import Listing
from schemas.notice import Notice
from streams.notices import acts, handlers
from streams.notices.answers import Answers, store_answer
from streams.notices.bridge import Bridge, policy_of
from streams.notices.casebook import cases, events, figures, outbox
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.requirements import Demands
from streams.notices.sender import demonstration_sender
from streams.notices.wording import CannotWrite, Matter, write_notice_about
from streams.reports.sla import report
from tests.contracts.test_desk_api import SECRET, scenario
from tests.support.notices import LAW, T0, at, make_desk, make_detection, make_listing

MANY = 300


def open_cases(tx: Transaction, listings: list[Listing]) -> list[str]:
    """Cases in review, one for each listing."""
    found = []
    for listing in listings:
        detection = make_detection(listing.listing_id, platform=listing.platform, url=listing.url)
        case = cases.open_case(tx, detection, status="review", now=T0)
        cases.add_detection(tx, case.case_id, detection, now=T0)
        found.append(case.case_id)
    return found


async def test_each_of_300_listings_gets_its_own_outcome(tmp_path: Path) -> None:
    stock = [{"id": str(number), "title": "Carved ivory figure", "text": "x"} for number in range(MANY)]
    temper = [
        {"do": "refuses", "after_s": 0.1, "when": {"share": 0.5}},
        {"do": "prompt", "after_s": 0.1},
    ]
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    async with Sandbox(scenario(temper=temper, max_items=MANY), stock) as sandbox:
        url = sandbox.base_urls["practice"]
        config = PlatformConfig(
            name="practice",
            kind="sandbox",
            base_url=url,
            private_address=True,
            dev_only=True,
            secret=(SECRET,),
            webhook_secret=(SECRET,),
            rate_per_s=1_000,
            max_items=MANY,
        )
        bridge = Bridge({"practice": build(config)})
        desk = handlers.Desk(
            {"practice": policy_of(config)}, demonstration_sender(reply_base=None), LAW, bridge.render
        )
        listings = [
            make_detection(row["id"], platform="practice", url=listing_url(url, row["id"])).listing
            for row in stock
        ]
        case_ids = casebook.decide(open_cases, listings)
        now = datetime.now(UTC)
        notice_id = casebook.decide(acts.approve_together, case_ids, desk, by="Ada", now=now)
        with casebook.read() as tx:
            notice = cases.notice_body(tx, notice_id)
        assert (notice.detection.method, len(notice.items)) == ("automated_and_reviewed", MANY)
        [leased] = casebook.decide(
            handlers.start_attempts,
            slots={"practice": 1},
            now=now,
            hold_for=timedelta(seconds=60),
            worker="w",
            desk=desk,
        )
        result, accepted = await bridge.deliver(leased, 30.0)
        assert (result.result, result.http_status) == ("accepted", 202), result
        assert accepted is not None
        casebook.decide(handlers.delivered, leased, result, accepted, desk, now=datetime.now(UTC))
        answers = Answers(casebook, bridge, NoticeMetrics(CollectorRegistry()), changed=Bell())
        until = time.monotonic() + 60
        while time.monotonic() < until:
            answer = await bridge.ask("practice", notice.idempotency_key)
            assert answer is not None
            casebook.decide(store_answer, answer)
            await answers.drain()
            items = casebook.answer(figures.item_times)
            if all(item.decided_at is not None for item in items):
                break
            await asyncio.sleep(0.2)
        await bridge.aclose()
    casebook.close()

    outcomes = Counter(item.outcome for item in items)
    assert len(items) == MANY
    assert sum(outcomes.values()) == MANY
    assert outcomes["actioned_removed"] > 50
    assert sum(n for outcome, n in outcomes.items() if str(outcome).startswith("refused_")) > 50
    [row] = report(items, now=datetime.now(UTC)).platforms
    assert row.measures["decided"].n == MANY - row.counts["already_gone"] - row.counts["refused_not_hosted"]
    assert row.counts["refused"] == MANY - outcomes["actioned_removed"]


MARKET = make_desk(demands=Demands(max_items=3))


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


def in_review(casebook: Casebook, *listing_ids: str, platform: str = "market") -> list[str]:
    return casebook.decide(open_cases, [make_listing(one, platform=platform) for one in listing_ids])


def test_one_notice_is_written_about_several_cases_and_each_case_knows_it(casebook: Casebook) -> None:
    case_ids = in_review(casebook, "1", "2", "3")
    notice_id = casebook.decide(acts.approve_together, case_ids * 2, MARKET, by="Ada", now=at(5))

    with casebook.read() as tx:
        told = {case_id: [one.type for one in events.of_case(tx, case_id)] for case_id in case_ids}
        assert {item.case_id for item in cases.items_of_notice(tx, notice_id)} == set(case_ids)
    assert set(map(tuple, told.values())) == {("approved", "notice_queued")}
    with pytest.raises(acts.ActRefused, match="not in review: its status is approved"):
        casebook.decide(acts.approve_together, case_ids, MARKET, by="Ben", now=at(6))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda book, ids: ids.extend(in_review(book, "9", platform="bazaar")),
            "these are of bazaar, market",
        ),
        (lambda book, ids: ids.extend(in_review(book, "8", "9")), "At most 3 items fit in one notice\\.$"),
        (lambda book, ids: held(book, ids[1]), "cannot be in it: the case is held until"),
        (
            lambda book, ids: book.decide(acts.dismiss, ids[1], by="Ada", reason="bone", now=at(1)),
            "not in review: its status is dismissed",
        ),
    ],
    ids=["two platforms", "too many", "held", "dismissed"],
)
def test_one_that_cannot_be_in_it_keeps_all_of_it_back(
    casebook: Casebook, spoil: Callable[[Casebook, list[str]], object], said: str
) -> None:
    case_ids = in_review(casebook, "1", "2")
    spoil(casebook, case_ids)

    with pytest.raises(acts.ActRefused, match=said):
        casebook.decide(acts.approve_together, case_ids, MARKET, by="Ada", now=at(5))
    assert casebook.answer(outbox.waiting) == ()
    with casebook.read() as tx:
        assert cases.latest_item(tx, case_ids[0]) is None


def held(casebook: Casebook, case_id: str) -> None:
    casebook.decide(acts.ask_hold, case_id, by="Ada", reason="police", expires_at=at(9_000), now=at(1))
    casebook.decide(acts.confirm_hold, case_id, by="Ben", now=at(2))


def matter(listing_id: str, *, round: int = 1, **changes: object) -> Matter:  # noqa: A002
    return Matter(make_detection(listing_id, **changes), f"c{listing_id}", round)  # type: ignore[arg-type]


def about(*matters: Matter) -> Notice:
    from streams.notices.policy import PlatformPolicy

    return write_notice_about(
        matters,
        notice_id="n",
        revision=1,
        law=LAW,
        platform=PlatformPolicy("market"),
        sender=demonstration_sender(reply_base=None),
        now=T0,
    )


def test_a_notice_about_several_has_the_words_evidence_and_case_of_each() -> None:
    notice = about(matter("1"), matter("2", round=2))

    assert notice.case_ids == ("c1", "c2")
    assert [item.round for item in notice.items] == [1, 2]
    assert len({one.evidence_id for one in notice.evidence}) == 2
    assert all(item.url in notice.reasons for item in notice.items)
    assert "appearance 2" in notice.reasons
    assert notice.reasons.count("Appendix I species") == 1


def test_the_reasons_of_300_keep_the_law_and_something_of_each() -> None:
    notice = about(*(matter(str(number)) for number in range(MANY)))

    assert len(notice.reasons) <= 20_000
    assert "Appendix I species" in notice.reasons
    assert all(f"{number}. " in notice.reasons for number in (1, 150, 300))


@pytest.mark.parametrize(
    "matters",
    [
        (),
        (matter("1"), matter("1")),
        (matter("1"), matter("2", platform="other")),
        tuple(matter(str(number)) for number in range(MANY + 1)),
    ],
    ids=["none", "twice", "two platforms", "too many"],
)
def test_what_is_no_one_notice_is_not_written(matters: tuple[Matter, ...]) -> None:
    with pytest.raises(CannotWrite):
        about(*matters)
