"""``takin report …``"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible


def register(app: typer.Typer) -> None:
    """Add ``report`` to the command."""
    report = typer.Typer(no_args_is_help=True, help="Figures from the casebook.")
    report.command("sla")(sla)
    report.command("freeze")(freeze)
    report.command("frozen")(frozen_reports)
    report.command("trusted-flagger")(trusted_flagger)
    report.command("transparency")(transparency)
    report.command("quality")(quality)
    app.add_typer(report, name="report")


Since = Annotated[str | None, typer.Option(help="Only notices written since: 7d, 36h, 2026-11-01.")]
Until = Annotated[str | None, typer.Option(help="Only notices written before: 1d, 2026-12-01.")]
Named = Annotated[
    str | None, typer.Option("--period", help="2026, 2026-Q4 or 2026-10 (UTC); shows it as frozen, if it is.")
]
Platforms = Annotated[
    Path | None,
    typer.Option(help="The platforms file, for their working days; else TAKIN_PLATFORMS_FILE."),
]
Format = Annotated[
    str | None, typer.Option("--format", help="table, json, csv or pdf; else by the file's ending.")
]
Output = Annotated[Path | None, typer.Option(help="Write the report to this file; replaced if it is there.")]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Font = Annotated[
    Path | None, typer.Option(help="Another font for the PDF, for scripts that Noto Sans does not have.")
]


def sla(
    since: Since = None,
    until: Until = None,
    period: Named = None,
    minimum: Annotated[int, typer.Option(min=1, help="Listings that a place in the league needs.")] = 20,
    platforms: Platforms = None,
    form: Format = None,
    output: Output = None,
    as_json: Json = False,
    font: Font = None,
) -> None:
    """How long each platform took: acknowledged, decided, removed as claimed, removed as seen.

    Each time is median / 90th percentile by Kaplan-Meier, so that what is still open counts; shares in
    time have n and Wilson's interval. JSON, CSV and PDF carry the same checksum of the figures.

    Example: takin report sla --since 30d --format pdf --output sla.pdf
    """
    from streams.reports import output as out

    wanted = out.form_of(form, output, as_json=as_json)
    if period is not None and (since or until):
        raise OperatorError("Name either --period or --since and --until.")
    document = sla_document(since, until, period, minimum, platforms, now=datetime.now(UTC))
    if wanted == "table" and output is None and not document.figures["platforms"]:
        print("No notices yet in this period.")
        return
    out.give(document, wanted, output, font=font)
    if output is not None:
        print(f"{output}: checksum {document.checksum}")


def sla_document(
    since: str | None,
    until: str | None,
    name: str | None,
    minimum: int,
    platforms: Path | None,
    *,
    now: datetime,
) -> Any:
    """What `takin report sla` gives out, as of a moment."""
    from streams.notices.casebook import figures, frozen
    from streams.reports import period, sla
    from streams.reports.columns import Columns
    from streams.reports.frozen import as_frozen

    wanted = period.named(name) if name else period.between(since, until, now)
    casebook = _casebook()
    try:
        with casebook.read() as tx:
            kept = frozen.find(tx, "sla", name) if name else None
            if kept is not None:
                return as_frozen(kept, figures.item_times(tx, since=wanted.since, until=wanted.until))
            facts = figures.item_facts(tx, since=wanted.since, until=wanted.until)
    finally:
        casebook.close()
    found = sla.report(Columns.of_facts(facts), now=now, calendars=_calendars(platforms), minimum=minimum)
    return sla.document(found, now=now, period=wanted.as_json())


def freeze(
    name: Annotated[str, typer.Option("--period", help="2026, 2026-Q4 or 2026-10, in UTC; it must be over.")],
    by: Annotated[str, typer.Option("--as", metavar="NAME", help="Who freezes it; stands in the record.")],
    minimum: Annotated[int, typer.Option(min=1, help="Listings that a place in the league needs.")] = 20,
    platforms: Platforms = None,
) -> None:
    """Keep a period's SLA report as it is now: figures, checksum, and the audit chain's head.

    It is sealed in the audit chain and cannot be frozen again. `takin report sla --period …` shows it from
    then on, and lists what has changed since, listing by listing.

    Example: takin report freeze --period 2026-10 --as "A. Person"
    """
    from streams.notices.casebook import frozen
    from streams.reports import freezing, period

    casebook = _casebook()
    try:
        one = casebook.answer(
            freezing.prepare,
            period.named(name),
            by=by,
            now=datetime.now(UTC),
            calendars=_calendars(platforms),
            minimum=minimum,
        )
        if not casebook.decide(frozen.freeze, one):
            raise freezing.frozen_already(casebook.answer(frozen.find, "sla", name))
    finally:
        casebook.close()
    print(f"{name} is frozen: {len(json.loads(one.items))} listings, checksum {one.checksum}")


def frozen_reports(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Which periods are frozen, by whom, and with which checksum.

    Example: takin report frozen
    """
    from streams.notices.casebook import frozen

    casebook = _casebook()
    try:
        found = casebook.answer(frozen.every)
    finally:
        casebook.close()
    for one in found:
        row = {
            "report": one.report,
            "period": one.period,
            "frozen_at": one.frozen_at.isoformat(),
            "frozen_by": one.frozen_by,
            "checksum": one.checksum,
        }
        print(json.dumps(row) if as_json else "  ".join(visible(value) for value in row.values()))
    if not found and not as_json:
        print("No period is frozen yet: see `takin report freeze --help`.")


