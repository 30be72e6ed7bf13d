"""``takin notices …``: the notice service, and what people ask of it."""

import asyncio
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.cases import commands as by_case
from streams.notices.guards import commands as guards
from streams.notices.post import commands as post
from streams.notices.recovery import commands as recovery


def register(app: typer.Typer) -> None:
    """Add ``notices`` and ``audit`` to the command."""
    notices = typer.Typer(
        help="The notice service: `takin notices serve` runs it; the others ask its casebook.",
        no_args_is_help=True,
    )
    notices.command("serve")(serve)
    notices.command("migrate")(migrate)
    notices.command("list")(list_notices)
    notices.command("show")(show)
    notices.command("package")(package)
    notices.command("resend")(resend)
    notices.command("inform")(inform)
    notices.command("answers")(answers)
    notices.command("validate")(validate)
    by_case.register(notices)
    guards.register(notices)
    post.register(notices)
    recovery.register(notices)
    app.add_typer(notices, name="notices")
    audit = typer.Typer(help="The audit chain over every act.", no_args_is_help=True)
    audit.command("key")(key)
    audit.command("verify")(verify)
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


def _casebook() -> Any:
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def list_notices(
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what is still owed.")] = False,
    escalations: Annotated[
        bool, typer.Option("--escalations", help="Steps that wait for a person instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Notices with what was said and what was seen, oldest first.

    Example: takin notices list --platform sandbox-slow --open
    """
    from streams.notices.casebook import figures
    from streams.reports.columns import Columns
    from streams.reports.sla import is_open, span

    if escalations:
        _list_escalations(platform, as_json=as_json)
        return
    casebook = _casebook()
    try:
        items = casebook.answer(figures.item_times)
    finally:
        casebook.close()
    now = datetime.now(UTC)
    still_open = is_open(Columns.of_items(items))
    for item, waits in zip(items, still_open, strict=True):
        if (platform and item.platform != platform) or (open_only and not waits):
            continue
        if as_json:
            row = {
                "reference": item.reference,
                "platform": item.platform,
                "listing_id": item.listing_id,
                "url": item.url,
                "round": item.round,
                "delivery": item.delivery,
                "said": item.claim,
                "outcome": item.outcome,
                "seen": item.content,
                "late": item.late,
                "sent_at": item.sent_at.isoformat() if item.sent_at else None,
            }
            print(json.dumps(row))
        else:
            age = span((now - item.queued_at).total_seconds())
            late = "  LATE" if item.late else ""
            print(
                f"{item.reference}  {item.platform}  {visible(item.listing_id)}  "
                f"round {item.round}  {age} old  {item.delivery}  "
                f"said: {item.claim}  seen: {item.content}{late}"
            )


def _list_escalations(platform: str | None, *, as_json: bool) -> None:
    from streams.notices.casebook import tasks

    casebook = _casebook()
    try:
        waiting = casebook.answer(tasks.waiting, platform=platform)
    finally:
        casebook.close()
    for one in waiting:
        if as_json:
            print(json.dumps({**asdict(one), "due_at": one.due_at.isoformat()}))
        else:
            print(
                f"{one.task_id}  {one.reference}  {one.platform}  {visible(one.step)}  "
                f"since {one.due_at:%Y-%m-%d %H:%M:%S}Z  {visible(one.why)}"
            )


def show(
    reference: Annotated[str, typer.Argument(help="TKN-… reference, notice id or idempotency key.")],
    body: Annotated[bool, typer.Option("--body", help="Print the notice as it was sent.")] = False,
) -> None:
    """One notice and everything that happened to its case, in order.

    Example: takin notices show TKN-ABCDE-FGHIJ-KL
    """
    from streams.notices.casebook import cases, events

    casebook = _casebook()
    try:
        with casebook.read() as tx:
            notice_id = cases.find_notice(tx, reference)
            if notice_id is None:
                raise OperatorError(f"The casebook has no notice {reference!r}: see `takin notices list`.")
            if body:
                print(cases.notice_body(tx, notice_id).model_dump_json(indent=2, exclude_none=True))
                return
            notice = cases.notice_body(tx, notice_id)
            print(f"{notice.human_reference}  {notice.addressee.platform}  {visible(notice.items[0].url)}")
            for case_id in notice.case_ids:
                for event in events.of_case(tx, case_id):
                    facts = ", ".join(f"{name}={visible(str(value))}" for name, value in event.data.items())
                    print(f"  {event.at:%Y-%m-%d %H:%M:%S.%f}Z  {event.type:<22} {facts}")
    finally:
        casebook.close()


def package(
    reference: Annotated[str, typer.Argument(help="TKN-… reference, notice id or idempotency key.")],
    out: Annotated[Path, typer.Option(help="The ZIP to write; never overwritten.")],
    checkpoints: Annotated[
        Path | None, typer.Option(help="Signed checkpoints, JSONL; else TAKIN_CHECKPOINTS_FILE.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="The public key; else that of TAKIN_AUDIT_KEY_FILE.")
    ] = None,
) -> None:
    """Write everything about a notice into a ZIP that opens and can be checked without Takin.

    Example: takin notices package TKN-ABCDE-FGHIJ-KL --out evidence.zip
    """
    from streams.notices.casebook import cases, dossier
    from streams.notices.checkpoints import CheckpointLog, check_log, load_key, load_public, public_pem
    from streams.notices.evidence import EvidenceDamaged, EvidenceStore
    from streams.notices.package import NotTheSignedChain, build
    from streams.settings import Settings

    settings = Settings()
    file = checkpoints or settings.checkpoints_file
    if file is None and settings.checkpoints.exists():
        file = settings.checkpoints
    newest, pem = None, None
    if file is not None:
        public = load_public(public_key) if public_key else load_key(settings.audit_key).public_key()
        signed, wrong = CheckpointLog(file).read()
        wrong += check_log(signed, public)
        if wrong:
            raise OperatorError(f"The checkpoints {file} do not hold: {wrong[0].what}.")
        if signed:
            newest, pem = signed[-1], public_pem(public)
    casebook = _casebook()
    try:
        with casebook.read() as tx:
            notice_id = cases.find_notice(tx, reference)
            if notice_id is None:
                raise OperatorError(f"The casebook has no notice {reference!r}: see `takin notices list`.")
            found = dossier.read(tx, notice_id, signed=newest.size if newest else 0)
    finally:
        casebook.close()
    store = EvidenceStore(settings.evidence_dir)
    try:
        pages = {one.sha256: store.get(one.sha256) for one in found.exhibits}
        content = build(
            found, evidence=pages, checkpoint=newest, public_key_pem=pem, made_at=datetime.now(UTC)
        )
    except (EvidenceDamaged, NotTheSignedChain) as error:
        raise OperatorError(f"No package was made: {error}. See `takin audit verify`.") from error
    try:
        with out.open("xb") as target:
            target.write(content)
    except FileExistsError as error:
        raise OperatorError(f"{out} is there already: choose another name.") from error
    except OSError as error:
        raise OperatorError(f"{out} cannot be written: {error.strerror}.") from error
    covered = sum(1 for row in found.audit if newest and row.position <= newest.size)
    print(f"{out}: {len(found.audit)} rows of the audit chain, {covered} of them signed, {len(pages)} pages")


def resend(
    reference: Annotated[str, typer.Argument(help="Reference of an undeliverable notice.")],
) -> None:
    """Put an undeliverable notice back in the line, with the same key and the same bytes."""
    from streams.notices.casebook import cases, outbox

    casebook = _casebook()
    try:
        with casebook.write() as tx:
            notice_id = cases.find_notice(tx, reference)
            if notice_id is None:
                raise OperatorError(f"The casebook has no notice {reference!r}: see `takin notices list`.")
            notice = cases.notice_by_id(tx, notice_id)
            if any(one.purpose == "fallback" for one in outbox.of_notice(tx, notice_id)):
                raise OperatorError(
                    f"{reference} went by the platform's fallback channel, and is not sent a second time: "
                    f"its delivery is {notice.delivery}."
                )
            if not outbox.requeue(tx, notice.idempotency_key, now=datetime.now(UTC)):
                raise OperatorError(f"{reference} is not undeliverable: its delivery is {notice.delivery}.")
            cases.save_notice(tx, notice_id, delivery="queued")
        print(f"{notice.human_reference} waits to be sent again.")
    finally:
        casebook.close()


def answers(
    show: Annotated[
        int | None, typer.Option(min=1, help="Print the bytes of the one with this number.")
    ] = None,
    again: Annotated[int | None, typer.Option(min=1, help="Have that one read once more.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """Platforms' answers that were set aside because they could not be read, the newest first.

    What is read again keeps its time of receipt: a platform that answered in time is in time.

    Example: takin notices answers --show 17
    """
    from streams.notices.casebook import inbox

    if show is not None and again is not None:
        raise OperatorError("Say either --show or --again.")
    number = again if again is not None else show
    casebook = _casebook()
    try:
        with casebook.write() as tx:
            found = inbox.set_aside(tx, limit=limit, inbox_id=number)
            if number is not None and not found:
                raise OperatorError(f"No answer {number} is set aside: see `takin notices answers`.")
            if again is not None:
                inbox.read_again(tx, again)
    finally:
        casebook.close()
    if again is not None:
        print(f"Answer {again} is read once more by the running notice service.")
        return
    for one in found:
        at = one.received_at.strftime("%Y-%m-%d %H:%M:%SZ")
        print(f"{one.inbox_id}  {at}  {one.platform}  {one.channel}  {one.reason}: {visible(one.detail)}")
        if show is not None:
            print(visible(one.body.decode("utf-8", "replace"), keep_lines=True))
    if number is None:
        print(f"{len(found)} answers are set aside.")


def inform(
    reference: Annotated[str, typer.Argument(help="Reference of the notice that the platform asked about.")],
    text: Annotated[str, typer.Argument(help="What to tell it.")],
    platforms: Annotated[Path | None, typer.Option(help="The platforms file.")] = None,
    by: Annotated[str | None, typer.Option("--as", help="Your name, as it shall stand on record.")] = None,
) -> None:
    """Answer a platform's request for information: by its own channel, or by mail to its desk.

    It is sent like a notice: tried again until it is taken, once. The platform's clock runs on or anew from
    then, as was agreed with it (need_info in the platforms file).

    Example: takin notices inform TKN-ABCDE-FGHIJ-KL "The seller's name stands in the second picture."
    """
    from connectors.registry import load_platforms
    from streams.notices.acts import give_information
    from streams.notices.bridge import desk_of, make_bridge
    from streams.notices.casebook import cases
    from streams.notices.law import load_law
    from streams.notices.sender import demonstration_sender
    from streams.settings import Settings

    file = platforms or Settings().platforms_file
    if file is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    configs = load_platforms(file)
    casebook = _casebook()
    try:
        with casebook.read() as tx:
            notice_id = cases.find_notice(tx, reference)
            if notice_id is None:
                raise OperatorError(f"The casebook has no notice {reference!r}: see `takin notices list`.")
            notice = cases.notice_by_id(tx, notice_id)
            in_test_mode = "lifecycle:test" in cases.notice_body(tx, notice_id).tags
        theirs = [one for one in configs if one.name == notice.platform]
        if not theirs:
            raise OperatorError(f"{file} has no platform {notice.platform}.")
        if in_test_mode and not all(one.dev_only for one in theirs):
            raise OperatorError(
                f"{notice.human_reference} was written in test mode: {notice.platform} never had it."
            )

        async def queue() -> bool:
            bridge = make_bridge(theirs)
            try:
                # Who sends stands in the notice itself; nothing of the sender's settings is used here.
                desk = desk_of(theirs, bridge, sender=demonstration_sender(reply_base=None), law=load_law())
                fresh: bool = casebook.decide(
                    give_information, notice_id, desk, text=text, by=by, now=datetime.now(UTC)
                )
                return fresh
            finally:
                await bridge.aclose()

        fresh = asyncio.run(queue())
    finally:
        casebook.close()
    if fresh:
        print(
            f"It waits to be sent to {notice.platform}; `takin notices show {notice.human_reference}` "
            "says when they have it."
        )
    else:
        print(f"The same words about {notice.human_reference} were given before: nothing is sent again.")


def validate(
    notice: Annotated[
        str, typer.Argument(metavar="FILE|REFERENCE", help="A notice as JSON (- reads stdin), or its TKN-…")
    ],
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file, for what the addressee itself asks for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: unmetRequirements.")] = False,
) -> None:
    """Say what a receiver would refuse in a notice, before anything is sent; exit 1 when there is something.

    Reads it like the strictest receiver: DSA Article 16(2), XARF v4, and the platform's own demands
    where the platforms file (or TAKIN_PLATFORMS_FILE) knows it. Each answer has a stable code, a JSON
    pointer into the notice and a sentence.

    Example: takin notices validate notice.json --platforms platforms.yaml
    """
    from connectors.registry import load_platforms
    from streams.notices.bridge import policy_of
    from streams.notices.requirements import Demands, read_notice, unmet_requirements
    from streams.settings import Settings

    found = read_notice(_notice_bytes(notice))
    if isinstance(found, tuple):
        unmet = found
    else:
        file = platforms or Settings().platforms_file
        known = {config.name: config for config in load_platforms(file)} if file else {}
        addressee = found.addressee.platform
        if platforms is not None and addressee not in known:
            raise OperatorError(
                f"The platforms file {platforms} has no {addressee}, to which the notice goes."
            )
        demands = policy_of(known[addressee]).demands if addressee in known else Demands()
        unmet = unmet_requirements(
            found, replace(demands, xarf=True), platform=addressee, now=datetime.now(UTC)
        )
    if as_json:
        rows = [
            {"code": one.code, "path": one.path, "message": one.message, "regime": one.regime}
            for one in unmet
        ]
        print(json.dumps({"unmetRequirements": rows}))
    else:
        for one in unmet:
            print(f"{one.regime:<9} {one.code:<28} {visible(one.path) or '/'}  {one.message}")
        print(f"{len(unmet)} unmet" if unmet else "every requirement is met")
    if unmet:
        raise typer.Exit(1)


LONGEST_NOTICE = 8 * 1024 * 1024
"""Bytes of a file that `validate` reads."""


def _notice_bytes(notice: str) -> bytes:
    """From standard input, a file or the casebook."""
    import sys

    if notice == "-":
        raw = sys.stdin.buffer.read(LONGEST_NOTICE + 1)
    elif not notice.startswith(("TKN-", "n1_")):
        try:
            with Path(notice).open("rb") as file:
                raw = file.read(LONGEST_NOTICE + 1)
        except OSError as error:
            raise OperatorError(f"The notice {notice} cannot be read: {error.strerror}.") from error
    else:
        from streams.notices.casebook import cases

        casebook = _casebook()
        try:
            with casebook.read() as tx:
                notice_id = cases.find_notice(tx, notice)
                if notice_id is None:
                    raise OperatorError(f"The casebook has no notice {notice!r}: see `takin notices list`.")
                raw = cases.notice_body(tx, notice_id).to_bytes()
        finally:
            casebook.close()
    if len(raw) > LONGEST_NOTICE:
        raise OperatorError(f"The notice {notice} is longer than 8 MB: that is no notice.")
    return raw


def key(
    file: Annotated[
        Path | None, typer.Option("--file", help="Where it is kept; else TAKIN_AUDIT_KEY_FILE.")
    ] = None,
) -> None:
    """Make the key that signs checkpoints of the audit chain, and print its public key.

    If the key is there already, only its public key is printed. Give the public key to whoever shall
    verify, and keep it apart from the casebook.

    Example: takin audit key > audit-public.pem
    """
    from streams.notices.checkpoints import load_key, make_key, public_pem
    from streams.settings import Settings

    path = file or Settings().audit_key
    public = load_key(path).public_key() if path.exists() else make_key(path)
    print(public_pem(public), end="")


def verify(
    checkpoints: Annotated[
        Path | None, typer.Option(help="Signed checkpoints, JSONL; else TAKIN_CHECKPOINTS_FILE.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="The public key; else that of TAKIN_AUDIT_KEY_FILE.")
    ] = None,
) -> None:
    """Check the audit chain, all that it seals, its signed checkpoints and every file of evidence.

    Exits 1 if anything is amiss, and says what and where. What was erased is no break where a tombstone says
    when, on whose decision and why; those are listed.

    Example: takin audit verify --checkpoints checkpoints.jsonl --public-key audit-public.pem
    """
    from streams.notices.casebook import erasure, exhibits, sealing
    from streams.notices.checkpoints import CheckpointLog, check_log, load_key, load_public
    from streams.notices.evidence import EvidenceDamaged, EvidenceStore
    from streams.notices.proof import Break
    from streams.settings import Settings

    settings = Settings()
    file = checkpoints or settings.checkpoints_file
    if file is None and settings.checkpoints.exists():
        file = settings.checkpoints
    if file is None and public_key is not None:
        raise OperatorError("There are no checkpoints to check with that key: name them with --checkpoints.")
    signed, breaks = CheckpointLog(file).read() if file else ((), ())
    if file:
        public = load_public(public_key) if public_key else load_key(settings.audit_key).public_key()
        breaks += check_log(signed, public)
    casebook = _casebook()
    try:
        verdict = casebook.answer(sealing.verify, signed)
        hashes = casebook.answer(exhibits.every_hash)
        decisions = casebook.answer(lambda tx: tuple(erasure.decisions(tx)))
    finally:
        casebook.close()
    breaks += verdict.breaks
    store = EvidenceStore(settings.evidence_dir)
    for sha256 in hashes:
        try:
            store.get(sha256)
        except (EvidenceDamaged, ValueError) as error:
            breaks += (Break(0, str(error)),)
    for one in breaks:
        print(visible(str(one)))
    found = f"{verdict.rows} rows that seal {verdict.things} things, {len(hashes)} files of evidence"
    if breaks:
        print(f"{found}: {len(breaks)} broken")
        raise typer.Exit(1)
    print(f"{found}: the chain holds")
    for told in decisions:
        print(
            f"erased {told.at:%Y-%m-%d %H:%M:%S}Z by {visible(told.by)}: {told.things} things of "
            f"{told.cases} cases and {told.reports} reports; {visible(told.why)} ({visible(told.basis)})"
        )
    if not signed:
        print("No checkpoints were compared, so a cut tail or a chain written anew would not show.")
    else:
        print(
            f"{len(signed)} checkpoints agree; the newest covers row {verdict.covered} of {verdict.rows}, "
            f"signed {signed[-1].at:%Y-%m-%d %H:%M:%S}Z"
        )
