"""What stands against a run's figures: its stamp, its warnings, and what gave no number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from netbench.analysis.block_pairs import grouped, position
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest, FailureReason
from netbench.analysis.model import Analysis, Contrast, QualityWarning
from netbench.record import RunInfo
from netbench.report.conditions import conditions
from netbench.report.labels import bounded, capital, counted, joined, key_of
from netbench.report.sentences import fact, primaries, primary_nulls

QUIET_GOVERNOR: Final = "performance"


class Validity(StrEnum):
    """The stamp's three words."""

    VALID = "valid"
    CONDITIONS = "valid with conditions"
    NOT_COMPARABLE = "not comparable"


SHORT: Final[dict[str, str]] = {
    "missing-records": "records that were planned are missing",
    "damaged-records": "lines of the records are damaged",
    "steal": "CPU time was stolen by the hypervisor",
    "frequency": "the CPUs changed their clock",
    "neighbour": "something else used the machine",
    "no-sentinel": "the sentinel gave no reading in places",
    "placement": "tools ran on other CPUs than asked for",
    "placement-unseen": "the CPUs of some tools are unknown",
    "congestion-control": "the drivers used different congestion control",
    "congestion-control-not-as-asked": "congestion control is not the one asked for",
    "conntrack": "the table of connections was nearly full",
    "little": "rate and time of some round trips contradict each other",
    "retransmits": "TCP sent thousands of segments again",
    "retransmits-unknown": "retransmits were not counted",
    "drift": "the baseline itself moved over the run",
    "ceiling": "a driver beats loopback",
    "another-run": "another netbench was at work",
    "resumed-changed": "it was resumed on a changed machine",
    "too-few-blocks": "too few usable blocks",
    "incomplete-blocks": "blocks without a usable value",
    "null-differs": "the baseline differs from itself",
    "split-values": "values fall in two groups",
    "median-disagrees": "mean and median disagree",
    "autocorrelation": "neighbouring blocks resemble each other",
    "verdict-taken-back": "a verdict did not hold to the end",
    "saturated": "the tools saturate before the driver",
    "out-of-time": "the run reached its time limit",
    "interrupted": "the run was interrupted",
    "running": "the run has no end",
    "engine-lost": "the engine stopped answering",
}
"""Warnings in a few words, by kind."""
OF_FOLDER: Final = ("missing-records", "damaged-records")
"""Warnings of what the run folder lacks: outputs that only count warnings say these in full."""
FAILED: Final = "failed-trials"
SHOWN_ELSEWHERE: Final = frozenset({FAILED, "running", "out-of-time", "interrupted", "engine-lost"})
"""Warnings that the stamp says from better sources."""


