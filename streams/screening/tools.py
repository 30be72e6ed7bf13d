"""Commands for people who write rules or judge them: ``screen``, ``evaluate``, ``rules``."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from schemas.errors import OperatorError
from streams.screening import release_commands

if TYPE_CHECKING:
    from schemas.listing import Listing
    from streams.screening.screener import ScreeningRuleset
    from streams.screening.verdict import Screener, Verdict

PROGRESS_EVERY_SECONDS = 2.0

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="JSON lines; `id`, `title` and `text` are enough. `-` reads standard input."
    ),
]
PacksOption = Annotated[
    Path | None, typer.Option("--packs", help="Folder of rule packs (*.yaml) to use instead of Takin's own.")
]


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    if name == "-":
        # Bytes that are not UTF-8 are one bad line, never the end of the run.
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a text stream
        yield sys.stdin
        return
    try:
        with Path(name).open(encoding="utf-8", errors="replace") as lines:
            yield lines
    except OSError as failed:
        raise OperatorError(
            f"{name} cannot be read ({failed.strerror}): give a file of JSON lines, or - for standard input."
        ) from failed


def _ruleset(packs: Path | None) -> "ScreeningRuleset":
    from streams.reference.archive import Archive
    from streams.screening.imported import BadReference
    from streams.screening.pack_file import BadPack
    from streams.screening.screener import build_ruleset
    from streams.settings import Settings

    if packs is not None and not any(packs.glob("*.yaml")):
        raise OperatorError(f"{packs} holds no *.yaml file: give a folder with rule packs.")
    try:
        return build_ruleset(packs).with_reference(Archive(Settings().data_dir).current())
    except BadReference as bad:
        raise OperatorError(f"The imported list of taxa cannot be used ({bad}): import it again.") from bad
    except BadPack as bad:
        raise OperatorError(f"A rule pack is refused: {bad}") from bad
    except OSError as failed:
        raise OperatorError(f"{packs} cannot be read ({failed.strerror}): check the folder.") from failed


def listing_from(row: Any) -> "Listing":
    """A listing from a line's value; what the line does not say is filled in.

    Raises:
        ValueError: not an object, or a field has the wrong type; one sentence.
    """
    from pydantic import ValidationError

    from schemas.listing import SHOWN, Listing

    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if not isinstance(row.get("id", row.get("listing_id")), str | int):
        raise ValueError("no id")
    identity = str(row.get("id", row.get("listing_id")))
    fields: dict[str, Any] = {name: row[name] for name in SHOWN if row.get(name) is not None}
    if "description" not in fields and row.get("text") is not None:
        fields["description"] = row["text"]
    if "language" not in fields and isinstance(row.get("lang"), str) and row["lang"].strip():
        fields["language"] = row["lang"].strip()
    fields.setdefault("url", f"file:{identity}"[:4096])
    fields.setdefault("title", "")
    try:
        return Listing.sealed(
            platform=row.get("platform") or "file",
            listing_id=identity,
            observed_at=row.get("observed_at") or datetime(1970, 1, 1, tzinfo=UTC),
            connector=row.get("connector") or "file",
            run_id=row.get("run_id") or "tools",
            **fields,
        )
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from wrong
    except UnicodeError as wrong:
        raise ValueError("the text holds lone surrogates") from wrong


class _Reader:
    """Reads rows, names the bad ones on standard error and counts."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self.read = 0
        self.set_aside = 0

    def rows(self) -> Iterator[tuple[dict[str, Any], "Listing"]]:
        shown_at = time.monotonic()
        for number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                listing = listing_from(row)
            except (ValueError, RecursionError) as wrong:
                self.set_aside += 1
                reason = (
                    "not JSON" if isinstance(wrong, json.JSONDecodeError | RecursionError) else str(wrong)
                )
                typer.echo(f"line {number} set aside: {reason}", err=True)
                continue
            self.read += 1
            yield row, listing
            if time.monotonic() - shown_at >= PROGRESS_EVERY_SECONDS:
                shown_at = time.monotonic()
                typer.echo(f"{self.read} listings screened …", err=True)

    def summary(self) -> str:
        return f"{self.read} listings screened, {self.set_aside} lines set aside."


