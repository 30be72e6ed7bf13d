"""Dead letters as text for people and as JSON for programs.

What was set aside is hostile until proven otherwise: whatever could act on a terminal is escaped.
"""

import base64
from collections.abc import Sequence
from typing import Any

from schemas.dead_letter import DeadLetter
from streams.dead_letters.ledger import Entry
from streams.local.visible import visible, visible_bytes

SHOWN_BYTES = 4_000


def as_json(entry: Entry) -> dict[str, Any]:
    """One entry for programs, without its bytes."""
    letter = entry.letter.model_dump(
        mode="json", exclude={"record_value", "schema_version"}, exclude_none=True
    )
    refusal = entry.refusal()
    return {
        **letter,
        "source": entry.source,
        "state": "replayed" if entry.is_replayed else "waiting",
        "replayed_at": entry.replayed_at.isoformat() if entry.replayed_at else None,
        "times_set_aside": entry.times,
        "replayable": refusal is None,
        "not_replayable_because": refusal,
    }


def table(entries: Sequence[Entry]) -> str:
    """One line of facts and one line of detail for each entry."""
    lines = []
    for entry in entries:
        letter = entry.letter
        facts = [
            letter.dead_letter_id,
            f"{letter.set_aside_at:%Y-%m-%d %H:%M:%S}",
            "replayed" if entry.is_replayed else "waiting",
            letter.stage,
            letter.reason,
            visible(entry.source),
            f"{letter.record_bytes} bytes" + (f", set aside {entry.times} times" if entry.times > 1 else ""),
        ]
        lines += ["  ".join(facts), f"    {visible(letter.detail)}"]
    return "\n".join(lines)


def page(entry: Entry, letter: DeadLetter, *, full: bool = False) -> str:
    """Everything about one dead letter, its bytes as far as they can be read."""
    key = base64.b64decode(letter.record_key) if letter.record_key else None
    refusal = entry.refusal()
    facts = {
        "id": letter.dead_letter_id,
        "set aside": f"{letter.set_aside_at:%Y-%m-%d %H:%M:%S} UTC"
        + (f" (and {entry.times - 1} more times)" if entry.times > 1 else ""),
        "by": " ".join(filter(None, (letter.stage, visible(letter.worker or "")))),
        "reason": letter.reason,
        "detail": visible(letter.detail),
        "from": visible(entry.source),
        "key": visible_bytes(key) if key is not None else "none",
        "size": f"{letter.record_bytes} bytes" + (", cut" if letter.truncated else ""),
        "put back": f"cannot be: {visible(refusal)}" if refusal else "can be: takin dead-letters replay",
    }
    width = max(map(len, facts))
    head = "\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items())
    return f"{head}\n\n{visible_bytes(letter.value, limit=None if full else SHOWN_BYTES)}"
