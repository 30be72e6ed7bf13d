"""What gathered facts mean: each check is a function of values and needs no network. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from streams.notices.clock import agreed

Verdict = Literal["well", "look", "wrong"]

DISK_WRONG = 500_000_000
DISK_LOOK = 2_000_000_000
CLOCK_WRONG_S = 2.0
CLOCK_LOOK_S = 0.5
STALE_S = 6 * 3600.0
LAG_LOOK = 10_000


@dataclass(frozen=True, slots=True)
class Check:
    """One answer."""

    name: str
    verdict: Verdict
    """``look``: it works, and a person should know. ``wrong``: something will not work."""
    sentence: str
    """What is so, and where it is not well, what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. ``None``: it could not be asked."""

    bootstrap: str
    kafka_error: str | None = None
    topic_differences: Mapping[str, tuple[str, ...] | None] | None = None
    """By topic of the catalogue: what differs; ``None``: the topic is missing."""
    lag: Mapping[str, int] | None = None
    """By consumer group."""
    dead_letters: int | None = None
    casebook: str = ""
    """Its address without a password."""
    casebook_error: str | None = None
    casebook_there: bool = True
    tables: str | None = None
    """Version of the tables in the database."""
    tables_wanted: str | None = None
    tables_newer_and_usable: bool = False
    """A newer program made them, and said that this one may use them."""
    clock_synchronised: bool | None = None
    clock_error_s: float | None = None
    """The kernel's own estimate of the largest error."""
    others_ahead_s: Sequence[float] = ()
    """Of each platform's server that told its time."""
    data_dir: str = ""
    disk_free: int | None = None
    disk_error: str | None = None
    platforms_file: str | None = None
    platforms_error: str | None = None
    platforms: int = 0
    audit_key: str = ""
    audit_key_error: str | None = None
    contact_keys: str = ""
    """File of the keys that encrypt reporters' contacts."""
    contact_keys_there: bool = True
    contact_keys_error: str | None = None
    contact_keys_open: str | None = None
    """Who may use the file and should not."""
    contact_key_ids: tuple[str, ...] = ()
    contacts: Mapping[str, int] | None = None
    """Contacts in the casebook by the id of their key."""
    contacts_unlooked: int = 0
    """Reports of a version that encrypted nothing."""
    java_error: str | None = None
    embedded: bool = False
    """Whether Kafka is the embedded one, which needs Java and the jars."""
    processes: Mapping[str, str | None] = field(default_factory=dict)
    """By name: why it is not well, or ``None``."""
    cursors: Mapping[str, float] = field(default_factory=dict)
    """By source: seconds since it last got on."""


def kafka(facts: Facts) -> Check:
    """Whether a broker answers."""
    if facts.kafka_error is not None:
        return Check("kafka", "wrong", facts.kafka_error)
    return Check("kafka", "well", f"Kafka answers at {facts.bootstrap}.")


def topics(facts: Facts) -> Check | None:
    """Whether the topics are those of the catalogue."""
    if facts.topic_differences is None:
        return None
    missing = sorted(name for name, found in facts.topic_differences.items() if found is None)
    drift = sorted(
        f"{name} has {' and '.join(found)}" for name, found in facts.topic_differences.items() if found
    )
    if missing:
        return Check(
            "topics",
            "wrong",
            f"Missing in Kafka: {', '.join(missing)}. Create them with `takin topics apply`.",
        )
    if drift:
        return Check(
            "topics", "wrong", f"{'; '.join(drift)}. Change the topic, or the catalogue in schemas/topics.py."
        )
    return Check("topics", "well", f"All {len(facts.topic_differences)} topics are as the catalogue says.")


def lag(facts: Facts) -> Check | None:
    """Whether readers keep up."""
    if facts.lag is None:
        return None
    behind = {group: records for group, records in facts.lag.items() if records > LAG_LOOK}
    if behind:
        words = ", ".join(f"{group} by {records} records" for group, records in sorted(behind.items()))
        return Check("lag", "look", f"Behind: {words}. Start more workers, or look why they stand still.")
    return Check("lag", "well", f"Readers keep up ({sum(facts.lag.values())} records not yet taken).")


