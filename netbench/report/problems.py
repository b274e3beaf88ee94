"""Why trials gave no number: each reason of a driver once, with its cells. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest, FailureReason
from netbench.record import RunInfo
from netbench.report.labels import joined


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """One reason why trials of one driver gave no number."""

    driver: str
    cells: tuple[str, ...]
    """`tcp-reverse and udp-rate on two cores`, one for each placement and path."""
    outcome: str
    """`skip`, or `failure at client`."""
    times: int
    reason: str
    evidence: str


def problem_lines(info: RunInfo, digest: Digest) -> tuple[ProblemLine, ...]:
    """Return every reason, drivers in the plan's order."""
    found: dict[tuple[str, ...], list[FailureReason]] = {}
    for problem in digest.problems:
        same = (problem.driver, problem.kind, problem.stage, problem.reason, problem.evidence)
        found.setdefault(same, []).append(problem)
    order = {driver: number for number, driver in enumerate(info.plan.drivers)}
    lines = [_line(info, problems) for problems in found.values()]
    return tuple(sorted(lines, key=lambda line: order.get(line.driver, len(order))))


def _line(info: RunInfo, problems: Sequence[FailureReason]) -> ProblemLine:
    first = problems[0]
    planned = {
        CellKey(cell.path, cell.probe, cell.placement)
        for cell in info.plan.cells
        if cell.driver == first.driver
    }
    cells = list(dict.fromkeys(problem.cell for problem in problems))
    every = len(cells) > 1 and planned <= set(cells)
    return ProblemLine(
        driver=first.driver,
        cells=(f"all {len(cells)} cells",) if every else _told(cells),
        outcome=f"{first.kind} at {first.stage}" if first.stage else first.kind,
        times=sum(problem.times for problem in problems),
        reason=first.reason,
        evidence=first.evidence,
    )


def _told(cells: Sequence[CellKey]) -> tuple[str, ...]:
    """Return cells in words, probes of one placement and path together."""
    places: dict[str, list[str]] = {}
    for cell in cells:
        places.setdefault(cell.place, []).append(cell.probe)
    return tuple(plain(f"{joined(probes)} {place}") for place, probes in places.items())
