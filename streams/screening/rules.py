"""All rules of all packs, compiled and type-checked, and what they say of a claim."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.detection import Outcome, RuleFinding
from schemas.message import canonical_json, digest
from streams.screening.claims import Answer, Claim
from streams.screening.conditions import BadCondition, Conditions, Facts
from streams.screening.law import Provision
from streams.screening.legality import SENDABLE, reason
from streams.screening.pack_file import BadPack, Pack, Rule, spelled_out
from streams.screening.verdict import RuleFailed

ORDER: dict[str, int] = {"clear": 0, "monitor": 1, "review": 2, "notify": 3}
"""Outcomes from harmless to grave."""


@dataclass(frozen=True, slots=True)
class Softening:
    """A compiled exception."""

    holds: Callable[[Facts], bool]
    outcome: Outcome
    because: str


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked."""

    rule: Rule
    pack: Pack
    holds: Callable[[Facts], bool]
    softenings: tuple[Softening, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says of one claim."""

    rule: CompiledRule
    claim: Claim
    outcome: Outcome
    because: tuple[str, ...]
    """Reasons why the outcome is softer than the rule's own."""

    def finding(self) -> RuleFinding:
        """As it stands in the detection."""
        rule = self.rule.rule
        return RuleFinding.model_construct(
            rule_id=rule.id,
            pack=self.rule.pack.label,
            title=rule.title,
            outcome=self.outcome,
            severity=rule.severity,
            zero_tolerance=rule.zero_tolerance,
            legal_basis=rule.legal_basis,
            shadow=self.rule.pack.shadow,
        )


class RuleBook:
    """All rules of all packs, compiled, with the group gate in front."""

    def __init__(self, packs: Iterable[Pack], law: Mapping[str, Provision]) -> None:
        """Compile every condition.

        Raises:
            BadPack: a condition does not type-check, a rule id stands twice, or a provision is unknown.
        """
        self.packs = tuple(sorted(packs, key=lambda pack: (pack.pack, pack.shadow)))
        self.law = dict(law)
        self.rules: list[CompiledRule] = []
        self._asked: list[str] = []
        conditions = Conditions()
        seen: set[tuple[str, str]] = set()
        for pack in self.packs:
            if pack.imports:
                raise BadPack(
                    f"{pack.place('imports')}: a pack that is released stands alone: "
                    "`takin rules release FILE` writes what it imports into it"
                )
            for name in pack.conditions:
                self._compiled(conditions, f"${name}", pack, "conditions", name)
            for number, rule in enumerate(pack.rules):
                where = f"{pack.place('rules', number)}: pack {pack.pack}, rule {rule.id}"
                # A shadow pack is a candidate beside the pack in force and may bear its rules' ids.
                identity = (f"shadow {pack.pack}" if pack.shadow else "", rule.id)
                if identity in seen:
                    raise BadPack(f"{where}: the id stands twice")
                seen.add(identity)
                unknown = [basis for basis in rule.legal_basis if basis not in law]
                if unknown:
                    raise BadPack(f"{where}: no provision {unknown[0]!r} in the law table")
                holds = self._compiled(conditions, rule.when, pack, "rules", number, "when")
                softenings = tuple(
                    Softening(
                        self._compiled(conditions, one.when, pack, "rules", number, "exceptions", at, "when"),
                        one.outcome,
                        one.because,
                    )
                    for at, one in enumerate(rule.exceptions)
                )
                self.rules.append(CompiledRule(rule, pack, holds, softenings))
        self._by_group: dict[str, tuple[CompiledRule, ...]] = {}
        for group in {name for compiled in self.rules for name in compiled.rule.groups}:
            self._by_group[group] = tuple(
                one for one in self.rules if group in one.rule.groups or "*" in one.rule.groups
            )
        self._for_all = tuple(one for one in self.rules if "*" in one.rule.groups)

    def _compiled(
        self, conditions: Conditions, expression: str, pack: Pack, *path: str | int
    ) -> Callable[[Facts], bool]:
        place = pack.place(*path)
        asked = spelled_out(expression, pack.conditions, place)
        self._asked.append(asked)
        try:
            return conditions.compile(asked)
        except BadCondition as refused:
            _, number, *_ = path
            what = f"rule {pack.rules[number].id}" if isinstance(number, int) else f"condition ${number}"
            raise BadPack(f"{place}: pack {pack.pack}, {what}: {refused}") from refused

    def mentions(self, fact: str) -> bool:
        """Whether any condition may ask for this fact: one that costs time is worked out only then."""
        return any(fact in condition for condition in self._asked)

    @property
    def version(self) -> str:
        """Digest of all packs' content."""
        return digest(canonical_json(pack.model_dump(mode="json")) for pack in self.packs)

    def rule(self, claim: Claim, facts: Facts) -> list[Ruling]:
        """What every rule that is asked says of the claim.

        Raises:
            RuleFailed: a condition could not be evaluated.
        """
        weakest = min(claim.real, claim.offered)
        if weakest is Answer.NO:
            return []
        rulings: list[Ruling] = []
        for compiled in self._by_group.get(claim.group, self._for_all):
            try:
                if not compiled.holds(facts):
                    continue
                outcome, because = self._outcome(compiled, claim, weakest, facts)
            except Exception as failed:
                if compiled.pack.shadow:
                    continue  # a candidate that fails must not set a listing aside
                raise RuleFailed(compiled.rule.id, type(failed).__name__) from failed
            if outcome != "clear":
                rulings.append(Ruling(compiled, claim, outcome, because))
        return rulings

    @staticmethod
    def _outcome(
        compiled: CompiledRule, claim: Claim, weakest: Answer, facts: Facts
    ) -> tuple[Outcome, tuple[str, ...]]:
        rule = compiled.rule
        because: list[str] = []
        outcome: Outcome = rule.outcome
        if weakest is Answer.UNLIKELY:
            outcome = _softer(outcome, rule.if_unlikely)
        elif weakest is not Answer.YES:
            outcome = _softer(outcome, rule.if_unknown)
        for softening in compiled.softenings:
            if softening.holds(facts) and ORDER[softening.outcome] < ORDER[outcome]:
                outcome = softening.outcome
                because.append(softening.because)
        if outcome == "notify":
            # Another claim of the same specimen, in exact words, is ruled by itself and not softened.
            because += [*_hints(claim), *_not_sendable(facts)]
            outcome = "review" if because else outcome
        return outcome, tuple(because)


def _not_sendable(facts: Facts) -> list[str]:
    """Why no notice may leave on this claim, whatever the rule says. Unknown is not no."""
    why = []
    if facts["legality"] not in SENDABLE:
        why.append(reason(facts["legality"]))
    if facts["unchecked_taxon"]:
        why.append("nobody has checked in which appendix this taxon is listed")
    return why


def _hints(claim: Claim) -> Iterator[str]:
    """Why the way the name is written is not enough for a notice."""
    if claim.misspelt:
        yield "the name is misspelt and had to be put right"
    if claim.pictured:
        yield "a picture stands for the name"


def _softer(one: Outcome, other: Outcome) -> Outcome:
    return one if ORDER[one] <= ORDER[other] else other
