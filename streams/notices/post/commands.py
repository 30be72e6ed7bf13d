"""``takin notices mail``: reads a mailbox for answers to our notices."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import OperatorError

if TYPE_CHECKING:
    from connectors.mailbox import MailboxConfig
    from connectors.platform_config import PlatformConfig
    from streams.notices.bridge import Bridge
    from streams.notices.casebook.database import Casebook
    from streams.notices.metrics import NoticeMetrics
    from streams.notices.post.postman import Postman, Round


def register(notices: typer.Typer) -> None:
    """Add ``mail`` to ``takin notices``."""
    notices.command("mail")(mail)


def postman_of(
    config: "MailboxConfig", casebook: "Casebook", bridge: "Bridge", metrics: "NoticeMetrics"
) -> "Postman":
    """Reads this mailbox into this casebook.

    Raises:
        OperatorError: the password is missing.
    """
    from connectors.mailbox import Mailbox, password_of
    from streams.notices.post.postman import Postman

    password = password_of(config)
    return Postman(
        casebook, bridge, metrics, lambda: Mailbox(config, password), clock=lambda: datetime.now(UTC)
    )


def mail(
    mailbox: Annotated[Path | None, typer.Option(help="The mailbox file; else TAKIN_MAILBOX_FILE.")] = None,
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, apply what came, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON, one object a look.")] = False,
) -> None:
    """Read replies, bounces and feedback reports to our notices out of a mailbox (IMAP).

    A mail counts only if it came to the secret address of its notice. What was dealt with is moved to
    the folder Takin-done, what somebody must read to Takin-aside; nothing is deleted. `takin notices serve
    --mailbox FILE` does the same beside everything else.

    Example: takin notices mail --mailbox mailbox.yaml --platforms platforms.yaml --once
    """
    from connectors.mailbox import load_mailbox
    from connectors.registry import load_platforms
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    settings = Settings()
    file, known = mailbox or settings.mailbox_file, platforms or settings.platforms_file
    if file is None:
        raise OperatorError("Say which mailbox is read: --mailbox FILE or TAKIN_MAILBOX_FILE.")
    if known is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    config, configs = load_mailbox(file), load_platforms(known)
    casebook = Casebook.open(settings.casebook_url, threads=2)
    try:
        asyncio.run(_read(config, configs, casebook, settings.webhook_secret, once, _sayer(as_json)))
    finally:
        casebook.close()


def _sayer(as_json: bool) -> "Callable[[Round], None]":
    def say(found: "Round") -> None:
        facts = {"stored": found.stored, "repeated": found.repeated, "set_aside": found.set_aside}
        if as_json:
            print(json.dumps(facts), flush=True)
        elif found.taken:
            print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in facts.items()), flush=True)

    return say


async def _read(
    config: "MailboxConfig",
    configs: "tuple[PlatformConfig, ...]",
    casebook: "Casebook",
    default_secret: object,
    once: bool,
    say: "Callable[[Round], None]",
) -> None:
    from prometheus_client import CollectorRegistry
    from pydantic import SecretStr

    from connectors.mailbox import MailboxUnavailable
    from streams.notices.answers import Answers
    from streams.notices.bridge import make_bridge
    from streams.notices.loops import Bell
    from streams.notices.metrics import NoticeMetrics

    secret = default_secret if isinstance(default_secret, SecretStr) else None
    metrics = NoticeMetrics(CollectorRegistry())
    by_mail = [one for one in configs if "email" in (one.kind, one.fallback and one.fallback.kind)]
    if not by_mail:
        raise OperatorError("No platform of the platforms file is of kind: email, so no mail is an answer.")
    bridge = make_bridge(by_mail, default_secret=secret)
    postman = postman_of(config, casebook, bridge, metrics)
    answers = Answers(casebook, bridge, metrics, changed=Bell())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        while not stopping.is_set():
            try:
                found = await asyncio.to_thread(postman.round)
            except MailboxUnavailable as error:
                if once:
                    raise OperatorError(f"The mailbox at {config.host} cannot be read: {error}.") from error
                print(f"takin: the mailbox cannot be read now: {error}", flush=True)
            else:
                say(found)
                if found.stored:
                    await answers.drain()
            if once:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), config.poll_s)
    finally:
        await bridge.aclose()
