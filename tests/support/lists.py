"""The watchlist topic in memory, for tests of what the desk shows and writes."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from schemas.errors import OperatorError
from schemas.watchlist import RulePackRelease, Told, WatchlistEntry, read_watchlist_message
from streams.desk.trials import Trials
from streams.notices.casebook import list_changes
from streams.notices.casebook.database import Casebook
from streams.screening import proposals
from streams.screening.trial import candidate_of, problems_of
from streams.watchlist.exchange import entry_id_of, write_csv
from streams.watchlist.records import Write
from tests.support.desk import NOW
from tests.support.rules import built_in

DAY = timedelta(days=1)


@dataclass
class MemoryTopic:
    """Keeps what is written; ``away`` makes it a Kafka that does not answer."""

    told: dict[str, Told] = field(default_factory=dict)
    away: bool = False
    written: list[Write] = field(default_factory=list)

    async def now(self) -> Mapping[str, Told]:
        """What stands there."""
        if self.away:
            raise OperatorError(
                "Kafka at test:9092 does not answer: see that it runs, then load this page again."
            )
        return dict(self.told)

    async def put(self, writes: Sequence[Write], *, change_id: str, now: datetime) -> None:
        """Write."""
        await self.now()
        for one in writes:
            self.written.append(one)
            if one.value is None:
                self.told.pop(one.key, None)
            else:
                self.told[one.key] = read_watchlist_message(one.value)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def hold(self, *there: WatchlistEntry | RulePackRelease) -> None:
        """Put these there, as another desk or a command would."""
        for one in there:
            self.told[one.entry_id if isinstance(one, WatchlistEntry) else one.key] = one


def entry(value: str, **changes: Any) -> WatchlistEntry:
    """An entry as somebody added it."""
    kind = changes.get("kind", "code_word")
    return WatchlistEntry.model_validate(
        {
            "entry_id": entry_id_of(kind, value),
            "kind": kind,
            "value": value,
            "reason": "stands for ivory",
            "source": "case 17",
            "added_by": "ben",
            "added_at": NOW,
            **changes,
        }
    )


def story_topic() -> MemoryTopic:
    """A watchlist with an entry in every state, and a pack in force and in shadow."""
    topic = MemoryTopic()
    topic.hold(
        entry("white plastic", product="ivory", confidence=0.8, outcome="notify", expires_at=NOW + DAY),
        entry("jelly", state="shadow", source="case 18", reason="stands for pangolin scales"),
        entry("ice", state="quarantined", state_reason="It matched 812 of 900 listings within 60 s."),
        entry("+84 90 123 45 67", kind="phone", expires_at=NOW - DAY, platform="market-silent"),
        entry("moon", state="retired", state_reason="Retired by ada on 2026-03-01: sweets only"),
        release(pack_text(version=2, severity="critical"), version=2),
        release(pack_text(version=3), version=3, state="shadow"),
    )
    return topic


def draft_file(
    casebook: Casebook, login: str, *, now: datetime, word: str = "moon rock", name: str = "words.csv"
) -> str:
    """A file that somebody has uploaded and not yet taken: one entry is new, one is another; its id."""
    raw = write_csv([entry(word), entry("jelly", reason=f"changed {word}")]).encode()
    sha256 = hashlib.sha256(raw).hexdigest()
    return casebook.decide(
        list_changes.draft, kind="file", subject=name, body=raw, sha256=sha256, by=login, now=now
    )


class QuickTrials(Trials):
    """Checks as the real ones do, in this process; a back-test is over at once."""

    def __init__(self, topic: MemoryTopic, **report: Any) -> None:
        super().__init__("test:9092")
        self.topic = topic
        self.report: dict[str, Any] = report
        self.wishes: list[Mapping[str, Any]] = []
        self.takes_s = 0.0
        """So long a back-test is under way first."""

    async def check(self, name: str, text: str, *, shadow: bool = False) -> dict[str, Any]:
        """What workers would say."""
        await self.topic.now()
        there = {key: one for key, one in self.topic.told.items() if isinstance(one, RulePackRelease)}
        try:
            made = candidate_of(name, text, shadow=shadow, by="desk", now=NOW)
        except OperatorError as error:
            return {"problems": [str(error)]}
        if problems := problems_of(built_in(), made, there, name):
            return {"problems": list(problems)}
        return {"pack": made.pack, "version": made.version, "text": made.text}

    async def start(self, casebook: Casebook, change_id: str, wish: Mapping[str, Any], *, base: str) -> None:
        """Over already."""
        self.wishes.append(wish)
        report = {"state": "done", "since": wish["since"], "beat": NOW.isoformat(), **trial(), **self.report}
        if self.takes_s:
            running = {
                **report,
                "state": "running",
                "read": 7,
                "of": 9,
                "beat": datetime.now(UTC).isoformat(),
            }
            await casebook.run(list_changes.tried, change_id, report=json.dumps(running), base=base)
            self.later = asyncio.create_task(self._end(casebook, change_id, report))
            return
        await casebook.run(list_changes.tried, change_id, report=json.dumps(report), base=base)

    async def _end(self, casebook: Casebook, change_id: str, report: dict[str, Any]) -> None:
        await asyncio.sleep(self.takes_s)
        await casebook.run(list_changes.tried, change_id, report=json.dumps(report))


def trial(word: str = "Elephant ivory bangle") -> dict[str, Any]:
    """What a back-test says that found one listing."""
    row = {
        "listing": "market:7",
        "url": "https://market.example/7",
        "title": word,
        "before": {"outcome": "clear", "score": 0.0, "rules": []},
        "after": {"outcome": "review", "score": 0.9, "rules": ["bangles@1/bangles.offered"]},
        "explanation": f"“{word}” offers ivory.",
    }
    counts = {"listings": 812, "changed": 1, "changes": {"clear -> review": 1}, "failed": 0, "unreadable": 0}
    return {"changed": [row], "summary": {**counts, "read": 812, "of": 812, "ended": True, "rows": 1}}


def pack_text(name: str = "bangles", version: int = 1, title: str = "", **changes: Any) -> str:
    """A small pack whose examples come out right."""
    rule = {
        "id": f"{name}.offered",
        "title": "An ivory bangle is offered",
        "description": "Bangles are the commonest worked ivory in parcels.",
        "severity": "high",
        "outcome": "review",
        "groups": ["elephant"],
        "when": 'product == "ivory"',
        "legal_basis": ["cites-appendix-i"],
        "tests": {
            "must_hit": [{"title": "Hand carved elephant ivory bangle, 52 g"}],
            "must_not_hit": [{"title": "Faux ivory resin bangle"}],
        },
        **changes,
    }
    document = {"pack": name, "version": version, "title": title or name, "rules": [rule]}
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def release(text: str, **changes: Any) -> RulePackRelease:
    """A pack as it stands on the topic."""
    return RulePackRelease.model_validate(
        {
            "pack": "bangles",
            "version": 1,
            "text": text,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "released_by": "ben",
            "released_at": NOW,
            **changes,
        }
    )


def draft_pack(
    casebook: Casebook,
    login: str,
    *,
    now: datetime,
    text: str = "",
    word: str = "Elephant ivory bangle",
    there: Mapping[str, Told] | None = None,
) -> str:
    """A pack that somebody has uploaded and tried; its id."""
    body = (text or pack_text()).encode()
    change_id = casebook.decide(
        list_changes.draft,
        kind="pack",
        subject="bangles",
        version=yaml.safe_load(body)["version"],
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
        by=login,
        now=now,
    )
    report = {"state": "done", "since": now.isoformat(), "beat": now.isoformat(), **trial(word)}
    base = proposals.base_of(there or {})
    casebook.decide(list_changes.tried, change_id, report=json.dumps(report), base=base)
    return change_id
