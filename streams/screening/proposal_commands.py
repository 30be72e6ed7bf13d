"""``takin rules check | propose | proposals | show | approve | decline``: a release by two people."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible

if TYPE_CHECKING:
    from streams.notices.casebook.database import Casebook
    from streams.notices.casebook.list_changes import Change
    from streams.watchlist.mirror import Mirror

By = Annotated[str, typer.Option("--as", help="Your login at the desk; it stands on record.")]
Which = Annotated[str, typer.Argument(metavar="ID", help="Of the proposal, see takin rules proposals.")]
T = TypeVar("T")
MARK = 16
"""Digits of the mark by which a person says what they were shown."""


def register(rules: typer.Typer) -> None:
    """Add the commands to ``takin rules``."""
    rules.command("check")(check_file)
    rules.command("propose")(propose)
    rules.command("proposals")(proposals_there)
    rules.command("show")(show)
    rules.command("approve")(approve)
    rules.command("decline")(decline)


def check_file(file: Annotated[Path, typer.Argument(metavar="FILE", help="The pack, a YAML file.")]) -> None:
    """Say whether workers would take a pack: its conditions, its law, its own examples, its version.

    Example:  takin rules check bangles.yaml
    """
    found = asyncio.run(_checked(file, _text_of(file)))
    typer.echo(
        f"{found['pack']}@{found['version']}: {found['rules']} rules, {found['examples']} examples right."
    )


def _text_of(file: Path) -> str:
    """The pack's text as it is released: with what it imports from beside the file written into it."""
    from streams.screening.release_commands import release_of

    return release_of(file, shadow=False, released_by="check", now=datetime.now(UTC)).text


async def _checked(file: Path, text: str) -> dict[str, Any]:
    from streams.screening.trial import Wish, checked

    wish = Wish(what="check", bootstrap=_bootstrap(), name=file.name, text=text)
    found = await checked(wish, datetime.now(UTC))
    problems = found.get("problems", ())
    for one in problems:
        typer.echo(visible(one), err=True)
    if problems:
        raise OperatorError(f"{file} is refused, {len(problems)} problems: what is in force stays in force.")
    return found


def propose(
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The pack, a YAML file.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="To run in shadow: it sends nothing.")] = False,
    promote: Annotated[str | None, typer.Option(help="Or: put the shadow run of this name in force.")] = None,
    retire: Annotated[str | None, typer.Option(help="Or: take this pack out of force.")] = None,
    rollback: Annotated[str | None, typer.Option(help="Or: this pack's version before.")] = None,
    since: Annotated[str, typer.Option(help="How far back it is tried: 30m, 12h, 7d or 2w.")] = "7d",
) -> None:
    """Check a pack, try it over the listings that Kafka still keeps, and put it before a lead.

    Nothing is in force before another person approves it, here or at the desk.

    Example:  takin rules propose bangles.yaml --shadow --as kim --reason "bangles in parcels"
    """
    if sum(one is not None for one in (file, promote, retire, rollback)) != 1:
        raise OperatorError("Say what: a FILE, or one of --promote, --retire and --rollback with a name.")
    from streams.screening.backtest import span_of

    span, text = span_of(since), _text_of(file) if file is not None else ""

    async def act(book: "Casebook", mirror: "Mirror") -> "Change":
        from streams.notices import acts
        from streams.notices.casebook import list_changes
        from streams.screening import proposals

        await _account(book, by, ("analyst", "lead"))
        there = await mirror.now()
        name, version, whole, target = await _wanted(book, there, file, text, promote, retire, rollback)
        target = target or ("shadow" if shadow else "active")
        now = datetime.now(UTC)
        report = await _tried(name, whole, retired=target == "retired", since=now - span)
        body = whole.encode()
        change_id = await book.run(
            list_changes.draft,
            kind="pack",
            subject=name,
            version=version,
            target="retired" if target == "retired" else "",
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            by=by,
            now=now,
            report=json.dumps(report),
            base=proposals.base_of(there),
        )
        await book.run(
            acts.propose_pack,
            change_id,
            target=target,
            reason=reason,
            by=by,
            base=proposals.base_of(await mirror.now()),
            tried=True,
            now=datetime.now(UTC),
        )
        found = await book.look(list_changes.one, change_id)
        assert found is not None
        return found

    made = _run(act)
    summary = json.loads(made.report or "{}")["summary"]
    typer.echo(
        f"{made.subject}@{made.version} is proposed: {summary['changed']} of {summary['listings']} listings "
        f"would be judged otherwise. Another person, a lead: takin rules show {made.change_id}"
    )


