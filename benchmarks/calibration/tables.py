"""Build the tables of docs/method.md from the committed results; `--check` only tells.

Every table stands between two markers, `<!-- table NAME -->` and `<!-- end -->`, and what is
between them is replaced. Campaigns are judged anew from their run folders each time.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable
from multiprocessing import Pool
from pathlib import Path
from statistics import median

import across
import rivals
import rounds
import simulate
import studies
from judged import Judged, campaigns
from kinds import KINDS, Kind
from proportions import Proportion
from simulate import EVERY

from netbench.analysis import Verdict
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, tau
from netbench.analysis.verdicts import read
from netbench.record import METRICS

PAGE = Path(__file__).parent.parent.parent / "docs" / "method.md"
STUDIED = Path(__file__).parent / "results"
HEAD = 2
"""Lines of a table's head."""
PAIRING = ("nothing", "one state", "one state, within 1.5 if enough")
"""Rules of what may be a pair that the page compares; all are in the files."""
LENGTH = "@0.05"
"""Seconds of a reading as netbench takes it."""
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FALSE = (Verdict.FASTER, Verdict.SLOWER)
ROUNDS = 100
"""More blocks than anyone would run: where the theory gives none below it, it gives none."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head := tuple(head), tuple("---" for _ in head), *map(tuple, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of(ended: list[Judged], test: Callable[[Judged], bool]) -> str:
    """Return for how many of the campaigns something is true."""
    return str(Proportion(sum(map(test, ended)), len(ended)))


def words(ended: list[Judged]) -> str:
    """Return how often each verdict was given."""
    counts = {word: sum(one.contrast.verdict is word for one in ended) for word in Verdict}
    return ", ".join(f"{word} {count}" for word, count in counts.items() if count) or "none"


def middle(values: Iterable[float | None], form: str = "{:.4f}") -> str:
    """Return the median of what is there."""
    known = [value for value in values if value is not None]
    return form.format(median(known)) if known else "-"


def right(one: Judged) -> bool:
    """Tell whether the verdict is that of the truth."""
    truth = math.log(one.kind.truth)
    return one.contrast.verdict is read((truth, truth), 0.05, METRICS[one.contrast.metric])


def contradicts(one: Judged) -> bool:
    """Tell whether the truth contradicts the verdict."""
    return one.contrast.verdict is not Verdict.UNDECIDED and not right(one)


def covers(one: Judged) -> bool:
    """Tell whether the interval holds the truth; an unbounded one does."""
    low, high = one.contrast.low, one.contrast.high
    return low is None or high is None or low <= one.kind.truth <= high


def half_width(one: Judged) -> float | None:
    """Return half the interval's width on the ratio scale, in percent."""
    low, high = one.contrast.low, one.contrast.high
    return None if low is None or high is None else 50 * math.log(high / low)


def aa(found: dict[str, list[Judged]]) -> str:
    """Return campaigns of identical arms."""
    head = (
        "campaigns",
        "verdicts",
        "false verdicts",
        "A/A interval leaves out 1",
        "interval of the two identical drivers holds 1",
        "noise floor, median",
        "links alike",
    )
    return table(
        head,
        (
            (
                kind.title,
                words(ended),
                of(ended, lambda one: one.contrast.verdict in FALSE),
                of(ended, lambda one: not one.null.contains_one),
                of(ended, covers),
                middle(
                    (100 * f for one in ended if (f := one.contrast.noise_floor) is not None),
                    "{:.1f} %",
                ),
                f"{sum(one.alike for one in ended)} of {len(ended)}",
            )
            for kind in KINDS
            if kind.name.startswith("aa-") and (ended := found[kind.name])
        ),
    )


def identical(found: dict[str, list[Judged]]) -> str:
    """Return all campaigns of identical drivers, and all that had a known effect."""
    ended = [one for kind in found.values() for one in kind]
    same = [one for one in ended if one.kind.truth == 1.0]
    other = [one for one in ended if one.kind.truth != 1.0]
    return table(
        ("campaigns", "verdicts the truth contradicts", "interval holds the truth"),
        (
            (name, of(some, contradicts), of(some, covers))
            for name, some in (("identical drivers", same), ("a known effect", other))
        ),
    )


