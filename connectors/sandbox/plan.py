"""What will become of one listing of one notice: pure decisions from the scenario.

A plan is made once, when the notice is taken, and stands in the journal; a restart carries on with
the plan as it was, whatever the scenario file says by then.
"""

import fnmatch
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from connectors.sandbox.assignment import share_of
from connectors.sandbox.scenario import (
    NeedsInformation,
    PlatformScenario,
    Prompt,
    Refuses,
    Rejects422,
    Relists,
    Rule,
    Says,
    SaysRemovedAndIsnt,
    Scenario,
    Silent,
    Slow,
    When,
)

GONE_WORDS = frozenset({"REMOVED", "DISABLED"})
"""Words that claim the page is gone everywhere."""
OPEN_WORDS = frozenset({"RECEIVED", "IN_REVIEW", "NEED_MORE_INFORMATION"})
"""Words that decide nothing."""
_DEFAULT = Prompt()
_KEPT = {
    "lawful": ("KEPT_LAWFUL", "We hold the offer to be lawful and within our terms."),
    "insufficient": ("KEPT_INSUFFICIENT", "The notice does not let us see what is unlawful."),
    "not_hosted": ("NOT_HOSTED_HERE", "This listing is not on our platform."),
}
_ACTED = {
    "REMOVED": "Removed: the offer breaks the law on trade in protected species.",
    "DISABLED": "Access disabled for everyone.",
    "RESTRICTED_IN_TERRITORY": "Not shown in the European Economic Area any more.",
    "DEMOTED": "Shown less.",
    "SELLER_SUSPENDED": "The seller's account is suspended; the listing stays.",
}


class Step(BaseModel):
    """One thing the platform will do."""

    model_config = ConfigDict(frozen=True)

    n: int
    """Number within the item's plan."""
    after_s: float
    """Real seconds after the notice was taken, or after the information came."""
    do: Literal["say", "remove", "relist"]
    word: str | None = None
    explanation: str | None = None
    ground: Literal["law", "tos"] | None = None
    automated: bool | None = None
    honest: bool = True
    """False: says its word whatever became of the page."""
    unless_informed: bool = False
    """Only while the question is unanswered."""


class ItemPlan(BaseModel):
    """The plan for one item of a notice."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    listing_id: str
    round: int
    rule: str
    """Name or kind of the rule that matched."""
    steps: tuple[Step, ...] = ()
    on_information: tuple[Step, ...] = ()
    """Take the place of the ``unless_informed`` steps when an answer arrives."""


def matches(when: When, *, seed: int, place: str, listing_id: str, round_: int) -> bool:
    """Whether a rule is for this listing. ``place`` keeps the shares of two rules independent."""
    if when.listing is not None and not fnmatch.fnmatchcase(listing_id, when.listing):
        return False
    if when.round is not None and when.round != round_:
        return False
    return when.share >= 1.0 or share_of(str(seed), place, listing_id) < when.share


def choose_rule(scenario: Scenario, platform: PlatformScenario, listing_id: str, round_: int) -> Rule:
    """The first rule that matches, else ``prompt``."""
    for index, rule in enumerate(platform.temper):
        place = f"{platform.name}.temper.{index}"
        if matches(rule.when, seed=scenario.seed, place=place, listing_id=listing_id, round_=round_):
            return rule
    return _DEFAULT


class _Draft:
    """Collects steps; times are the scenario's until :meth:`_real` scales them."""

    def __init__(self, scenario: Scenario, listing_id: str) -> None:
        self._scenario = scenario
        self._listing_id = listing_id
        self._count = 0

    def _real(self, seconds: float, n: int) -> float:
        shift = 0.0
        if self._scenario.jitter:
            swing = 2 * share_of(str(self._scenario.seed), "jitter", self._listing_id, str(n)) - 1
            shift = seconds * self._scenario.jitter * swing
        return (seconds + shift) / self._scenario.speed

    def say(
        self,
        after_s: float,
        word: str,
        explanation: str | None = None,
        *,
        ground: Literal["law", "tos"] | None = None,
        honest: bool = True,
        unless_informed: bool = False,
        at: Step | None = None,
    ) -> Step:
        """A word; ``at`` makes it the same instant as another step, jitter included."""
        n = self._count
        self._count += 1
        return Step(
            n=n,
            after_s=at.after_s if at else self._real(after_s, n),
            do="say",
            word=word,
            explanation=explanation,
            ground=ground,
            automated=word == "RECEIVED" or None if word in OPEN_WORDS else False,
            honest=honest,
            unless_informed=unless_informed,
        )

    def page(
        self,
        after_s: float,
        do: Literal["remove", "relist"],
        *,
        unless_informed: bool = False,
        since: Step | None = None,
    ) -> Step:
        """The page goes or comes; ``since`` counts from another step."""
        n = self._count
        self._count += 1
        offset = since.after_s if since else 0.0
        return Step(n=n, after_s=offset + self._real(after_s, n), do=do, unless_informed=unless_informed)

    def act(self, after_s: float, word: str, *, unless_informed: bool = False) -> tuple[Step, ...]:
        """Take a measure and say so; the page goes with the words that claim it."""
        steps: list[Step] = []
        if word in GONE_WORDS:
            steps.append(self.page(after_s, "remove", unless_informed=unless_informed))
        at = steps[0] if steps else None
        text = _ACTED.get(word)
        steps.append(self.say(after_s, word, text, ground="law", unless_informed=unless_informed, at=at))
        return tuple(steps)

    def keep(self, after_s: float, because: str, *, unless_informed: bool = False) -> Step:
        """Refuse."""
        word, text = _KEPT[because]
        return self.say(after_s, word, text, unless_informed=unless_informed)


