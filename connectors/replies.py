"""Reading what a platform's API says: into the promised shape, or into the error that says what to do."""

import json
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from connectors import desk_contract as desk
from connectors.errors import PlatformRefused, PlatformUnavailable, UnmetRequirement, UnreadableAnswer
from connectors.http import Reply

Body = TypeVar("Body", bound=BaseModel)


def whole(reply: Reply, shape: type[Body]) -> Body:
    """A reply's body in the promised shape; anything else may be a proxy's page: try again later."""
    if not reply.complete:
        raise PlatformUnavailable("bad_reply", "the answer is longer than the cap", http_status=reply.status)
    try:
        return shape.model_validate_json(reply.body)
    except ValidationError as error:
        raise PlatformUnavailable("bad_reply", first_problem(error), http_status=reply.status) from error


def read_whole(reply: Reply, shape: type[Body]) -> Body:
    """As :func:`whole`, where rows stand in the reply: half a character in one of them costs no other."""
    if not reply.complete:
        raise PlatformUnavailable("bad_reply", "the answer is longer than the cap", http_status=reply.status)
    try:
        return shape.model_validate(json_of(reply.body))
    except ValidationError as error:
        raise PlatformUnavailable("bad_reply", first_problem(error), http_status=reply.status) from error


def unmet(reply: Reply) -> PlatformRefused:
    """A 422 with ``unmetRequirements`` (or without, if it cannot be read), as the error to raise."""
    try:
        body = desk.UnmetBody.model_validate_json(reply.body)
    except ValidationError:
        return PlatformRefused("invalid", "HTTP 422 without readable requirements", http_status=422)
    found = tuple(
        UnmetRequirement(one.code[:128], one.path[:512], one.message[:1_000])
        for one in body.unmetRequirements[:100]
    )
    codes = ", ".join(one.code for one in found)[:300]
    return PlatformRefused("invalid", f"requirements not met: {codes}", http_status=422, unmet=found)


def read_answer(body: bytes, shape: type[Body]) -> Body:
    """An answer in the promised shape.

    Raises:
        UnreadableAnswer: ``not_json`` or ``wrong_shape``.
    """
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        broken = error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"
        raise UnreadableAnswer("not_json" if broken else "wrong_shape", first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, with its place, without the value."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    return f"{where}: {problem['msg']}"[:500]


def json_of(body: bytes) -> Any:
    """A body's JSON. Half a character escaped in one row must not cost the others: orjson refuses the whole
    of it, the standard library reads it, and the row is then set aside.

    Raises:
        PlatformUnavailable: ``bad_reply``
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PlatformUnavailable("bad_reply", "the answer is not JSON", http_status=200) from error