async def _wanted(
    book: "Casebook",
    there: Mapping[str, Any],
    file: Path | None,
    text: str,
    promote: str | None,
    retire: str | None,
    rollback: str | None,
) -> tuple[str, int, str, str]:
    """Name, version, text and, where it is settled, the target of what is proposed."""
    from streams.screening import proposals
    from streams.screening.earlier import release_before

    if file is not None:
        found = await _checked(file, text)
        return found["pack"], found["version"], found["text"], ""
    name = promote or retire or rollback or ""
    stands = (proposals.shadows(there) if promote else proposals.live(there)).get(name)
    if stands is None:
        raise OperatorError(f"No pack {visible(name)} is released: see takin rules status.")
    if promote:
        return name, stands.version, stands.text, "active"
    before = await release_before(book, name, stands.sha256) if rollback else None
    if before is None:
        return name, stands.version, "", "retired"
    return name, before.version, before.text, "active"


async def _tried(name: str, text: str, *, retired: bool, since: datetime) -> dict[str, Any]:
    """A back-test as the desk keeps it; tells how far it is on standard error."""
    from streams.screening.trial import Wish, tried

    wish = Wish(
        what="pack",
        bootstrap=_bootstrap(),
        name=f"{name}.yaml",
        text=text,
        retired=name if retired else "",
        since=since,
    )
    rows: list[Mapping[str, Any]] = []

    def tell(line: Mapping[str, Any]) -> None:
        if "changed" in line:
            rows.append(line["changed"])

    summary = await tried(wish, datetime.now(UTC), tell)
    return {
        "state": "done",
        "since": since.isoformat(),
        "beat": datetime.now(UTC).isoformat(),
        "summary": summary,
        "changed": rows,
    }


