"""``takin desk`` and ``takin accounts``."""

import asyncio
import ipaddress
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible

if TYPE_CHECKING:
    from streams.notices.casebook.accounts import Account
    from streams.notices.casebook.database import Casebook

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
PLATFORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def register(app: typer.Typer) -> None:
    """Add ``desk`` and ``accounts`` to the command."""
    app.command("desk")(desk)
    accounts = typer.Typer(no_args_is_help=True, help="Who may sign in to the desk.")
    accounts.command("add")(add)
    accounts.command("list")(list_accounts)
    accounts.command("disable")(disable)
    accounts.command("reset")(reset)
    app.add_typer(accounts, name="accounts")


def desk(
    host: Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.")] = 8720,
    base: Annotated[
        str | None,
        typer.Option(help="Where browsers see it, e.g. https://desk.example.org; else TAKIN_DESK_BASE."),
    ] = None,
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file, so that analysts can approve notices.")
    ] = None,
    sender: Annotated[Path | None, typer.Option(help="The sender file: who we are in a notice.")] = None,
    reply_base: Annotated[
        str | None, typer.Option(help="Where signed answers are received, as in `takin notices serve`.")
    ] = None,
    sso: Annotated[
        Path | None,
        typer.Option(help="Single sign-on (OpenID Connect): names provider and roles; else TAKIN_SSO_FILE."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR",
            help="Address or network of a proxy before it, whose X-Forwarded-For is believed.",
        ),
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(help="Port of /metrics and /health; 0 takes a free one.")
    ] = 8721,
) -> None:
    """Serve the desk: platforms answer notices, analysts decide, officers see who is late.

    It needs the casebook only; make a first account with `takin accounts add`. With
    KAFKA_BOOTSTRAP_SERVERS (account takin-desk) it also shows and changes watchlist and rule packs.
    With --sso people sign in at their own provider, and have the role that the file gives to a claim of
    theirs, or none:

    issuer: https://login.example.org

    client_id: takin

    client_secret: env:TAKIN_SSO_SECRET

    roles: [{claim: groups, value: wildlife-officers, role: officer}]

    The provider is told to come back to BASE/sso/back.

    Example: takin desk --base https://desk.example.org --platforms platforms.yaml --sender sender.yaml
    """
    from connectors.registry import load_platforms
    from streams.contacts.start import contact_ring
    from streams.desk.service import DeskService, serve_until_signal
    from streams.desk.sso.config import client_secret, load_sso
    from streams.logs import configure
    from streams.notices.law import load_law
    from streams.notices.sender import demonstration_sender, load_sender
    from streams.privacy.keys import made_keys
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    seen_at = (base or settings.desk_base or f"http://{host}:{port}").rstrip("/")
    if not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", seen_at):
        raise OperatorError(f"--base {visible(seen_at)!r} is no address: use https://desk.example.org.")
    if seen_at.startswith("http://") and host not in ("127.0.0.1", "::1", "localhost"):
        raise OperatorError(
            "The desk shows personal data: serve it by https. Put a TLS proxy before it and name its "
            "address with --base https://…, or listen on 127.0.0.1."
        )
    file = platforms or settings.platforms_file
    configs = load_platforms(file) if file is not None else ()
    answers_at = reply_base or "http://127.0.0.1:8710"
    policy = None
    if sender is not None:
        policy = load_sender(sender, reply_base=answers_at)
    elif configs and all(config.dev_only for config in configs):
        policy = demonstration_sender(reply_base=answers_at)
    sso_file = sso or settings.sso_file
    single = load_sso(sso_file) if sso_file is not None else None
    service = DeskService(
        casebook_url=settings.casebook_url,
        key_file=settings.desk_key,
        contacts=contact_ring(settings, opens_casebook=True),
        evidence_dir=settings.evidence_dir,
        base=seen_at,
        host=host,
        port=port,
        observability_host=settings.observability_host,
        observability_port=metrics_port,
        privacy=lambda: made_keys(settings.privacy_key, settings.privacy_key_file),
        platforms=configs,
        sender=policy,
        law=load_law(),
        webhook_secret=settings.webhook_secret,
        trusted_proxies=[_network(one) for one in trusted_proxy or ()],
        kafka=settings.kafka_named,
        sso=single,
        sso_secret=client_secret(single) if single is not None else None,
    )
    asyncio.run(serve_until_signal(service))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise OperatorError(
            f"--trusted-proxy {visible(text)!r} is no address or network: use 127.0.0.1 or 10.0.0.0/24."
        ) from error


