"""``takin reference …``: the operator's own list of taxa, the same in every worker."""

import asyncio
import getpass
import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import OperatorError

if TYPE_CHECKING:
    from schemas.watchlist import ReferenceRelease
    from streams.reference.changes import Change, Changes
    from streams.reference.reading import OperatorsList
    from streams.screening.taxa import Taxa

SHOWN = 20
"""Names of each kind of change that are written out; --json has all."""


def register(app: typer.Typer) -> None:
    """Add ``reference`` to the command."""
    reference = typer.Typer(
        no_args_is_help=True,
        help="The list of taxa: import your own Species+ or Checklist CSV, look names up, go back.",
    )
    reference.command("import")(import_list)
    reference.command("show")(show)
    reference.command("status")(status)
    reference.command("rollback")(rollback)
    app.add_typer(reference, name="reference")


def import_list(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Your CSV download; its terms are yours to keep.")
    ],
    as_of: Annotated[
        str, typer.Option("--as-of", help="The day whose law it states, YYYY-MM-DD; absent: the file's day.")
    ] = "",
    source: Annotated[str, typer.Option(help="Where you have it from; stands in notices.")] = "",
    licence: Annotated[
        str, typer.Option(help="Under which terms you may use it.")
    ] = "supplied by the operator, not to be passed on",
    complete: Annotated[
        bool,
        typer.Option("--complete", help="It is the whole law: built-in names that it does not cover go."),
    ] = False,
    encoding: Annotated[
        str | None, typer.Option(help="When it is neither UTF-8 nor UTF-16, for example cp1252.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when the list in force was imported on another machine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every change as one JSON object.")] = False,
) -> None:
    """Lay a list of taxa over the built-in one, in every worker within seconds: all of it, or nothing.

    Headings are known as Species+ and the Checklist of CITES Species write them: Scientific Name (or
    FullName), Rank, Listing (or CurrentListing), Listed under, Full note, Class, Order, Family. A bad row
    is named by its line, and nothing of the file is taken. It is kept under a version in the data
    folder, whose digest is in the rule-set version of every detection. Common names are not read.

    Example:  takin reference import cites_listings.csv --as-of 2026-03-05 --dry-run
    """
    from streams.reference.archive import Archive
    from streams.reference.changes import compare
    from streams.screening.taxa import load_taxa
    from streams.settings import Settings
    from streams.watchlist.store import read_reference, write_reference

    settings = Settings()
    archive = Archive(settings.data_dir)
    raw, told = _read(file, encoding)
    release = release_of(
        told,
        as_of=_day(as_of, file),
        source=source or f"list of taxa supplied by the operator ({file.name})",
        licence=licence,
        complete=complete,
        released_by=getpass.getuser(),
        now=datetime.now(UTC),
    )
    before = archive.current()
    built_in = load_taxa()
    changes = compare(taxa_under(built_in, before).by_name, taxa_under(built_in, release).by_name)
    if not dry_run:
        bootstrap = settings.kafka_bootstrap_servers
        there = asyncio.run(read_reference(bootstrap))
        ours = before.version if before else None
        if (there.version if there else None) != ours and not replace:
            raise OperatorError(
                f"The workers use {there.version if there else 'the built-in list'}, this machine's folder "
                f"knows {ours or 'none'}, so what is told here is not what would change: import where "
                "that list was imported, or say --replace."
            )
        archive.keep(release, raw)
        asyncio.run(write_reference(bootstrap, release))
        archive.put_in_force([*(v for v in archive.in_force() if v != release.version), release.version])
    _tell(release, told, changes, dry_run=dry_run, as_json=as_json)


def _read(file: Path, encoding: str | None) -> "tuple[bytes, OperatorsList]":
    from streams.reference.reading import FILE_BYTES, BadList, read_list

    try:
        if file.stat().st_size > FILE_BYTES:
            raise OperatorError(f"{file} is larger than {FILE_BYTES:,} bytes: export fewer columns.")
        raw = file.read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read ({error.strerror}): give a CSV file.") from error
    try:
        return raw, read_list(raw, encoding)
    except BadList as error:
        for problem in error.problems[:100]:
            typer.echo(problem, err=True)
        raise OperatorError(
            f"Nothing of {file} is taken, {len(error.problems)} bad rows: mend them and import it again."
        ) from error


def _day(told: str, file: Path) -> date:
    if not told:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
    try:
        return date.fromisoformat(told)
    except ValueError as error:
        raise OperatorError(f"--as-of wants a day as YYYY-MM-DD, not {told!a}.") from error


