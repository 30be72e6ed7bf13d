"""``takin notices package`` and ``takin audit key | verify``: that nothing was changed, shown to others."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.cases.commands import casebook, notice_named


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
    from streams.notices.casebook import dossier
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
    book = casebook()
    try:
        with book.read() as tx:
            notice_id = notice_named(tx, reference)
            found = dossier.read(tx, notice_id, signed=newest.size if newest else 0)
    finally:
        book.close()
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
    book = casebook()
    try:
        verdict = book.answer(sealing.verify, signed)
        hashes = book.answer(exhibits.every_hash)
        decisions = book.answer(lambda tx: tuple(erasure.decisions(tx)))
    finally:
        book.close()
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