def _casebook() -> "Casebook":
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def add(
    login: Annotated[str, typer.Argument(help="Lower-case letters, digits and . _ @ -")],
    role: Annotated[str, typer.Option(help="platform, analyst, lead, officer, auditor or admin.")],
    platform: Annotated[
        str | None, typer.Option(help="With --role platform: whose notices it sees, and no others.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The person's name; absent: the login.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Make an account. Its password is made at random and printed once, unless one is given.

    Example: takin accounts add kim@market.example --role platform --platform example-market
    """
    from streams.desk import passwords
    from streams.notices.casebook import accounts
    from streams.notices.casebook.viewer import ROLES

    wanted = next((one for one in ROLES if one == role), None)
    if wanted is None:
        raise OperatorError(f"There is no role {visible(role)!r}: choose one of {', '.join(ROLES)}.")
    if not LOGIN.fullmatch(login):
        raise OperatorError(
            "A login is 2 to 64 lower-case letters, digits or . _ @ - and starts with a letter or digit."
        )
    if (wanted == "platform") != (platform is not None):
        raise OperatorError("--platform goes with --role platform, and that role needs it.")
    if platform is not None and not PLATFORM.fullmatch(platform):
        raise OperatorError("A platform is named as in the platforms file: lower-case letters, digits and -.")
    password, given = _password(password_stdin)
    casebook = _casebook()
    try:
        made = casebook.decide(
            accounts.add,
            login=login,
            name=(name or login)[:256],
            role=wanted,
            platform=platform,
            password_hash=passwords.hash_password(password),
            now=datetime.now(UTC),
        )
    finally:
        casebook.close()
    if made is None:
        raise OperatorError(
            f"There is an account {login} already: `takin accounts reset {login}` gives it a new password."
        )
    _say(login, None if given else password, "made", as_json=as_json)


def _password(from_stdin: bool) -> tuple[str, bool]:
    from streams.desk import passwords

    if not from_stdin:
        return passwords.random_password(), False
    password = sys.stdin.readline().rstrip("\n")
    problem = passwords.problem(password)
    if problem:
        raise OperatorError(problem)
    return password, True


def _say(login: str, password: str | None, done: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"login": login, "password": password}))
    elif password is None:
        print(f"{login}: {done}")
    else:
        print(f"{login}: {done}; password, shown only now: {password}")


def list_accounts(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List accounts, without anything secret.

    Example: takin accounts list
    """
    from streams.notices.casebook import accounts

    casebook = _casebook()
    try:
        found = casebook.answer(accounts.every)
    finally:
        casebook.close()
    if not found and not as_json:
        print("No accounts yet: `takin accounts add LOGIN --role officer` makes the first.")
    for one in found:
        codes = one.totp_secret is not None
        if as_json:
            row = {"login": one.login, "role": one.role, "platform": one.platform, "state": one.state}
            print(json.dumps({**row, "name": one.name, "codes": codes}))
        else:
            print(
                f"{one.login:<32} {one.role:<9} {one.platform or '-':<24} {one.state:<9}"
                f"{' one-time codes' if codes else ''}"
            )


def disable(login: Annotated[str, typer.Argument(help="Whose.")]) -> None:
    """Lock an account out at once: its sessions and API tokens stop working.

    Example: takin accounts disable kim@market.example
    """
    from streams.notices.casebook import accounts

    casebook = _casebook()
    try:
        account = _account(casebook, login)
        casebook.decide(accounts.change, account.account_id, now=datetime.now(UTC), state="disabled")
    finally:
        casebook.close()
    print(f"{login}: disabled")


def reset(
    login: Annotated[str, typer.Argument(help="Whose.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Give an account a new password, take its one-time codes away, and let it in again.

    Example: takin accounts reset kim@market.example
    """
    from streams.desk import passwords
    from streams.notices.casebook import accounts

    password, given = _password(password_stdin)
    casebook = _casebook()
    try:
        account = _account(casebook, login)
        casebook.decide(
            accounts.change,
            account.account_id,
            now=datetime.now(UTC),
            state="active",
            password_hash=passwords.hash_password(password),
            totp_secret=None,
        )
    finally:
        casebook.close()
    _say(login, None if given else password, "reset", as_json=as_json)


def _account(casebook: "Casebook", login: str) -> "Account":
    from streams.notices.casebook import accounts

    account = casebook.answer(accounts.by_login, login)
    if account is None:
        raise OperatorError(f"There is no account {visible(login)!r}: see `takin accounts list`.")
    return account
