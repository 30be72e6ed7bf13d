"""What comes back to a notice by mail: delivery status notifications (RFC 3464). Pure.

Only a failure for good is an answer, ``kind: error``: a delay says nothing yet, and that a mail was
put into a mailbox says nothing of the desk. What a person or an automaton wrote is not guessed at:
it is kept and shown to one of us.
"""

import hashlib
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message

from pydantic import ValidationError

from connectors.answers import response_id
from connectors.channels.mail_message import keys_in
from connectors.channels.plain import plain_line
from connectors.errors import UnreadableAnswer
from connectors.platform import RawAnswer
from connectors.replies import first_problem
from schemas.response import PlatformResponse

MAPPING_VERSION = "dsn/1.0"
LONGEST = 4 * 1024 * 1024
"""Bytes of a mail that are read."""
SILENT = frozenset({"delayed", "delivered", "relayed", "expanded"})
"""Actions of RFC 3464, section 2.3.3, that are no answer; ``failed`` is the only other one."""
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def read_bounce(
    platform: str, sender: str, answer: RawAnswer, *, key: str | None = None
) -> tuple[PlatformResponse, ...]:
    """The failures that a mail reports about one of our notices; none, when it reports only delays.

    ``key`` is the notice's, where the address to which it came has said so already.

    Raises:
        UnreadableAnswer: ``unmapped``: no delivery status, or an action that does not exist;
            ``wrong_shape``: it names none of our mails, or more than one.
    """
    if len(answer.body) > LONGEST:
        raise UnreadableAnswer("wrong_shape", "the mail is longer than any that is read")
    mail = message_from_bytes(answer.body, policy=policy.compat32)
    if mail.get_content_type() != "multipart/report" or _report_type(mail) != "delivery-status":
        raise UnreadableAnswer("unmapped", "a person or an automaton wrote: somebody must read it")
    keys = (key,) if key else keys_in(answer.body.decode("latin-1"), sender)
    if len(keys) != 1:
        raise UnreadableAnswer("wrong_shape", "the bounce does not say which mail of ours it is about")
    found = [
        response
        for recipient in _recipients(mail)
        if (response := _failure(platform, keys[0], answer, recipient)) is not None
    ]
    return tuple({one.response_id: one for one in found}.values())


def _report_type(mail: Message) -> str:
    value = mail.get_param("report-type")
    return value.lower() if isinstance(value, str) else ""


def _recipients(mail: Message) -> Iterator[Message]:
    """The blocks of fields about one recipient each; the first block is about the message."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            blocks = part.get_payload()
            if isinstance(blocks, list):
                yield from (one for one in blocks[1:] if isinstance(one, Message))


def _failure(platform: str, key: str, answer: RawAnswer, recipient: Message) -> PlatformResponse | None:
    action = str(recipient.get("Action", "")).strip().lower()
    if not action or action in SILENT:
        return None
    if action != "failed":
        raise UnreadableAnswer("unmapped", f"the action {plain_line(action, 40)} is not in {MAPPING_VERSION}")
    whom = str(recipient.get("Final-Recipient", "")).rpartition(";")[2].strip()
    status = _STATUS.search(str(recipient.get("Status", "")))
    code = status.group() if status else "5.0.0"
    said = plain_line(str(recipient.get("Diagnostic-Code", "")), 500)
    try:
        return PlatformResponse(
            response_id=response_id(platform, key, "bounce", whom.lower(), code),
            platform=platform,
            idempotency_key=key,
            received_at=answer.received_at,
            channel="email",
            kind="error",
            explanation=plain_line(f"{code} {whom}: {said}", 1_000),
            raw_sha256=hashlib.sha256(answer.body).hexdigest(),
            parser_version=MAPPING_VERSION,
        )
    except ValidationError as error:
        raise UnreadableAnswer("wrong_shape", first_problem(error)) from error
