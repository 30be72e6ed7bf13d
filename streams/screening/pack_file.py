"""Rule packs: YAML files of rules with their own tests, checked when they are read."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from schemas.detection import Outcome, Severity
from schemas.errors import place_of, read_yaml
from schemas.watchlist import PACK_BYTES

PACK_BYTES_LIMIT = PACK_BYTES
"""A pack larger than this is refused unread."""
DEPTH_LIMIT = 20
"""Nesting of a pack's YAML; reading deeper nesting takes time that grows with its square."""
EXAMPLES_LIMIT = 5_000
"""Examples in one pack: they run in every worker when the pack is loaded."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_load = partial(yaml.load, Loader=_LOADER)
"""A safe one, in C where there is one."""


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


ConditionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Pack(_Strict):
    """A file of rules under one version."""

    pack: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    version: int = Field(ge=1)
    title: str
    rules: tuple[Rule, ...] = ()
    imports: tuple[str, ...] = ()
    """Packs whose named conditions this one may use; they are written into a pack that is released."""
    conditions: dict[ConditionName, str] = {}
    """Named parts of conditions, CEL as well: ``$name`` in a rule of this pack stands for one."""
    shadow: bool = False
    """True: its findings are counted and reported, and send nothing."""
    _file: str = PrivateAttr("")
    _text: str = PrivateAttr("")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.rules and not self.conditions:
            raise ValueError("a pack needs rules, or conditions for others to import")
        return self

    @property
    def label(self) -> str:
        """Name and version, as they stand in findings."""
        return f"{self.pack}@{self.version}"

    def place(self, *path: str | int) -> str:
        """File and line of a part of the pack, for example ``place("rules", 0, "when")``."""
        return f"{self._file}:{line_of(self._text, path)}" if self._text else f"pack {self.pack}"


def parse_pack(raw: str, name: str) -> Pack:
    """Read one pack.

    Raises:
        BadPack: too large, not YAML, or not a pack; says where.
    """
    if len(raw.encode("utf-8", "surrogatepass")) > PACK_BYTES_LIMIT:
        raise BadPack(f"{name}:1: larger than {PACK_BYTES_LIMIT} bytes")
    try:
        _shallow(raw, name)
        document: Any = read_yaml(_load, raw)
    except BadPack:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as broken:
        mark = getattr(broken, "problem_mark", None) or getattr(broken, "context_mark", None)
        if mark is None and isinstance(broken, ValueError):
            mark = place_of(broken)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(broken, "problem", None) or broken
        raise BadPack(f"{name}:{line}: not YAML: {problem}") from broken
    try:
        pack = Pack.model_validate(document)
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = f"at {place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")
        raise BadPack(f"{name}:{line_of(raw, first['loc'])}: {said}") from broken
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


def read_pack(path: Path) -> Pack:
    """Read one pack from its file.

    Raises:
        BadPack: too large, not UTF-8, not YAML, or not a pack; says where.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > PACK_BYTES_LIMIT:
        raise BadPack(f"{path.name}:1: larger than {PACK_BYTES_LIMIT} bytes")
    raw = path.read_bytes()
    try:
        return parse_pack(raw.decode("utf-8"), path.name)
    except UnicodeDecodeError as broken:
        line = raw.count(b"\n", 0, broken.start) + 1
        raise BadPack(f"{path.name}:{line}: not UTF-8") from broken


_NAMED = re.compile(r"""\$([A-Za-z0-9_]*)|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
"""A named condition; texts are passed over."""
EXPRESSION_LIMIT = 20_000
"""Characters of a condition with every named one written out: a few names could make it endless."""


def spelled_out(expression: str, named: Mapping[str, str], where: str, inside: tuple[str, ...] = ()) -> str:
    """The condition with each ``$name`` replaced by the condition of that name, in brackets.

    Raises:
        BadPack: a name that is not there, a circle, or too long when written out.
    """

    def meant(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0]
        if name not in named:
            raise BadPack(f"{where}: no condition named ${name} in this pack or in one that it imports")
        if name in inside:
            raise BadPack(f"{where}: conditions go in a circle: {' -> '.join((*inside, name))}")
        return f"({spelled_out(named[name], named, where, (*inside, name))})"

    told = _NAMED.sub(meant, expression)
    if len(told) > EXPRESSION_LIMIT:
        raise BadPack(f"{where}: more than {EXPRESSION_LIMIT} characters with the named conditions in it")
    return told
