"""Mail (SMTP, RFC 5321): for a platform whose desk reads letters.

One message per notice (:mod:`connectors.channels.mail_message`), given to the operator's own mail
server. A repeat after a lost reply is the same message with the same ``Message-ID``, by which servers
and desks recognise it. That a server took it is not the desk's receipt. What comes back is read by
:mod:`connectors.channels.bounce`.

4xx replies are tried again; 5xx are refusals (521 and 556: this host takes no mail at all, so the way
is closed). Proven against a real local SMTP server.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import aiosmtplib
from pydantic import SecretStr

from connectors.channels.bounce import read_bounce
from connectors.channels.channel import ChannelCapabilities
from connectors.channels.follow_up_mail import follow_up_mail, information_mail
from connectors.channels.mail_answer import read_answer_mail, read_feedback
from connectors.channels.mail_message import is_notice_key, mail
from connectors.channels.mail_reading import read_letter
from connectors.channels.mail_reference import Tag, proves, reply_address
from connectors.channels.plain import plain_line
from connectors.errors import (
    ForgedAnswer,
    PlatformGone,
    PlatformRefused,
    PlatformUnavailable,
    UnreadableAnswer,
)
from connectors.http import tls_context
from connectors.pace import Pace
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from schemas.follow_up import FollowUp, Information
from schemas.notice import Notice
from schemas.response import PlatformResponse

_TAKES_NO_MAIL = frozenset({521, 556})
_NO_SUCH_MAILBOX = frozenset({550, 551, 553})
_BUSY = frozenset({421, 450, 452})


class EmailChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self,
        config: PlatformConfig,
        keys: tuple[SecretStr, ...],
        secrets: tuple[SecretStr, ...] = (),
    ) -> None:
        """``secrets`` make the address to which answers come (the first) and check it (all)."""
        assert config.mail is not None, "kind: email is checked to have it"
        self._name = config.name
        self._options = config.mail
        self._languages = config.mail.languages or (config.language, "en")
        self._templates = config.own_templates
        self._secrets = secrets
        self._password = keys[0] if keys else None
        self._timeouts = config.timeouts
        self._ca_file = str(config.ca_file) if config.ca_file else None
        self._pace = Pace(config.rate_per_s, burst=config.concurrency)
        self._places = asyncio.Semaphore(config.concurrency)

    @property
    def capabilities(self) -> ChannelCapabilities:
        """The key is in the ``Message-ID``; XARF takes one item."""
        return ChannelCapabilities()

    def render(self, notice: Notice) -> RenderedNotice:
        """The whole message."""
        message = mail(
            notice,
            self._options,
            self._languages,
            self._templates,
            reply_to=self._answers_to(notice.idempotency_key),
        )
        return RenderedNotice(message, "message/rfc822")

    def render_follow_up(self, follow_up: FollowUp, recipient: str | None) -> RenderedNotice:
        """The whole message: to the desk, or to a named address."""
        to = (recipient,) if recipient else self._options.to
        message = follow_up_mail(
            follow_up,
            self._options,
            self._languages,
            to,
            self._templates,
            reply_to=self._answers_to(follow_up.notice_key),
        )
        return RenderedNotice(message, "message/rfc822")

    def render_information(self, information: Information) -> RenderedNotice:
        """The whole message, to the desk and into the notice's thread."""
        key = information.notice.idempotency_key
        message = information_mail(
            information, self._options, self._languages, reply_to=self._answers_to(key)
        )
        return RenderedNotice(message, "message/rfc822")

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Give it to the mail server once; what comes back comes to the notice's own address."""
        return await self.deliver(replace(delivery, idempotency_key=notice_key))

    def _answers_to(self, key: str) -> str:
        """The address for answers to the notice, and of its envelope: its own, where there is a secret."""
        if not self._secrets or not is_notice_key(key):
            return self._options.sender
        return reply_address(self._options.sender, self._name, key, self._secrets[0])

    async def deliver(self, delivery: Delivery, recipient: str | None = None) -> Receipt:
        """Give the message to the mail server once."""
        to = (recipient,) if recipient else self._options.to
        try:
            async with asyncio.timeout(delivery.timeout_s), self._places:
                await self._pace.turn()
                said = await self._send(delivery.body, to, sender=self._answers_to(delivery.idempotency_key))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
            raise PlatformUnavailable(
                "timeout", f"the mail server did not finish within {delivery.timeout_s:g} s"
            ) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _worst([one.code for one in error.recipients]) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code, error.message) from error
        except aiosmtplib.SMTPServerDisconnected as error:
            raise PlatformUnavailable("reset", _said(error)) from error
        except (aiosmtplib.SMTPConnectError, ssl.SSLError) as error:
            raise PlatformUnavailable("connect", _said(error)) from error
        except (aiosmtplib.SMTPNotSupported, ValueError) as error:
            raise PlatformRefused("refused", _said(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise PlatformUnavailable("reset", _said(error)) from error
        return Receipt(250, None, False, None, said.encode()[:4_096], acknowledged=False)

    async def _send(self, body: bytes, to: Sequence[str], *, sender: str) -> str:
        options = self._options
        client = aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port,
            use_tls=options.tls == "implicit",
            start_tls=options.tls == "starttls",
            tls_context=None if options.tls == "none" else tls_context(self._ca_file),
            timeout=self._timeouts.connect_s,
            local_hostname=options.sender.rpartition("@")[2],
        )
        try:
            await client.connect()
            if options.username and self._password is not None:
                await log_in(client, options.username, self._password)
            refused, said = await client.sendmail(sender, list(to), body, timeout=self._timeouts.read_s)
        finally:
            # The message is given away or not by now: a polite QUIT could only turn a yes into a doubt.
            client.close()
        if refused:
            said = f"{said}; refused for {len(refused)} of {len(to)} addresses"
        return said

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """A mailbox cannot be asked."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """A mail that came back, or was written to us."""
        key = key_of_source(answer.source_id)
        if key is None:
            return read_bounce(self._name, self._options.sender, answer)
        letter = read_letter(answer.body)
        match letter.kind:
            case "bounce":
                if len(self._options.to) > 1:
                    # Another of its addresses may have it, and a notification is about one.
                    raise UnreadableAnswer("unmapped", "one of several addresses failed: somebody must look")
                return read_bounce(self._name, self._options.sender, answer, key=key)
            case "feedback":
                return (read_feedback(self._name, key, letter, answer),)
            case _:
                return (read_answer_mail(self._name, key, letter, answer, self._options.answers),)

    def authenticate_mail(self, raw: bytes, key: str, tag: Tag, now: datetime) -> RawAnswer:
        """Check that a mail answers the notice with this key.

        Raises:
            ForgedAnswer: it came to an address that is not of this notice, or not from the platform's desk.
            UnreadableAnswer: it is no mail.
        """
        if not proves(tag, self._name, key, self._secrets):
            raise ForgedAnswer("bad_signature", "the address that it was sent to is not of this notice")
        letter = read_letter(raw)
        allowed = self._options.answer_domains
        if allowed and letter.kind in ("written", "automatic") and not _below(letter.from_domain, allowed):
            raise ForgedAnswer("wrong_platform", "the sender is not of the platform's desk")
        source = f"mail:{key}:{hashlib.sha256(raw).hexdigest()}"
        return RawAnswer(self._name, source, "email", now, raw, {"content-type": "message/rfc822"})

    async def aclose(self) -> None:
        """Nothing is kept open."""


def key_of_source(source_id: str) -> str | None:
    """The notice's key in the id of a mail that was authenticated; ``None`` for any other."""
    kind, _, rest = source_id.partition(":")
    return rest.partition(":")[0] if kind == "mail" else None


def _below(domain: str, allowed: Sequence[str]) -> bool:
    return any(domain == one.lower() or domain.endswith("." + one.lower()) for one in allowed)


async def log_in(client: aiosmtplib.SMTP, username: str, password: SecretStr) -> None:
    """Log in; what the server says to a login is not repeated, as it may have the password in it.

    Raises:
        aiosmtplib.SMTPException: as its ``login``.
    """
    try:
        await client.login(username, password.get_secret_value())
    except aiosmtplib.SMTPResponseException as error:
        raise aiosmtplib.SMTPAuthenticationError(error.code, "the login was refused") from None


def _refusal(code: int, message: str) -> PlatformUnavailable | PlatformRefused:
    detail = plain_line(f"SMTP {code}: {message}", 300)
    if code in _TAKES_NO_MAIL:
        return PlatformGone("not_found", detail, http_status=code)
    if code in (530, 534, 535, 538):
        return PlatformRefused("unauthorised", detail, http_status=code)
    if 500 <= code < 600:
        reason = "not_found" if code in _NO_SUCH_MAILBOX else "invalid" if code == 552 else "refused"
        return PlatformRefused(reason, detail, http_status=code)
    if 400 <= code < 500:
        return PlatformUnavailable("throttled" if code in _BUSY else "server_error", detail, http_status=code)
    return PlatformUnavailable("bad_reply", detail)


def _worst(codes: list[int]) -> PlatformUnavailable | PlatformRefused:
    """No recipient was taken. One that may be taken later is worth another try."""
    later = [code for code in codes if 400 <= code < 500]
    return _refusal((later or codes or [550])[0], "no recipient was taken")


def _said(error: Exception) -> str:
    cause = error.__cause__
    return plain_line(f"{error}{f' ({cause})' if cause else ''}" or type(error).__name__, 300)
