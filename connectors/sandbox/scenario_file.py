"""Read scenario files: every mistake is told with its line and its field."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from connectors.sandbox.scenario import Scenario
from schemas.errors import OperatorError, read_yaml

BUILT_IN = Path(__file__).parent / "scenarios"
_ELSEWHERE = {"throttles": "trouble", "limits_rate": "trouble", "down": "trouble", "flaky": "trouble"}
_SHOWN_MISTAKES = 5


def load_scenario(name_or_path: str | Path) -> Scenario:
    """The scenario of a file, or a built-in one by its name (``demo``).

    Raises:
        OperatorError: no such file, or mistakes in it, each with line and field.
    """
    path = Path(name_or_path)
    built_in = BUILT_IN / f"{name_or_path}.yaml"
    if not path.is_file():
        if path.name != str(name_or_path) or not built_in.is_file():
            known = ", ".join(sorted(name for name, _ in built_in_scenarios()))
            raise OperatorError(f"There is no scenario {name_or_path}: give a YAML file or one of {known}.")
        path = built_in
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror}).") from error
    return parse_scenario(text, source=str(path))


def built_in_scenarios() -> Iterator[tuple[str, str]]:
    """Name and description of each scenario that comes with Takin."""
    for path in sorted(BUILT_IN.glob("*.yaml")):
        yield path.stem, str(yaml.safe_load(path.read_text(encoding="utf-8")).get("description", ""))


def parse_scenario(text: str, *, source: str) -> Scenario:
    """The scenario that ``text`` describes; ``source`` names it in messages.

    Raises:
        OperatorError: mistakes, each with line and field.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_twice(root, source)
        content = read_yaml(yaml.safe_load, text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise OperatorError(f"{source}, line {line}: not YAML: {error.problem}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"{source}: not YAML: {error}.") from error
    if not isinstance(content, dict):
        raise OperatorError(f"{source}, line 1: a scenario is a mapping that has `platforms:` in it.")
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=True)
        # Pydantic also calls a list too short whose entries are all wrong; the entries are enough.
        within = {mistake["loc"][:depth] for mistake in mistakes for depth in range(len(mistake["loc"]))}
        mistakes = [m for m in mistakes if m["type"] != "too_short" or m["loc"] not in within]
        told = [_sentence(mistake, root, source) for mistake in mistakes[:_SHOWN_MISTAKES]]
        if len(mistakes) > _SHOWN_MISTAKES:
            told.append(f"… and {len(mistakes) - _SHOWN_MISTAKES} more mistakes.")
        raise OperatorError("\n".join(told)) from error


def _refuse_twice(node: yaml.Node | None, source: str) -> None:
    """PyYAML lets the last of two equal keys win; a person would not notice."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise OperatorError(f"{source}, line {line}: `{key.value}` stands here a second time.")
            seen.add(key.value)
            _refuse_twice(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(value, source)


def _sentence(mistake: Any, root: yaml.Node | None, source: str) -> str:
    field, line = _locate(mistake["loc"], root)
    kind, given = mistake["type"], mistake.get("input")
    if kind == "extra_forbidden":
        message = "is not a field that is known here"
    elif kind == "too_short":
        message = f"needs at least {mistake['ctx']['min_length']}"
    elif kind == "missing":
        message = "is missing"
    elif kind == "union_tag_invalid":
        tag = str(mistake["ctx"]["tag"])
        place = _ELSEWHERE.get(tag)
        expected = str(mistake["ctx"]["expected_tags"]).replace("'", "")
        where = f"`{tag}` belongs under `{place}`" if place else f"`{tag}` is not known"
        message = f"{where}; `do` is one of {expected}"
    elif kind == "union_tag_not_found":
        message = "has no `do`"
    elif kind == "value_error":
        message = str(mistake["ctx"]["error"])
    else:
        shown = repr(given)
        message = mistake["msg"][:1].lower() + mistake["msg"][1:]
        if len(shown) <= 60 and "secret" not in field:
            message += f", not {shown}"
    return f"{source}, line {line}: {field}: {message}." if field else f"{source}, line {line}: {message}."


def _locate(loc: Sequence[str | int], root: yaml.Node | None) -> tuple[str, int]:
    """The field as a person writes it, and its line.

    Pydantic's location also names the kind of a rule; such parts are not in the file.
    """
    field, node = "", root
    line = 1
    for part in loc:
        if isinstance(part, int):
            if isinstance(node, yaml.SequenceNode) and part < len(node.value):
                node = node.value[part]
                field, line = f"{field}[{part}]", node.start_mark.line + 1
            continue
        entries = node.value if isinstance(node, yaml.MappingNode) else []
        entry = next(((key, value) for key, value in entries if key.value == part), None)
        if entry is not None:
            line, node = entry[0].start_mark.line + 1, entry[1]
            field = f"{field}.{part}" if field else str(part)
        elif part == loc[-1]:
            field = f"{field}.{part}" if field else str(part)
    return field, line
