"""Build the tables of docs/method.md from the committed results; `--check` only tells.

Every table stands between two markers, `<!-- table NAME -->` and `<!-- end -->`, and what is
between them is replaced.
"""

import argparse
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean, median, stdev, variance

sys.path.append(str(Path(__file__).parent.parent / "harness"))

import campaigns
import fidelity
import histories
import over_time
import simulate
import slices
import upgrades
from campaigns import KINDS, Campaign, Found
from proportions import Proportion
from worlds import WORLDS

from netbench.analysis import Verdict
from netbench.analysis.boundary import Looks, multiplier
from netbench.analysis.stats import ALPHA
from netbench.plan.suite import load_suite
from netbench.probes.base import Sliced

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "method.md"
FIDELITY = HERE / "results" / "fidelity.jsonl"
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
SUITES = ("quick", "standard", "full")
PLANNED = 16
"""Blocks for which `slices` gives a half-width, of three contrasts with a cap of 20."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown; one without rows says so."""
    head = tuple(head)
    body = list(map(tuple, rows)) or [("not measured yet", *("" for _ in head[1:]))]
    lines = [head, tuple("---" for _ in head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def multipliers() -> str:
    """Return the half-width of the interval in standard errors."""
    counts = (6, 8, 12, 16, 20, 40)
    looks = (Looks(6, 12), Looks(6, 20), Looks(6, 40))
    return table(
        ("primary contrasts", "cap", *(f"n = {n}" for n in counts)),
        (
            (
                str(m),
                str(look.cap),
                *(_number(multiplier(n, look, ALPHA / m)) if n <= look.cap else "" for n in counts),
            )
            for m in (1, 3, 15)
            for look in looks
        ),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def percent(value: float) -> str:
    """Return `3.1 %`."""
    return f"{value * 100:.1f} %"


def share(hits: int, of: int) -> str:
    """Return `2.4 %`."""
    return percent(hits / of) if of else "-"


def identical(rows: list[simulate.Row]) -> str:
    """Return the simulated runs of drivers that do not differ."""
    head = (
        "machine",
        "contrasts",
        "false verdict at the stop",
        "false difference at any look",
        "interval holds the truth",
        "equivalent",
        "blocks, mean",
        "95 % t-interval, looked at after every block",
    )
    return table(
        head,
        (
            (
                _machine(row),
                str(row.terms.contrasts),
                str(Proportion(row.false, row.runs)),
                share(row.ever_false, row.runs),
                share(row.covered, row.runs),
                share(row.verdicts.get(str(Verdict.EQUIVALENT), 0), row.runs),
                f"{row.blocks:.1f}",
                share(row.naive, row.runs),
            )
            for row in rows
            if row.terms.ratio == 1 and not WORLDS[row.terms.world].dip
        ),
    )


def effects(rows: list[simulate.Row]) -> str:
    """Return the simulated runs with an effect, and those of dips in one arm only."""
    head = (
        "machine",
        "true ratio",
        "verdicts",
        "contradicted by the truth",
        "interval holds the mean log ratio",
        "the median",
        "blocks, mean",
        "half-width, median",
    )
    return table(
        head,
        (
            (
                _machine(row),
                f"{row.terms.ratio:.2f}",
                ", ".join(
                    f"{word} {share(count, row.runs)}" for word, count in row.verdicts.items()
                ),
                str(Proportion(row.false, row.runs)),
                share(row.covered, row.runs),
                share(row.median_covered, row.runs),
                f"{row.blocks:.1f}",
                percent(math.expm1(row.half_width)),
            )
            for row in rows
            if row.terms.ratio != 1 or WORLDS[row.terms.world].dip
        ),
    )


def _machine(row: simulate.Row) -> str:
    title = WORLDS[row.terms.world].title
    return f"{title}; extended" if row.terms.extension else title


def real(ended: dict[str, list[Campaign]]) -> str:
    """Return the real campaigns with identical drivers."""
    head = (
        "campaigns",
        "with a false verdict",
        "verdicts",
        "interval holds 1",
        "A/A interval holds 1",
        "half-width, median",
        "wall time, median",
    )
    kinds = [kind for kind in KINDS if kind.truth == 1]
    groups = [(kind.title, ended[kind.name]) for kind in kinds]
    groups.append(("together", [one for _, some in groups for one in some]))
    return table(head, (_real(title, some) for title, some in groups if some))


def _real(title: str, some: list[Campaign]) -> tuple[str, ...]:
    found = [each for one in some for each in one.found]
    return (
        f"{title}: {len(some)}",
        str(Proportion(sum(any(map(differs, one.found)) for one in some), len(some))),
        words(found),
        str(Proportion(sum(holds(one, 1.0) for one in found), len(found))),
        str(
            Proportion(sum(_within(one.null_low, one.null_high, 1.0) for one in found), len(found))
        ),
        half_width(found),
        f"{median(one.seconds for one in some):.0f} s",
    )


def cells(ended: dict[str, list[Campaign]]) -> str:
    """Return the same by cell, and how far whole campaigns lie apart."""
    head = (
        "cell",
        "campaigns",
        "verdicts",
        "half-width, median",
        "deviation of a block's log ratio",
        "deviation of campaigns' means",
        "by their blocks alone",
    )
    groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for kind in KINDS:
        if kind.truth == 1:
            for one in ended[kind.name]:
                for each in one.found:
                    groups[f"{each.probe}, {each.placement}", kind.name].append(each)
    return table(
        head,
        (
            _cell(f"{cell}, {kind}", found)
            for (cell, kind), found in sorted(groups.items())
            if len(found) > 1
        ),
    )


def _cell(title: str, found: list[Found]) -> tuple[str, ...]:
    known = [one for one in found if one.ratio and one.deviation is not None]
    inner = [(one.deviation or 0.0) ** 2 for one in known]
    expected = fmean(square / one.blocks for square, one in zip(inner, known, strict=True))
    means = [math.log(one.ratio or 1.0) for one in known]
    return (
        title,
        str(len(found)),
        words(found),
        half_width(found),
        f"{math.sqrt(fmean(inner)):.4f}",
        f"{math.sqrt(variance(means)):.4f}",
        f"{math.sqrt(expected):.4f}",
    )


def injected(ended: dict[str, list[Campaign]]) -> str:
    """Return the real campaigns with an effect."""
    head = (
        "effect",
        "true ratio",
        "campaigns",
        "ratio found, median",
        "half-width, median",
        "verdicts",
        "contradicted by the truth",
        "interval holds the truth",
    )
    rows = []
    for kind in KINDS:
        found = [each for one in ended[kind.name] for each in one.found]
        if kind.truth == 1 or not found:
            continue
        wrong = sum(contradicted(one, kind.truth) for one in found)
        rows.append(
            (
                kind.title,
                f"{kind.truth:.3f}",
                str(len(found)),
                f"{median(one.ratio for one in found if one.ratio):.4f}",
                half_width(found),
                words(found),
                str(Proportion(wrong, len(found))),
                str(Proportion(sum(holds(one, kind.truth) for one in found), len(found))),
            )
        )
    return table(head, rows)


def differs(one: Found) -> bool:
    """Tell whether a verdict says that identical drivers differ."""
    return one.verdict in (Verdict.FASTER, Verdict.SLOWER)


def contradicted(one: Found, truth: float) -> bool:
    """Tell whether a true ratio contradicts a verdict."""
    better = truth < 1 if one.metric.startswith("rtt") else truth > 1
    wrong = {
        Verdict.FASTER: not better,
        Verdict.SLOWER: better,
        Verdict.EQUIVALENT: abs(math.log(truth)) > math.log1p(simulate.MARGIN),
        Verdict.UNDECIDED: False,
    }
    return wrong[Verdict(one.verdict)]


def holds(one: Found, truth: float) -> bool:
    """Tell whether a campaign's interval holds a ratio; an unbounded one does."""
    return _within(one.low, one.high, truth)


def _within(low: float | None, high: float | None, truth: float) -> bool:
    return low is None or high is None or low <= truth <= high


def words(found: list[Found]) -> str:
    """Return how often each verdict was given."""
    counts = Counter(one.verdict for one in found)
    return ", ".join(f"{word} {counts[word]}" for word in Verdict if counts[word])


def half_width(found: list[Found]) -> str:
    """Return the median half-width on the ratio scale."""
    known = [math.sqrt(one.high / one.low) - 1 for one in found if one.low and one.high]
    return percent(median(known)) if known else "-"


def by_hand(blocks: list[fidelity.Block]) -> str:
    """Return netbench's figures over those of whole runs by hand."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in blocks:
        groups[one.engine, one.driver, one.cell].append(one.log_ratio)
    head = ("engine", "driver", "cell", "blocks", "netbench / by hand", "95 % interval")
    rows = []
    for key, logs in groups.items():
        if len(logs) > 1:
            ratio, low, high = fidelity.summary(logs)
            rows.append((*key, str(len(logs)), f"{ratio:.4f}", f"[{low:.4f}, {high:.4f}]"))
    return table(head, rows)


def chosen(parts: list[slices.Part]) -> str:
    """Return what each choice of rounds and slice length gave."""
    head = (
        "engine",
        "cell",
        "rounds",
        "slice",
        "blocks",
        "seconds a block",
        "A/A deviation",
        "deviation",
        f"half-width at {PLANNED} blocks",
    )
    groups: dict[tuple[object, ...], list[slices.Part]] = defaultdict(list)
    for one in parts:
        groups[one.engine, *one.choice].append(one)
    factor = multiplier(PLANNED, Looks(6, 20), ALPHA / 3) or math.inf
    rows = []
    for some in groups.values():
        deltas = [delta for one in some for delta in one.deltas]
        nulls = [null for one in some for null in one.nulls]
        if min(len(deltas), len(nulls)) < 2:  # noqa: PLR2004 -- a deviation needs two
            continue
        first = some[0]
        rows.append(
            (
                first.engine,
                f"{first.probe}, {first.placement}",
                str(first.rounds),
                f"{first.slice:.2f} s",
                str(len(deltas)),
                f"{fmean(one.seconds for one in some):.1f}",
                f"{stdev(nulls):.4f}",
                f"{stdev(deltas):.4f}",
                percent(math.expm1(factor * stdev(deltas) / math.sqrt(PLANNED))),
            )
        )
    return table(head, rows)


def suites() -> str:
    """Return how the shipped suites measure their primary cells, from their own files."""
    rows = []
    for name in SUITES:
        suite, problems = load_suite(name)
        if suite is None:
            raise SystemExit("\n".join(problems))
        limit = "-" if suite.max_time is None else f"{suite.max_time:.0f} s"
        for probe, placement in suite.cells:
            made = suite.probes[probe]
            if (probe, placement) not in suite.secondary:
                sliced = f"{made.rounds} x {made.slice:.2f} s" if isinstance(made, Sliced) else "-"
                blocks = f"{suite.least} to {suite.most}"
                rows.append((name, blocks, limit, f"{probe}, {placement}", sliced))
    return table(("suite", "blocks", "time limit", "primary cell", "rounds x slice"), rows)


def every() -> dict[str, str]:
    """Return every table by name."""
    rows = simulate.load()
    made_up = histories.load()
    ended: dict[str, list[Campaign]] = defaultdict(list)
    for one in campaigns.load():
        ended[one.kind].append(one)
    tables: dict[str, Callable[[], str]] = {
        "multipliers": multipliers,
        "simulated-identical": lambda: identical(rows),
        "simulated-effects": lambda: effects(rows),
        "real": lambda: real(ended),
        "real-cells": lambda: cells(ended),
        "injected": lambda: injected(ended),
        "fidelity": lambda: by_hand(fidelity.load(FIDELITY)),
        "slices": lambda: chosen(slices.load()),
        "suites": suites,
        "histories": lambda: table(*over_time.histories(made_up)),
        "history-intervals": lambda: table(*over_time.intervals(made_up)),
        "upgrades": lambda: table(*over_time.upgrades(upgrades.load())),
    }
    return {name: made() for name, made in tables.items()}


def filled(page: str, tables: dict[str, str]) -> str:
    """Return the page with every marked table built anew."""
    return MARKED.sub(lambda m: m[1] + tables[m[2]] + m[4], page)


def main() -> None:
    """Write the page, or tell whether it is what the results give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if stale")
    given = parser.parse_args()
    page = PAGE.read_text()
    built = filled(page, every())
    if given.check:
        if built != page:
            sys.exit(f"{PAGE.name} is stale: python benchmarks/calibration/tables.py")
        return
    PAGE.write_text(built)


if __name__ == "__main__":
    main()
