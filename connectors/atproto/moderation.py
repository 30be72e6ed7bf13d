"""What the moderation service (Ozone) knows of our reports, asked by an account that is on its team.

Ozone calls nobody back, and a reporter who is not on the team can ask nothing: then what became of a report
is only what our own looks see. What is asked for is put together as one JSON document, of which only what is
needed is kept: moderators' own notes are not ours to store.
:data:`MEANING` is what each of Ozone's events means for us. ``modEventAcknowledge`` closes the review: after
an action it says nothing new; without one, nothing was done about the report.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.answers import response_id
from connectors.atproto.session import Session
from connectors.errors import UnreadableAnswer
from connectors.platform import RawAnswer
from connectors.replies import first_problem, read_answer, whole
from schemas.message import Instant, canonical_json
from schemas.response import Measure, PlatformResponse, ResponseKind, ResponseOutcome

MAPPING_VERSION = "ozone/1.0"
Meaning = tuple[ResponseKind, ResponseOutcome | None, tuple[Measure, ...]]
TAKEDOWN, REVERSED, ACKNOWLEDGED, LABEL, REPORT = (
    "modEventTakedown",
    "modEventReverseTakedown",
    "modEventAcknowledge",
    "modEventLabel",
    "modEventReport",
)

MEANING: Mapping[tuple[str, bool], Meaning] = {
    (TAKEDOWN, False): ("decision", "actioned_removed", ("visibility_removed",)),
    # An account that is taken down shows none of its posts.
    (TAKEDOWN, True): ("decision", "actioned_removed", ("visibility_removed", "account")),
    (REVERSED, False): ("reinstated", None, ()),
    (REVERSED, True): ("reinstated", None, ()),
    (ACKNOWLEDGED, False): ("decision", "refused_lawful", ()),
    (LABEL, False): ("decision", "actioned_partial", ("visibility_labelled",)),
    ("modEventEscalate", False): ("status", None, ()),
}
"""An event, and whether it is about the whole account. A change raises :data:`MAPPING_VERSION`."""

SILENT = frozenset(
    {
        REPORT,  # of others
        "modEventComment",
        "modEventDivert",
        "modEventEmail",
        "modEventMute",
        "modEventMuteReporter",
        "modEventPriorityScore",
        "modEventResolveAppeal",
        "modEventTag",
        "modEventUnmute",
        "modEventUnmuteReporter",
        "accountEvent",
        "identityEvent",
        "recordEvent",
        "ageAssuranceEvent",
        "ageAssuranceOverrideEvent",
        "ageAssurancePurgeEvent",
        "revokeAccountCredentialsEvent",
        "scheduleTakedownEvent",
        "cancelScheduledTakedownEvent",
    }
)
"""Events that say nothing about what becomes of our report."""

PREFIX = "tools.ozone.moderation.defs#"
PAGES = 5
"""Of events that are read of one post; the oldest first."""
CAP = 1_000_000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Act(_Body):
    type: str = Field(alias="$type", min_length=1, max_length=256)
    comment: str | None = None
    createLabelVals: tuple[str, ...] = ()  # noqa: N815 - the wire's names, here and below


class _Subject(_Body):
    uri: str | None = None


class _Event(_Body):
    id: int
    event: _Act
    subject: _Subject
    createdBy: str = ""  # noqa: N815
    createdAt: Instant  # noqa: N815


class _Events(_Body):
    events: tuple[_Event, ...]
    cursor: str | None = None


class Step(_Body):
    """One event about the post or its account, as it is kept."""

    id: int
    type: str
    account: bool = False
    at: Instant
    labels: tuple[str, ...] = ()


class History(_Body):
    """What became of one report, as it is kept."""

    key: str
    report: int
    """The service's own id of our report."""
    reported_at: Instant
    steps: tuple[Step, ...] = ()


