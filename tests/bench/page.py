"""``deploy/performance.md`` and its plot, from the figures that were kept beside them.

The measuring commands keep what they found in ``deploy/performance.json`` (:func:`keep`);
``python -m tests.bench.page`` writes page and plot again from it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KEPT, PAGE, PLOT = DEPLOY / "performance.json", DEPLOY / "performance.md", DEPLOY / "performance.svg"

ENOUGH_ROUNDS = 3
ALONE = 0.15
"""Cores that others may have kept busy beside what was measured: a machine at rest is not quite still."""
BAR, LEFT, WIDE, HEIGHT = 26, 110, 420, 34

WHAT = {
    "plain": "plain aiokafka loop, the measure of the ratio",
    "takin": "Takin's screening worker, as it is run: one process for Kafka, one for each core (at most two) "
    "that decides",
    "faust": "stock Faust, an agent that takes a listing at a time",
    "quixstreams": "quixstreams 3.28.1, a streaming data frame",
    "bytewax": "bytewax 0.21.1, in batches; commits no group offsets",
}


def keep(name: str, figures: Any) -> None:
    """Put one measurement's figures in the place of its last."""
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    kept[name] = figures
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def why_not(others: Sequence[float], *, busy: bool) -> str | None:
    """Why figures are kept off the page; ``None``: they may stand there. ``busy``: whoever measured said so.

    ``others`` are the cores that anything else kept busy, before it began or in each round.
    """
    if busy or max(others) <= ALONE:
        return None
    return (
        f"Something else kept {max(others):.2f} cores busy (at most {ALONE}): nothing was written. "
        "Measure again when the machine is at rest, or add --busy, and the page says so on top."
    )


def write() -> None:
    """Page and plot, from what is kept; neither before the systems were measured."""
    kept = json.loads(KEPT.read_text("utf-8"))
    if "systems" not in kept:
        return  # the page is about them first of all
    PAGE.write_text(page(kept), encoding="utf-8")
    PLOT.write_text(plot(kept["systems"][1:]), encoding="utf-8")


def page(kept: Mapping[str, Any]) -> str:
    """The page, whole."""
    about, *systems = kept["systems"]
    others = [took for one in systems for took in one["others"]]
    named = {one["system"] for one in systems}
    parts = [
        "# Performance",
        "",
        "Written by the commands that it names, from `performance.json`; do not edit.",
        "",
        *_busy(others),
        "## Beside others",
        "",
        f'`make bench-systems ARGS="{about["arguments"]}"`, {about["measured"]}.',
        f"{about['listings']:,} listings of 600 characters, {about['offers']:.0%} of them offers, "
        f"rounds: {about['rounds']}; every system alone on the same topic,",
        "with the same screening function, turn by turn; medians.",
        f"CPython {about['python']}, {about['machine']}, {about['cores']} cores, one broker beside it.",
        _beside(others),
        "Compare rows with each other, not with another page. CPU is steadier than listings a second.",
        "",
        *_few_rounds(about["rounds"]),
        "![listings a second and CPU of each system](performance.svg)",
        "",
        "| system | listings/s | ratio | ratio, each round | CPU s per 100k | CPU ratio | RSS MB "
        "| p50 / p99 ms at 200/s | cores that others took |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_row, systems),
        "",
        "*Ratio*: listings a second beside the plain loop's in the same round; *CPU ratio*: CPU beside",
        "the plain loop's. *p50 / p99*: from a listing's turn to its detection in Kafka, a quarter of the",
        "listings being offers; the reader's own wait is part of it.",
        "",
        *(f"- `{name}`: {what}." for name, what in WHAT.items() if name in named),
        "",
        "Takin's worker uses both cores of a machine that has two, the others' one process uses one: look at",
        "CPU for what a listing costs, at listings a second for what one worker does.",
        "Takin's worker also keeps the commit invariant, writes progress records and counts; others do not.",
        "The garbage collector is set alike in all but stock Faust.",
        "",
    ]
    return "\n".join([*parts, *_workers(kept), *_growth(kept)])


def _busy(others: Sequence[float]) -> list[str]:
    """What stands on top where the systems were not alone."""
    if max(others) <= ALONE:
        return []
    return [
        f"**The systems were measured on a busy machine: something else kept up to {max(others):.2f} cores",
        "busy. Rates and times below say little; CPU says more.**",
        "",
    ]


