"""Runs the demonstration and writes an excerpt of what it printed into the README.

Lines are left out, none is changed: the first few events of each kind, and the whole table.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- excerpt"
END = "<!-- end of excerpt -->"
EVENT = re.compile(r"^\d\d:\d\d:\d\d  (\S+) +(\S+) +(.*)$")
OF_EACH_KIND = 2


def excerpt(output: str) -> str:
    """The part of the output that is worth a newcomer's look."""
    lines = output.splitlines()
    table = next(number for number, line in enumerate(lines) if line.startswith("platform  "))
    seen: Counter[str] = Counter()
    kept: list[str] = []
    for line in lines[:table]:
        found = EVENT.match(line)
        if found is None:
            if line.startswith("all "):
                kept.append(line)
            continue
        kind = found[3].partition(" (")[0]
        seen[kind] += 1
        if seen[kind] <= OF_EACH_KIND:
            kept.append(line)
    end = next(number for number, line in enumerate(lines) if " read, " in line)
    return "\n".join([*kept, "…", "", *lines[table : end + 1]])


def main() -> int:
    """Run, cut, write."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "demo", "--once"],
        check=False,
        capture_output=True,
        text=True,
        cwd=README.parent,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        return done.returncode
    text = README.read_text("utf-8")
    begin = text.index(BEGIN)
    begin = text.index("\n", begin) + 1
    end = text.index(END)
    README.write_text(f"{text[:begin]}```\n{excerpt(done.stdout)}\n```\n{text[end:]}", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
