"""The casebook's changes follow each other in one line, however many people wrote some at once."""

from pathlib import Path

from alembic.script import ScriptDirectory

import streams.notices.casebook.migrations as migrations


def test_the_changes_of_the_tables_follow_each_other_in_one_line() -> None:
    found = ScriptDirectory(str(Path(migrations.__file__).parent))

    assert len(found.get_heads()) == 1
    assert len(found.get_bases()) == 1