def effects(found: dict[str, list[Judged]]) -> str:
    """Return campaigns with a known effect."""
    head = (
        "injected",
        "truth",
        "ratio found, median",
        "half-width, median",
        "verdicts",
        "right verdict",
        "contradicted by the truth",
        "interval holds the truth",
    )
    return table(
        head,
        (
            (
                kind.title,
                f"{kind.truth:.2f}",
                middle(one.contrast.ratio for one in ended),
                middle(map(half_width, ended), "{:.2f} %"),
                words(ended),
                of(ended, right),
                of(ended, contradicts),
                of(ended, covers),
            )
            for kind in KINDS
            if kind.name.startswith(("limit-", "noisy-", "delay-")) and (ended := found[kind.name])
        ),
    )


def disturbed(found: dict[str, list[Judged]]) -> str:
    """Return campaigns of identical arms on a machine that changes."""
    head = ("disturbance", "verdicts", "false verdicts", "half-width, median", "doubts told")
    return table(
        head,
        (
            (
                kind.title,
                words(ended),
                of(ended, lambda one: one.contrast.verdict in FALSE),
                middle(map(half_width, ended), "{:.2f} %"),
                doubts(ended),
            )
            for kind in KINDS
            if kind.name in {"drift", "step", "neighbour"} and (ended := found[kind.name])
        ),
    )


def doubts(ended: list[Judged]) -> str:
    """Return every kind of warning with how many campaigns carry it."""
    kinds = [one.warnings | {warning.kind for warning in one.contrast.warnings} for one in ended]
    counts = {kind: sum(kind in carried for carried in kinds) for kind in set().union(*kinds)}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"`{kind}` {count}" for kind, count in ordered) or "none"


def trials(found: dict[str, list[Judged]]) -> str:
    """Return how many campaigns and trials there are, and which failed."""
    ended = [one for kind in found.values() for one in kind]
    failed = Proportion(sum(one.failed for one in ended), sum(one.trials for one in ended))
    return table(
        ("campaigns", "trials", "trials without a number"),
        ((str(len(ended)), str(failed.of), str(failed)),),
    )


def simulated(rows: list[simulate.Row], wanted: Callable[[simulate.Terms], bool]) -> str:
    """Return simulated campaigns."""
    head = (
        "machine",
        "truth",
        "judged by",
        "wrong verdicts",
        "interval holds the truth at the end",
        "at every look",
        "undecided",
        "blocks, mean",
    )
    return table(
        head,
        (
            (
                EVERY[row.terms.world].title,
                f"{row.terms.ratio:.3f}",
                judged_by(row.terms),
                str(Proportion(row.wrong, row.campaigns)),
                str(Proportion(row.covered, row.campaigns)),
                f"{row.always / row.campaigns * 100:.1f} %",
                f"{row.verdicts.get('undecided', 0) / row.campaigns * 100:.0f} %",
                f"{row.blocks:.1f}",
            )
            for row in rows
            if wanted(row.terms)
        ),
    )


def judged_by(terms: simulate.Terms) -> str:
    """Return in words what stops and decides a campaign."""
    margin = f"margin {100 * terms.margin:.0f} %" if terms.margin else "no margin"
    contrasts = f", {terms.contrasts} contrasts" if terms.contrasts > 1 else ""
    return f"{margin}{contrasts}" + ("" if terms.gates else ", interval alone")


def rivals_of(found: list[rivals.Rival], question: str) -> str:
    """Return how often each way of doing it is wrong, by machine."""
    asked = [one for one in found if one.question == question]
    machines = list(dict.fromkeys(one.world for one in asked))
    rates = {(one.way, one.world): one.wrong / one.campaigns for one in asked}
    return table(
        ("calls identical drivers different", *(EVERY[name].title for name in machines)),
        (
            (way, *(f"{rates[way, name]:.1%}".replace("%", " %") for name in machines))
            for way in dict.fromkeys(one.way for one in asked)
        ),
    )