def as_row(listing: "Listing", verdict: "Verdict", version: str) -> dict[str, Any]:
    """The line that ``takin screen`` writes for a listing."""
    return {
        "id": listing.listing_id,
        "outcome": verdict.outcome,
        "severity": verdict.severity,
        "score": verdict.score,
        "taxon": verdict.taxon.scientific_name if verdict.taxon else None,
        "rank": verdict.taxon.rank if verdict.taxon else None,
        "appendix": verdict.taxon.appendix if verdict.taxon else None,
        "specimen": verdict.specimen.model_dump() if verdict.specimen else None,
        "rule": verdict.rules[0].rule_id if verdict.rules else None,
        "rules": [finding.model_dump(mode="json") for finding in verdict.rules],
        "matches": [match.model_dump() for match in verdict.matches],
        "explanation": verdict.explanation,
        "ruleset_version": version,
    }


def _write(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def screen_file(
    file: FileArgument,
    packs: PacksOption = None,
    only: Annotated[
        str, typer.Option(help="Write only these outcomes, separated by commas, for example notify,review.")
    ] = "",
) -> None:
    """Screen listings from a file and write the verdicts as JSON lines.

    Nothing is sent anywhere. `matches` give start and end in code points of the field's original
    text. A line that cannot be read is named on standard error and set aside.

    Example:  takin screen listings.jsonl --only notify,review > verdicts.jsonl
    """
    ruleset = _ruleset(packs)
    screener = ruleset.screener({})
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    unknown = wanted - {"notify", "review", "monitor", "clear"}
    if unknown:
        raise OperatorError(f"--only knows notify, review, monitor and clear, not {sorted(unknown)[0]!r}.")
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    with _opened(file) as lines:
        reader = _Reader(lines)
        for _, listing in reader.rows():
            verdict = screener.screen(listing, listing.observed_at)
            if not wanted or verdict.outcome in wanted:
                _write(as_row(listing, verdict, screener.version))
    typer.echo(reader.summary(), err=True)


def _share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "       –          "
    return f"{value:.3f} [{interval[0]:.2f}–{interval[1]:.2f}]"


def _figures_table(figures: dict[str, Any]) -> Iterator[str]:
    yield f"{'':26} {'precision':18} {'recall':18} {'F1':6} tp/fp/fn"
    parts = [("all", figures["all"])]
    parts += [(f"subset {name}", part) for name, part in figures["subsets"].items()]
    parts += [(f"language {name}", part) for name, part in figures["languages"].items()]
    for name, part in parts:
        for question in ("flagged", "notify"):
            f = part[question]
            f1 = f"{f['f1']:.3f}" if f["f1"] is not None else "–"
            counts = f"{f['true_positive']}/{f['false_positive']}/{f['false_negative']}"
            yield (
                f"{name[:18]:18} {question:7} {_share(f['precision'], f['precision_interval'])} "
                f"{_share(f['recall'], f['recall_interval'])} {f1:6} {counts}"
            )


def evaluate_file(
    file: FileArgument,
    packs: PacksOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures as one JSON object.")] = False,
    show: Annotated[int, typer.Option(help="How many wrong listings to list.", min=0)] = 20,
) -> None:
    """Measure the screening on labelled listings.

    Each line carries `id`, `title`, `text` and `label` (1: a specimen of a listed taxon is
    offered); `subset` and `lang` divide the figures, and a row without a language counts as `und`, which is
    said; rows with `ambiguous: true` are left out.
    "flagged" is notify or review. The brackets are 95 % Wilson intervals.

    Example:  takin evaluate labelled.jsonl --json > figures.json
    """
    from streams.screening.evaluation import Judged, evaluate

    screener = _ruleset(packs).screener({})
    judged = []
    skipped = 0
    with _opened(file) as lines:
        reader = _Reader(lines)
        for row, listing in reader.rows():
            if row.get("ambiguous"):
                skipped += 1
                continue
            if row.get("label") not in (0, 1, True, False):
                raise OperatorError(
                    f"Listing {listing.listing_id} has no label 0 or 1: evaluate needs labelled lines."
                )
            verdict = screener.screen(listing, listing.observed_at)
            judged.append(
                Judged(
                    id=listing.listing_id,
                    subset=str(row.get("subset") or "none").strip() or "none",
                    language=listing.language or "und",
                    label=bool(row["label"]),
                    outcome=verdict.outcome,
                    explanation=verdict.explanation,
                )
            )
    figures = evaluate(judged)
    figures.update(ambiguous_left_out=skipped, set_aside=reader.set_aside, ruleset_version=screener.version)
    figures["without_language"] = nameless = sum(one.language == "und" for one in judged)
    if as_json:
        _write(figures)
        return
    for text in _figures_table(figures):
        typer.echo(text)
    for one in figures["wrong"][:show]:
        typer.echo(f"\n{one['id']}: label {one['label']}, {one['outcome']}\n  {one['explanation']}")
    without = f" {nameless} name no language and count as und." if nameless else ""
    typer.echo(f"\n{reader.summary()} {skipped} ambiguous left out.{without}", err=True)


def check_rules(packs: PacksOption = None) -> None:
    """Run the tests that stand inside the rule packs.

    Exits with 1 when a must_hit does not hit or a must_not_hit does.

    Example:  takin rules test --packs my-packs/
    """
    from streams.screening.pack_tests import run_pack_tests

    ruleset = _ruleset(packs)
    ran, failures = run_pack_tests(ruleset)
    for failure in failures:
        typer.echo(failure)
    typer.echo(f"{ran} examples in {len(ruleset.rules.rules)} rules, {len(failures)} wrong.")
    if failures:
        raise typer.Exit(1)


def list_rules(
    packs: PacksOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
) -> None:
    """List the rules with their outcome, severity and the law they rest on."""
    for compiled in _ruleset(packs).rules.rules:
        rule = compiled.rule
        name = f"{compiled.pack.pack}@{compiled.pack.version}"
        if as_json:
            _write({"pack": name, **rule.model_dump(mode="json", exclude={"tests"})})
        else:
            typer.echo(f"{rule.id:34} {rule.outcome:8} {rule.severity:9} {name:20} {rule.title}")


def explain_listings(
    what: Annotated[
        str,
        typer.Argument(
            metavar="LISTING|FILE",
            help="Id of a listing that Kafka keeps, or PLATFORM:ID; or a file of JSON lines, as for "
            "`takin screen`; `-` reads standard input.",
        ),
    ] = "-",
    text: Annotated[str, typer.Option("--text", help="Explain this text instead.")] = "",
    packs: PacksOption = None,
    since: Annotated[str, typer.Option(help="How far back a listing is looked for: 12h, 7d, 2w.")] = "7d",
) -> None:
    """Say in sentences what the rules make of each listing and why.

    A listing that is given by its id is judged by the packs, entries and taxa in force on the topic now.

    Example:  takin rules explain practice:L-1017
    Example:  takin rules explain --text "Carved elephant ivory, 52 g, for sale"
    """
    if not text and what != "-" and not Path(what).exists():
        if packs is not None or "/" in what or what.endswith((".json", ".jsonl")):
            raise OperatorError(f"{what} cannot be read: there is no such file.")
        _explain_kept(what, since)
        return
    file = what
    screener = _ruleset(packs).screener({})
    if text:
        _explained(listing_from({"id": "text", "title": text[:4_000]}), screener)
        return
    with _opened(file) as lines:
        reader = _Reader(lines)
        for _, listing in reader.rows():
            _explained(listing, screener)
    typer.echo(reader.summary(), err=True)


def _explain_kept(wanted: str, since: str) -> None:
    from streams.screening.backtest import span_of
    from streams.screening.kept_listing import kept_with_rules
    from streams.settings import Settings

    from_then = datetime.now(UTC) - span_of(since)
    listings, screener = asyncio.run(kept_with_rules(Settings().kafka_bootstrap_servers, wanted, from_then))
    for listing in listings:
        _explained(listing, screener)


def _explained(listing: "Listing", screener: "Screener") -> None:
    verdict = screener.screen(listing, listing.observed_at)
    printable = verdict.explanation.encode("utf-8", "backslashreplace").decode("utf-8")
    typer.echo(f"{listing.listing_id}: {verdict.outcome}, {verdict.severity}. {printable}")
    for finding in verdict.rules:
        typer.echo(f"    {finding.rule_id} ({finding.pack}): {finding.outcome}")
    typer.echo(f"    rule set {screener.version}")


def register(app: typer.Typer) -> None:
    """Add the commands to the ``takin`` app."""
    app.command("screen")(screen_file)
    app.command("evaluate")(evaluate_file)
    rules = typer.Typer(no_args_is_help=True, help="Rule packs: test, list, explain, release.")
    rules.command("test")(check_rules)
    rules.command("list")(list_rules)
    rules.command("explain")(explain_listings)
    release_commands.register(rules)
    app.add_typer(rules, name="rules")
