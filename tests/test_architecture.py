"""The direction of the code, held over its import graph: what may know what.

Reads the source with :mod:`ast` and imports nothing, so that it also sees what is imported inside
functions. Each exception to a rule stands here with its reason.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "connectors", "streams")

pytestmark = pytest.mark.skipif(
    not all((ROOT / package).is_dir() for package in PACKAGES),
    reason="reads the source tree, which does not stand beside these tests",
)

COMPOSITION_ROOTS = {
    "streams/cli.py": "the command line puts processes together",
    "streams/**/commands.py": "a command makes what its process needs and starts it",
    "streams/**/service.py": "entry point of a process",
    "streams/**/worker.py": "entry point of the Faust worker",
    "streams/local/**": "starts every process on one machine",
    "streams/doctor/gathering.py": "looks at everything that a process is put together from",
    "streams/load/**": "a machine of its own: sends as a connector does, reads the sandbox's journal",
    "streams/connect/**": "runs a platform's source: its whole work is to join the two packages",
    "streams/notices/bridge.py": "the one adapter: the notice service's Protocol over platforms",
    "streams/**/health.py": "says how a process is, in the words of connectors.observability",
    "streams/desk/limits.py": "one arithmetic of rates: connectors.pace.reserve",
}
FAUST = {
    "streams/screening/app.py": "builds the Faust app",
    "streams/screening/agent.py": "the agent",
    "streams/screening/worker.py": "starts the Faust worker",
    "streams/screening/lossless/**": "the consumer whose commit never passes an undecided listing",
}
METRICS = {
    "streams/**/metrics.py": "declares metrics",
    "connectors/metrics*.py": "declares metrics",
    "connectors/observability.py": "serves /metrics",
}
SQL = {"streams/notices/casebook/**": "the casebook is the only store in SQL"}
HTTP = {
    "connectors/http_message.py": "takes answers apart for the one HTTP client",
    "connectors/egress.py": "decides which addresses that client may reach",
    "connectors/platform_config.py": "reads addresses as the client will",
    "connectors/self_service.py": "reads addresses as the client will",
    "streams/connect/sources.py": "reads addresses as the client will",
    "connectors/sandbox/courier.py": "the sandbox is another party: it calls Takin with a client of its own",
    "streams/local/supervisor.py": "asks the processes it started, on loopback, whether they are ready",
}
HTTP_CLIENTS = {"connectors/sandbox/courier.py", "streams/local/supervisor.py"}
CLIENT_NAMES = re.compile(
    r"(Async)?(Client|HTTPTransport)|get|post|put|patch|delete|head|options|request|stream"
)

PARTS_OF = {"pydantic_core": "pydantic", "markupsafe": "jinja2"}
"""Packages that come with another as one thing."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name and where."""

    path: str
    line: int
    module: str
    names: tuple[str, ...] = ()
    """What is taken out of the module; empty for a plain ``import``."""

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def imports_of(path: str, source: str) -> Iterator[Import]:
    package = Path(path).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = tuple(alias.name for alias in node.names)
            yield Import(path, node.lineno, ".".join([*base, *filter(None, [node.module])]), names)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "import_module"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield Import(path, node.lineno, str(node.args[0].value))


def sources() -> Mapping[str, str]:
    return {
        str(file.relative_to(ROOT).as_posix()): file.read_text(encoding="utf-8")
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
    }


def product_imports() -> tuple[Import, ...]:
    return tuple(found for path, source in sources().items() for found in imports_of(path, source))


