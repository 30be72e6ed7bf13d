"""Mail (SMTP, RFC 5321): for a platform whose desk reads letters.

One message per notice (:mod:`connectors.channels.mail_message`), given to the operator's own mail
server. A repeat after a lost reply is the same message with the same ``Message-ID``, by which servers
and desks recognise it. That a server took it is not the desk's receipt. What comes back is read by
:mod:`connectors.channels.bounce`.

4xx replies are tried again; 5xx are refusals (521 and 556: this host takes no mail at all, so the way
is closed). Proven against a real local SMTP server.
"""

import asyncio
import ssl
from collections.abc import Sequence

import aiosmtplib
from pydantic import SecretStr

from connectors.channels.bounce import read_bounce
from connectors.channels.channel import ChannelCapabilities
from connectors.channels.follow_up_mail import follow_up_mail
from connectors.channels.mail_message import mail
from connectors.channels.plain import plain_line
from connectors.errors import PlatformGone, PlatformRefused, PlatformUnavailable
from connectors.http import tls_context
from connectors.pace import Pace
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from schemas.follow_up import FollowUp
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
    ) -> None:
        assert config.mail is not None, "kind: email is checked to have it"
        self._name = config.name
        self._options = config.mail
        self._languages = config.mail.languages or (config.language, "en")
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
        return RenderedNotice(mail(notice, self._options, self._languages), "message/rfc822")

    def render_follow_up(self, follow_up: FollowUp, recipient: str | None) -> RenderedNotice:
        """The whole message: to the desk, or to a named address."""
        to = (recipient,) if recipient else self._options.to
        message = follow_up_mail(follow_up, self._options, self._languages, to)
        return RenderedNotice(message, "message/rfc822")

    async def deliver(self, delivery: Delivery, recipient: str | None = None) -> Receipt:
        """Give the message to the mail server once."""
        to = (recipient,) if recipient else self._options.to
        try:
            async with asyncio.timeout(delivery.timeout_s), self._places:
                await self._pace.turn()
                said = await self._send(delivery.body, to)
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

    async def _send(self, body: bytes, to: Sequence[str]) -> str:
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
                await client.login(options.username, self._password.get_secret_value())
            refused, said = await client.sendmail(
                options.sender, list(to), body, timeout=self._timeouts.read_s
            )
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
        """A mail that came back."""
        return read_bounce(self._name, self._options.sender, answer)

    async def aclose(self) -> None:
        """Nothing is kept open."""


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
