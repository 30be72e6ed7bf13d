"""What a mail about one of our notices says, by the platform's versioned table. Pure.

Only whole lines count, and only above what is quoted: the words that our letter asks for, in every language
of ours, and the lines of the platform's own table. Where none is there, or two that differ, somebody must
read it: an answer is never guessed. An automaton's reply is a receipt at most, whatever it says.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from pydantic import ValidationError

from connectors.answers import response_id
from connectors.channels.mail_reading import Letter
from connectors.channels.words import LANGUAGES, words
from connectors.errors import UnreadableAnswer
from connectors.platform import RawAnswer
from connectors.platform_config import MailAnswers
from connectors.replies import first_problem
from schemas.response import Measure, PlatformResponse, ResponseKind, ResponseOutcome

VERSION = "mail-words/1.0"
Meaning = tuple[ResponseKind, ResponseOutcome | None, tuple[Measure, ...]]
MEANING: Mapping[str, Meaning] = {
    "received": ("receipt", None, ()),
    "removed": ("decision", "actioned_removed", ("visibility_removed",)),
    "kept": ("decision", "refused_lawful", ()),
    "question": ("need_info", "need_info", ()),
    "not_ours": ("decision", "refused_not_hosted", ()),
}
"""The words that our letter asks for, and what they are for us."""
MOST_LINES = 500


@lru_cache(maxsize=1)
def _asked_for() -> Mapping[str, Meaning]:
    return {
        _plain(word): MEANING[name]
        for language in LANGUAGES
        for name, said in (words(language) or {})["answers"].items()
        for word in said
    }


def _plain(line: str) -> str:
    """Case, spaces and closing marks aside."""
    return " ".join(line.casefold().split()).strip(" .!。！*_\"'«»“”")


def meaning_of(letter: Letter, table: MailAnswers | None) -> tuple[Meaning, str]:
    """What it says, and the version of the table that says so.

    Raises:
        UnreadableAnswer: ``unmapped``.
    """
    lines = [_plain(line) for line in letter.text.split("\n")[:MOST_LINES] if line.strip()]
    own = {_plain(row.says): (row.kind, row.outcome, row.measures) for row in table.rows} if table else {}
    found = {own[line] for line in lines if line in own}
    # The word that our letter asks for stands first; further down it may be part of a sentence's end.
    first = _asked_for().get(lines[0]) if lines else None
    if first is not None:
        found.add(first)
    version = f"{table.version}+{VERSION}" if table else VERSION
    if len(found) != 1:
        why = "no line of it is in the table" if not found else "it says things that differ"
        raise UnreadableAnswer("unmapped", f"{why} ({version}): somebody must read it")
    return found.pop(), version


def read_answer_mail(
    platform: str, key: str, letter: Letter, answer: RawAnswer, table: MailAnswers | None
) -> PlatformResponse:
    """The answer in a mail that a person or an automaton wrote about the notice with this key.

    Raises:
        UnreadableAnswer
    """
    automatic = letter.kind == "automatic"
    found, version = (MEANING["received"], VERSION) if automatic else meaning_of(letter, table)
    return _response(platform, key, letter, answer, found, automatic=automatic, version=version)


def read_feedback(platform: str, key: str, letter: Letter, answer: RawAnswer) -> PlatformResponse:
    """A feedback report (RFC 5965) about our mail: whoever got it calls it abuse or the like."""
    return _response(platform, key, letter, answer, ("error", None, ()), automatic=True, version="arf/1.0")


def _response(
    platform: str,
    key: str,
    letter: Letter,
    answer: RawAnswer,
    meaning: Meaning,
    *,
    automatic: bool,
    version: str,
) -> PlatformResponse:
    kind, outcome, measures = meaning
    # The same mail may reach us by two ways, with other headers on top: its own id makes it one.
    fact = letter.message_id or hashlib.sha256(answer.body).hexdigest()
    feedback = letter.kind == "feedback"
    said = "The receiver reports our mail (feedback report)." if feedback else letter.text
    try:
        return PlatformResponse(
            response_id=response_id(platform, key, "mail", kind, outcome or "", fact),
            platform=platform,
            idempotency_key=key,
            received_at=answer.received_at,
            said_at=_sane(letter.written_at, answer.received_at),
            channel="email",
            kind=kind,
            outcome=outcome,
            measures=measures,
            automated=automatic,
            explanation=(said or letter.subject)[:20_000] or None,
            raw_sha256=hashlib.sha256(answer.body).hexdigest(),
            parser_version=version[:64],
        )
    except ValidationError as error:
        raise UnreadableAnswer("wrong_shape", first_problem(error)) from error


def _sane(said_at: datetime | None, received_at: datetime) -> datetime | None:
    """A mail is not written after it came; a date that says so says nothing."""
    return said_at if said_at is not None and said_at <= received_at else None
