"""The command ``takin``: one sub-command per process, and some for people."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import typer

from schemas.errors import OperatorError

app = typer.Typer(
    name="takin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Takin watches platforms for offers of protected wildlife, sends takedown notices, and "
        "measures and proves how long each platform took.\n\n"
        "Try it:  takin demo --once      Run everything here:  takin up --source file:listings.jsonl"
    ),
)

AREAS = (
    "streams.local.up",
    "streams.local.commands",
    "connectors.sandbox.commands",
    "streams.connect.commands",
    "streams.pictures.commands",
    "streams.screening.commands",
    "streams.watchlist.commands",
    "streams.reference.commands",
    "streams.notices.commands",
    "streams.reports.commands",
    "streams.privacy.commands",
    "streams.contacts.commands",
    "streams.auditor.commands",
    "streams.doctor.commands",
    "streams.desk.commands",
    "streams.load.commands",
)
"""Modules with a ``register(app)`` that adds their commands; cheap to import."""

for _area in AREAS:
    importlib.import_module(_area).register(app)


def sentence_for(error: BaseException) -> str | None:
    """One sentence for an error that the operator can mend, ``None`` for a fault of ours."""
    if isinstance(error, OperatorError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({error.filename or 'no file named'}): free some space and start again."
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return f"This account may not use {error.filename}: give it the right or choose another place."
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code and never shows a traceback for an operator's error."""
    try:
        result = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        return int(result) if isinstance(result, int) else 0
    except typer.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("takin: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`takin … | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of click's
            print(f"takin: {error.format_message()}", file=sys.stderr)
            return int(getattr(error, "exit_code", 2))
        sentence = sentence_for(error)
        if sentence is None:
            raise
        print(f"takin: {sentence}", file=sys.stderr)
        return error.exit_code if isinstance(error, OperatorError) else 2


if __name__ == "__main__":
    raise SystemExit(main())
