"""Whether a run's figures can be trusted and compared, and on what conditions: the page's stamp."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.engine_host import conditions
from netbench.report.labels import bounded, counted, joined, key_of
from netbench.report.sentences import fact, primaries

QUIET_GOVERNOR: Final = "performance"


class Validity(StrEnum):
    """The stamp's three words."""

    VALID = "valid"
    CONDITIONS = "valid with conditions"
    NOT_COMPARABLE = "not comparable"


SIGNS: Final[dict[Validity, str]] = {
    Validity.VALID: "✓",
    Validity.CONDITIONS: "!",
    Validity.NOT_COMPARABLE: "✗",
}
TOLD: Final[dict[str, str]] = {
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
    "retransmits-unknown": "retransmits were not counted",
}
"""Warnings of the run as conditions, by kind; others are told by their kind's own words."""
TOLD_OTHERWISE: Final = frozenset(
    {"failed-trials", "running", "out-of-time", "interrupted", "engine-lost"}
)
"""Warnings that the stamp says from better sources."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition, and where the page tells more of it."""

    text: str
    section: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """The verdict on the run itself."""

    validity: Validity
    summary: str
    """What that means for whoever reads the figures."""
    reasons: tuple[Reason, ...]

    @property
    def sign(self) -> str:
        """The sign beside the word: colour never speaks alone."""
        return SIGNS[self.validity]


def stamp(info: RunInfo, analysis: Analysis, digest: Digest) -> Stamp:
    """Return the stamp of a run."""
    blocking = _blocking(analysis)
    reasons = (*blocking, *_run(info, analysis), *_numbers(analysis), *_machine(info, analysis))
    if blocking:
        summary = "No verdict rests on this run; what was measured is below."
        return Stamp(Validity.NOT_COMPARABLE, summary, reasons)
    proved = sum(view.paths_held for view in digest.drivers)
    broken = sum(view.paths_broken for view in digest.drivers)
    shown = f"{proved} of {counted(proved + broken, 'path')} proved by byte counters"
    if reasons:
        return Stamp(Validity.CONDITIONS, f"{shown}. Read the figures with this in mind:", reasons)
    return Stamp(Validity.VALID, f"{shown}; nothing speaks against the figures.", ())


def _blocking(analysis: Analysis) -> tuple[Reason, ...]:
    """Return why nothing at all can be compared."""
    found = primaries(analysis)
    if not found:
        return (Reason(f"no driver could be compared with {plain(analysis.baseline)}", "records"),)
    if not any(bounded(contrast) for contrast in found):
        most = max(contrast.blocks for contrast in found)
        are = "is" if most == 1 else "are"
        return (Reason(f"{counted(most, 'block')} {are} too few for any interval", "measures"),)
    return ()


def _run(info: RunInfo, analysis: Analysis) -> list[Reason]:
    """Return what was left out of the run."""
    found, tally = [], analysis.tally
    if info.status != "complete" and not (info.plan.adaptive and info.status == "out-of-time"):
        found.append(Reason(f"the run is not complete: {info.status}", "warnings"))
    tried = tally.samples + tally.failures
    if tally.failures:
        found.append(Reason(f"{tally.failures} of {counted(tried, 'record')} failed", "records"))
    if tally.impossible:
        found.append(Reason(f"{counted(tally.impossible, 'record')} not possible here", "records"))
    return found


def _numbers(analysis: Analysis) -> list[Reason]:
    """Return where the statistics themselves say that there is too little, or something wrong."""
    found = []
    judged = {(key_of(c), c.metric) for c in primaries(analysis)}
    wrong = [
        null
        for null in analysis.nulls
        if not null.contains_one and (key_of(null), null.metric) in judged
    ]
    if wrong:
        where = joined([key_of(null).words for null in wrong])
        found.append(Reason(f"the baseline differs from itself in {where}", "machine"))
    doubted = sum(bool(contrast.warnings) for contrast in primaries(analysis))
    if doubted:
        all_ = counted(len(primaries(analysis)), "contrast")
        found.append(Reason(f"a warning stands beside {doubted} of {all_}", "warnings"))
    open_ = sum(not bounded(contrast) for contrast in primaries(analysis))
    if open_ and open_ < len(primaries(analysis)):
        found.append(Reason(f"too few blocks in {counted(open_, 'contrast')}", "measures"))
    return found


def _machine(info: RunInfo, analysis: Analysis) -> list[Reason]:
    """Return what the machine adds to the figures."""
    found = []
    if fact(info, "host.hypervisor") is True:
        found.append(Reason("virtual machine: the host's share is invisible", "method"))
    governor = fact(info, "host.governor")
    if isinstance(governor, str) and governor != QUIET_GOVERNOR:
        found.append(Reason(f"CPU governor is {plain(governor)}", "environment"))
    found += [Reason(condition.short, "environment") for condition in conditions(info)]
    kinds = dict.fromkeys(warning.kind for warning in analysis.warnings)
    return found + [
        Reason(TOLD.get(kind, kind.replace("-", " ")), "warnings")
        for kind in kinds
        if kind not in TOLD_OTHERWISE
    ]
