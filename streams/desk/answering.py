"""Taking an answer: into the inbox first, like every answer, and then applied from there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from schemas.response import PlatformResponse
from streams.desk.house import House
from streams.notices import handlers
from streams.notices.answers import store_answer
from streams.notices.casebook import desk_pages
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.desk_pages import NoticePage
from streams.notices.casebook.viewer import Viewer
from streams.notices.desk_answer import CHANNEL, DeskAnswer, KeptAnswer, responses, source_id
from streams.notices.ports import Answer


class NotThatWay(ValueError):
    """The answer cannot be taken as it was given; the sentence says what is missing."""


class KeyReused(ValueError):
    """The same idempotency key came with another answer before."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of an answer."""

    answer_id: str
    repeated: bool


def read_answer(fields: Mapping[str, Any]) -> DeskAnswer:
    """An answer from the fields of a form; empty ones are absent.

    Raises:
        NotThatWay: with a sentence for the person.
    """
    given: dict[str, Any] = {name: value for name, value in fields.items() if value not in ("", (), None)}
    territory = given.pop("territory", "")
    if territory:
        parts = re.split(r"[\s,;]+", str(territory).strip())
        given["territory"] = tuple(
            {"eea": "EEA", "world": "world"}.get(part.lower(), part.upper()) for part in parts if part
        )
    try:
        return DeskAnswer.model_validate(given)
    except ValidationError as error:
        raise NotThatWay(sentence(error)) from error


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong, for a person."""
    problem = error.errors(include_url=False, include_input=False)[0]
    words = str(problem["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {words}" if where else f"{words[:1].upper()}{words[1:]}."


async def give(
    house: House, viewer: Viewer, page: NoticePage, answer: DeskAnswer, *, by: str, nonce: str, way: str
) -> Given:
    """Keep an answer and apply it. The same nonce again changes nothing.

    Raises:
        NotThatWay: the notice is not about the listing that is answered.
        KeyReused: the nonce came before, with another answer.
    """
    notice = page.row
    if answer.item_id is not None and all(item.item_id != answer.item_id for item in page.items):
        raise NotThatWay(f"item_id: the notice {notice.human_reference} has no such listing")
    kept = KeptAnswer(idempotency_key=notice.idempotency_key, by=by, answer=answer)
    body = kept.model_dump_json(exclude_none=True).encode()
    now = house.clock()
    arrived = Answer(
        platform=notice.platform,
        channel=CHANNEL,
        source_id=source_id(notice.idempotency_key, nonce),
        received_at=now,
        body=body,
        headers={"content-type": "application/json"},
    )
    fresh = await house.casebook.run(store_answer, arrived)
    if not fresh:
        found = await house.casebook.look(desk_pages.received, viewer, arrived.source_id)
        if found is not None and found[0].body != body:
            raise KeyReused("This key was used before with another answer.")
    await house.casebook.run(apply_stored, viewer, arrived.source_id, now=now)
    if fresh:
        house.metrics.answers.labels(way, answer.answer).inc()
    return Given(arrived.source_id, not fresh)


def apply_stored(tx: Transaction, viewer: Viewer, source: str, *, now: datetime) -> str:
    """Apply a stored answer now, unless the notice service was quicker."""
    found = desk_pages.received(tx, viewer, source)
    if found is None or found[1] != "new":
        return "taken"
    read: tuple[PlatformResponse, ...] = responses(found[0])
    return handlers.take_inbox(tx, found[0], read, now=now)
