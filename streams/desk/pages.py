"""Pages: one environment of templates, in which text from outside can do no harm."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from streams.desk import view

STATIC = resources.files("streams.desk") / "static"


def _finish(value: Any) -> Any:
    """Every expression of every template passes here before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return view.shown(value)
    return "" if value is None else value


def _time(at: datetime | None, seconds: bool = False) -> Markup:
    """An instant in UTC; a script adds the viewer's own zone beside it."""
    if at is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), view.utc(at, seconds=seconds))


class Pages:
    """Renders templates."""

    def __init__(self) -> None:
        self._env = Environment(
            loader=PackageLoader("streams.desk", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finish,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals.update(
            view=view,
            at=_time,
            nonce=lambda: secrets.token_urlsafe(18),
            static={
                file.name: f"/static/{file.name}?v={hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
                for file in STATIC.iterdir()
            },
        )

    def html(
        self, template: str, request: Request, values: Mapping[str, Any], *, status: int = 200
    ) -> HTMLResponse:
        """One page, for whoever the gate found behind the request."""
        session = getattr(request.state, "session", None)
        text = self._env.get_template(template).render(
            viewer=session.account.viewer if session is not None and session.whole else None,
            csrf=session.csrf if session is not None else "",
            path=request.url.path,
            **values,
        )
        return HTMLResponse(text, status_code=status)
