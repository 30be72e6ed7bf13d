"""The port to the expression language (CEL) in which rules state their conditions.

Conditions are parsed and type-checked once, when a pack is loaded, against :data:`FACTS`; an
unknown name or a wrong type is refused there, never at run time. CEL has no loops and no
recursion, so a condition ends. The engine is cel-cpp (``cel_bind``); nothing outside this module
knows it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import cel

Facts = Mapping[str, Any]
"""Values by the names in :data:`FACTS`; every name must be there."""

FACTS: dict[str, type | str] = {
    "group": str,
    "taxon": str,
    "rank": str,
    "appendix": str,
    "product": str,
    "kind": str,
    "klass": str,
    "real": str,
    "offered": str,
    "sure": bool,
    "disguised": bool,
    "curated": bool,
    "scientific": bool,
    "traded": bool,
    "excepted_population": bool,
    "support": "list of str",
    "against": "list of str",
    "permit": bool,
    "priced": bool,
    "legality": str,
    "legality_basis": "list of str",
    "unchecked_taxon": bool,
    "permit_form": str,
    "contacts": "list of str",
    "platform": str,
    "language": str,
    "category": str,
}
"""What a condition may speak of, with its type. Absent texts are the empty string."""


REMEMBERED = 2_000
"""Answers kept for each condition."""


class BadCondition(ValueError):
    """A condition does not parse or does not fit the facts; the message says where."""


def _type(of: type | str) -> Any:
    if of is str:
        return cel.StringType()
    if of is bool:
        return cel.BoolType()
    return cel.ListType(cel.StringType())


class Conditions:
    """Compiles conditions; one per rule set. Compiled conditions may be used from several threads."""

    def __init__(self) -> None:
        pool = cel.DescriptorPool()
        environment = {name: _type(of) for name, of in FACTS.items()}
        self._compiler = cel.Compiler(pool, environment, None)
        self._interpreter = cel.Interpreter(pool, environment, None)

    def compile(self, expression: str) -> Callable[[Facts], bool]:
        """A function that says whether the condition holds for given facts.

        Raises:
            BadCondition: syntax error, unknown name, wrong type, or not a true-or-false condition.
        """
        try:
            # Comparing with a truth value makes the type checker refuse any other type.
            checked = self._compiler.compile_to_checked_expr(f"(\n{expression}\n) == true")
            plan = self._interpreter.build_expression_plan(checked)
        except Exception as refused:  # the binding raises RuntimeError and ValueError alike
            raise BadCondition(str(refused)) from refused
        evaluate = self._interpreter.evaluate
        names = [name for name in FACTS if re.search(rf"\b{name}\b", expression)]
        if not names:
            always = evaluate(plan, {}) is True
            return lambda _: always
        told: dict[tuple[Any, ...], bool] = {}

        def holds(facts: Facts) -> bool:
            # The same few facts come again and again, and looking is twenty times quicker than asking.
            key = tuple([tuple(fact) if isinstance(fact := facts[name], list) else fact for name in names])
            answer = told.get(key)
            if answer is None:
                answer = evaluate(plan, facts) is True
                if len(told) >= REMEMBERED:
                    told.clear()
                told[key] = answer
            return answer

        return holds
