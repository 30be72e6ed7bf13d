"""``takin connect`` reads listings into Kafka; ``takin intake`` takes those that others push."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError


def register(app: typer.Typer) -> None:
    """Add the commands of this area."""
    app.command("connect")(connect)
    app.command("connectors")(connectors)
    app.command("intake")(intake)
    app.command("intake-key")(intake_key)
    app.command("intake-mail")(intake_mail)


def connect(
    source: Annotated[
        str,
        typer.Argument(
            help="file:PATH (.jsonl or .csv), folder:PATH (where such files are dropped), warc:PATH, "
            "feed:URL (RSS, Atom, JSON Feed), page:URL (schema.org product), or the name of a platform in "
            "the platforms file."
        ),
    ],
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help="Whose listings a feed or page holds; else told by its host.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Listings a second at most.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many rows.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Go on and wait for more, or stop at the end.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=1.0, help="Seconds between two looks at a feed or page with --follow.")
    ] = 60.0,
    search: Annotated[
        str | None,
        typer.Option(
            help="Read what the platform's own search finds for these words; for kind atproto, and for APIs "
            "that are searched (reads.api)."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only what the platform dates after this: 7d, 12h or a date like 2026-03-01."),
    ] = None,
    wait_for_kafka: Annotated[
        bool, typer.Option("--wait-for-kafka", help="Wait while no broker answers; always so with --follow.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Forget how far the last run came.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be published; touch neither Kafka nor cursor.")
    ] = False,
    summary: Annotated[
        Path | None, typer.Option(help="Write a JSON summary here at the end: read, published, set aside.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve /metrics and /health on this port; 0 takes a free one.")
    ] = None,
) -> None:
    """Read new listings from a source and publish them to Kafka.

    It remembers how far it came (in TAKIN_DATA_DIR/cursors) and goes on from there next time, not before a
    wait is over that the platform asked for; what cannot be a listing goes to dead-letters with its reason.
    Examples:

        takin connect file:listings.jsonl --platforms platforms.yaml

        takin connect feed:https://market.example/new.xml --platform example-market --follow

        takin connect example-network --platforms platforms.yaml --search "carved ivory"

        takin connect example-shop --platforms platforms.yaml --since 7d --limit 20 --dry-run
    """
    from streams.connect.process import ConnectOptions, run_connect, utc_now
    from streams.logs import configure
    from streams.reports.period import instant
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    options = ConnectOptions(
        source=source,
        platforms_file=platforms or settings.platforms_file,
        platform=platform,
        rate=rate,
        limit=limit,
        follow=follow,
        interval_s=interval,
        from_start=from_start,
        dry_run=dry_run,
        metrics_port=metrics_port,
        search=search,
        wait_for_kafka=wait_for_kafka,
        since=instant(since, utc_now(), option="--since") if since is not None else None,
    )
    done = asyncio.run(run_connect(options, settings))
    text = json.dumps(done, ensure_ascii=False)
    if summary is not None:
        try:
            summary.parent.mkdir(parents=True, exist_ok=True)
            summary.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise OperatorError(f"The summary cannot be written to {summary}: {error.strerror}.") from error
    sys.stderr.write(f"takin connect: {_sentence(done)}\n")


def connectors(
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list, for a program.")] = False,
) -> None:
    """Show how each platform is read and notified, when it was last read, what went wrong last, where reading
    goes on, what is left of a day's calls, and until when a platform asked not to be asked.

    It reads the platforms file and the saved places and asks nobody. Example:

        takin connectors --platforms platforms.yaml
    """
    from connectors.registry import load_platforms
    from streams.connect.overview import overview, table
    from streams.connect.process import utc_now
    from streams.settings import Settings

    settings = Settings()
    path = platforms or settings.platforms_file
    if path is None:
        raise OperatorError("There is no platforms file: name one with --platforms or TAKIN_PLATFORMS_FILE.")
    folder = settings.data_dir
    rows = overview(load_platforms(path), folder / "cursors", utc_now(), notes=folder / "connectors")
    typer.echo(json.dumps([one.as_json() for one in rows], ensure_ascii=False) if as_json else table(rows))


def _sentence(done: dict[str, object]) -> str:
    aside = done["set_aside"]
    assert isinstance(aside, dict)
    reasons = ", ".join(f"{count} {reason}" for reason, count in aside.items()) or "none"
    return (
        f"read {done['read']}, published {done['published']}, set aside {sum(aside.values())} "
        f"({reasons}) in {done['seconds']} s"
        + (
            "; nothing new since the last run (--from-start reads it all again)"
            if done["read"] == 0 and done["resumed"]
            else ""
        )
        + "."
    )


def intake(
    keys: Annotated[Path, typer.Option(help="The keys file; takin intake-key makes its rows.")] = Path(
        "intake_keys.yaml"
    ),
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8720,
    metrics_port: Annotated[
        int, typer.Option(help="Port of /metrics and /health; 0 takes a free one.")
    ] = 8721,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Say at GET /v1/reports/REFERENCE what became of one; needs the casebook."
        ),
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Take pictures of reports into TAKIN_DATA_DIR/evidence, which the desk has to share.",
        ),
    ] = False,
) -> None:
    """Take listings that platforms push and reports that people file, over HTTP.

    POST /v1/listings and POST /v1/reports with Authorization: Bearer KEY; described at /openapi.json.
    A 202 means that Kafka has it. Put a TLS proxy in front of it before others may reach it. Example:

        takin intake --keys intake_keys.yaml --port 8720
    """
    from streams.connect.intake_process import IntakeOptions, run_intake
    from streams.logs import configure
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    options = IntakeOptions(
        keys_file=keys,
        platforms_file=platforms or settings.platforms_file,
        host=host,
        port=port,
        metrics_port=metrics_port,
        follow=follow,
        pictures=pictures,
    )
    asyncio.run(run_intake(options, settings))


def intake_mail(
    mailbox: Annotated[Path, typer.Option(help="The mailbox file, see connectors/mailbox.py.")],
    once: Annotated[bool, typer.Option("--once", help="File what is there, and end.")] = False,
    metrics_port: Annotated[int, typer.Option(help="Port of /health; 0 takes a free one.")] = 0,
) -> None:
    """File what citizens forward to a mailbox (IMAP) as reports, with their pictures.

    Give it a mailbox of its own. A mail is moved to Takin-done when Kafka has its report, and to Takin-aside
    with its reason when it is none; nothing is deleted. Pictures go to TAKIN_DATA_DIR/evidence, which the
    desk has to share.

    Example: takin intake-mail --mailbox reports-mailbox.yaml --once
    """
    from connectors.mailbox import load_mailbox
    from streams.connect.intake_process import run_intake_mail
    from streams.logs import configure
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    config = load_mailbox(mailbox)
    done = asyncio.run(run_intake_mail(config, settings, once=once, metrics_port=metrics_port))
    sys.stderr.write(f"takin intake-mail: {done.filed} filed, {done.set_aside} set aside.\n")


def intake_key(
    key_id: Annotated[str, typer.Argument(help="Name of the key, for example example-market-2026.")],
    organisation: Annotated[str, typer.Option(help="Who will hold it.")],
    platform: Annotated[
        list[str] | None, typer.Option(help="A platform whose listings it may push; may be repeated.")
    ] = None,
    reports: Annotated[bool, typer.Option("--reports", help="It may file reports.")] = False,
) -> None:
    """Make a key for the intake: prints the key for its holder and the row for the keys file.

    Only a hash of the key is in the row; the key itself is shown once. Example:

        takin intake-key example-market-2026 --organisation "Example Market" --platform example-market
    """
    import secrets

    import yaml
    from pydantic import ValidationError

    from connectors.intake_keys import IntakeKey, hash_key

    token = "tk_" + secrets.token_urlsafe(32)
    roles = [*(["listings"] if platform else []), *(["reports"] if reports else [])]
    row = {
        "id": key_id,
        "sha256": hash_key(token),
        "organisation": organisation,
        "roles": roles,
        "platforms": list(platform or []),
    }
    try:
        IntakeKey.model_validate(row)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        field = problem["loc"][0] if problem["loc"] else "key"
        hint = " Give --platform, --reports or both." if field == "roles" else ""
        raise OperatorError(f"{field}: {problem['msg']}.{hint}") from error
    typer.echo(f"# For its holder, shown once:\n#   {token}\n# For intake_keys.yaml, under keys:")
    typer.echo(yaml.safe_dump([row], sort_keys=False, allow_unicode=True).rstrip())
