"""``takin notices …``: the notice service, and what people ask of it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError
from streams.notices.answering import commands as answering
from streams.notices.cases import commands as by_case
from streams.notices.guards import commands as guards
from streams.notices.post import commands as post
from streams.notices.proving import commands as proving
from streams.notices.reading import commands as reading
from streams.notices.recovery import commands as recovery


def register(app: typer.Typer) -> None:
    """Add ``notices`` and ``audit`` to the command."""
    notices = typer.Typer(
        help="The notice service: `takin notices serve` runs it; the others ask its casebook.",
        no_args_is_help=True,
    )
    notices.command("serve")(serve)
    notices.command("migrate")(migrate)
    notices.command("list")(reading.list_notices)
    notices.command("show")(reading.show)
    notices.command("package")(proving.package)
    notices.command("resend")(answering.resend)
    notices.command("inform")(answering.inform)
    notices.command("answers")(answering.answers)
    notices.command("validate")(reading.validate)
    by_case.register(notices)
    guards.register(notices)
    post.register(notices)
    recovery.register(notices)
    app.add_typer(notices, name="notices")
    audit = typer.Typer(help="The audit chain over every act.", no_args_is_help=True)
    audit.command("key")(proving.key)
    audit.command("verify")(proving.verify)
    app.add_typer(audit, name="audit")


def serve(
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    sender: Annotated[Path | None, typer.Option(help="The sender file: who we are in a notice.")] = None,
    host: Annotated[str, typer.Option(help="Where signed answers are received.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.")] = 8710,
    reply_base: Annotated[
        str | None, typer.Option(help="Address that platforms see, if it is not this host and port.")
    ] = None,
    mailbox: Annotated[
        Path | None, typer.Option(help="The mailbox file, for answers by mail; else TAKIN_MAILBOX_FILE.")
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(help="Port of /metrics and /health; 0 takes a free one.")
    ] = 8711,
    test_mode: Annotated[
        bool, typer.Option("--test-mode", help="Reach no real desk: what would be sent goes to a folder.")
    ] = False,
) -> None:
    """Take detections, send notices, receive answers, look at listings, fire deadlines.

    Example: takin notices serve --platforms platforms.yaml --sender sender.yaml
    """
    from dataclasses import replace

    from connectors.mailbox import load_mailbox
    from connectors.registry import load_platforms
    from streams.contacts.keys import no_contact_keys
    from streams.contacts.start import ring_if_any
    from streams.desk.keys import reply_links, unsealer
    from streams.logs import configure
    from streams.notices.law import load_law
    from streams.notices.notary import Pace
    from streams.notices.sender import demonstration_sender, load_sender
    from streams.notices.service import Checkpoints, NoticeService, serve_until_signal
    from streams.privacy.keys import KeyRing, made_keys
    from streams.privacy.retention import load_table
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    file = platforms or settings.platforms_file
    if file is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    configs = load_platforms(file)
    base = reply_base or f"http://{host}:{port}"
    if sender is not None:
        policy = load_sender(sender, reply_base=base)
    elif all(config.dev_only for config in configs):
        policy = demonstration_sender(reply_base=base)
    else:
        raise OperatorError(
            "Say who sends the notices with --sender FILE: a notice to a real platform needs a name, "
            "an e-mail address and a person who answers for it (DSA Article 16(2))."
        )
    if test_mode:
        policy = replace(policy, test_mode=True)
    if any(config.sellers == "keyed" for config in configs):
        made_keys(settings.privacy_key, settings.privacy_key_file)
    service = NoticeService(
        bootstrap=settings.kafka_bootstrap_servers,
        casebook_url=settings.casebook_url,
        platforms=configs,
        sender=replace(policy, reply_links=reply_links(settings)),
        law=load_law(),
        receiver_host=host,
        receiver_port=port,
        observability_host=settings.observability_host,
        observability_port=metrics_port,
        checkpoints=Checkpoints(
            settings.audit_key,
            settings.checkpoints,
            Pace(timedelta(seconds=settings.checkpoint_every_s), settings.checkpoint_rows),
        )
        if settings.audit_key_file is not None or settings.audit_key.exists()
        else None,
        evidence_dir=settings.evidence_dir,
        mailbox=load_mailbox(mail_file) if (mail_file := mailbox or settings.mailbox_file) else None,
        webhook_secret=settings.webhook_secret,
        retention=load_table(settings.retention_file),
        privacy_keys=KeyRing(settings.privacy_key, settings.privacy_key_file),
        contacts=ring_if_any(settings) or no_contact_keys,
        unseal=unsealer(settings),
        sink_dir=settings.data_dir / "test-mode",
    )
    asyncio.run(serve_until_signal(service))


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be changed.")] = False,
) -> None:
    """Bring the casebook's tables to this program's version, before its processes start.

    A process does so at its start as well; done before, a change that has to wait for a dump or a long
    report keeps nobody from starting. Processes of the version before go on: see deploy/upgrade.md.

    Example: takin notices migrate --dry-run
    """
    from streams.logs import configure
    from streams.notices.casebook import table_versions
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    configure("warning")
    casebook = Casebook.open(Settings().casebook_url, threads=1, migrate=False)
    try:
        with casebook.read() as tx:
            found = table_versions.look(tx)
        for change in found.changes:
            print(("would apply  " if dry_run else "applies  ") + change)
        if not dry_run:
            table_versions.upgrade(casebook.engine)
            with casebook.read() as tx:
                found = table_versions.look(tx)
    finally:
        casebook.close()
    print(f"The tables are of version {found.have or 'none'}, this program's of {found.wanted}.")