def release_of(
    told: "OperatorsList",
    *,
    as_of: date,
    source: str,
    licence: str,
    complete: bool,
    released_by: str,
    now: datetime,
) -> "ReferenceRelease":
    """The release of a list; the same list of the same day gets the same version.

    Raises:
        OperatorError: it is too large for one record of Kafka, or a text is empty or too long.
    """
    from pydantic import ValidationError

    from schemas.watchlist import REFERENCE_CHARACTERS, ReferenceRelease
    from streams.screening import imported

    table = imported.write_table(told.taxa)
    content = imported.pack(table)
    if len(content) > REFERENCE_CHARACTERS:
        raise OperatorError(
            f"The list takes {len(content):,} characters when packed, and one record of Kafka holds "
            f"{REFERENCE_CHARACTERS:,}: export it without the note columns."
        )
    sha256 = hashlib.sha256(table).hexdigest()
    stamp = hashlib.sha256(f"{sha256} {source} {licence} {complete}".encode()).hexdigest()[:8]
    try:
        return ReferenceRelease(
            version=f"{as_of.isoformat()}-{stamp}",
            as_of=as_of,
            source=source,
            licence=licence,
            complete=complete,
            rows=len(told.taxa),
            content=content,
            sha256=sha256,
            released_by=released_by,
            released_at=now,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise OperatorError(f"--{'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from error


def taxa_under(built_in: "Taxa", release: "ReferenceRelease | None") -> "Taxa":
    """The list of taxa when this release is in force.

    Raises:
        OperatorError: the release cannot be used.
    """
    from streams.screening import imported

    if release is None:
        return built_in
    try:
        rows = imported.unpack(release)
    except imported.BadReference as error:
        raise OperatorError(f"List {release.version} is bad ({error}): import again.") from error
    return imported.lay_over(
        built_in,
        rows,
        source=release.source,
        licence=release.licence,
        as_of=release.as_of,
        complete=release.complete,
    )


def _tell(
    release: "ReferenceRelease", told: "OperatorsList", changes: "Changes", *, dry_run: bool, as_json: bool
) -> None:
    from streams.local.visible import visible

    if as_json:
        about = release.model_dump(mode="json", exclude={"content", "schema_version", "type"})
        rest = {"left_aside": told.left_aside, "not_listed": told.not_listed}
        typer.echo(json.dumps({"dry_run": dry_run, **about, **changes.as_json(), **rest}, ensure_ascii=False))
        return
    for name in ("added", "removed", "appendix", "annotation"):
        found: tuple[Change, ...] = getattr(changes, name)
        for change in found[:SHOWN]:
            step = " → ".join(visible(part)[:80] or "not listed" for part in (change.before, change.after))
            typer.echo(f"{name:10}  {visible(change.name)}  {step}")
        if len(found) > SHOWN:
            typer.echo(f"{name:10}  … and {len(found) - SHOWN:,} more (--json has all)")
    if told.left_aside:
        typer.echo(f"Columns not used: {', '.join(visible(name)[:40] for name in told.left_aside[:12])}.")
    if told.not_listed:
        typer.echo(f"{len(told.not_listed):,} names are in no appendix by this file and were not taken.")
    typer.echo(
        f"{release.rows:,} taxa as of {release.as_of}: {len(changes.added):,} added, "
        f"{len(changes.removed):,} removed, {len(changes.appendix):,} with another appendix, "
        f"{len(changes.annotation):,} with another annotation, {changes.unchanged:,} unchanged."
    )
    if dry_run:
        typer.echo("Dry run: nothing was written.")
    else:
        typer.echo(f"Version {release.version} is in force in each worker within seconds.")


def show(
    name: Annotated[str, typer.Argument(help="A scientific name, or a common name in any language.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a taxon.")] = False,
) -> None:
    """How a name is listed, since when that is known, from where, and what it is called.

    A species without a row of its own is shown by its genus, family or order.

    Example:  takin reference show "Brookesia minima"
    """
    from streams.local.visible import visible
    from streams.reference.archive import Archive
    from streams.screening.taxa import load_taxa
    from streams.settings import Settings

    taxa = taxa_under(load_taxa(), Archive(Settings().data_dir).current())
    rows = described(taxa, name)
    if not rows:
        raise OperatorError(
            f"No taxon {visible(name)} is known, nor a genus or family of it. That does not say that it "
            "is not listed: about half of the listed species are missing by name."
        )
    for row in rows:
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
            continue
        typer.echo(f"{row['scientific_name']} ({row['rank']}), CITES Appendix {row['appendix']}")
        if row["asked"] != row["scientific_name"]:
            typer.echo(f"    {visible(row['asked'])} is covered by it or is another name of it")
        for label in ("annotation", "annex", "as_of", "source", "licence", "status"):
            if row[label]:
                typer.echo(f"    {label}: {visible(row[label])}")
        for language, names in sorted(row["names"].items()):
            typer.echo(f"    {language}: {', '.join(visible(one) for one in names)}")


def described(taxa: "Taxa", asked: str) -> list[dict[str, Any]]:
    """What is known of each taxon that a name may mean."""
    direct = taxa.find(asked[:1].upper() + asked[1:])
    wanted = asked.casefold()
    by_common = {one.scientific_name for one in taxa.common_names if one.name.casefold() == wanted}
    found = [direct] if direct else [taxa.by_name[one] for one in sorted(by_common) if one in taxa.by_name]
    rows = []
    for taxon in found:
        names: dict[str, list[str]] = {}
        for one in taxa.common_names:
            if one.scientific_name == taxon.name:
                names.setdefault(one.language, []).append(one.name)
        rows.append(
            {
                "asked": asked if direct else taxon.name,
                "scientific_name": taxon.name,
                "rank": taxon.rank,
                "appendix": taxon.appendix,
                "annotation": taxon.annotation,
                "annex": taxon.annex,
                "as_of": taxon.as_of,
                "source": taxon.source,
                "licence": taxon.licence,
                "status": f"{taxon.status} ({taxon.doubt})" if taxon.doubt else taxon.status,
                "needs_check": taxon.needs_check,
                "names": names,
            }
        )
    return rows


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Which list of taxa the workers use, and which versions this machine keeps.

    Example:  takin reference status
    """
    from streams.local.visible import visible
    from streams.reference.archive import Archive
    from streams.settings import Settings
    from streams.watchlist.store import read_reference

    settings = Settings()
    archive = Archive(settings.data_dir)
    there = asyncio.run(read_reference(settings.kafka_bootstrap_servers))
    here = archive.in_force()
    told: dict[str, Any] = {
        "in_force": there.model_dump(mode="json", exclude={"content", "schema_version", "type"})
        if there
        else None,
        "kept_here": archive.versions(),
        "in_force_here": here[-1] if here else None,
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    if there is None:
        typer.echo("The workers use the built-in list alone: takin reference import --help.")
    else:
        typer.echo(
            f"The workers use {there.version}: {there.rows:,} taxa as of {there.as_of}, "
            f"{visible(there.source)}; "
            f"sha256 {there.sha256}; released by {visible(there.released_by)} "
            f"at {there.released_at:%Y-%m-%d %H:%M}Z."
        )
    for version in archive.versions():
        typer.echo(f"    kept here: {version}")
    if told["in_force_here"] != (there.version if there else None):
        typer.echo("This machine's folder knows another one in force: it was changed from elsewhere.")


def rollback(
    to: Annotated[
        str, typer.Option("--to", help="A version that is kept, or built-in; absent: the one before.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
) -> None:
    """Put the list in force again that was in force before the present one.

    Example:  takin reference rollback --dry-run
    """
    from streams.reference.archive import Archive
    from streams.reference.changes import compare
    from streams.screening.taxa import load_taxa
    from streams.settings import Settings
    from streams.watchlist.store import write_reference

    settings = Settings()
    archive = Archive(settings.data_dir)
    versions = archive.in_force()
    if not versions:
        raise OperatorError("No imported list is in force on this machine: nothing to go back from.")
    after = remaining(versions, to)
    present = archive.read(versions[-1])
    target = archive.read(after[-1]) if after else None
    built_in = load_taxa()
    changes = compare(taxa_under(built_in, present).by_name, taxa_under(built_in, target).by_name)
    now = {"released_at": datetime.now(UTC), "released_by": getpass.getuser()}
    release = (target or present).model_copy(
        update=now if target else {**now, "state": "retired", "content": "", "rows": 0}
    )
    if not dry_run:
        asyncio.run(write_reference(settings.kafka_bootstrap_servers, release))
        archive.put_in_force(after)
    typer.echo(
        f"{after[-1] if after else 'The built-in list alone'} {'would be' if dry_run else 'is'} in force: "
        f"{len(changes.added):,} names added, {len(changes.removed):,} removed, "
        f"{len(changes.appendix):,} with another appendix, {len(changes.annotation):,} with another note."
    )


def remaining(versions: tuple[str, ...], to: str) -> tuple[str, ...]:
    """Versions in force after going back: to the one before, to the built-in list, or to a named one."""
    if not to:
        return versions[:-1]
    if to == "built-in":
        return ()
    kept = versions[: versions.index(to)] if to in versions else tuple(versions)
    return (*kept, to)
