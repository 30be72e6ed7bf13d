"""What tests of production files ask: whether a command line is one of ours."""

from collections.abc import Sequence
from typing import Any

import typer.main

from streams import cli


def refused(words: Sequence[str]) -> str | None:
    """Why ``takin WORDS`` would not start: no such command, option or value; ``None`` when it would.

    Nothing is run: the command's own parser reads the line.
    """
    command: Any = typer.main.get_command(cli.app)
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"{' '.join(words)}: no such command"
        command = command.commands[rest.pop(0)]
    try:
        command.make_context("takin", rest)
    except Exception as error:
        return f"{' '.join(words)}: {error}"
    return None
