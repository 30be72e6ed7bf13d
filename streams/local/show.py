"""Shows what happens to cases as it happens, one line an event."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from schemas.case_event import CaseEvent
from streams.local.visible import visible
from streams.notices.casebook import events
from streams.notices.casebook.database import Casebook
from streams.reports.sla import span

WORDS: Mapping[str, str] = {
    "notice_queued": "notice written",
    "attempt_failed": "attempt failed",
    "notice_sent": "notice taken by the platform",
    "delivery_failed": "UNDELIVERABLE",
    "acknowledged": "platform acknowledged",
    "information_requested": "platform asks for information",
    "information_given": "we gave the information",
    "removal_claimed": "platform says: removed",
    "partially_restricted": "platform says: restricted",
    "refused": "platform keeps the listing",
    "already_gone": "was gone before",
    "reinstated": "platform put it back",
    "unmapped_answer": "answer with an unknown word",
    "seen_gone": "we see: gone",
    "removal_verified": "we see: gone, confirmed",
    "claim_mismatch": "SAID REMOVED, SEEN ONLINE",
    "reappeared": "BACK ONLINE",
    "deadline_missed": "DEADLINE MISSED",
    "deadline_rescinded": "deadline met after all",
    "sent_to_review": "waits for a person",
    "follow_up_queued": "we press: a step of the ladder",
    "escalation_due": "A PERSON HAS TO PRESS",
    "fallback_used": "goes by the other channel",
    "withdrawn": "we took the notice back",
    "hold_confirmed": "held: nothing is sent",
    "hold_ended": "no longer held",
    "erased": "personal data erased",
}
"""Events worth a line, and what they are called on it."""


def line(event: CaseEvent) -> str | None:
    """One event for a terminal; ``None``: not worth a line."""
    words = WORDS.get(event.type)
    if words is None:
        return None
    what = f"{event.at:%H:%M:%S}  {event.platform:<18} {visible(event.listing_id)[:24]:<24}  {words}"
    return what + _facts(event.type, event.data)


def _facts(kind: str, data: Mapping[str, Any]) -> str:
    facts = []
    if "after_s" in data:
        facts.append(f"after {span(float(data['after_s']))}")
    if kind == "deadline_missed":
        facts.append(f"to {data.get('kind')}")
    if kind in ("follow_up_queued", "escalation_due"):
        facts.append(str(data.get("step")))
    if kind == "attempt_failed":
        facts.append(str(data.get("reason")))
        if data.get("next_at"):
            facts.append(f"again at {datetime.fromisoformat(data['next_at']):%H:%M:%S}")
    if kind == "refused" and data.get("outcome"):
        facts.append(str(data["outcome"]).removeprefix("refused_"))
    return f" ({', '.join(visible(fact) for fact in facts)})" if facts else ""


class EventTail:
    """Reads events from the casebook in the order they were recorded."""

    def __init__(self, casebook: Casebook, say: Callable[[str], None]) -> None:
        self._casebook = casebook
        self._say = say
        self._position = 0
        self.seen = 0

    async def skip_to_end(self) -> None:
        """Show only what happens from now on."""
        self._position = await self._casebook.look(events.last_position)

    async def step(self) -> int:
        """Say what is new; returns how many events there were."""
        found = await self._casebook.look(events.after, self._position, limit=1_000)
        for position, event in found:
            self._position = position
            shown = line(event)
            if shown is not None:
                self._say(shown)
        self.seen += len(found)
        return len(found)
