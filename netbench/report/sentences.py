"""The verdicts as sentences: what each driver costs against the baseline, and how sure that is."""

from collections import Counter, defaultdict
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import TRIED, CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView
from netbench.analysis.literature import beside, tally
from netbench.analysis.model import Analysis, CellSummary, Contrast, NullContrast, Verdict
from netbench.drivers import DRIVERS, Driver, full_name
from netbench.probes import ControlPlane, NameLookup, TcpRoundTrip, TcpThroughput
from netbench.record import METRICS, FactValue, RunInfo
from netbench.report import labels

SUBJECTS: Final = {
    "throughput": "throughput",
    "rtt_p50": "median round trip",
    "connections": "TCP connections per second",
    "start_time": "time from request to first byte",
    "lookup_outside": "lookup of an outside name",
}
_WITHOUT: Final = {Verdict.EQUIVALENT: "equivalent to {}", Verdict.UNDECIDED: "undecided"}
NAMED: Final = 8  # drivers that the title of a figure names one by one
PLAIN: Final = (TcpThroughput.name, TcpRoundTrip.name, ControlPlane.name, NameLookup.name)
"""Probes that a metric's name alone stands for."""


def primaries(analysis: Analysis, driver: str | None = None) -> tuple[Contrast, ...]:
    """Return the contrasts the run is judged by, of one driver or of all."""
    return tuple(c for c in analysis.contrasts if c.primary and driver in (None, c.driver))


def primary_measures(analysis: Analysis) -> tuple[tuple[CellKey, str], ...]:
    """Return cell and metric of the contrasts the run is judged by, in their order."""
    return tuple(dict.fromkeys((labels.key_of(c), c.metric) for c in primaries(analysis)))


def declared_driver(name: str) -> Driver | None:
    """Return a driver by its name, with or without a variant; None of a plug-in's."""
    return DRIVERS.get(full_name(name.partition("@")[0]))


def measure(key: CellKey, metric: str) -> str:
    """Return what a sentence calls a metric: `median round trip of udp-rr on one core`."""
    of = "" if key.probe in PLAIN else f" of {key.probe}"
    return f"{SUBJECTS.get(metric, metric)}{of} {key.place}"


def trouble(view: DriverView | None) -> str:
    """Return how a driver's trials ended that gave no contrast."""
    if view is None:
        return "nothing was run"
    kinds = ("sample", "failure", "skip")
    return ", ".join(labels.counted(view.outcomes[kind], kind) for kind in kinds)


def absence(digest: Digest, driver: str, key: CellKey) -> tuple[str, str]:
    """Return why a driver has no figure in a cell, in a word or two, and the reason."""
    view = digest.view(driver)
    if view is None:
        return "not run", ""
    closed = [way.closed for way in view.ways if way.path == key.path and way.closed]
    if closed:
        return "closed by design", closed[0].reason
    problem = next((p for p in digest.problems if (p.driver, p.cell) == (driver, key)), None)
    if problem is None:
        return "not measured", "no block has a value to compare"
    return "not possible here" if problem.kind == "skip" else "failed", problem.reason


def uncompared(analysis: Analysis) -> tuple[CellSummary, ...]:
    """Return the primary figures that have no contrast, because the baseline has no such path."""
    compared = {(labels.key_of(c), c.metric) for c in analysis.contrasts}
    return tuple(
        cell
        for cell in analysis.cells
        if cell.median is not None
        and METRICS[cell.metric].primary
        and not cell.replica
        and cell.driver != analysis.baseline
        and (labels.key_of(cell), cell.metric) not in compared
    )


def closed_sentences(digest: Digest) -> tuple[str, ...]:
    """Return which paths of drivers that have others are closed, drivers of one reason together."""
    ways = (way for view in digest.drivers if view.isolated is None for way in view.ways)
    groups = grouped(((w.path, w.closed.reason), (w.driver, w.closed)) for w in ways if w.closed)
    found = []
    for (path, reason), closed in groups.items():
        evidence = closed[0][1].evidence
        tried = f" ({evidence})" if evidence.startswith(TRIED) else ""
        found.append(
            plain(f"{path} of {labels.joined([own for own, _ in closed])}: {reason}{tried}")
        )
    return tuple(found)


def published_sentences(digest: Digest) -> tuple[str, ...]:
    """Return how published ports were served, drivers of one way together."""
    ways = [way for view in digest.drivers for way in view.ways if way.published]
    groups = grouped(((way.path, tuple(via for via, _ in way.published)), way) for way in ways)
    return tuple(
        f"{path} of {labels.joined([way.driver for way in own])}: by published ports, "
        f"served by {labels.joined(served)} in "
        f"{labels.counted(sum(times for way in own for _, times in way.published), 'record')}"
        for (path, served), own in groups.items()
    )


