"""``takin privacy …``: erasing on request and by age, legal holds."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible

BASIS = "Regulation (EU) 2016/679, Article 17(1)"

By = Annotated[str, typer.Option("--as", help="Your name, as it shall stand on record.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record, so name nobody in it.")]
CaseNamed = Annotated[str, typer.Argument(metavar="CASE", help="Case id, or a TKN-… reference.")]


def register(app: typer.Typer) -> None:
    """Add ``privacy`` to the command."""
    privacy = typer.Typer(
        help="Personal data: erase it on request, and keep what a court needs.", no_args_is_help=True
    )
    privacy.command("erase")(erase)
    privacy.command("retention")(retention)
    privacy.command("hold")(hold)
    privacy.command("release")(release)
    privacy.command("holds")(holds)
    privacy.command("whose")(whose)
    app.add_typer(privacy, name="privacy")


def _casebook() -> Any:
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def erase(
    by: By,
    reason: Reason,
    seller: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Platform and the account's id, handle or profile address.", metavar="PLATFORM ID"),
    ] = None,
    case: Annotated[str | None, typer.Option(help="A case: its id, or a TKN-… reference.")] = None,
    report: Annotated[str | None, typer.Option(help="A report: its id, or its R-… reference.")] = None,
    basis: Annotated[str, typer.Option(help="The provision it rests on.")] = BASIS,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only what would go is said.")] = False,
) -> None:
    """Erase what is personal about a seller, a case or a report; the audit chain keeps that, when and why.

    Says row by row what goes. Open cases and those under a legal hold stay, with the reason, and the exit
    code is then 1; so it is where SQLite's write-ahead log could not be emptied. What Kafka still holds does
    not come back when it is read again; it leaves Kafka by its topic's retention (`takin topics list`). What
    PostgreSQL and backups keep: deploy/threat-model.md, Open.

    Example: takin privacy erase --seller example-market shop17 --as Kim --reason "request of 3 May" --apply
    """
    from streams.notices.acts.people import person_named, reason_given
    from streams.notices.cases.commands import case_named
    from streams.notices.evidence import EvidenceStore
    from streams.privacy.check import check_keys, use_keys
    from streams.privacy.erase import Asked, decision_on, remove_files, run
    from streams.privacy.keys import load_keys
    from streams.settings import Settings

    if sum(one is not None for one in (seller, case, report)) != 1:
        raise OperatorError("Say what shall be erased: one of --seller PLATFORM ID, --case or --report.")
    settings = Settings()
    now = datetime.now(UTC)
    keys = load_keys(settings.privacy_key, settings.privacy_key_file, make=True)
    assert keys is not None, "it was made"
    decision = decision_on(
        "request", by=person_named(by), why=reason_given(reason), basis=reason_given(basis)
    )
    casebook = _casebook()
    try:
        if apply:
            casebook.decide(use_keys, keys, now=now)
        else:
            casebook.answer(check_keys, keys)
        case_id = casebook.answer(case_named, case) if case else None
        asked = Asked(case_id, _report_id(report) if report else None, seller)
        outcome = run(casebook, asked, decision, keys, now=now, apply=apply)
        removed = remove_files(casebook, EvidenceStore(settings.evidence_dir)) if apply else 0
    finally:
        # Also where nothing is left to erase: an earlier run may have been ended before it came to this.
        emptied = casebook.forget_journal() if apply else True
        casebook.close()
    for subject, left in outcome.erased.things:
        print(f"{'emptied' if left else 'removed'}  {visible(subject)}")
    for sha256 in outcome.erased.files:
        print(f"removed  evidence/{sha256[:2]}/{sha256}")
    for one, why in outcome.refused:
        print(f"stays    {visible(one)} {visible(why)}")
    n = len(outcome.erased.things)
    counted = f"{n} things of {len(outcome.case_ids)} cases and {len(outcome.report_ids)} reports"
    if apply:
        print(
            f"erased {counted}, {removed} files; `takin audit verify` lists decision {decision.decision_id}"
        )
    else:
        print(f"would erase {counted}, {len(outcome.erased.files)} files; nothing was changed: add --apply")
    if seller is not None:
        print("A watchlist entry about the account stays until it is removed: see `takin watchlist list`.")
    if not emptied:
        print(STILL_IN_THE_LOG)
    if outcome.refused or not emptied:
        raise typer.Exit(1)


STILL_IN_THE_LOG = (
    "casebook.db-wal still holds what was erased, as something reads an earlier state of the casebook (a "
    "long report, a backup): end it and run this again, or `takin privacy retention --apply`."
)


def _report_id(text: str) -> str:
    from schemas.report import id_of

    return text if text.startswith("r_") else id_of(text) or text


def retention(
    by: Annotated[str, typer.Option("--as", help="Who runs it, as it stands on record.")] = "retention job",
    table: Annotated[
        Path | None,
        typer.Option(help="How long what is kept; else TAKIN_RETENTION_FILE, or Takin's own table."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only what is due is said.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due: the default.")] = False,
) -> None:
    """Erase what is older than it may get, piece by piece; run it daily.

    The table says what, how long, from which event, why and on which legal basis. Open cases and those under
    a legal hold stay. What is interrupted goes on at the next run. Figures of reports do not change.

    Example: takin privacy retention --apply
    """
    from streams.notices.acts.people import person_named
    from streams.notices.evidence import EvidenceStore
    from streams.privacy import retention as job
    from streams.privacy.check import use_keys
    from streams.privacy.erase import remove_files
    from streams.privacy.keys import load_keys
    from streams.settings import Settings

    if apply and dry_run:
        raise OperatorError("Say either --apply or --dry-run.")
    settings = Settings()
    rules = job.load_table(table or settings.retention_file)
    who = person_named(by)
    casebook = _casebook()
    try:
        found = casebook.answer(job.due, rules, now=datetime.now(UTC))
        for one in found:
            held = f", {one.held} more under legal hold" if one.held else ""
            print(
                f"{one.rule.what:<18} kept {one.rule.keep_days} days from {visible(one.rule.start)}: "
                f"{one.count} due{held} ({visible(one.rule.basis)})"
            )
        if not apply:
            print("nothing was changed: add --apply")
            return
        keys = load_keys(settings.privacy_key, settings.privacy_key_file, make=True)
        assert keys is not None, "it was made"
        casebook.decide(use_keys, keys, now=datetime.now(UTC))
        store, stays = EvidenceStore(settings.evidence_dir), 0
        wanted = {one.rule.what: one.count for one in found}
        for piece in job.run(casebook, rules, keys, by=who, clock=lambda: datetime.now(UTC)):
            remove_files(casebook, store)
            print(f"{piece.rule.what}: {piece.done} of {wanted[piece.rule.what]}")
            for one, why in piece.stays:
                print(f"stays    {visible(one)}: {visible(why)}")
            stays += len(piece.stays)
        remove_files(casebook, store)
        emptied = casebook.forget_journal()
    finally:
        casebook.close()
    if not emptied:
        print(STILL_IN_THE_LOG)
    if stays or not emptied:
        raise typer.Exit(1)


def hold(case: CaseNamed, by: By, reason: Reason) -> None:
    """Put a case under a legal hold: nothing of it is erased, on request or by its age, until it is released.

    Example: takin privacy hold TKN-ABCDE-FGHIJ-KL --as Kim --reason "court of Brno, file 12 T 3/2026"
    """
    from streams.notices.acts.people import person_named, reason_given
    from streams.notices.casebook import legal_holds
    from streams.notices.cases.commands import case_named

    casebook = _casebook()
    try:
        case_id = casebook.answer(case_named, case)
        fresh = casebook.decide(
            legal_holds.place,
            case_id,
            by=person_named(by),
            reason=reason_given(reason),
            now=datetime.now(UTC),
        )
    finally:
        casebook.close()
    print(f"{case_id} is under legal hold." if fresh else f"{case_id} was under a legal hold already.")


def release(case: CaseNamed, by: By, reason: Reason) -> None:
    """End a case's legal hold.

    Example: takin privacy release TKN-ABCDE-FGHIJ-KL --as Kim --reason "judgment of 3 May is final"
    """
    from streams.notices.acts.people import person_named, reason_given
    from streams.notices.casebook import legal_holds
    from streams.notices.cases.commands import case_named

    casebook = _casebook()
    try:
        case_id = casebook.answer(case_named, case)
        ended = casebook.decide(
            legal_holds.lift, case_id, by=person_named(by), reason=reason_given(reason), now=datetime.now(UTC)
        )
    finally:
        casebook.close()
    if not ended:
        raise OperatorError(f"{case_id} is under no legal hold: see `takin privacy holds`.")
    print(f"{case_id} is under no legal hold any more.")


def holds() -> None:
    """Legal holds in force, the oldest first."""
    from streams.notices.casebook import legal_holds

    casebook = _casebook()
    try:
        found = casebook.answer(legal_holds.in_force)
    finally:
        casebook.close()
    for one in found:
        print(f"{one.case_id}  {one.set_at:%Y-%m-%d}  {visible(one.set_by)}: {visible(one.reason)}")
    print(f"{len(found)} in force")


def whose(
    what: Annotated[
        list[str], typer.Argument(metavar="FILE|NAME…", help="Files with keyed names in them, or the names.")
    ],
    by: By,
    reason: Reason,
    exchange_key: Annotated[
        str | None,
        typer.Option(metavar="env:NAME|file:PATH", help="The key that another organisation shares with us."),
    ] = None,
) -> None:
    """Whom keyed names (hmac-sha256:KEY:…) mean: sellers of our cases, and entries of our watchlist.

    Works under every key that TAKIN_PRIVACY_KEY names, so also for what was written before one was replaced;
    with --exchange-key for a file of another organisation. Who asked and why is recorded first. The exit code
    is 1 when a name is under a key that is not here.

    Example: takin privacy whose partner.csv --exchange-key file:shared.key --as Kim --reason "joint case 17"
    """
    import asyncio

    from streams.notices.acts.people import person_named, reason_given
    from streams.notices.casebook import accounts, erasure_search
    from streams.privacy.keys import PrivacyKeys, exchange_keys, load_keys
    from streams.privacy.sellers import FORM, known_under
    from streams.settings import Settings
    from streams.watchlist.keyed import known_entries
    from streams.watchlist.store import read_entries

    who, why = person_named(by), reason_given(reason)
    names = tuple(dict.fromkeys(name for one in what for name in _keyed_in(one)))
    settings = Settings()
    keys: PrivacyKeys | None = (
        exchange_keys(exchange_key)
        if exchange_key is not None
        else load_keys(settings.privacy_key, settings.privacy_key_file)
    )
    ours = set(keys.ids if keys else ())
    asked = [name for name in names if FORM.fullmatch(name)[1] in ours]  # type: ignore[index]
    lines: dict[str, list[str]] = {}
    if keys is not None and asked:
        casebook = _casebook()
        try:
            casebook.decide(
                accounts.log_command,
                by=who,
                act="whose",
                subject=f"{len(asked)} keyed names, {asked[0]}: {why}",
                now=datetime.now(UTC),
            )
            for search in (erasure_search.handles, erasure_search.account_ids):
                if len(lines) == len(asked):
                    break
                found = casebook.answer(search)
                known = known_under(keys, {one.name for one in found})
                for name in asked:
                    if name not in lines and name in known:
                        lines[name] = [
                            f"seller “{visible(one.name)}” on {one.platform}, case {one.case_id}"
                            for one in found
                            if one.name == known[name]
                        ]
        finally:
            casebook.close()
        if settings.kafka_named:
            entries = known_entries(asyncio.run(read_entries(settings.kafka_named)).values(), keys)
            for name in asked:
                if name in entries:
                    entry = entries[name]
                    told = f"watchlist {entry.kind} “{visible(entry.value)}”, {entry.entry_id}"
                    lines.setdefault(name, []).append(told)
    for name in asked:
        for line in lines.get(name, ["nobody that is known here"]):
            print(f"{name}  {line}")
    strange = sorted({FORM.fullmatch(name)[1] for name in names} - ours)  # type: ignore[index]
    for key_id in strange:
        print(f"Under the key {key_id}, which is not here: name it with TAKIN_PRIVACY_KEY or --exchange-key.")
    print(f"{len(lines)} of {len(names)} are known here")
    if strange:
        raise typer.Exit(1)


def _keyed_in(given: str) -> tuple[str, ...]:
    from streams.privacy.sellers import FORM, found_in

    if FORM.fullmatch(given):
        return (given,)
    try:
        found = found_in(Path(given).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise OperatorError(f"{visible(given)} is no keyed name, and no file to read: {why}.") from None
    if not found:
        raise OperatorError(f"{visible(given)} has no keyed name (hmac-sha256:KEY:DIGITS) in it.")
    return found