def allowed(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is one of the patterns; ``**/`` stands for any number of folders, or none."""
    return any(
        fnmatchcase(path, form) for pattern in patterns for form in {pattern, pattern.replace("**/", "")}
    )


def offenders(found: Iterable[Import]) -> list[str]:
    return [str(one) for one in found]


def users_of(tops: set[str], *, outside: Iterable[str]) -> list[str]:
    exceptions = tuple(outside)
    return offenders(
        one for one in product_imports() if one.top in tops and not allowed(one.path, exceptions)
    )


def test_the_graph_is_not_empty() -> None:
    assert {one.path.partition("/")[0] for one in product_imports()} == set(PACKAGES)


def test_schemas_imports_the_standard_library_and_pydantic_only() -> None:
    known = {*sys.stdlib_module_names, "pydantic", "pydantic_core", "schemas"}

    assert (
        offenders(o for o in product_imports() if o.path.startswith("schemas/") and o.top not in known) == []
    )


def test_connectors_never_imports_streams() -> None:
    assert users_of({"streams"}, outside=["streams/**"]) == []


def test_streams_imports_connectors_only_where_a_process_is_put_together() -> None:
    assert users_of({"connectors"}, outside=["connectors/**", *COMPOSITION_ROOTS]) == []


def test_health_modules_know_nothing_of_connectors_but_observability() -> None:
    found = [
        o for o in product_imports() if allowed(o.path, ["streams/**/health.py"]) and o.top == "connectors"
    ]

    assert offenders(one for one in found if one.module != "connectors.observability") == []


def test_only_screenings_edge_imports_faust() -> None:
    assert users_of({"faust", "mode"}, outside=FAUST) == []


def test_only_metrics_modules_declare_metrics() -> None:
    elsewhere = [
        one
        for one in product_imports()
        if one.top == "prometheus_client" and not allowed(one.path, METRICS)
        # The process's registry is made where the process is put together and handed down.
        if not (allowed(one.path, COMPOSITION_ROOTS) and set(one.names) == {"CollectorRegistry"})
    ]

    assert offenders(elsewhere) == []


def test_only_the_casebook_imports_sql() -> None:
    libraries = {"sqlalchemy", "alembic", "psycopg", "sqlite3", "aiosqlite", "asyncpg"}

    assert users_of(libraries, outside=SQL) == []


def test_only_the_edges_import_http() -> None:
    assert users_of({"httpx", "httpcore", "h11", "httptools"}, outside=HTTP) == []


def test_no_second_http_client_comes_in() -> None:
    others = {"requests", "urllib3", "aiohttp", "http.client", "urllib.request"}

    assert offenders(o for o in product_imports() if o.top in others or o.module in others) == []


def test_websockets_are_opened_in_one_place() -> None:
    assert users_of({"websockets"}, outside=["connectors/websocket.py"]) == []


def test_the_at_protocol_s_library_only_decodes() -> None:
    """Its clients reconnect, follow and log by rules of their own."""
    assert users_of({"atproto_core"}, outside=["connectors/atproto/frames.py"]) == []
    clients = {"atproto", "atproto_client", "atproto_firehose", "atproto_subscription", "atproto_jetstream"}
    assert users_of(clients, outside=[]) == []


def test_requests_leave_only_through_the_client_with_limits() -> None:
    made = [
        f"{path}:{node.lineno} uses httpx.{node.attr}"
        for path, source in sources().items()
        if path not in HTTP_CLIENTS
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "httpx"
        and CLIENT_NAMES.fullmatch(node.attr)
    ]

    assert made == []
    taken = [
        one
        for one in product_imports()
        if one.module.startswith("httpx") and one.path not in HTTP_CLIENTS
        if any(CLIENT_NAMES.fullmatch(name) for name in one.names)
    ]
    assert offenders(taken) == []


def test_every_kafka_client_is_told_how_to_reach_it_in_one_place() -> None:
    """One that is given an address alone would speak in the clear, and as nobody."""
    clients = re.compile(r"AIOKafka(Producer|Consumer|AdminClient|Client)")
    made = [
        (f"{path}:{node.lineno}", node)
        for path, source in sources().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and clients.fullmatch(node.func.id)
    ]

    assert len(made) > 10
    # The witness is given what Faust was given.
    assert [
        place
        for place, call in made
        if not any(word.arg is None and _calls(word.value, "kafka_at") for word in call.keywords)
        and not place.startswith("streams/screening/lossless/witness.py")
    ] == []


def _calls(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def test_product_code_never_imports_tests_or_deploy() -> None:
    assert users_of({"tests", "deploy", "pytest", "hypothesis"}, outside=[]) == []


@pytest.mark.parametrize("module", ["streams.cli", "streams.connect.process"])
def test_a_connector_s_process_holds_no_database_no_desk_and_no_screening(module: str) -> None:
    """What a command does not use costs it nothing: these alone took 49 MB of each connector."""
    heavy = (
        "sqlalchemy",
        "alembic",
        "fastapi",
        "faust",
        "PIL",
        "streams.notices.acts",
        "streams.desk.service",
    )
    shown = f"import sys, {module}; print([one for one in {heavy!r} if one in sys.modules])"
    said = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.strip() == "[]"


def test_imports_are_absolute() -> None:
    relative = [
        f"{path}:{node.lineno}"
        for path, source in sources().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    declared = {_distribution(requirement) for requirement in requirements}
    homes = packages_distributions()
    own = {*sys.stdlib_module_names, *PACKAGES}

    undeclared = [
        one
        for one in product_imports()
        if one.top not in own
        and not {_distribution(home) for home in homes.get(PARTS_OF.get(one.top, one.top), [])} & declared
    ]
    assert offenders(undeclared) == []


def _distribution(requirement: str) -> str:
    """The normalised name (PEP 503) in a requirement."""
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("streams/cli.py", COMPOSITION_ROOTS, True),
        ("streams/notices/service.py", COMPOSITION_ROOTS, True),
        ("streams/local/supervisor.py", COMPOSITION_ROOTS, True),
        ("streams/notices/casebook/cases.py", COMPOSITION_ROOTS, False),
        ("streams/notices/casebook/cases.py", SQL, True),
        ("streams/notices/case.py", SQL, False),
        ("streams/metrics.py", METRICS, True),
        ("streams/a/b/metrics.py", METRICS, True),
        ("streams/a/b/not_metrics.py", METRICS, False),
    ],
)
def test_a_pattern_means_what_it_says(path: str, patterns: Iterable[str], expected: bool) -> None:
    assert allowed(path, patterns) == expected


def test_imports_are_seen_wherever_they_stand() -> None:
    source = (
        "import a.b\n"
        "def late() -> None:\n"
        "    from c import d\n"
        "    importlib.import_module('e.f')\n"
        "from . import g\n"
    )

    found = {(one.module, one.names) for one in imports_of("streams/x/y.py", source)}
    assert found == {("a.b", ()), ("c", ("d",)), ("e.f", ()), ("streams.x", ("g",))}
