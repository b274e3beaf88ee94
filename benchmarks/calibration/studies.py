"""What the trials of `sentinel.py` say: tables, as text, from its files and nothing else."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from netbench.sentinel.rule import split, state_between

TOOLS: Final = {"tcp-throughput": "throughput", "tcp-rr": "RTT p50"}
LEAST_PAIRS: Final = 4
"""Pairs below which no deviation is given."""
LEAST_RATIO: Final = 1.2
"""Two class means that lie closer are one state to the rule of two means."""
SEPARATION: Final = 4.0
"""Distance of the class means in deviations within the classes (Ashman's D) from which they count
as two: a normal sample cut in half has 2.7, a uniform one 3.5."""
LEAST_SHARE: Final = 0.1
QUIET: Final = 0.15
"""CPUs that others may keep busy around a trial that is used."""

Rule = Callable[[list[float]], float | None]
"""Values of a run's readings to the threshold between its two states, None for one state."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of the study; everything in natural logarithms, higher is faster."""

    session: str
    round: int
    tool: str
    speed: float
    before: dict[str, float]
    after: dict[str, float]

    def level(self, kind: str) -> float | None:
        """Return the mean of both readings of a kind."""
        if kind not in self.before or kind not in self.after:
            return None
        return (self.before[kind] + self.after[kind]) / 2


def load(files: Iterable[Path]) -> list[Trial]:
    """Return the trials of all files, each file a session of its own."""
    rows = [(path.stem, json.loads(line)) for path in files for line in path.open()]
    return [_trial(session, row) for session, row in rows if _ours_alone(row)]


def _ours_alone(row: dict[str, float]) -> bool:
    """Tell whether nobody else worked just before and after; true of files that do not tell."""
    return max(row.get("idle_before", 0.0), row.get("idle_after", 0.0)) <= QUIET


def _trial(session: str, row: dict[str, object]) -> Trial:
    tool, value = str(row["probe"]), float(row["value"])  # type: ignore[arg-type] # our own file
    logs = {
        side: {kind: math.log(v) for kind, v in row[side].items()}  # type: ignore[attr-defined] # same
        for side in ("before", "after")
    }
    sign = 1 if TOOLS[tool] == "throughput" else -1
    number = int(row["round"])  # type: ignore[call-overload] # our own file
    return Trial(session, number, tool, sign * math.log(value), **logs)


def two_means(values: list[float]) -> float | None:
    """Return the threshold of the two classes with the least squares within, None for one class.

    Of all cuts of the sorted logarithms the one with the least sum of squares within both sides
    (the two means of one dimension, exactly). They are two states if the means lie `SEPARATION`
    deviations and a factor `LEAST_RATIO` apart and each class holds a tenth.
    """
    logs = np.sort(np.log(values))
    n = len(logs)
    least = max(2, math.ceil(LEAST_SHARE * n))
    cuts = range(least, n - least + 1)
    if not cuts:
        return None
    within = [logs[:k].var() * k + logs[k:].var() * (n - k) for k in cuts]
    cut = cuts[int(np.argmin(within))]
    low, high = logs[:cut], logs[cut:]
    distance = float(high.mean() - low.mean())
    spread = math.sqrt((low.var(ddof=1) + high.var(ddof=1)) / 2)
    if distance < math.log(LEAST_RATIO) or distance < SEPARATION * spread:
        return None
    return math.exp((low[-1] + high[0]) / 2)


RULES: Final[dict[str, Rule]] = {
    "largest gap (METHOD)": split,
    "two means": two_means,
}


def kinds(trials: list[Trial]) -> list[str]:
    """Return the kinds of reading, `stream@0.05`, that every trial of some has."""
    return sorted({kind for trial in trials for kind in trial.before})


def correlations(trials: list[Trial]) -> list[tuple[str, ...]]:
    """Return rows: kind, and for each tool n and the correlation of its log speed with it."""
    rows = []
    for kind in kinds(trials):
        row = [kind]
        for tool in TOOLS:
            points = _levels(trials, tool, kind)
            r = np.corrcoef(points.T)[0, 1] if len(points) > LEAST_PAIRS else math.nan
            row.append(f"{r:.2f} ({len(points)})")
        rows.append((*row, _noise(trials, kind)))
    return rows


def _levels(trials: list[Trial], tool: str, kind: str) -> "np.ndarray":  # type: ignore[type-arg]
    points = [
        (trial.speed, level)
        for trial in trials
        if trial.tool == tool and (level := trial.level(kind)) is not None
    ]
    return np.array(points)


def _noise(trials: list[Trial], kind: str) -> str:
    """Return the middle half's spread of ln(after / before), as a deviation."""
    steps = [t.after[kind] - t.before[kind] for t in trials if t.level(kind) is not None]
    if len(steps) < LEAST_PAIRS:
        return "-"
    low, high = np.percentile(steps, [25, 75])
    return f"{(high - low) / 1.349:.3f}"


def pairs(trials: list[Trial], tool: str) -> Iterator[tuple[Trial, Trial]]:
    """Yield neighbouring rounds of one tool, each trial once."""
    own = [trial for trial in trials if trial.tool == tool]
    waiting: Trial | None = None
    for trial in own:
        near = waiting and waiting.session == trial.session and trial.round - waiting.round == 1
        if waiting and near:
            yield waiting, trial
            waiting = None
        else:
            waiting = trial


def deviations(trials: list[Trial]) -> list[tuple[str, ...]]:
    """Return rows: what must agree, and per tool the A/A deviation with the pairs kept."""
    found = [("every pair", lambda _a, _b: True)]
    for kind in kinds(trials):
        found += [
            (f"{kind}: {name}", _same_state(trials, kind, rule)) for name, rule in RULES.items()
        ]
        found += [(f"{kind}: readings within {f}", _agree(kind, f)) for f in (1.5, 1.2, 1.1)]
    both = ("stream@0.05", "pingpong@0.05")
    for name, rule in RULES.items():
        tests = [_same_state(trials, kind, rule) for kind in both]
        found.append((f"both@0.05: {name}", lambda a, b, t=tests: all(x(a, b) for x in t)))
    for f in (1.5, 1.2):
        tests = [_agree(kind, f) for kind in both]
        found.append((f"both@0.05: within {f}", lambda a, b, t=tests: all(x(a, b) for x in t)))
    return [(name, *(_deviation(trials, tool, keep) for tool in TOOLS)) for name, keep in found]


def _deviation(trials: list[Trial], tool: str, keep: Callable[[Trial, Trial], bool]) -> str:
    every = list(pairs(trials, tool))
    logs = [a.speed - b.speed for a, b in every if keep(a, b)]
    if len(logs) < LEAST_PAIRS:
        return f"- ({len(logs)} of {len(every)})"
    return f"{np.std(logs, ddof=1):.3f} ({len(logs)} of {len(every)})"


def _readings(trial: Trial, kind: str) -> tuple[float | None, float | None]:
    sides = (trial.before.get(kind), trial.after.get(kind))
    before, after = (None if side is None else math.exp(side) for side in sides)
    return before, after


def _thresholds(trials: list[Trial], kind: str, rule: Rule) -> dict[str, float | None]:
    """Return each session's threshold."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        values = found.setdefault(trial.session, [])
        values += [value for value in _readings(trial, kind) if value is not None]
    return {session: rule(values) for session, values in found.items()}


def _same_state(trials: list[Trial], kind: str, rule: Rule) -> Callable[[Trial, Trial], bool]:
    limits = _thresholds(trials, kind, rule)

    def same(one: Trial, two: Trial) -> bool:
        states = {state_between(*_readings(t, kind), limits[t.session]) for t in (one, two)}
        return len(states) == 1 and not states & {"mixed", "unknown"}

    return same


def _agree(kind: str, factor: float) -> Callable[[Trial, Trial], bool]:
    def within(one: Trial, two: Trial) -> bool:
        values = [value for trial in (one, two) for value in _readings(trial, kind)]
        known = [value for value in values if value is not None]
        return len(known) == len(values) and max(known) <= factor * min(known)

    return within


def states(trials: list[Trial]) -> list[tuple[str, ...]]:
    """Return rows: session, kind, rule, its threshold, and how many readings lie below it."""
    rows = []
    for kind in kinds(trials):
        for name, rule in RULES.items():
            for session, limit in _thresholds(trials, kind, rule).items():
                own = [t for t in trials if t.session == session]
                values = [v for t in own for v in _readings(t, kind) if v is not None]
                shown = "one state" if limit is None else f"{limit:.4g}"
                below = "" if limit is None else f"{sum(v < limit for v in values)}"
                spread = " ".join(f"{v:.3g}" for v in np.percentile(values, [5, 25, 50, 75, 95]))
                rows.append((session, kind, name, shown, below, f"{len(values)}", spread))
    return rows


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(files: Iterable[Path]) -> str:
    """Return every table of the study, for a terminal or a document."""
    trials = load(files)
    tools = tuple(TOOLS.values())
    correlated = (
        "Correlation of each trial's speed (logarithm) with the mean of the readings around it, "
        "trials in brackets; last, the readings' own noise from before to after"
    )
    parts = (
        correlated,
        markdown(("reading", *tools, "noise"), correlations(trials)),
        "Deviation of the A/A log ratio of neighbouring trials, pairs kept in brackets",
        markdown(("what must agree", *tools), deviations(trials)),
        "What each rule makes of the readings",
        markdown(
            ("session", "reading", "rule", "threshold", "below", "of", "5 25 50 75 95 %"),
            states(trials),
        ),
    )
    return "\n\n".join(parts)
