"""Reading on while what was read is worked at."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from connectors.platform import Page


async def one_ahead(pages: AsyncGenerator[Page, None]) -> AsyncIterator[Page]:
    """The same pages, each read while what came before it is worked at; never more than one.

    For a source that its reading changes nothing at: what was read and is never taken is read again.
    """
    coming = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await coming) is not None:
            coming = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await pages.aclose()
