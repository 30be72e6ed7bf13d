"""Files of listings that others drop into a folder: JSON Lines or CSV, each read once and then moved away.

A file is taken when it is complete: it was renamed into the folder, or nobody has written to it for a while.
Names that begin with a dot and other endings are left alone, so is what is no plain file (a link may lead
anywhere). A row that cannot be used is set aside with ``file:line`` and the reason; its neighbours are
published. What was read goes to ``done/``, a file that cannot be read at all to ``refused/``. Killed in the
middle of a file, reading goes on in it.
"""

import json
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from connectors.platform import Page
from connectors.sources.file import PAGE, FileSource
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError

ENDINGS = frozenset({".jsonl", ".ndjson", ".csv"})
QUIET_S = 5.0
"""Nobody has written to a complete file for so long; one that was renamed into place brings its own time."""


class FolderSource:
    """One folder."""

    def __init__(
        self,
        folder: Path,
        *,
        platforms: Mapping[str, str],
        now: Callable[[], datetime],
        run_id: str,
        page_size: int = PAGE,
        limit: int | None = None,
        keep: bool = False,
        quiet_s: float = QUIET_S,
    ) -> None:
        """``platforms``: see :func:`connectors.sources.rows.row_listing`. ``limit`` counts rows of one pass.
        ``keep`` leaves every file where it is.

        Raises:
            OperatorError: there is no such folder, or what was read cannot be moved.
        """
        self._folder = folder
        self._platforms = platforms
        self._now = now
        self._run_id = run_id
        self._page_size = page_size
        self._limit = limit
        self._keep = keep
        self._quiet_s = quiet_s
        if not folder.is_dir():
            raise OperatorError(f"There is no folder {folder}: make it, or give the path of another.")
        if not keep and not os.access(folder, os.W_OK):
            raise OperatorError(f"What was read from {folder} cannot be moved: let this account write to it.")

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """One pass over the files that are complete, the oldest first."""
        name, held = _held(since)
        for path in self._complete():
            try:
                source = FileSource(
                    path,
                    platforms=self._platforms,
                    now=self._now,
                    run_id=self._run_id,
                    page_size=self._page_size,
                    limit=self._limit,
                )
                async for page in source.read(held if path.name == name else None):
                    yield Page(page.listings, page.set_aside, _cursor(path.name, page.cursor))
            except OperatorError as error:
                yield Page((), (self._refused(path, error),))
                self._move(path, "refused")
                continue
            # All of it was published: the last page is asked beyond only then.
            self._move(path, "done")
            yield Page((), (), _cursor("", None))

    def _complete(self) -> Iterator[Path]:
        found = []
        for path in self._folder.iterdir():
            if path.name.startswith(".") or path.suffix.lower() not in ENDINGS:
                continue
            try:
                facts = path.lstat()
            except OSError:  # gone meanwhile
                continue
            # A time ahead of our clock is somebody's else, and no sign of writing.
            if stat.S_ISREG(facts.st_mode) and abs(self._now().timestamp() - facts.st_mtime) >= self._quiet_s:
                found.append((facts.st_mtime, path))
        yield from (path for _, path in sorted(found))

    def _move(self, path: Path, where: str) -> None:
        if self._keep:
            return
        aim = self._folder / where
        aim.mkdir(exist_ok=True)
        to = aim / path.name
        if to.exists():  # an earlier one of that name is not lost
            to = aim / f"{path.stem}.{self._now().astimezone(UTC):%Y%m%dT%H%M%S%f}{path.suffix}"
        path.replace(to)

    def _refused(self, path: Path, error: OperatorError) -> DeadLetter:
        return dead_letter(
            stage="connector",
            reason="undecodable",
            detail=str(error),
            value=path.name.encode("utf-8", "replace"),
            now=self._now(),
            origin=str(path),
            worker=self._run_id,
        )


def _cursor(name: str, held: str | None) -> str:
    return json.dumps({"file": name, "cursor": held})


def _held(since: str | None) -> tuple[str, str | None]:
    """The file that was being read, and how far; an unreadable cursor means: from its start."""
    try:
        found = json.loads(since) if since else {}
        return str(found.get("file", "")), found.get("cursor")
    except (ValueError, AttributeError):
        return "", None
