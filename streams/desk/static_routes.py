"""Style, scripts and the icon."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streams.desk.gate import EVERYONE, open_to
from streams.desk.house import House
from streams.desk.pages import STATIC

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def register(app: FastAPI, house: House) -> None:  # noqa: ARG001 - every area has the same shape
    """Add the files; their addresses carry a hash, so a browser may keep them."""
    files = {file.name: file.read_bytes() for file in STATIC.iterdir()}

    @open_to(EVERYONE)
    async def static(name: str) -> Response:
        content = files.get(name)
        kind = KINDS.get(f".{name.rpartition('.')[2]}")
        if content is None or kind is None:
            raise HTTPException(404)
        return Response(
            content, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"}
        )

    app.add_api_route("/static/{name}", static, methods=["GET"], include_in_schema=False)
