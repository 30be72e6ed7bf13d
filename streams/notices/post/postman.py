"""Takes mail out of a mailbox into the inbox: which notice it is about, and whether it may answer for it.

A mail is about the notice to whose own address it was sent (:mod:`connectors.channels.mail_reference`).
One without such an address, with several, or that anybody could have sent is set aside with its reason
and changes nothing. What it says is read later, as every answer is.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import structlog

from streams.notices.answers import store_answer
from streams.notices.casebook import cases
from streams.notices.casebook.database import Casebook
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Answer, Forged, Unreadable

log = structlog.get_logger()

AsideReason = Literal[
    "too_large",
    "unreadable",
    "no_reference",
    "several_references",
    "unknown_notice",
    "unknown_platform",
    "forged",
    "stranger",
]
NOBODY = "other"
"""Label of a mail that is of no known platform."""


class WaitingMail(Protocol):
    """One mail; see :class:`connectors.mailbox.Mail`."""

    @property
    def uid(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def raw(self) -> bytes | None: ...


class OpenMailbox(Protocol):
    """See :class:`connectors.mailbox.Mailbox`."""

    def waiting(self) -> Iterator[WaitingMail]:
        """What is still to be done."""

    def done(self, uid: int) -> None:
        """It has been dealt with."""

    def set_aside(self, uid: int, reason: str) -> None:
        """Somebody must read it."""


@dataclass(frozen=True, slots=True)
class Tag:
    """What the address of one notice says."""

    key_start: str
    proof: str


class Desks(Protocol):
    """What is known of mail and of platforms; :class:`streams.notices.bridge.Bridge` is it."""

    def mail_tags(self, raw: bytes) -> tuple[Tag, ...]:
        """The notices' own addresses to which a mail was sent.

        Raises:
            Unreadable
        """

    def authenticate_mail(self, platform: str, key: str, tag: Tag, raw: bytes, now: datetime) -> Answer:
        """The mail as an answer about the notice with this key.

        Raises:
            Forged, Unreadable, KeyError (no such platform)
        """


@dataclass(frozen=True, slots=True)
class Round:
    """What one look into the mailbox brought."""

    stored: int = 0
    repeated: int = 0
    set_aside: int = 0

    @property
    def taken(self) -> int:
        """All of them."""
        return self.stored + self.repeated + self.set_aside


class _SetAside(Exception):
    def __init__(self, reason: AsideReason, detail: str, platform: str = NOBODY) -> None:
        super().__init__(detail)
        self.reason: AsideReason = reason
        self.platform = platform


class Postman:
    """Empties a mailbox. Blocking: run it in a thread."""

    def __init__(
        self,
        casebook: Casebook,
        desks: Desks,
        metrics: NoticeMetrics,
        mailbox: Callable[[], AbstractContextManager[OpenMailbox]],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._casebook = casebook
        self._desks = desks
        self._metrics = metrics
        self._mailbox = mailbox
        self._clock = clock

    def round(self) -> Round:
        """Deal with what is there, one mail after the other; a mail is moved after it was stored.

        Raises:
            connectors.mailbox.MailboxUnavailable, CasebookUnavailable: what is left is dealt with next time.
        """
        stored = repeated = aside = 0
        with self._mailbox() as mailbox:
            for mail in mailbox.waiting():
                try:
                    fresh = self._take(mail)
                except _SetAside as error:
                    self._metrics.answers.labels(error.platform, f"mail_{error.reason}").inc()
                    log.warning(
                        "mail_set_aside", platform=error.platform, reason=error.reason, size=mail.size
                    )
                    mailbox.set_aside(mail.uid, error.reason)
                    aside += 1
                    continue
                mailbox.done(mail.uid)
                stored += fresh
                repeated += not fresh
        return Round(stored, repeated, aside)

    def _take(self, mail: WaitingMail) -> bool:
        if mail.raw is None:
            raise _SetAside("too_large", f"it has {mail.size} bytes")
        try:
            tags = self._desks.mail_tags(mail.raw)
        except Unreadable as error:
            raise _SetAside("unreadable", str(error)) from error
        if len(tags) != 1:
            raise _SetAside(
                "several_references" if tags else "no_reference", f"{len(tags)} notices are addressed"
            )
        found = self._casebook.answer(cases.keys_that_start, tags[0].key_start)
        if len(found) != 1:
            raise _SetAside("unknown_notice", f"{len(found)} notices have a key that starts so")
        [(key, platform)] = found
        try:
            answer = self._desks.authenticate_mail(platform, key, tags[0], mail.raw, self._clock())
        except KeyError as error:
            raise _SetAside("unknown_platform", "the platforms file does not name it", platform) from error
        except Forged as error:
            reason: AsideReason = "stranger" if error.reason == "wrong_platform" else "forged"
            raise _SetAside(reason, str(error), platform) from error
        except Unreadable as error:
            raise _SetAside("unreadable", str(error), platform) from error
        fresh = self._casebook.decide(store_answer, answer)
        self._metrics.answers.labels(platform, "stored" if fresh else "repeated").inc()
        return fresh
