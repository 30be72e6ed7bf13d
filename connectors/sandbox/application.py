"""The ASGI application of one practice platform."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from connectors import desk_contract
from connectors.desk_contract import AnswerBody, InformationBody
from connectors.sandbox.desk_routes import desk_routes
from connectors.sandbox.human_pages import human_routes
from connectors.sandbox.practice_platform import PracticePlatform
from connectors.sandbox.shop_routes import shop_routes
from connectors.sandbox.wire import WithTransport
from schemas.follow_up import FollowUp
from schemas.notice import Notice


def build_application(platform: PracticePlatform) -> WithTransport:
    """Pages, feeds, shelf and desk API of a platform.

    FastAPI's own pages of documentation load their scripts from elsewhere, so they are off.
    """
    app = FastAPI(
        title=f"Desk API of {platform.config.name}",
        version=desk_contract.CONTRACT_VERSION,
        description=desk_contract.__doc__ or "",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(desk_routes(platform))
    app.router.routes.extend(shop_routes(platform))
    app.router.routes.extend(human_routes(platform))

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                webhooks=app.webhooks.routes,
            )
            _, bodies = models_json_schema(
                [
                    (Notice, "validation"),
                    (InformationBody, "validation"),
                    (FollowUp, "validation"),
                    (AnswerBody, "validation"),
                ],
                ref_template="#/components/schemas/{model}",
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name, schema in bodies.get("$defs", {}).items():
                schemas.setdefault(name, schema)
            document["webhooks"] = {"answer": _webhook()}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return WithTransport(app)


def _webhook() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/AnswerBody"}}}
    return {
        "post": {
            "summary": "An answer, sent to the notice's reply_to, signed with the platform's own secret",
            "requestBody": {"required": True, "content": content},
            "responses": {
                "2XX": {"description": "Stored. Anything else: it is sent again."},
                "410": {"description": "The address is closed: nothing more is sent to it."},
            },
        }
    }