def short(kind: str) -> str:
    """Return a kind of warning in a few words."""
    return SHORT.get(kind, kind.replace("-", " "))


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition, and where the page says more about it."""

    text: str
    section: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """The verdict on the run itself."""

    validity: Validity
    summary: str  # what that means for whoever reads the figures
    reasons: tuple[Reason, ...]


def stamp(info: RunInfo, analysis: Analysis, digest: Digest) -> Stamp:
    """Return the stamp of a run."""
    blocking = _blocking(analysis)
    reasons = (*blocking, *_run(info, analysis), *_numbers(analysis), *_machine(info, analysis))
    if blocking:
        summary = "No verdict rests on this run; what was measured is below."
        return Stamp(Validity.NOT_COMPARABLE, summary, reasons)
    proved = sum(way.held for view in digest.drivers for way in view.ways)
    broken = sum(way.unheld for view in digest.drivers for way in view.ways)
    shown = f"{proved} of {counted(proved + broken, 'path')} proved by byte counters"
    if reasons:
        return Stamp(Validity.CONDITIONS, f"{shown}. Read the figures with this in mind:", reasons)
    return Stamp(Validity.VALID, f"{shown}; nothing speaks against the figures.", ())


def _blocking(analysis: Analysis) -> tuple[Reason, ...]:
    found = primaries(analysis)
    if not found:
        return (Reason(f"no driver could be compared with {plain(analysis.baseline)}", "records"),)
    if not any(bounded(contrast) for contrast in found):
        most = max(contrast.blocks for contrast in found)
        are = "is" if most == 1 else "are"
        return (Reason(f"{counted(most, 'block')} {are} too few for any interval", "measures"),)
    return ()


def _run(info: RunInfo, analysis: Analysis) -> Iterator[Reason]:
    tally = analysis.tally
    if info.status != "complete" and not (info.plan.adaptive and info.status == "out-of-time"):
        yield Reason(f"the run is not complete: {info.status}", "warnings")
    tried = tally.samples + tally.failures
    if tally.failures:
        yield Reason(f"{tally.failures} of {counted(tried, 'record')} failed", "records")
    if tally.impossible:
        yield Reason(f"{counted(tally.impossible, 'record')} not possible here", "records")


def _numbers(analysis: Analysis) -> Iterator[Reason]:
    """Return where the statistics themselves say that there is too little, or something wrong."""
    judged = primaries(analysis)
    wrong = [null for null in primary_nulls(analysis) if not null.contains_one]
    if wrong:
        where = joined([key_of(null).words for null in wrong])
        yield Reason(f"the baseline differs from itself in {where}", "machine")
    doubted = sum(bool(contrast.warnings) for contrast in judged)
    if doubted:
        all_ = counted(len(judged), "contrast")
        yield Reason(f"a warning stands beside {doubted} of {all_}", "warnings")
    open_ = sum(not bounded(contrast) for contrast in judged)
    if open_ and open_ < len(judged):
        yield Reason(f"too few blocks in {counted(open_, 'contrast')}", "measures")


def _machine(info: RunInfo, analysis: Analysis) -> Iterator[Reason]:
    if fact(info, "host.hypervisor") is True:
        yield Reason("virtual machine: the host's share is invisible", "method")
    governor = fact(info, "host.governor")
    if isinstance(governor, str) and governor != QUIET_GOVERNOR:
        yield Reason(f"CPU governor is {plain(governor)}", "environment")
    yield from (Reason(condition.short, "environment") for condition in conditions(info))
    known = dict.fromkeys(warning.kind for warning in analysis.warnings)
    kinds = (kind for kind in known if kind not in SHOWN_ELSEWHERE)
    yield from (Reason(short(kind), "warnings") for kind in kinds)


@dataclass(frozen=True, slots=True)
class RunWarning:
    """One warning."""

    kind: str
    whom: str  # drivers and cells; empty where it concerns the whole run
    message: str
    advice: str

    @property
    def text(self) -> str:
        """The warning on one line."""
        said = f"{self.message}. {self.advice}."
        return plain(f"{self.whom}: {said}" if self.whom else capital(said))


def doubts(analysis: Analysis) -> tuple[RunWarning, ...]:
    """Return every warning once, the run's own first."""
    of_run: list[tuple[QualityWarning, Contrast | None]] = [(w, None) for w in analysis.warnings]
    of_contrasts = [(w, contrast) for contrast in primaries(analysis) for w in contrast.warnings]
    found = grouped((*of_run, *of_contrasts))
    return tuple(
        RunWarning(
            kind=warning.kind,
            whom=_whom([contrast for contrast in whom if contrast is not None]),
            message=warning.message.rstrip("."),
            advice=capital(warning.advice.rstrip(".")),
        )
        for warning, whom in found.items()
    )


def lacking(analysis: Analysis) -> tuple[str, ...]:
    """Return what the run folder lacks, a sentence each."""
    return tuple(
        f"{plain(capital(warning.message))}."
        for warning in analysis.warnings
        if warning.kind in OF_FOLDER
    )


def _whom(contrasts: list[Contrast]) -> str:
    """Return `bridge and container in tcp-rr on one core and tcp-rr on two cores`."""
    drivers = grouped((f"{c.probe} {key_of(c).place}", c.driver) for c in contrasts)
    cells = grouped((tuple(names), cell) for cell, names in drivers.items())
    return "; ".join(f"{joined(who)} in {joined(where)}" for who, where in cells.items())


def problem_lines(
    info: RunInfo, digest: Digest
) -> list[tuple[FailureReason, str, tuple[str, ...]]]:
    """Return every reason with all its times, its outcome and its cells, in the plan's order."""
    found = grouped(((p.driver, p.kind, p.stage, p.reason, p.evidence), p) for p in digest.problems)
    lines = []
    for (driver, kind, stage, *_), problems in found.items():
        whole = replace(problems[0], times=sum(problem.times for problem in problems))
        planned = {key_of(cell) for cell in info.plan.cells if cell.driver == driver}
        cells = list(dict.fromkeys(problem.cell for problem in problems))
        every = len(cells) > 1 and planned <= set(cells)
        words = (f"all {len(cells)} cells",) if every else _in_words(cells)
        lines.append((whole, f"{kind} at {stage}" if stage else kind, words))
    return sorted(lines, key=lambda line: position(line[0].driver, info.plan.drivers))


def _in_words(cells: Sequence[CellKey]) -> tuple[str, ...]:
    """Return cells in words, probes of one placement and path together."""
    places = grouped((cell.place, cell.probe) for cell in cells)
    return tuple(plain(f"{joined(probes)} {place}") for place, probes in places.items())
