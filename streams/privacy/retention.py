"""How long what is kept, as data; and the job that erases what is older, in pieces."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import OperatorError, not_yaml, read_yaml
from streams.notices.casebook import erasure, erasure_search, retention_rows
from streams.notices.casebook.database import Casebook, Transaction
from streams.privacy.erase import decision_on
from streams.privacy.keys import PrivacyKeys
from streams.privacy.marks import marks_of_offer

What = Literal["cases", "dismissed_cases", "reports", "unmatched_answers", "access"]
"""Kinds of things that end: closed cases with all that belongs to them; cases in which nothing was found;
reports that led to no case; answers that match no notice; who was shown what."""

AT_ONCE: dict[What, int] = {"cases": 20, "dismissed_cases": 20}
"""Things of one transaction, where they are not 200."""
GRACE = timedelta(days=7)
"""How long after its time something may still be there before it counts as overdue."""


class Rule(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    what: What
    keep_days: int = Field(ge=1, le=36_500)
    start: str = Field(alias="from", min_length=3, max_length=200)
    """The event from which it counts, in words."""
    why: str = Field(min_length=3, max_length=500)
    basis: str = Field(min_length=3, max_length=500)

    def before(self, now: datetime) -> datetime:
        """What is older than this instant ends."""
        return now - timedelta(days=self.keep_days)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...]


def load_table(path: Path | None = None) -> tuple[Rule, ...]:
    """The table; without a path the one that comes with Takin.

    Raises:
        OperatorError: the file cannot be read, or a row is not what it must be.
    """
    name = str(path or "retention.yaml")
    try:
        text = (path or files("streams.privacy").joinpath("retention.yaml")).read_text(encoding="utf-8")
        rules = _Table.model_validate(read_yaml(yaml.safe_load, text)).rules
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise OperatorError(f"The retention table {name} cannot be read: {why}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the table"
        raise OperatorError(f"The retention table {name}: {where}: {first['msg']}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The retention table {name} {not_yaml(error)}.") from None
    kinds = [rule.what for rule in rules]
    if twice := {kind for kind in kinds if kinds.count(kind) > 1}:
        raise OperatorError(f"The retention table {name} has {min(twice)} twice.")
    if missing := sorted(set(get_args(What)) - set(kinds)):
        raise OperatorError(f"The retention table {name} does not say how long {missing[0]} are kept.")
    return rules


@dataclass(frozen=True, slots=True)
class Due:
    """What of one rule is older than it may get."""

    rule: Rule
    count: int
    held: int
    """Cases among them that are under a legal hold; they stay and are not in ``count``."""


def due(tx: Transaction, rules: Sequence[Rule], *, now: datetime) -> tuple[Due, ...]:
    """How much the job would erase."""
    return tuple(
        Due(
            rule,
            retention_rows.count(tx, rule.what, rule.before(now)),
            retention_rows.count_held(tx, rule.what, rule.before(now)),
        )
        for rule in rules
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """One transaction of the job."""

    rule: Rule
    done: int
    """Things of the rule that this run has erased so far."""
    stays: tuple[tuple[str, str], ...] = ()
    """What could not be erased, and why."""


def run(
    casebook: Casebook,
    rules: Sequence[Rule],
    keys: PrivacyKeys,
    *,
    by: str,
    clock: Callable[[], datetime],
) -> Iterator[Piece]:
    """Erase what is due, piece by piece; each piece is committed when it is told of.

    A run that is interrupted is simply begun again: what was erased is not found a second time.
    """
    for rule in rules:
        done, after = 0, ""
        why = f"kept {rule.keep_days} days: {rule.why}"
        decision = decision_on("retention", by=by, why=why, basis=rule.basis)
        before = rule.before(clock())
        while True:
            some = casebook.answer(
                retention_rows.due, rule.what, before, after=after, limit=AT_ONCE.get(rule.what, 200)
            )
            if not some:
                break
            after = some[-1]
            erased, stays = _piece(casebook, rule, decision, some, keys, clock)
            done += erased
            yield Piece(rule, done, stays)


def _piece(
    casebook: Casebook,
    rule: Rule,
    decision: erasure.Decision,
    some: Sequence[str],
    keys: PrivacyKeys,
    clock: Callable[[], datetime],
) -> tuple[int, tuple[tuple[str, str], ...]]:
    try:
        casebook.decide(_erase, rule.what, decision, some, keys, now=clock())
    except erasure.NotErasable as error:
        if len(some) == 1:
            return 0, ((some[0], str(error)),)
        pieces = [_piece(casebook, rule, decision, [one], keys, clock) for one in some]
        return sum(done for done, _ in pieces), tuple(stay for _, stays in pieces for stay in stays)
    return len(some), ()


def _erase(
    tx: Transaction,
    what: What,
    decision: erasure.Decision,
    some: Sequence[str],
    keys: PrivacyKeys,
    *,
    now: datetime,
) -> None:
    match what:
        case "cases" | "dismissed_cases":
            offers = erasure_search.offers_of(tx, tuple(some))
            marks = [mark for offer in offers for mark in marks_of_offer(keys, *offer)]
            erasure.erase(tx, decision, case_ids=some, marks=marks, now=now)
        case "reports":
            erasure.erase(tx, decision, report_ids=some, now=now)
        case "unmatched_answers":
            erasure.erase(tx, decision, inbox_ids=[int(one) for one in some], now=now)
        case "access":
            erasure.erase(tx, decision, access_ids=[int(one) for one in some], now=now)