def unmeasured(digest: Digest) -> tuple[str, ...]:
    """Return what failed or is not possible here, cells of one reason together."""
    skips = {way.key for view in digest.drivers for way in view.ways if way.closed is not None}
    groups: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for problem in digest.problems:
        possible = problem.kind != "skip"
        if possible or f"{problem.driver}, {problem.cell.path}" not in skips:
            what = f"failed at {problem.stage}" if possible else "not possible here"
            reason = f"{what}: {problem.reason}"
            groups[problem.driver, reason][problem.cell.path] += problem.times
    return tuple(
        plain(f"{driver}: {reason} ({', '.join(f'{path} {n}x' for path, n in cells.items())})")
        for (driver, reason), cells in groups.items()
    )


def isolation_sentence(view: DriverView) -> str:
    """Return the proof of isolation, from the driver's skip and promises."""
    shown = [p.promise for p in view.promises if p.held and not p.broken]
    proof = "; ".join(plain(part) for part in (*shown, *attempts(view)))
    return (
        f"{view.driver}: isolated ({proof or 'no evidence was kept'}); "
        "throughput and latency not applicable."
    )


def attempts(view: DriverView) -> tuple[str, ...]:
    """Return what was tried against the isolation, try by try."""
    return tuple(view.isolated.evidence.split("; ")) if view.isolated else ()


def baseline_check(analysis: Analysis) -> str:
    """Return what the baseline's second arm showed: the A/A check."""
    nulls, name = primary_nulls(analysis), plain(analysis.baseline)
    check = labels.capital(f"{name}-vs-{name} check (A/A)")
    if not primaries(analysis):
        return f"{check} not made: nothing was compared"
    if not nulls:
        return f"{check} impossible: no block has a value of both arms"
    wrong = [null for null in nulls if not null.contains_one]
    if wrong:
        where = labels.joined([labels.key_of(null).words for null in wrong])
        return f"{check} failed: a difference in {where}"
    if any(null.low is None or null.high is None for null in nulls):
        return f"{check} incomplete: too few usable blocks"
    return f"{check} passed in {labels.counted(len(nulls), 'measure')}"


def primary_nulls(analysis: Analysis) -> tuple[NullContrast, ...]:
    """Return the A/A contrasts of the measures that the run is judged by."""
    judged = primary_measures(analysis)
    return tuple(null for null in analysis.nulls if (labels.key_of(null), null.metric) in judged)


def finding(analysis: Analysis, key: CellKey) -> str:
    """Return what a cell's primary contrasts say, for the title of its figure."""
    found = [c for c in primaries(analysis) if labels.key_of(c) == key]
    what = measure(key, found[0].metric) if found else key.words
    name = labels.capital(what)
    if not any(labels.bounded(c) for c in found):
        return f"{name}: no verdict yet"
    if len(found) > NAMED:
        return f"{name}: {_counted_verdicts(analysis, found)}"
    decided = [
        f"{c.driver} {labels.judgement(c, analysis.margin)}"
        for c in found
        if c.verdict in labels.DECIDED
    ]
    parts = [f"{labels.joined(decided)} than {analysis.baseline}"] if decided else []
    for verdict, alike in labels.by_verdict(c for c in found if c.verdict not in labels.DECIDED):
        who = labels.joined([contrast.driver for contrast in alike])
        parts.append(f"{who} {_WITHOUT[verdict].format(analysis.baseline)}")
    return f"{name}: {'; '.join(parts)}"


def _counted_verdicts(analysis: Analysis, found: list[Contrast]) -> str:
    """Return how many drivers fared how, and the least and the most that differ."""
    parts = []
    for verdict, alike in labels.by_verdict(found):
        own = sorted((c for c in alike if c.ratio), key=lambda c: abs((c.ratio or 1) - 1))
        if verdict not in labels.DECIDED:
            parts.append(f"{len(alike)} {_WITHOUT[verdict].format(analysis.baseline)}")
        elif own:
            ends = [f"{labels.brief(c)} ({c.driver})" for c in (own[0], own[-1])]
            said = ends[0] if len(own) == 1 else f"from {ends[0]} to {ends[1]}"
            drivers = labels.counted(len(own), "driver")
            parts.append(f"{drivers} {verdict} than {analysis.baseline}: {said}")
    return "; ".join(parts)


def published_in_short(info: RunInfo, analysis: Analysis) -> str:
    """Return how the published directions fare, in one line; empty where there are none."""
    found = beside(info.plan, analysis)
    if not found:
        return ""
    counts = labels.joined([f"{number} {kind}" for kind, number in tally(found)])
    return f"Published directions: {counts}; other machines, so no verdict on their figures"


def engine_line(info: RunInfo) -> str:
    """Return the first line of every report: which engine, and why."""
    return f"Engine {info.engine}: {plain(info.engine_why)}"


def fact(info: RunInfo, name: str) -> FactValue | None:
    """Return one of the run's facts, None if it was not asked for."""
    return dict(info.facts).get(name)
