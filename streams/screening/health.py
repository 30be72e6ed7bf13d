"""Whether a screening worker gets on, judged by offsets."""

from collections.abc import Sequence

from connectors.observability import Health
from streams.screening.lossless.consumer import LosslessConsumer


def screening_health(
    consumer: LosslessConsumer | None,
    *,
    ruleset_version: str,
    watchlist_entries: int,
    packs: Sequence[str] = (),
    reference: str = "built-in",
    up_s: float,
    late_after_s: float,
) -> Health:
    """Healthy: a member of the group, and every partition with work decided and committed lately.

    Not before the first joining, so that it tells readiness too. A worker without partitions is
    healthy: there may be more workers than partitions.
    """
    joined = consumer is not None and consumer.joined
    rejoining_s = None if consumer is None else consumer.rejoining_s
    partitions = {} if consumer is None else _partitions(consumer)
    facts = {
        "joined": joined,
        "partitions": partitions,
        "oldest_undecided_s": max((part["undecided_s"] for part in partitions.values()), default=0.0),
        "ruleset": ruleset_version,
        "watchlist_entries": watchlist_entries,
        "packs": list(packs),
        "reference": reference,
    }
    late = [
        f"partition {number} stands still at offset {part['decided_to']} for {part['standing_still_s']:.0f} s"
        for number, part in partitions.items()
        if part["standing_still_s"] > late_after_s
    ]
    if rejoining_s is None:
        return Health(False, f"not yet a member of the consumer group after {up_s:.0f} s", facts)
    if rejoining_s > late_after_s:
        return Health(False, f"outside the consumer group for {rejoining_s:.0f} s", facts)
    if late:
        return Health(False, "; ".join(late), facts)
    return Health(True, f"{len(partitions)} partitions get on", facts)


def _partitions(consumer: LosslessConsumer) -> dict[str, dict[str, float]]:
    standing_still = consumer.book.standing_still_s()
    return {
        str(part.partition): {
            "decided_to": ledger.low,
            "end": consumer.ends.get(part, ledger.next),
            "lag": max(0, consumer.ends.get(part, ledger.next) - ledger.low),
            "undecided_s": round(consumer.book.undecided_s(part), 3),
            "standing_still_s": round(standing_still[part], 3),
        }
        for part, ledger in consumer.book.ledgers().items()
    }