def trusted_flagger(
    name: Annotated[str, typer.Option("--period", help="2026, or another period: 2026-Q4, 2026-10.")],
    sender: Annotated[Path, typer.Option(help="The sender file: who the trusted flagger is.")],
    independence: Annotated[
        Path, typer.Option(help="Text file: how it is ensured that you stay independent of providers.")
    ],
    platforms: Platforms = None,
    form: Format = None,
    output: Output = None,
    as_json: Json = False,
    font: Font = None,
) -> None:
    """The yearly report of a trusted flagger (DSA Article 22(3)): notices by provider, type and action.

    It holds no personal data: no seller, no listing, no name of one of us.

    Example: takin report trusted-flagger --period 2026 --sender sender.yaml --independence independence.txt
    --output report-2026.pdf
    """
    from connectors.registry import load_platforms
    from streams.notices.casebook import published
    from streams.notices.sender import load_sender
    from streams.reports import flagger, period
    from streams.reports import output as out
    from streams.settings import Settings

    wanted, shown = period.named(name), out.form_of(form, output, as_json=as_json)
    who = load_sender(sender, reply_base=None)
    file = platforms or Settings().platforms_file
    known = {one.name: one.legal_entity or one.name for one in load_platforms(file)} if file else {}
    text = _text(independence)
    casebook = _casebook()
    try:
        with casebook.read() as tx:
            groups = published.item_groups(tx, since=wanted.since, until=wanted.until)
            notices = published.notice_counts(tx, since=wanted.since, until=wanted.until)
    finally:
        casebook.close()
    document = flagger.document(
        groups,
        notices,
        organisation=who.reporter.organisation,
        status=who.trusted_flagger,
        providers=known,
        independence=text,
        now=datetime.now(UTC),
        period=wanted.as_json(),
    )
    out.give(document, shown, output, font=font)
    if output is not None:
        print(f"{output}: checksum {document.checksum}")


def quality(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Verdicts of so many weeks until now.")] = 13,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """How often sampled notices were right, by rule, with Wilson's 95 % interval.

    Each week's sample is judged at the desk under Quality.

    Example: takin report quality --weeks 26
    """
    from streams.notices.casebook import sampling
    from streams.reports.quality import by_rule

    casebook = _casebook()
    try:
        verdicts = casebook.answer(sampling.verdicts, since=datetime.now(UTC) - weeks * sampling.WEEK)
    finally:
        casebook.close()
    if not verdicts and not as_json:
        print("No verdicts yet: the week's sample is judged at the desk, under Quality.")
    for one in by_rule(verdicts):
        if as_json:
            print(json.dumps(one.as_json()))
            continue
        looked_at, right, precision, low, high = one.words
        shares = f"{right:>5} of {looked_at:<5} {precision:>6}  {low} to {high}"
        print(f"{visible(one.rule):<32} {one.kind:<9} {shares}")


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The text {path} cannot be read: it must be a file of UTF-8 text.") from error
    if len(text) < 40:
        raise OperatorError(f"The text {path} explains nothing: Article 22(3) asks how you stay independent.")
    return text[:50_000]


def transparency(
    since: Since = None,
    until: Until = None,
    period: Named = None,
    platforms: Platforms = None,
    form: Format = None,
    output: Output = None,
    as_json: Json = False,
    font: Font = None,
) -> None:
    """Our side of what platforms publish under Implementing Regulation (EU) 2024/2835, to compare.

    The template's columns were not checked against the Official Journal: every row says so.

    Example: takin report transparency --period 2026 --format csv --output ours.csv
    """
    from streams.notices.casebook import figures, published
    from streams.reports import output as out
    from streams.reports import period as periods
    from streams.reports import sla, transparency

    if period is not None and (since or until):
        raise OperatorError("Name either --period or --since and --until.")
    now, shown = datetime.now(UTC), out.form_of(form, output, as_json=as_json)
    wanted = periods.named(period) if period else periods.between(since, until, now)
    casebook = _casebook()
    try:
        with casebook.read() as tx:
            items = figures.item_times(tx, since=wanted.since, until=wanted.until)
            notices = published.notice_counts(tx, since=wanted.since, until=wanted.until)
            decided = published.decisions(tx, since=wanted.since, until=wanted.until)
    finally:
        casebook.close()
    found = sla.report(items, now=now, calendars=_calendars(platforms))
    document = transparency.document(found, notices, decided, now=now, period=wanted.as_json())
    out.give(document, shown, output, font=font)
    if output is not None:
        print(f"{output}: checksum {document.checksum}")


def _casebook() -> Any:
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def _calendars(platforms: Path | None) -> Mapping[str, Any]:
    """Each platform's working days, as its promise counts them, or else those of its country."""
    from connectors.registry import load_platforms
    from streams.notices.bridge import working_days
    from streams.settings import Settings

    file = platforms or Settings().platforms_file
    return {one.name: working_days(one) for one in load_platforms(file)} if file else {}
