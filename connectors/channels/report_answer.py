"""The reply to a citizen's mail: that it came, and the reference by which it can be followed. Pure but for
:func:`send`.

It quotes nothing of what came: its sender may be somebody else's address (backscatter). It is marked as an
automaton's and has no envelope sender: no other automaton answers it (RFC 3834, sections 3.1.3 and 5).
"""

import asyncio
import re
import ssl
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from pydantic import SecretStr

from connectors.channels.mail_report import Told
from connectors.errors import PlatformUnavailable
from connectors.http import tls_context
from connectors.mailbox import AnswerBy
from schemas.report import reference

WITHIN_S = 20.0
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")


def answer_mail(told: Told, report_id: str, by: AnswerBy, *, now: datetime) -> bytes:
    """The whole message with CRLF line ends; the same for the same report."""
    named = reference(report_id)
    made = EmailMessage(policy=policy.SMTP)
    made["From"] = by.sender
    made["To"] = told.sender
    made["Subject"] = f"Your report {named}"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{report_id.lower()}@{by.sender.rpartition('@')[2].lower()}>"
    made["Auto-Submitted"] = "auto-replied"
    if _MESSAGE_ID.fullmatch(told.message_id):
        made["In-Reply-To"] = made["References"] = told.message_id
    follow = f"\nYou can see there how far it has come: {by.follow_at}\n" if by.follow_at else ""
    made.set_content(
        "Thank you. Your message came, and a person will read it.\n\n"
        f"Its reference is {named}. Keep it: nobody can find the report by your name.\n{follow}\n"
        "This answer was written by a program. If you did not write to us, somebody used your address:\n"
        "you need not do anything.\n"
    )
    return made.as_bytes()


async def send(
    by: AnswerBy, password: SecretStr | None, to: str, body: bytes, *, ca_file: str | None
) -> None:
    """Give it to the operator's mail server once.

    Raises:
        PlatformUnavailable: it did not take it.
    """
    client = aiosmtplib.SMTP(
        hostname=by.host,
        port=by.port,
        use_tls=by.tls == "implicit",
        start_tls=by.tls == "starttls",
        tls_context=None if by.tls == "none" else tls_context(ca_file),
        timeout=WITHIN_S,
        local_hostname=by.sender.rpartition("@")[2],
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            await client.connect()
            if by.username and password is not None:
                await client.login(by.username, password.get_secret_value())
            await client.sendmail("", [to], body)
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
        raise PlatformUnavailable("connect", type(error).__name__) from error
    finally:
        client.close()
