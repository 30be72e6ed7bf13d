"""``deploy/reliability.md``: what a fault run came to, in words and a table."""

import statistics
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.system_faults import Outcome


GOAL_FAULTS, GOAL_LISTINGS = 200, 500_000


def _short_of_the_goal(faults: int, listings: int, *, world: bool) -> list[str]:
    """What a run of the full size would have had more of."""
    if faults >= GOAL_FAULTS and listings >= GOAL_LISTINGS:
        return []
    return [
        "",
        f"**A full run is {GOAL_FAULTS} faults over {GOAL_LISTINGS} listings; this one was smaller**, on two",
        "cores that other work shared. Never played: an old copy of the casebook put back in its place",
        "(`tests/kafka/test_restore_drill.py` plays that one apart), more than one broker, hours and days."
        + ("" if world else " `--world` also"),
        *([] if world else ["harms PostgreSQL, the disk and the network (root on Linux)."]),
    ]


def page(outcome: "Outcome", now: datetime) -> str:
    """The page, whole."""
    told, plan = outcome.account, outcome.plan
    kinds = sorted({one.kind for one in outcome.done})
    rows = [
        ("listings in the input", told.listings),
        ("records in Kafka, with repetitions and poison", told.records),
        ("listings of the input that never reached Kafka", len(told.not_in_the_log)),
        ("ranges of offsets without a decision", len(told.undecided)),
        ("poisoned records", told.poison),
        ("poisoned records not set aside", told.poison_not_set_aside),
        ("good records set aside", told.neighbours_set_aside),
        ("offers that must be noticed, by the rules alone", told.planted),
        ("listings noticed, by the platforms' journal", told.notices),
        ("notices lost", len(told.lost_notices)),
        ("notices about anything else", len(told.wrong_notices)),
        ("listings noticed under two keys", len(told.second_notices)),
        ("keys with a second effect", len(told.second_effects)),
        ("retries before the time a platform asked for", told.early_retries),
        ("forged answers taken", outcome.forged_taken),
        ("deadlines", told.deadlines),
        ("deadlines due and without a verdict", told.deadlines_unfired),
        ("deadlines missed twice in the events", len(told.deadlines_twice)),
        ("deadlines declared missed before their time, while a clock was wrong", outcome.fired_early),
        ("breaks of the audit chain", told.audit_breaks),
    ]
    if outcome.world:
        rows.append(("transactions in COMMIT when PostgreSQL was killed", outcome.killed_in_commit))
    lines = [
        "# Reliability",
        "",
        "Written by `make faults` (`tests/faults/system_faults.py`); do not edit. Real Kafka, real processes",
        f"under `takin up`'s supervisor, {'PostgreSQL' if outcome.world else 'SQLite'} casebook, HTTP to two "
        "practice platforms through a TCP proxy.",
        "They lose one reply in nine and send every answer twice, some out of order. The oracle reads the",
        "input, Kafka's logs and the platforms' own journal, never a counter of ours.",
        "",
        f"**{now:%Y-%m-%d %H:%M} UTC, seed {plan.seed}: {len(outcome.done)} faults of {len(kinds)} kinds "
        f"over {told.listings} listings in {outcome.seconds / 60:.0f} minutes: "
        f"{'everything held' if outcome.holds else 'NOT everything held'}.**",
        "",
        "| what the oracle found | count |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in rows),
        "",
        "*Back*: seconds from the end of the fault until every service answered its readiness question and",
        "screening had committed further offsets. It includes the supervisor's own wait, which doubles from",
        "1 s to 60 s for a service that dies again within a minute of its start, as here. After a SIGTERM to",
        "the notice service it is too short: the service still answers while it finishes what it has begun.",
        *_short_of_the_goal(len(outcome.done), told.listings, world=outcome.world),
        "",
        "| fault | times | back, median s | back, longest s | not back within 150 s |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        every = [one.back_s for one in outcome.done if one.kind == kind]
        times = [one for one in every if one is not None]
        middle = f"{statistics.median(times):.1f}" if times else "–"
        longest = f"{max(times):.1f}" if times else "–"
        lines.append(f"| {kind} | {len(every)} | {middle} | {longest} | {len(every) - len(times)} |")
    return "\n".join(lines) + "\n"
