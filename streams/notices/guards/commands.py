"""``takin notices hold | stop | approve-excess | guards …``: what keeps notices back, and lets them go."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.cases.commands import AsJson, By, CaseOrReference, Reason, case_named, casebook, decide

Name = Annotated[str | None, typer.Option("--platform", help="Only this platform.")]
Rule = Annotated[str | None, typer.Option("--rule", help="Only notices that rest on this rule.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything.")]


def register(notices: typer.Typer) -> None:
    """Add them to ``takin notices``."""
    notices.command("hold")(hold)
    notices.command("confirm-hold")(confirm_hold)
    notices.command("release")(release)
    notices.command("stop")(stop)
    notices.command("resume")(resume)
    notices.command("approve-excess")(approve_excess)
    notices.command("allow-rule")(allow_rule)
    notices.command("task-done")(task_done)
    notices.command("guards")(guards)


def hold(
    case: CaseOrReference,
    by: By,
    reason: Reason,
    until: Annotated[
        datetime | None, typer.Option(help="When it ends (UTC).", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    ] = None,
    hours: Annotated[float | None, typer.Option(help="Or: how many hours it lasts.", min=0.01)] = None,
) -> None:
    """Ask that nothing be taken down yet (police hold); another person has to confirm it.

    Where the desk has accounts, --as is one of them: its login, or its name.

    While it is in force nothing is sent about the case and its deadlines stand. It lapses at its expiry.

    Example: takin notices hold TKN-ABCDE-FGHIJ-KL --hours 72 --as "Ada Example" --reason "case 17, unit X"
    """
    from streams.notices import acts

    if (until is None) == (hours is None):
        raise OperatorError("Say when the hold ends: --until 2026-12-01T12:00:00 or --hours 72.")

    def act(tx: Any, now: datetime) -> datetime:
        ends = until.replace(tzinfo=UTC) if until else now + timedelta(hours=hours or 0)
        case_id = case_named(tx, case)
        return acts.ask_hold(tx, case_id, by=by, reason=reason, expires_at=ends, now=now).expires_at

    ends = decide(act)
    print(
        f"A hold until {ends:%Y-%m-%d %H:%M:%S} UTC is asked for. It is NOT in force: another person "
        f"confirms it with `takin notices confirm-hold {visible(case)} --as NAME`."
    )


def confirm_hold(case: CaseOrReference, by: By) -> None:
    """Confirm a hold that another person asked for: from now nothing is sent about the case.

    Where the desk has accounts, --as is one of them, and not the one who asked. A command line cannot prove
    who types: confirm at the desk where that matters.

    Example: takin notices confirm-hold TKN-ABCDE-FGHIJ-KL --as "Ben Example"
    """
    from streams.notices import acts

    found = decide(lambda tx, now: acts.confirm_hold(tx, case_named(tx, case), by=by, now=now))
    print(f"The hold is in force until {found.expires_at:%Y-%m-%d %H:%M:%S} UTC.")


def release(case: CaseOrReference, by: By) -> None:
    """End a hold before it lapses: what waited goes on, and deadlines run anew.

    Example: takin notices release TKN-ABCDE-FGHIJ-KL --as "Ada Example"
    """
    from streams.notices import acts

    decide(lambda tx, now: acts.release_hold(tx, case_named(tx, case), by=by, now=now))
    print("The hold has ended.")


def stop(
    by: By, reason: Reason, everything: Everything = False, platform: Name = None, rule: Rule = None
) -> None:
    """The kill switch: stop sending everything, to one platform, or what rests on one rule.

    Running dispatchers obey within a second; nothing is lost, it waits until `takin notices resume`.

    Example: takin notices stop --platform example-market --as "Ada Example" --reason "they asked us to"
    """
    from streams.notices import acts

    scope, name = _scope(everything, platform, rule)
    decide(lambda tx, now: acts.stop_sending(tx, scope, name, by=by, reason=reason, now=now))
    print(f"Sending is stopped: {_shown(scope, name)}.")


def resume(by: By, everything: Everything = False, platform: Name = None, rule: Rule = None) -> None:
    """Let sending go on that was stopped.

    Example: takin notices resume --platform example-market --as "Ada Example"
    """
    from streams.notices import acts

    scope, name = _scope(everything, platform, rule)
    decide(lambda tx, now: acts.resume_sending(tx, scope, name, by=by, now=now))
    print(f"Sending goes on: {_shown(scope, name)}.")


def _scope(everything: bool, platform: str | None, rule: str | None) -> tuple[Any, str]:
    if sum((everything, platform is not None, rule is not None)) != 1:
        raise OperatorError("Say what: one of --all, --platform NAME or --rule ID.")
    return ("all", "") if everything else ("platform", platform or "") if platform else ("rule", rule or "")


def _shown(scope: str, name: str) -> str:
    return "everything" if scope == "all" else f"{scope} {visible(name)}"


def approve_excess(
    platform: Annotated[str, typer.Argument(help="Whose daily cap is reached.")],
    more: Annotated[int, typer.Argument(help="How many notices above the cap may go today (UTC).")],
    by: By,
    reason: Reason,
) -> None:
    """Approve more new notices to a platform today than its daily cap; two different people have to.

    Where the desk has accounts, --as is one of them, by its login or its name (`takin accounts list`); other
    names are refused, and login and name of one account are one person. Without accounts a name is told from
    another by its letters alone. A command line cannot prove who types: whoever may run it can give a second
    name, and that stands on record.

    Example: takin notices approve-excess example-market 50 --as "Ada Example" --reason "seizure, 60 listings"
    """
    from streams.notices import acts

    done = decide(lambda tx, now: acts.approve_excess(tx, platform, more, by=by, reason=reason, now=now))
    if done.waits:
        print(
            f"Noted. {done.approved} above the cap are approved by two people; {more} need another person's."
        )
    else:
        print(f"{done.approved} above the cap are approved for {visible(platform)} today.")


def allow_rule(
    rule: Annotated[str, typer.Argument(help="The rule that is below its stop line.")],
    by: By,
    reason: Reason,
    platform: Annotated[str, typer.Option("--platform", help="With which platform.")],
    days: Annotated[float, typer.Option(help="For how long.", min=0.01, max=90)] = 7.0,
) -> None:
    """Let a rule send by itself again although its record with a platform is below the stop line.

    Example: takin notices allow-rule ivory-carved --platform shop --as "Ada Example" --reason "it is mended"
    """
    from streams.notices import acts

    until = decide(
        lambda tx, now: acts.allow_rule(
            tx, platform, rule, by=by, reason=reason, until=now + timedelta(days=days), now=now
        )
    )
    print(f"{visible(rule)} sends to {visible(platform)} by itself until {until:%Y-%m-%d %H:%M} UTC.")


def task_done(
    task: Annotated[str, typer.Argument(help="Id of the task; see `takin notices list --escalations`.")],
    by: By,
    note: Annotated[str, typer.Option(help="What was done.")],
) -> None:
    """Say that a step which waited for a person was taken.

    Example: takin notices task-done tk_0198f3 --as "Ada Example" --note "telephoned, they look at it today"
    """
    from streams.notices import acts

    decide(lambda tx, now: acts.finish_task(tx, task, by=by, note=note, now=now))
    print("It is noted.")


def guards(as_json: AsJson = False) -> None:
    """Everything that keeps notices back now: stops, holds, caps, breakers, records, tasks.

    Example: takin notices guards --json
    """
    from streams.notices.casebook import caps, channels, holds, kept_back, quality, stops, tasks

    book = casebook()
    now = datetime.now(UTC)
    try:
        with book.read() as tx:
            found: dict[str, list[dict[str, Any]]] = {
                "stops": [asdict(one) for one in stops.in_force(tx)],
                "holds": [{**asdict(one), "in_force": one.in_force(now)} for one in holds.every_open(tx)],
                "breakers": [
                    {"platform": platform, "channel": channel, **asdict(one)}
                    for (platform, channel), one in channels.breakers(tx).items()
                ],
                "spent_today": [
                    {
                        "platform": one.platform,
                        "notices": one.notices,
                        "requests": one.requests,
                        "approved": more,
                    }
                    for one, more in caps.today(tx, caps.day_of(now))
                ],
                "records": [asdict(one) for one in quality.standings(tx)],
                "tasks": [asdict(one) for one in tasks.waiting(tx)],
                "kept_back": [{"entries": kept_back.count(tx)}],
            }
    finally:
        book.close()
    if as_json:
        print(json.dumps(found, default=_plain))
        return
    for title, rows in found.items():
        print(f"{title.replace('_', ' ')}: {len(rows) if title != 'kept_back' else rows[0]['entries']}")
        for row in rows if title != "kept_back" else ():
            print(
                "  "
                + "  ".join(f"{key}={visible(str(_plain(value)))}" for key, value in row.items() if value)
            )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
