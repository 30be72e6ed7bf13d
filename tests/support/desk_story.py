"""A desk's casebook that tells a story: the demonstration's own listings, really screened, noticed to
platforms of different temper, answered or not, and looked at, as if over the last days."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

from schemas.detection import Detection
from schemas.notice import SlaPromise
from streams.notices import acts, handlers
from streams.notices.casebook import cases, looks, review
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.handlers import Accepted, Desk
from streams.notices.item import Look
from streams.notices.law import load_law
from streams.notices.policy import PlatformPolicy
from streams.screening.decision import detection_of
from streams.screening.tools import listing_from
from tests.support.notices import LOOK, make_desk, make_response, render
from tests.support.rules import built_in

PROMISE = SlaPromise(
    policy="example-2026",
    source="Agreement of 3 May 2026, clause 4 (invented)",
    acknowledge_s=6 * 3_600.0,
    decide_s=48 * 3_600.0,
    remove_s=72 * 3_600.0,
)
TEMPERS: Mapping[str, str] = {
    "market-prompt": "prompt",
    "market-liar": "liar",
    "market-silent": "silent",
    "market-careful": "careful",
}


def story_desk() -> Desk:
    """Agreements with the story's platforms."""
    policies = {
        name: PlatformPolicy(name=name, sla=PROMISE, look=LOOK, legal_entity=f"{name} (invented)")
        for name in TEMPERS
    }
    return replace(make_desk(), platforms=policies, law=load_law(), render=render)


def detections(most: int, *, now: datetime) -> Iterator[Detection]:
    """Verdicts on the demonstration's listings that call for a notice or a person."""
    screener = built_in().screener({})
    text = (files("streams.local.demo") / "listings.jsonl").read_text(encoding="utf-8")
    names = tuple(TEMPERS)
    found = 0
    for line in text.splitlines():
        row: dict[str, Any] = json.loads(line)
        platform = names[found % len(names)]
        row |= {"platform": platform, "url": f"https://{platform}.example/item/{row['id']}"}
        row |= {"observed_at": (now - timedelta(days=4)).isoformat(), "connector": "feed"}
        seller = row.get("seller")
        row["seller"] = {"handle": seller} if isinstance(seller, str) else seller
        listing = listing_from(row)
        verdict = screener.screen(listing, now)
        if verdict.outcome not in ("notify", "review"):
            continue
        record = SimpleNamespace(topic="listings", partition=0, offset=found, key=None, value=None)
        yield detection_of(record, listing, verdict, screener.version, now)
        found += 1
        if found == most:
            return


@dataclass(frozen=True, slots=True)
class Story:
    """What was told."""

    notices: int
    review: int


def tell(casebook: Casebook, *, most: int = 44, now: datetime | None = None) -> Story:
    """Fill a casebook with the story."""
    now = now or datetime.now(UTC)
    desk = story_desk()
    noticed, waiting = 0, 0
    for number, found in enumerate(detections(most, now=now)):
        # The newest are unanswered: a platform's people find something to do.
        age = timedelta(hours=80 - (number * 79) / most)
        detection = found.model_copy(update={"screened_at": now - age - timedelta(seconds=2)})
        taken = casebook.decide(handlers.take_detection, detection, desk, now=now - age)
        if taken.notice_id is None:
            waiting += taken.result == "review"
            continue
        noticed += 1
        _deliver(casebook, desk, detection.platform, now - age + timedelta(minutes=1))
        _behave(casebook, desk, TEMPERS[detection.platform], taken.notice_id, str(taken.case_id), age, now)
    casebook.decide(handlers.fire_deadlines, desk, now=now)
    return Story(noticed, waiting)


def notice_about_two(casebook: Casebook, platform: str, *, now: datetime | None = None) -> str:
    """A notice about two listings of one platform, delivered; its reference."""
    now, desk = now or datetime.now(UTC), story_desk()
    with casebook.read() as tx:
        waiting = [one.case_id for one in review.in_review(tx, platform=platform)][:2]
    notice_id = casebook.decide(acts.approve_together, waiting, desk, by="analyst", now=now)
    _deliver(casebook, desk, platform, now)
    with casebook.read() as tx:
        return cases.notice_by_id(tx, notice_id).human_reference


def _deliver(casebook: Casebook, desk: Desk, platform: str, at: datetime) -> None:
    for one in casebook.decide(
        handlers.start_attempts,
        slots={platform: 100},
        now=at,
        hold_for=timedelta(seconds=30),
        worker="w1",
        desk=desk,
    ):
        taken = AttemptResult("accepted", None, 202)
        casebook.decide(handlers.delivered, one, taken, Accepted(None, None, None), desk, now=at)


def _behave(
    casebook: Casebook, desk: Desk, temper: str, notice_id: str, case_id: str, age: timedelta, now: datetime
) -> None:
    if temper == "silent" or age < timedelta(hours=24):
        return
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
        item = cases.item_of(tx, notice_id, case_id)
    said = now - age + timedelta(hours=3)
    outcome = (
        "refused_insufficient" if temper == "careful" and case_id[-1] in "02468ace" else "actioned_removed"
    )
    response = make_response(key=key, response_id=f"r/{notice_id}", outcome=outcome).model_copy(
        update={"platform": item.platform, "received_at": said, "said_at": said}
    )
    casebook.decide(handlers.apply_response, response, now=said)
    if outcome != "actioned_removed":
        return
    for hours in (4, 6):
        look_at = now - age + timedelta(hours=hours)
        due = looks.LookDue(notice_id, case_id, item.platform, item.listing_id, item.url, item.content_hash)
        state = "online" if temper == "liar" else "offline"
        casebook.decide(
            handlers.take_look,
            due,
            Look(state, "status", look_at),  # type: ignore[arg-type]
            desk,
            now=look_at,
            http_status=200 if state == "online" else 404,
            body_sha256="b" * 64,
            observer="verifier",
        )
