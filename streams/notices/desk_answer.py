"""An answer that a platform's people gave at our own desk, by a reply link, or through our HTTP API.

It is kept in the inbox like every other answer and read from there, whoever applies it. Pure.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.message import Instant, digest
from schemas.response import Measure, PlatformResponse, ResponseOutcome
from streams.notices.casebook.inbox import Received

CHANNEL = "desk"
PARSER = "desk-answer/1"

Word = Literal["received", "removed", "restricted", "kept", "need_information", "not_ours", "already_gone"]

Restriction = Literal["geo_blocked", "demoted", "labelled", "sale_blocked", "account_limited"]

_RESTRICTED: Mapping[str, tuple[ResponseOutcome, Measure]] = MappingProxyType(
    {
        "geo_blocked": ("actioned_geo", "visibility_disabled"),
        "demoted": ("actioned_partial", "visibility_demoted"),
        "labelled": ("actioned_partial", "visibility_labelled"),
        "sale_blocked": ("actioned_partial", "monetary"),
        "account_limited": ("account_action_only", "account"),
    }
)

_OUTCOME: Mapping[str, ResponseOutcome] = MappingProxyType(
    {
        "removed": "actioned_removed",
        "not_ours": "refused_not_hosted",
        "already_gone": "already_gone",
    }
)


class DeskAnswer(BaseModel):
    """What was answered about one notice, in the words of the desk's buttons."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    answer: Word
    """``received``; ``removed``: gone everywhere; ``restricted``: see ``restriction``; ``kept``: it stays
    online, with ``reasons``; ``need_information``: ``reasons`` is the question; ``not_ours``: not on this
    platform; ``already_gone``: it was gone before the notice came."""
    restriction: Restriction | None = None
    """What was done, with ``restricted``."""
    territory: tuple[str, ...] = Field(default=(), max_length=60)
    """Where, with ``restricted``: ISO 3166-1 alpha-2 codes, ``EEA`` or ``world``; empty: everywhere."""
    kept_because: Literal["lawful", "insufficient"] | None = None
    """With ``kept``: it is lawful and within the terms, or the notice shows too little to decide."""
    ground: Literal["law", "tos"] | None = None
    """What the decision rests on: the law, or the platform's own terms."""
    reasons: str | None = Field(default=None, max_length=4_000)
    """For the reader: why it stays, or the question."""
    reference: str | None = Field(default=None, max_length=128)
    """The platform's own reference."""
    effective_at: Instant | None = None
    """When the measure took effect, by the platform's clock; absent: now."""
    item_id: str | None = Field(default=None, pattern=r"^i_[0-9a-f]{32}$")
    """Which listing of the notice is answered; absent: every one."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.answer == "restricted" and self.restriction is None:
            raise ValueError("restricted needs restriction: say what was done")
        if self.answer == "kept" and self.kept_because is None:
            raise ValueError("kept needs kept_because: lawful or insufficient")
        if self.answer in ("kept", "need_information") and not (self.reasons or "").strip():
            raise ValueError(f"{self.answer} needs reasons: a sentence that the other side can work with")
        if self.answer != "restricted" and (self.restriction or self.territory):
            raise ValueError("restriction and territory go with restricted only")
        if self.answer != "kept" and self.kept_because:
            raise ValueError("kept_because goes with kept only")
        for place in self.territory:
            if place not in ("EEA", "world") and not (
                len(place) == 2 and place.isascii() and place.isalpha() and place.isupper()
            ):
                raise ValueError("a territory is two capital letters (ISO 3166-1), EEA or world")
        return self


class KeptAnswer(BaseModel):
    """The body that the inbox keeps: which notice, who answered by which way, and what."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    idempotency_key: str = Field(max_length=128)
    by: str = Field(max_length=256)
    """``account:ID``, ``token:ID`` or ``link``."""
    answer: DeskAnswer


class NotReadable(ValueError):
    """A stored answer of this channel that is not in this shape."""


def source_id(key: str, nonce: str) -> str:
    """The same click, request or link answer sent twice has the same id, and is kept once."""
    return f"desk/{digest([key, nonce])[:40]}"


def responses(received: Received) -> tuple[PlatformResponse, ...]:
    """What a stored answer of the desk says, about one item of its notice or about every one.

    Raises:
        NotReadable: it is not in the desk's own shape.
    """
    try:
        kept = KeptAnswer.model_validate_json(received.body)
    except ValidationError as error:
        raise NotReadable(str(error.errors(include_url=False, include_input=False)[0]["msg"])) from error
    return (_response(kept, received),)


def _response(kept: KeptAnswer, received: Received) -> PlatformResponse:
    answer = kept.answer
    outcome = _outcome(answer)
    measure: tuple[Measure, ...] = ()
    if answer.answer == "restricted" and answer.restriction is not None:
        measure = (_RESTRICTED[answer.restriction][1],)
    elif answer.answer == "removed":
        measure = ("visibility_removed",)
    return PlatformResponse(
        response_id=received.source_id,
        platform=received.platform,
        idempotency_key=kept.idempotency_key,
        item_id=answer.item_id,
        received_at=received.received_at,
        said_at=received.received_at,
        channel="desk",
        platform_reference=answer.reference,
        kind=_kind(answer),
        outcome=outcome,
        ground=answer.ground,
        measures=measure,
        territory=answer.territory,
        effective_at=answer.effective_at,
        automated=False,
        explanation=answer.reasons,
        raw_sha256=hashlib.sha256(received.body).hexdigest(),
        parser_version=PARSER,
    )


def _kind(answer: DeskAnswer) -> Literal["receipt", "need_info", "decision"]:
    if answer.answer == "received":
        return "receipt"
    return "need_info" if answer.answer == "need_information" else "decision"


def _outcome(answer: DeskAnswer) -> ResponseOutcome | None:
    if answer.answer in ("received", "need_information"):
        return None
    if answer.answer == "restricted":
        assert answer.restriction is not None, "checked when it was read"
        return _RESTRICTED[answer.restriction][0]
    if answer.answer == "kept":
        return "refused_lawful" if answer.kept_because == "lawful" else "refused_insufficient"
    return _OUTCOME[answer.answer]
