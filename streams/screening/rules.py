"""Rule packs: YAML files of rules with their own tests, checked whole when they are loaded."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from schemas.detection import Outcome, RuleFinding, Severity
from schemas.message import canonical_json, digest
from schemas.watchlist import PACK_BYTES
from streams.screening.claims import Answer, Claim
from streams.screening.conditions import BadCondition, Conditions, Facts
from streams.screening.law import Provision
from streams.screening.legality import SENDABLE, reason
from streams.screening.verdict import RuleFailed

PACK_BYTES_LIMIT = PACK_BYTES
"""A pack larger than this is refused unread."""
DEPTH_LIMIT = 20
"""Nesting of a pack's YAML; reading deeper nesting takes time that grows with its square."""
EXAMPLES_LIMIT = 5_000
"""Examples in one pack: they run in every worker when the pack is loaded."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ORDER: dict[str, int] = {"clear": 0, "monitor": 1, "review": 2, "notify": 3}
"""Outcomes from harmless to grave."""


class BadPack(ValueError):
    """A pack is refused; the message names file, line, rule and position."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PackExample(_Strict):
    """A written listing and what the rule must make of it."""

    title: str = ""
    text: str = ""
    price: bool = True
    """Whether the listing shows a price."""
    outcome: Outcome | None = None
    """Only in ``must_hit``: what the rule's finding leads to; absent: the rule's own outcome."""


class PackTests(_Strict):
    """Examples that hold a rule to its word. A rule without a near miss is refused."""

    must_hit: Annotated[tuple[PackExample, ...], Field(min_length=1)]
    must_not_hit: Annotated[tuple[PackExample, ...], Field(min_length=1)]


class Exception_(_Strict):  # noqa: N801 — the field's word; `Exception` is taken
    """A condition under which the rule's outcome is softened, and why."""

    when: str
    outcome: Outcome
    because: str


class Rule(_Strict):
    """A condition and what it leads to."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")
    """Stable; the title may change, the id never."""
    title: str = Field(max_length=512)
    description: str
    """In the field's words: what is offered and why that matters."""
    severity: Severity
    zero_tolerance: bool = False
    outcome: Outcome
    """When both questions (is it real, is it offered) are answered with yes."""
    if_unknown: Literal["review", "monitor", "clear"] = "review"
    """When one of them is only likely or open. Never ``notify``: unknown is not yes."""
    if_unlikely: Literal["review", "monitor", "clear"] = "monitor"
    groups: Annotated[tuple[str, ...], Field(min_length=1)]
    """The gate: only claims of these groups are asked; ``*`` for all."""
    when: str = "true"
    """CEL over the facts of one claim, see conditions.py."""
    exceptions: tuple[Exception_, ...] = ()
    legal_basis: tuple[str, ...] = ()
    tests: PackTests


class Pack(_Strict):
    """A file of rules under one version."""

    pack: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    version: int = Field(ge=1)
    title: str
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    shadow: bool = False
    """True: its findings are counted and reported, and send nothing."""
    _file: str = PrivateAttr("")
    _text: str = PrivateAttr("")

    @property
    def label(self) -> str:
        """Name and version, as they stand in findings."""
        return f"{self.pack}@{self.version}"

    def place(self, *path: str | int) -> str:
        """File and line of a part of the pack, for example ``place("rules", 0, "when")``."""
        return f"{self._file}:{line_of(self._text, path)}" if self._text else f"pack {self.pack}"


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


def parse_pack(raw: str, name: str) -> Pack:
    """Read one pack.

    Raises:
        BadPack: too large, not YAML, or not a pack; says where.
    """
    if len(raw.encode("utf-8", "surrogatepass")) > PACK_BYTES_LIMIT:
        raise BadPack(f"{name}:1: larger than {PACK_BYTES_LIMIT} bytes")
    try:
        _shallow(raw, name)
        document: Any = yaml.load(raw, Loader=_LOADER)  # noqa: S506 — a safe loader, in C where there is one
    except BadPack:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as broken:
        mark = getattr(broken, "problem_mark", None) or getattr(broken, "context_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(broken, "problem", None) or broken
        raise BadPack(f"{name}:{line}: not YAML: {problem}") from broken
    try:
        pack = Pack.model_validate(document)
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadPack(f"{name}:{line_of(raw, first['loc'])}: at {place}: {first['msg']}") from broken
    examples = sum(len(rule.tests.must_hit) + len(rule.tests.must_not_hit) for rule in pack.rules)
    if examples > EXAMPLES_LIMIT:
        raise BadPack(f"{name}:1: {examples} examples, at most {EXAMPLES_LIMIT} are run")
    pack._file, pack._text = name, raw
    return pack


def _shallow(raw: str, name: str) -> None:
    """Refuse what makes a short text large in memory or slow to read, before it is built.

    Raises:
        BadPack: nested too deeply, or it repeats parts by reference.
        yaml.YAMLError: not YAML.
    """
    depth = 0
    for event in yaml.parse(raw, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        line = event.start_mark.line + 1 if event.start_mark else 1
        if depth > DEPTH_LIMIT:
            raise BadPack(f"{name}:{line}: nested deeper than {DEPTH_LIMIT} levels")
        if isinstance(event, yaml.AliasEvent):
            raise BadPack(f"{name}:{line}: repeats a part by reference (*): write it out")


def line_of(raw: str, path: Sequence[str | int]) -> int:
    """Line, from 1, of a part of a YAML text, or of the nearest part around it that is there."""
    node = yaml.compose(raw, Loader=_LOADER)
    line = 1
    for step in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            found = pairs.get(step)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


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
        conditions = Conditions()
        seen: set[tuple[str, str]] = set()
        for pack in self.packs:
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
                holds = _compiled(conditions, rule.when, pack, number, "when")
                softenings = tuple(
                    Softening(
                        _compiled(conditions, one.when, pack, number, "exceptions", at, "when"),
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

    def mentions(self, fact: str) -> bool:
        """Whether any condition may ask for this fact: one that costs time is worked out only then."""
        return any(
            fact in condition
            for one in self.rules
            for condition in (one.rule.when, *(exception.when for exception in one.rule.exceptions))
        )

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


def _compiled(
    conditions: Conditions, expression: str, pack: Pack, rule: int, *path: str | int
) -> Callable[[Facts], bool]:
    try:
        return conditions.compile(expression)
    except BadCondition as refused:
        where = f"{pack.place('rules', rule, *path)}: pack {pack.pack}, rule {pack.rules[rule].id}"
        raise BadPack(f"{where}: {refused}") from refused


def _hints(claim: Claim) -> Iterator[str]:
    """Why the way the name is written is not enough for a notice."""
    if claim.misspelt:
        yield "the name is misspelt and had to be put right"
    if claim.pictured:
        yield "a picture stands for the name"


def _softer(one: Outcome, other: Outcome) -> Outcome:
    return one if ORDER[one] <= ORDER[other] else other


def packaged_packs() -> list[Pack]:
    """The packs that come with Takin.

    Raises:
        BadPack: one of them is broken.
    """
    folder = files("streams.screening") / "packs"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return [parse_pack((folder / name).read_text("utf-8"), name) for name in names]


def packs_from(folder: Path) -> list[Pack]:
    """The packs of an operator's folder.

    Raises:
        BadPack: one of them is broken.
        OSError: the folder cannot be read.
    """
    return [parse_pack(path.read_text("utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))]