def decision_after(rule: Rule) -> float:
    """Scenario seconds until the rule's first decision or question."""
    if isinstance(rule, NeedsInformation):
        return rule.ask_after_s
    return float(getattr(rule, "after_s", 0.0))


def plan_item(
    scenario: Scenario,
    platform: PlatformScenario,
    *,
    item_id: str,
    listing_id: str,
    round_: int,
    shelf: Literal["online", "gone", "unknown"],
) -> ItemPlan:
    """What the platform will do about one item.

    A listing it never had is ``NOT_HOSTED_HERE`` later, not an error now; one that is gone already
    is ``ALREADY_GONE``. A silent platform stays silent about those, too.
    """
    rule = choose_rule(scenario, platform, listing_id, round_)
    draft = _Draft(scenario, listing_id)
    wait = decision_after(rule)
    first: list[Step] = []
    if not isinstance(rule, Silent):
        words = platform.answers.first_words
        first = [draft.say(wait * i / len(words), word) for i, word in enumerate(words)]
    later: tuple[Step, ...] = ()
    steps: Sequence[Step]
    if isinstance(rule, Silent | Rejects422):
        steps = ()
    elif shelf == "unknown":
        steps = (draft.keep(wait, "not_hosted"),)
    elif shelf == "gone":
        steps = (draft.say(wait, "ALREADY_GONE", "The listing was gone when the notice came."),)
    elif isinstance(rule, Prompt | Slow):
        steps = draft.act(rule.after_s, rule.word)
    elif isinstance(rule, Refuses):
        steps = (draft.keep(rule.after_s, rule.because),)
    elif isinstance(rule, SaysRemovedAndIsnt):
        steps = (draft.say(rule.after_s, "REMOVED", _ACTED["REMOVED"], ground="law", honest=False),)
    elif isinstance(rule, Says):
        goes = (draft.page(rule.after_s, "remove"),) if rule.page == "goes" else ()
        at = goes[0] if goes else None
        steps = (*goes, draft.say(rule.after_s, rule.word, honest=False, at=at))
    elif isinstance(rule, Relists):
        steps = draft.act(rule.after_s, "REMOVED")
        if round_ <= rule.rounds:
            back = draft.page(rule.back_after_s, "relist", since=steps[0])
            steps = (*steps, back)
            if rule.says_reinstated:
                text = "Shown again after the seller's complaint."
                steps = (*steps, draft.say(0, "REINSTATED", text, at=back))
    else:
        steps, later = _ask_first(draft, rule)
    return ItemPlan(
        item_id=item_id,
        listing_id=listing_id,
        round=round_,
        rule=rule.name or rule.do,
        steps=(*first, *steps),
        on_information=later,
    )


def _ask_first(draft: _Draft, rule: NeedsInformation) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    ask = draft.say(rule.ask_after_s, "NEED_MORE_INFORMATION", rule.question)
    limit = rule.ask_after_s + rule.timeout_s
    silence: tuple[Step, ...] = ()
    if rule.at_timeout == "refuses":
        silence = (draft.keep(limit, "insufficient", unless_informed=True),)
    elif rule.at_timeout == "removes":
        silence = draft.act(limit, "REMOVED", unless_informed=True)
    if rule.then == "removes":
        later = draft.act(rule.then_after_s, "REMOVED")
    else:
        later = (draft.keep(rule.then_after_s, "lawful"),)
    return (ask, *silence), later