def by_theory(deviation: float, distance: float) -> int | None:
    """Return the first number of blocks whose half-width is within `distance`, both of logs."""
    for n in range(MIN_BLOCKS, ROUNDS):
        width = tau(n, ALPHA)
        if width is not None and width * deviation / math.sqrt(n) <= distance:
            return n
    return None


def blocks(rows: list[simulate.Row]) -> str:
    """Return blocks to a verdict on a true -10 %: by theory and simulated, in both readings."""
    deviations = {"ratio-5": 0.05, "arms-5": 0.05 * math.sqrt(2)}
    head = (
        "deviation of",
        "deviation of the log ratio",
        "decided when the interval leaves out",
        "by theory",
        "simulated: mean",
        "median",
        "nine of ten within",
        "decided",
    )
    return table(
        head,
        (
            (
                EVERY[row.terms.world].title + ("" if row.terms.gates else ", interval alone"),
                f"{deviations[row.terms.world]:.3f}",
                "the margin of 5 %" if row.terms.margin else "1",
                str(
                    by_theory(
                        deviations[row.terms.world],
                        -math.log(row.terms.ratio) - math.log1p(row.terms.margin),
                    )
                ),
                f"{row.blocks:.1f}",
                f"{row.median:.0f}",
                f"{row.p90:.0f}",
                f"{row.verdicts.get('slower', 0) / row.campaigns * 100:.0f} %",
            )
            for row in rows
            if row.terms.world in deviations
        ),
    )


def fidelity(found: list[rounds.Fidelity]) -> str:
    """Return netbench's figures over those by hand."""
    head = ("engine", "cell", "netbench /", "rounds", "in one state", "ratio", "interval")
    if not found:
        return table(head, [("no rounds yet", *"------")])
    return table(
        head,
        (
            (
                one.engine,
                one.cell,
                rounds.OTHERS[one.other],
                str(one.rounds),
                str(one.agreeing),
                "-" if one.ratio is None else f"{one.ratio:.3f}",
                "-" if one.low is None or one.high is None else f"[{one.low:.3f}, {one.high:.3f}]",
            )
            for one in found
        ),
    )


def sentinel() -> str:
    """Return what the trials of `sentinel.py` say of readings of the length in use."""
    found = studies.load(sorted(STUDIED.glob("sentinel*.jsonl")))
    agreeing = [row for row in studies.deviations(found) if "@" not in row[0] or LENGTH in row[0]]
    tools = tuple(studies.TOOLS.values())
    return "\n\n".join(
        (
            studies.markdown(("reading", *tools, "noise"), studies.correlations(found)),
            studies.markdown(("pairs kept where", *tools), agreeing) + "\n",
        )
    )


def kept(name: str, rules: tuple[str, ...] = ()) -> str:
    """Return a table that a study printed, all of its rows or those of some rules."""
    lines = (STUDIED / name).read_text().splitlines(keepends=True)
    return "".join(
        line
        for number, line in enumerate(lines)
        if number < HEAD or not rules or line.split(" | ")[1] in rules
    )


def taus() -> str:
    """Return the interval's half-width in standard errors."""
    counts = (6, 8, 10, 12, 16, 20, 30, 40)
    shares = ((1, ALPHA), (3, ALPHA / 3), (8, ALPHA / 8))
    return table(
        ("primary contrasts", *(f"n = {n}" for n in counts)),
        (
            (str(m), *("-" if (w := tau(n, a)) is None else f"{w:.2f}" for n in counts))
            for m, a in shares
        ),
    )


ACROSS = {"relative": "ratio to the baseline", "absolute": "own figure"}
"""What `compare` holds against each other, in words."""