def dead_letters(facts: Facts) -> Check | None:
    """Whether something waits for a person."""
    if facts.dead_letters is None:
        return None
    if facts.dead_letters:
        return Check(
            "dead letters",
            "look",
            f"{facts.dead_letters} records are set aside: `takin dead-letters list` says why.",
        )
    return Check("dead letters", "well", "Nothing is set aside.")


def casebook(facts: Facts) -> Check:
    """Whether the database can be used and has our tables."""
    if facts.casebook_error is not None:
        return Check("casebook", "wrong", facts.casebook_error)
    if not facts.casebook_there:
        return Check(
            "casebook",
            "look",
            f"There is no casebook at {facts.casebook} yet: `takin notices serve` makes it.",
        )
    if facts.tables_newer_and_usable:
        return Check(
            "casebook",
            "look",
            f"The casebook's tables are of version {facts.tables}, made by a newer Takin; this program "
            f"({facts.tables_wanted}) may use them. Upgrade it, if nobody rolled back on purpose.",
        )
    if facts.tables != facts.tables_wanted:
        have = facts.tables or "none"
        return Check(
            "casebook",
            "wrong",
            f"The casebook's tables are of version {have}, this program's of {facts.tables_wanted}: start "
            "`takin notices serve` of this version, which brings them up to date, or use the newer program.",
        )
    return Check("casebook", "well", f"The casebook at {facts.casebook} has the tables of this version.")


def clock(facts: Facts) -> Check | None:
    """Whether the time can be believed: it is our evidence."""
    others = facts.others_ahead_s
    if agreed(0.0, others) is False:
        return Check(
            "clock",
            "wrong",
            f"By the clocks of all {len(others)} platforms that tell their time this one is wrong by "
            f"{-median(others):+.0f} s: set it right. The notice service sends nothing by such a clock.",
        )
    if facts.clock_synchronised is None:
        return None
    error = facts.clock_error_s or 0.0
    if facts.clock_synchronised and error <= CLOCK_LOOK_S:
        return Check("clock", "well", f"The clock is synchronised (error at most {error:.3f} s).")
    if facts.clock_synchronised and error <= CLOCK_WRONG_S:
        return Check("clock", "look", f"The clock may be wrong by {error:.1f} s: look at chrony's sources.")
    return Check(
        "clock",
        "look",
        "The kernel says that this clock is not synchronised: run chrony with at least two sources; times in "
        "notices and deadlines are evidence.",
    )


def disk(facts: Facts) -> Check:
    """Whether there is room."""
    if facts.disk_error is not None or facts.disk_free is None:
        why = facts.disk_error or "unknown"
        return Check(
            "disk", "wrong", f"{facts.data_dir} cannot be written ({why}): give this account the right."
        )
    gigabytes = facts.disk_free / 1e9
    if facts.disk_free < DISK_WRONG:
        return Check("disk", "wrong", f"Only {gigabytes:.1f} GB are free at {facts.data_dir}: make room now.")
    if facts.disk_free < DISK_LOOK:
        return Check("disk", "look", f"{gigabytes:.1f} GB are free at {facts.data_dir}: make room soon.")
    return Check("disk", "well", f"{gigabytes:.0f} GB are free at {facts.data_dir}.")


def platforms(facts: Facts) -> Check:
    """Whether the platforms file and its secrets can be read."""
    if facts.platforms_file is None:
        return Check(
            "platforms",
            "look",
            "No platforms file is named (TAKIN_PLATFORMS_FILE): only practice platforms work.",
        )
    if facts.platforms_error is not None:
        return Check("platforms", "wrong", facts.platforms_error)
    return Check(
        "platforms", "well", f"{facts.platforms} platforms in {facts.platforms_file}, with all their secrets."
    )


