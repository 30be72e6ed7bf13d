"""The desk API over HTTP: ``connectors/desk_contract.py``, route by route."""

import hashlib
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from connectors.desk_contract import ErrorBody, ReceiptBody, StatusBody, UnmetBody
from connectors.sandbox import requirements
from connectors.sandbox.practice_platform import PracticePlatform
from connectors.sandbox.records import RequestReceived
from connectors.sandbox.replies import Request
from connectors.sandbox.wire import ClientDisconnect, WireResponse, read_body

_SIGNED: list[dict[str, Any]] = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
    for name, text in (
        ("webhook-id", "Standard Webhooks 1.0.0; for a notice its idempotency key"),
        ("webhook-timestamp", "seconds since 1970, at most 300 s off"),
        ("webhook-signature", "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`"),
    )
]
_KEY_HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "maxLength": 128},
}
_UNSIGNED: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorBody, "description": "`no_signature`, `bad_signature` or `old`"},
    503: {"model": ErrorBody, "description": "down, perhaps with `Retry-After`"},
}


def _takes(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": True, "content": content}


def desk_routes(platform: PracticePlatform) -> APIRouter:
    """The three requests of the contract."""
    router = APIRouter(tags=["desk API"])

    @router.post(
        "/desk/v1/notices",
        status_code=202,
        response_model=ReceiptBody,
        summary="Submit a notice",
        description=requirements.__doc__,
        openapi_extra={"requestBody": _takes("Notice"), "parameters": [_KEY_HEADER, *_SIGNED]},
        responses={
            **_UNSIGNED,
            202: {"description": "Received. Sent again: the same receipt, `idempotent-replayed: true`"},
            409: {"model": ErrorBody, "description": "`key_reused` or `duplicate`"},
            413: {"model": ErrorBody, "description": "more than 1 MB"},
            415: {"model": ErrorBody, "description": "not application/json"},
            422: {"model": UnmetBody, "description": "requirements that are not met, all at once"},
            429: {"model": ErrorBody, "description": "wait as `Retry-After` says (seconds or HTTP date)"},
        },
    )
    async def submit(http: HttpRequest) -> Response:
        request = await _read(platform, http)
        return (
            WireResponse(platform.reception.submit(request), platform.closing)
            if request
            else Response(status_code=400)
        )

    @router.get(
        "/desk/v1/notices/{idempotency_key}",
        response_model=StatusBody,
        summary="Where a notice stands",
        openapi_extra={"parameters": _SIGNED},
        responses={**_UNSIGNED, 404: {"model": ErrorBody, "description": "`unknown_key`"}},
    )
    async def status(http: HttpRequest, idempotency_key: str) -> Response:
        request = await _read(platform, http)
        if request is None:
            return Response(status_code=400)
        return WireResponse(platform.reception.status(request, idempotency_key), platform.closing)

    @router.post(
        "/desk/v1/notices/{idempotency_key}/information",
        status_code=202,
        response_model=ReceiptBody,
        summary="Answer NEED_MORE_INFORMATION",
        openapi_extra={"requestBody": _takes("InformationBody"), "parameters": _SIGNED},
        responses={
            **_UNSIGNED,
            404: {"model": ErrorBody, "description": "`unknown_key`"},
            409: {"model": ErrorBody, "description": "`nothing_asked`"},
            422: {"model": UnmetBody, "description": "`text_missing`"},
        },
    )
    async def inform(http: HttpRequest, idempotency_key: str) -> Response:
        request = await _read(platform, http)
        if request is None:
            return Response(status_code=400)
        return WireResponse(platform.reception.inform(request, idempotency_key), platform.closing)

    @router.post(
        "/desk/v1/notices/{idempotency_key}/follow-ups",
        status_code=202,
        response_model=ReceiptBody,
        summary="Remind of a notice, or take it back",
        openapi_extra={"requestBody": _takes("FollowUp"), "parameters": [_KEY_HEADER, *_SIGNED]},
        responses={
            **_UNSIGNED,
            202: {"description": "Received. Sent again: the same receipt, `idempotent-replayed: true`"},
            404: {"model": ErrorBody, "description": "`unknown_key`"},
            409: {"model": ErrorBody, "description": "`key_reused`"},
            422: {"model": UnmetBody, "description": "`follow_up_malformed`"},
        },
    )
    async def follow_up(http: HttpRequest, idempotency_key: str) -> Response:
        request = await _read(platform, http)
        if request is None:
            return Response(status_code=400)
        return WireResponse(platform.reception.follow_up(request, idempotency_key), platform.closing)

    return router


async def _read(platform: PracticePlatform, http: HttpRequest) -> Request | None:
    """The request with its body; ``None`` when the sender went away before all of it was in."""
    headers = {name.lower(): value for name, value in http.headers.items()}
    try:
        body = await read_body(http)
    except ClientDisconnect:
        platform.record(
            RequestReceived(
                at=platform.now(),
                platform=platform.config.name,
                method=http.method,
                path=http.url.path[:512],
                agent=headers.get("user-agent", "")[:256],
                key=headers.get("idempotency-key", "")[:256] or None,
                sha256=hashlib.sha256(b"").hexdigest(),
                size=0,
                outcome="incomplete",
            )
        )
        return None
    return Request(http.method, http.url.path, headers, body, platform.now())