class ModerationDesk:
    """Asks one moderation service through the reporter's own server."""

    def __init__(self, session: Session, moderation_did: str) -> None:
        self._session = session
        self._proxy = f"{moderation_did}#atproto_labeler"

    async def report(self, body: bytes, timeout_s: float) -> Any:
        """File a report; the reply whatever it is."""
        return await self._session.call(
            "POST", "com.atproto.moderation.createReport", proxy=self._proxy, timeout_s=timeout_s, body=body
        )

    async def known(self, key: str, timeout_s: float, uri: str | None = None) -> tuple[History, str] | None:
        """Our report with this key and the post it is about; ``None``: there is none.

        Raises:
            PlatformUnavailable, PlatformRefused
        """
        mine = await self._session.did(timeout_s)
        query: dict[str, Any] = {
            "types": PREFIX + REPORT,
            "createdBy": mine,
            "comment": key,
            "sortDirection": "asc",
        }
        if uri is not None:
            query["subject"] = uri
        for event in (await self._events(query, timeout_s)).events:
            # Asked by a pattern in which other letters may stand for ours: looked at again.
            if event.createdBy == mine and key in (event.event.comment or "") and event.subject.uri:
                return History(key=key, report=event.id, reported_at=event.createdAt), event.subject.uri
        return None

    async def history(self, key: str, timeout_s: float) -> History | None:
        """What became of our report; ``None``: it is not known.

        Raises:
            PlatformUnavailable, PlatformRefused
        """
        found = await self.known(key, timeout_s)
        if found is None:
            return None
        report, uri = found
        account = uri.split("/")[2]
        steps = [
            *await self._steps(uri, report, {}, timeout_s),
            *await self._steps(account, report, {"types": [PREFIX + TAKEDOWN, PREFIX + REVERSED]}, timeout_s),
        ]
        steps.sort(key=lambda step: (step.at, step.id))
        return report.model_copy(update={"steps": tuple(steps)})

    async def _steps(
        self, subject: str, report: History, more: Mapping[str, Any], timeout_s: float
    ) -> list[Step]:
        query = {"subject": subject, "sortDirection": "asc", "limit": 100, **more}
        query["createdAfter"] = report.reported_at.isoformat()
        found: list[Step] = []
        for _ in range(PAGES):
            page = await self._events(query, timeout_s)
            found += [
                Step(
                    id=event.id,
                    type=event.event.type.removeprefix(PREFIX),
                    account=event.subject.uri is None,
                    at=event.createdAt,
                    labels=event.event.createLabelVals,
                )
                for event in page.events
                if event.id > report.report and event.event.type.removeprefix(PREFIX) not in SILENT
            ]
            if not page.cursor or not page.events:
                break
            query["cursor"] = page.cursor
        return found

    async def _events(self, query: Mapping[str, Any], timeout_s: float) -> _Events:
        reply = await self._session.call(
            "GET",
            "tools.ozone.moderation.queryEvents",
            proxy=self._proxy,
            timeout_s=timeout_s,
            query=query,
            cap=CAP,
        )
        if reply.status != 200:
            raise self._session.error(reply)
        return whole(reply, _Events)


def history_bytes(history: History) -> bytes:
    """As it is kept: the same history has the same bytes."""
    return canonical_json(history.model_dump(mode="json"))


def read_history(answer: RawAnswer, platform: str) -> tuple[PlatformResponse, ...]:
    """The answers in a history: pure.

    Raises:
        UnreadableAnswer
    """
    history = read_answer(answer.body, History)
    found = [
        _response(answer, platform, history, Step(id=history.report, type="receipt", at=history.reported_at))
    ]
    acted = False
    for step in history.steps:
        if step.type == ACKNOWLEDGED and acted:
            continue
        if step.type == LABEL and not step.labels:  # labels were only taken away
            continue
        acted = acted or step.type in (TAKEDOWN, LABEL)
        if step.type == REVERSED:
            acted = False
        found.append(_response(answer, platform, history, step))
    return tuple(found)


def _response(answer: RawAnswer, platform: str, history: History, step: Step) -> PlatformResponse:
    if step.type == "receipt":
        meaning: Meaning = ("receipt", None, ())
        fact = ("receipt", str(history.report))
    elif (step.type, step.account) in MEANING:
        meaning = MEANING[step.type, step.account]
        fact = (step.type, str(step.id))
    else:
        shown = step.type if step.type.isascii() and step.type.isalnum() else "a word that is not even one"
        raise UnreadableAnswer("unmapped", f"{shown[:64]} is not in the mapping {MAPPING_VERSION}")
    kind, outcome, measures = meaning
    try:
        return PlatformResponse(
            response_id=response_id(platform, history.key, *fact),
            platform=platform,
            idempotency_key=history.key,
            received_at=answer.received_at,
            said_at=step.at,
            channel=answer.channel,
            platform_reference=str(history.report),
            kind=kind,
            outcome=outcome,
            measures=measures,
            effective_at=step.at if kind in ("decision", "reinstated") and measures else None,
            raw_sha256=hashlib.sha256(answer.body).hexdigest(),
            parser_version=MAPPING_VERSION,
        )
    except ValidationError as error:
        raise UnreadableAnswer("wrong_shape", first_problem(error)) from error