def audit_key(facts: Facts) -> Check:
    """Whether the audit chain is signed."""
    if facts.audit_key_error is not None:
        return Check(
            "audit key",
            "look",
            f"{facts.audit_key_error} Until then a cut of the newest rows would not show.",
        )
    return Check("audit key", "well", f"The audit chain is signed with {facts.audit_key}.")


def contact_keys(facts: Facts) -> Check:
    """Whether reporters' contacts are encrypted and can be read."""
    name, kept = "contact keys", facts.contacts or {}
    missing = {key: count for key, count in kept.items() if key not in facts.contact_key_ids}
    if not facts.contact_keys_there and not kept:
        return Check(
            name,
            "look",
            f"There is no file of contact keys at {facts.contact_keys} yet: beside an SQLite casebook the "
            "first start makes it; elsewhere run `takin keys make`, and give it to intake, notice service "
            "and desk.",
        )
    if facts.contact_keys_error is not None:
        return Check(name, "wrong", facts.contact_keys_error)
    if missing:
        words = ", ".join(f"{count} with {key}" for key, count in sorted(missing.items()))
        return Check(
            name,
            "wrong",
            f"Contacts are encrypted with keys that {facts.contact_keys} does not hold ({words}): add the "
            "lines of those keys from where you keep them.",
        )
    if facts.contact_keys_open is not None:
        return Check(
            name,
            "wrong",
            f"{facts.contact_keys} is open to {facts.contact_keys_open}: chmod 0400, owner the account that "
            "Takin runs as.",
        )
    if facts.contacts_unlooked:
        return Check(
            name,
            "look",
            f"{facts.contacts_unlooked} reports are from before contacts were encrypted: run "
            "`takin keys reseal`.",
        )
    return Check(
        name,
        "well",
        f"{sum(kept.values())} contacts are encrypted; the key {facts.contact_key_ids[0]} is in use.",
    )


def java(facts: Facts) -> Check | None:
    """Whether the embedded Kafka could start."""
    if not facts.embedded:
        return None
    if facts.java_error is not None:
        return Check("embedded kafka", "wrong", facts.java_error)
    return Check("embedded kafka", "well", "Java and the jars of the embedded Kafka are there.")


def processes(facts: Facts) -> Check | None:
    """Whether what was started here makes progress."""
    if not facts.processes:
        return None
    ill = {name: why for name, why in facts.processes.items() if why is not None}
    if ill:
        words = "; ".join(f"{name}: {why}" for name, why in sorted(ill.items()))
        return Check("processes", "wrong", f"Not well: {words}. See the logs folder in the data folder.")
    return Check("processes", "well", f"{', '.join(sorted(facts.processes))} make progress.")


def connectors(facts: Facts) -> Check | None:
    """Whether sources are read."""
    if not facts.cursors:
        return None
    stale = {name: age for name, age in facts.cursors.items() if age > STALE_S}
    if stale:
        words = ", ".join(f"{name} for {age / 3600:.0f} h" for name, age in sorted(stale.items()))
        return Check(
            "connectors",
            "look",
            f"Nothing new was read: {words}. Is `takin connect` running for it, and does it fail?",
        )
    return Check("connectors", "well", f"{len(facts.cursors)} sources were read in the last hours.")


CHECKS: tuple[Callable[[Facts], Check | None], ...] = (
    kafka, topics, lag, dead_letters, casebook, clock, disk, platforms, audit_key, contact_keys, java,
    processes, connectors,
)  # fmt: skip


def diagnose(facts: Facts) -> tuple[Check, ...]:
    """Every check that could be made, in the order in which to mend."""
    return tuple(check for one in CHECKS if (check := one(facts)) is not None)


def exit_code(checks: tuple[Check, ...]) -> int:
    """0: nothing is wrong. 1: something will not work."""
    return int(any(check.verdict == "wrong" for check in checks))