def proposals_there(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What waits for a second person, and what became of proposals before, the newest first.

    Example:  takin rules proposals
    """
    from streams.notices.casebook import list_changes
    from streams.notices.cases.commands import casebook

    book = casebook()
    try:
        found = book.answer(list_changes.listed, kinds=("pack",), limit=50)
    finally:
        book.close()
    for one in found:
        if one.state == "draft":
            continue
        if as_json:
            typer.echo(json.dumps(_row(one), ensure_ascii=False))
        else:
            decided = f", {one.decision} by {visible(one.decided_by)}" if one.decided_by else ""
            typer.echo(
                f"{one.change_id}  {one.subject}@{one.version}  {one.target}  {one.state}  "
                f"by {visible(one.made_by)}{decided}  {visible(one.reason or '')}"
            )


def _row(one: "Change") -> dict[str, Any]:
    names = ("change_id", "subject", "version", "target", "state", "sha256", "made_by", "reason")
    more = ("decided_by", "decision", "decision_reason")
    return {
        **{name: getattr(one, name) for name in (*names, *more)},
        "proposed_at": one.proposed_at.isoformat() if one.proposed_at else None,
        "decided_at": one.decided_at.isoformat() if one.decided_at else None,
    }


def show(change_id: Which) -> None:
    """All that somebody who approves must see: the difference, the back-test, and the mark of what was shown.

    Example:  takin rules show lc_01933c0e8f1b7c55a2a4d6d0a1b2c3d4
    """

    async def act(book: "Casebook", mirror: "Mirror") -> None:
        from streams.notices import acts
        from streams.screening import proposals
        from streams.screening.pack_folder import packaged_texts

        change = await _change(book, change_id)
        there = await mirror.now()
        stands = proposals.live(there).get(change.subject)
        before = stands.text if stands else packaged_texts().get(change.subject, "")
        after = change.body.decode() or packaged_texts().get(change.subject, "")
        lines, cut = proposals.difference(before, after)
        typer.echo(
            f"{change.subject}@{change.version}  {change.target}  {change.state}  sha256 {change.sha256}"
        )
        typer.echo(f"by {visible(change.made_by)}: {visible(change.reason or '')}")
        for line in lines:
            typer.echo(visible(line))
        if cut:
            typer.echo("… the difference is longer than is shown.")
        report = json.loads(change.report or "{}")
        for row in report.get("changed", ())[:100]:
            typer.echo(
                f"{visible(row['listing'])}  {row['before']['outcome']} -> {row['after']['outcome']}  "
                f"“{visible(row['title'])[:60]}”"
            )
        typer.echo(f"back-test: {json.dumps(report.get('summary') or report.get('problem'))}")
        if change.state == "proposed":
            mark = acts.shown_sha256(change)[:MARK]
            typer.echo(f"takin rules approve {change.change_id} --shown {mark} --as LOGIN")

    _run(act)


def approve(
    change_id: Which,
    by: By,
    shown: Annotated[str, typer.Option(help="The mark that takin rules show printed.")],
) -> None:
    """Release what another person proposed, byte for byte as it was shown; you are a lead.

    Example:  takin rules approve lc_01933c… --shown 0123456789abcdef --as lena
    """

    async def act(book: "Casebook", mirror: "Mirror") -> str:
        from streams.notices import acts
        from streams.screening import proposals
        from streams.watchlist.carrying import carry_out

        await _account(book, by, ("lead",))
        change, there, now = await _change(book, change_id), await mirror.now(), datetime.now(UTC)
        seen = acts.shown_sha256(change)
        try:
            records = proposals.records_of(
                change.subject,
                change.target,  # type: ignore[arg-type]
                change.body.decode(),
                change.version or 1,
                there,
                by=by,
                now=now,
            )
        except ValueError as error:
            raise OperatorError(f"It cannot be released: {error}.") from error
        decided = await book.run(
            acts.release_pack,
            change_id,
            shown=seen if len(shown) >= MARK and seen.startswith(shown) else "",
            base=proposals.base_of(there),
            tried=json.loads(change.report or "{}").get("state") == "done",
            writes=records.writes,
            replaces=records.replaces,
            by=by,
            now=now,
        )
        return await carry_out(book, mirror, decided, now=now)

    if _run(act) != "written":
        raise OperatorError("Somebody released another version at the same moment: nothing was written.")
    typer.echo(f"{change_id} is released: in force in each worker within seconds; see takin rules status.")


def decline(
    change_id: Which,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
) -> None:
    """Send a proposal back; what is in force stays in force. You are a lead.

    Example:  takin rules decline lc_01933c… --as lena --reason "too wide"
    """

    async def act(book: "Casebook", _: "Mirror") -> None:
        from streams.notices import acts

        await _account(book, by, ("lead",))
        await book.run(acts.decline_pack, change_id, reason=reason, by=by, now=datetime.now(UTC))

    _run(act)
    typer.echo(f"{change_id} is declined.")


async def _change(book: "Casebook", change_id: str) -> "Change":
    from streams.notices.casebook import list_changes

    found = await book.look(list_changes.one, change_id)
    if found is None or found.kind != "pack" or found.state == "draft":
        raise OperatorError(f"There is no proposal {visible(change_id)}: see takin rules proposals.")
    return found


async def _account(book: "Casebook", login: str, roles: tuple[str, ...]) -> None:
    """Make sure that the person has an account of one of these roles.

    Raises:
        OperatorError: they have none.
    """
    from streams.notices.casebook import accounts

    found = await book.look(accounts.by_login, login)
    if found is None or found.state != "active" or found.role not in roles:
        raise OperatorError(
            f"{visible(login)} is no account of the role {' or '.join(roles)}: see takin accounts list."
        )


def _bootstrap() -> str:
    from streams.settings import Settings

    return Settings().kafka_bootstrap_servers


def _run(act: Callable[["Casebook", "Mirror"], Awaitable[T]]) -> T:
    """Run an act with the casebook and the topic as configured."""
    from streams.notices.cases.commands import casebook
    from streams.watchlist.mirror import Mirror

    async def whole() -> T:
        book, mirror = casebook(), Mirror(_bootstrap())
        try:
            return await act(book, mirror)
        finally:
            await mirror.aclose()
            book.close()

    return asyncio.run(whole())
