"""The arithmetic of ``deploy/capacity.md``: each row is computed again from its own formula."""

import ast
import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deploy.strimzi import REPLICAS
from schemas.topics import LISTINGS, PARTITIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "deploy/capacity.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
]
GIVEN = {row[0]: float(row[1]) for row in ROWS if len(row) == 4 and re.fullmatch(r"[\d.]+", row[1])}
DERIVED = [row for row in ROWS if len(row) == 5 and re.fullmatch(r"[\d.]+", row[2])]
OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}
FUNCTIONS: dict[str, Callable[..., float]] = {"ceil": math.ceil, "max": max}


def value(node: ast.expr, names: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return float(OPERATORS[type(op)](value(left, names), value(right, names)))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return float(FUNCTIONS[name](*(value(one, names) for one in arguments)))
    raise ValueError(ast.dump(node))


@pytest.mark.parametrize(("day", "column"), [(1e8, 2), (1e10, 3)])
def test_every_number_follows_from_the_formula_in_its_row(day: float, column: int) -> None:
    names = {**GIVEN, "day": day}
    wrong = []
    for row in DERIVED:
        names[row[0]] = value(ast.parse(row[1], mode="eval").body, names)
        shown = float(row[column])
        if not math.isclose(names[row[0]], shown, rel_tol=0.005):
            wrong.append(f"{row[0]}: {shown:g} stands there, {names[row[0]]:g} comes out")

    assert len(DERIVED) == 11
    assert wrong == []


def test_what_the_repository_says_itself_is_taken_from_it() -> None:
    longest = (ROOT / "schemas/examples/listing.json").stat().st_size

    assert GIVEN["retention_days"] == LISTINGS.retention_days
    assert GIVEN["copies"] == REPLICAS
    assert GIVEN["listing_bytes"] <= longest <= 2 * GIVEN["listing_bytes"]
    assert f"max({PARTITIONS}," in PAGE


def test_a_worker_is_assumed_to_do_no_more_than_one_was_measured_at() -> None:
    measured = json.loads((ROOT / "deploy/performance.json").read_text("utf-8"))["systems"]
    [worker] = [row for row in measured if row.get("system") == "takin"]

    assert GIVEN["worker_rate"] <= 0.75 * worker["events_per_s"]