def two_runs(rows: list[across.Row]) -> str:
    """Return pairs of simulated runs."""
    head = ("trials", "runs", "compared", "truth", "verdicts", "false", "interval holds the truth")
    return table(
        head,
        (
            (
                EVERY[row.terms.world].title,
                days(row.terms),
                ACROSS[row.terms.basis],
                f"{row.terms.effect:.2f}",
                verdicts(row),
                false(row),
                f"{row.covered / row.pairs * 100:.1f} %",
            )
            for row in rows
        ),
    )


def days_of(found: list[across.Day]) -> str:
    """Return how far runs of the same thing lie apart."""
    head = ("runs", "compared", "with enough blocks", "deviation of their means", "by blocks alone")
    return table(
        head,
        (
            (
                day.title,
                ACROSS[day.basis],
                str(day.runs),
                f"{day.deviation:.3f}",
                f"{day.expected:.3f}",
            )
            for day in found
        ),
    )


def days(terms: across.Terms) -> str:
    """Return in words what two runs do not share."""
    parts = ["stop by themselves" if terms.adaptive else f"{across.FIXED} blocks"]
    if terms.machine:
        parts.append("machine has its day" + ("" if terms.seen else ", unseen by the sentinel"))
    if terms.ratio:
        parts.append(f"ratio has its day, {terms.ratio:.0%}".replace("%", " %"))
    return "; ".join(parts)


def verdicts(row: across.Row) -> str:
    """Return how often each verdict was given, in percent."""
    shares = ((word, row.verdicts.get(str(word), 0) / row.pairs) for word in Verdict)
    return ", ".join(f"{word} {share * 100:.1f} %" for word, share in shares if share)


def false(row: across.Row) -> str:
    """Return how often a verdict contradicts the truth."""
    truth = math.log(row.terms.effect)
    true = read((truth, truth), across.MARGIN, across.METRIC)
    wrong = [w for w in Verdict if w is not Verdict.UNDECIDED and w is not true]
    return str(Proportion(sum(row.verdicts.get(str(w), 0) for w in wrong), row.pairs))


def real_runs(rows: list[across.Row]) -> str:
    """Return pairs of real runs of the same thing."""
    head = ("runs", "compared", "verdicts", "false", "interval holds 1")
    return table(
        head,
        (
            (
                row.terms.world.removeprefix("real: "),
                ACROSS[row.terms.basis],
                ", ".join(f"{word} {count}" for word, count in row.verdicts.items()),
                false(row),
                str(Proportion(row.covered, row.pairs)),
            )
            for row in rows
        ),
    )


def every() -> dict[str, str]:
    """Return every table by name."""
    with Pool() as pool:
        ended = pool.map(_campaigns, KINDS)
    found = {kind.name: judged for kind, judged in zip(KINDS, ended, strict=True)}
    rows = simulate.load()
    paired = across.load_rows()
    kept_runs = [row for row in paired if row.terms.world.startswith("real: ")]
    plain = [row for row in rows if row.terms.world not in {"arms-5", "ratio-5"}]
    return {
        "trials": trials(found),
        "aa": aa(found),
        "identical": identical(found),
        "effects": effects(found),
        "disturbed": disturbed(found),
        "tau": taus(),
        "sentinel": sentinel(),
        "conditioning": kept("conditioning.md"),
        "pairs": kept("pairs.md", PAIRING),
        "pairs-docker": kept("pairs-docker.md", (*PAIRING, "one state, within 1.5")),
        "simulated-null": simulated(plain, lambda t: t.ratio == 1.0),
        "simulated-effect": simulated(plain, lambda t: t.ratio != 1.0),
        "blocks": blocks(rows),
        "looks": rivals_of(rivals.load(), "looks"),
        "fidelity": fidelity(list(rounds.every())),
        "order": rivals_of(rivals.load(), "order"),
        "across": two_runs([row for row in paired if row not in kept_runs]),
        "across-real": real_runs(kept_runs),
        "days": days_of(across.load_days()),
    }


def _campaigns(kind: Kind) -> list[Judged]:
    return list(campaigns(kind))


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