def _beside(others: Sequence[float]) -> str:
    """What else the machine did."""
    what = "Nothing else ran on it" if max(others) <= ALONE else "Other work ran on it meanwhile"
    cores = " to ".join(f"{took:.2f}" for took in sorted({min(others), max(others)}))
    return f"{what}: {cores} cores were busy with other things."


def _workers(kept: Mapping[str, Any]) -> list[str]:
    if "workers" not in kept:
        return []
    found = kept["workers"]
    return [
        "## Two workers beside one",
        "",
        f"`python -m tests.bench.workers {found['arguments']}`".replace(" `", "`")
        + f", {found['measured']}.",
        "A broker and two workers do not fit on two cores, so each worker had "
        f"{found['share']:g} of a core (a cgroup's quota)",
        "and the broker the rest; rounds in turn, medians. Workers with a core each were not measured.",
        "",
        "| workers | listings/s | ratio, each round |",
        "|---|---|---|",
        f"| 1 | {found['one']:,} | 1 |",
        f"| 2 | {found['two']:,} | {', '.join(f'{ratio:.2f}' for ratio in found['ratios'])} |",
        "",
    ]


def _few_rounds(rounds: int) -> list[str]:
    if rounds >= ENOUGH_ROUNDS:
        return []
    return [
        f"**Fewer than {ENOUGH_ROUNDS} rounds: the load changed from row to row (last column), so these",
        "rates and times order nobody and meet no goal; only CPU can be compared, roughly.**",
        "",
    ]


def _row(one: Mapping[str, Any]) -> str:
    rounds = ", ".join(f"{ratio:.2f}" for ratio in one["ratios"]) or "–"
    waits = "–" if one["p50_ms"] is None else f"{one['p50_ms']:g} / {one['p99_ms']:g}"
    ratio, cpu = (f"{one[name]:.2f}" if one[name] is not None else "–" for name in ("ratio", "cpu_ratio"))
    return (
        f"| {one['system']} | {one['events_per_s']:,} | {ratio} | {rounds} | {one['cpu_s_per_100k']} "
        f"| {cpu} | {one['rss_mb']} | {waits} | {', '.join(map(str, one['others']))} |"
    )


def _growth(kept: Mapping[str, Any]) -> list[str]:
    if "growth" not in kept:
        return []
    found = kept["growth"]
    lines = [
        "## How cost grows",
        "",
        f"`python -m tests.bench.growth {found['arguments']}`, {found['measured']}.",
        "Screening: CPU time, medians of rounds in turn. Casebook (SQLite): medians by the clock.",
        _beside([found["others"]]),
        "",
        "| what grows | from → to | cost of one | grows by |",
        "|---|---|---|---|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {row['what']} | {row['few']:,} → {row['many']:,} "
            f"| {row['few_cost']:g} → {row['many_cost']:g} {row['unit']} | {row['grows']:.2f}× |"
        )
    return [*lines, ""]


def plot(systems: Sequence[Mapping[str, Any]]) -> str:
    """Two bars a system: listings a second, and CPU seconds for 100,000 listings."""
    fastest = max(one["events_per_s"] for one in systems)
    dearest = max(one["cpu_s_per_100k"] for one in systems)
    panels = (
        ("listings a second (longer is better)", "events_per_s", fastest, "#1f6f8b"),
        ("CPU seconds for 100,000 listings (shorter is better)", "cpu_s_per_100k", dearest, "#b5651d"),
    )
    height = len(panels) * (len(systems) * HEIGHT + 50) + 10
    shown = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDE + 90}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        "<title>Screening workers beside each other</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    top = 10
    for title, name, most, colour in panels:
        shown.append(f'<text x="10" y="{top + 18}" font-weight="bold">{escape(title)}</text>')
        top += 34
        for one in systems:
            wide = round(WIDE * one[name] / most, 1)
            shown += [
                f'<text x="{LEFT - 8}" y="{top + 18}" text-anchor="end">{escape(one["system"])}</text>',
                f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{BAR}" fill="{colour}"/>',
                f'<text x="{LEFT + wide + 6}" y="{top + 18}">{one[name]:,}</text>',
            ]
            top += HEIGHT
        top += 16
    return "\n".join([*shown, "</svg>"]) + "\n"


if __name__ == "__main__":
    write()
