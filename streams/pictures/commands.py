"""``takin pictures``."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pictures")(pictures)


def pictures(
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file; else TAKIN_PLATFORMS_FILE.")
    ] = None,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of /metrics and /health.")] = 0,
) -> None:
    """Fetch the pictures that listings name, and publish the listings once more with their hashes.

    For platforms with `pictures: {fetch: true}` in the platforms file. Screening does not wait for it: it
    judges the text at once, and the snapshot again when its pictures are known (SHA-256, PDQ), so that
    image entries of the watchlist find them. The pictures themselves are not kept.

    Example: takin pictures --platforms platforms.yaml
    """
    from connectors.registry import load_platforms
    from streams.logs import configure
    from streams.pictures.service import serve
    from streams.settings import Settings

    settings = Settings()
    configure(settings.log_level)
    file = platforms or settings.platforms_file
    if file is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    configs = load_platforms(file)
    if not any(config.pictures.fetch for config in configs):
        raise OperatorError(
            f"No platform in {file} has pictures: {{fetch: true}}, so there is nothing to do."
        )
    asyncio.run(serve(configs, settings, port=metrics_port))
